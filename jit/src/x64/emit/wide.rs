//! Vector and floating-point operations: inline where the host has instructions that compute the
//! same, else by the function that defines them.

use dynasm::dynasm;
use dynasmrt::DynasmApi;
use ferrite_ir::interp::WideEntry;
use ferrite_ir::{Int, Value, Vector, slot};
use ferrite_simd::{Shape, WideOp, resolve};

use super::super::file::NONE;
use super::super::slot_at;
use super::{EmitError, Emitter, RDX};

/// What an operation reads and defines.
pub(super) struct Operands {
    pub d: Value,
    pub v: [Option<Vector>; 3],
    pub int: Option<Int>,
}

impl Emitter<'_> {
    pub(super) fn wide(&mut self, op: WideOp, shape: Shape, imm: u32, o: &Operands) {
        let inline = match op {
            WideOp::Lanes(op) => self.lanes(op, shape, imm, o),
            WideOp::Float(op) => self.float(op, shape, imm, o),
            WideOp::Crypto(op) => self.crypto(op, imm, o),
        };
        if !inline {
            self.by_function(op, shape, imm, o);
        }
    }

    /// Has the function do it, on slots.
    fn by_function(&mut self, op: WideOp, shape: Shape, imm: u32, o: &Operands) {
        let entry = WideEntry {
            d: self.new_slot(),
            v: o.v.map(|v| v.map_or(NONE, |v| self.vector_in_slot(v))),
            int: o.int.map_or(NONE, |a| self.int_in_slot(a)),
            ..self.blank_entry(op, shape, imm, o)
        };
        self.clear_vectors();
        let number = self.wide_entry(entry);
        self.constant(RDX, number.into());
        self.call_stub(self.stubs.wide);
        match o.d {
            Value::Int(d) if self.ints.value(d.0).uses > 0 => self.ints.put_away(d.0, entry.d),
            Value::Vector(d) if self.vectors.value(d.0).uses > 0 => {
                self.vectors.put_away(d.0, entry.d);
            }
            _ => {}
        }
    }

    /// An entry for the operation, whose slots are to be filled in.
    pub(super) fn blank_entry(
        &mut self,
        op: WideOp,
        shape: Shape,
        imm: u32,
        o: &Operands,
    ) -> WideEntry {
        let run = resolve(op, shape).unwrap_or_else(|| {
            self.fail(EmitError::NoWideFunction);
            |_, _| 0
        });
        WideEntry {
            run,
            imm,
            d: slot::FIRST_TEMP,
            vector: matches!(o.d, Value::Vector(_)),
            vectors: o.v.iter().flatten().count() as u8,
            fp_env: op.signature().fp_env,
            v: [NONE; 3],
            int: NONE,
        }
    }

    /// The number of a new entry.
    pub(super) fn wide_entry(&mut self, entry: WideEntry) -> u32 {
        self.out.wides.push(entry);
        self.bases.wides + self.out.wides.len() as u32 - 1
    }

    pub(super) fn load_vector_from(&mut self, x: u8, slot: u16) {
        dynasm!(self.asm ; .arch x64 ; movups Rx(x), [rbp + slot_at(slot)]);
    }
}
