//! Vector and floating-point operations.

use ferrite_ir::interp::WideEntry;
use ferrite_ir::{Int, Value, Vector, slot};
use ferrite_simd::{Shape, WideOp, resolve};

use super::super::file::NONE;
use super::{EmitError, Emitter, RDX};

impl Emitter<'_> {
    pub(super) fn wide(
        &mut self,
        op: WideOp,
        shape: Shape,
        imm: u32,
        d: Value,
        v: [Option<Vector>; 3],
        int: Option<Int>,
    ) {
        let Some(run) = resolve(op, shape) else {
            return self.fail(EmitError::NoWideFunction);
        };
        let signature = op.signature();
        let entry = WideEntry {
            run,
            imm,
            d: self.new_slot(),
            vector: matches!(d, Value::Vector(_)),
            vectors: v.iter().flatten().count() as u8,
            fp_env: signature.fp_env,
            v: v.map(|v| v.map_or(NONE, |v| self.vector_in_slot(v))),
            int: int.map_or(NONE, |a| self.int_in_slot(a)),
        };
        self.clear_vectors();
        if signature.fp_env {
            self.ints.drop_copy(slot::FP_STATUS);
        }
        self.out.wides.push(entry);
        let number = self.bases.wides + self.out.wides.len() as u32 - 1;
        self.constant(RDX, number.into());
        self.call_stub(self.stubs.wide);
        match d {
            Value::Int(d) if self.ints.value(d.0).uses > 0 => self.ints.put_away(d.0, entry.d),
            Value::Vector(d) if self.vectors.value(d.0).uses > 0 => {
                self.vectors.put_away(d.0, entry.d);
            }
            _ => {}
        }
    }
}
