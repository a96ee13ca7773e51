//! Vector and floating-point operations: inline where the code generator has operations that compute
//! the same, else by the function that defines them.

use cranelift_codegen::ir::{InstBuilder, Value, types};
use ferrite_ir::interp::WideEntry;
use ferrite_ir::{Int, Value as Defined, Vector};
use ferrite_simd::{Shape, WideOp, resolve};

use super::super::frame;
use super::{EmitError, Emitter, atomic};

/// What an operation reads and defines.
pub(super) struct Operands {
    pub d: Defined,
    pub v: [Option<Vector>; 3],
    pub int: Option<Int>,
}

/// Slots that an outlined operation works with.
const VECTORS: [u16; 3] = [atomic::FIRST - 12, atomic::FIRST - 10, atomic::FIRST - 8];
const INTEGER: u16 = atomic::FIRST - 6;
const RESULT: u16 = atomic::FIRST - 4;

impl Emitter<'_> {
    pub(super) fn wide(&mut self, op: WideOp, shape: Shape, imm: u32, o: &Operands) {
        let inline = match op {
            WideOp::Lanes(op) => self.lanes(op, shape, imm, o),
            WideOp::Float(op) => self.float(op, shape, imm, o),
            WideOp::Crypto(_) => None,
        };
        let value = match inline {
            Some(value) => value,
            None => {
                let entry = self.operands_to_slots(op, shape, imm, o);
                self.call_direct(frame::wide, entry);
                self.result_of_function(o)
            }
        };
        match o.d {
            Defined::Int(d) => self.define(d, value),
            Defined::Vector(d) => self.define_vector(d, value),
        }
    }

    /// Has the function do it, on a cold path.
    pub(super) fn outlined(&mut self, op: WideOp, shape: Shape, imm: u32, o: &Operands) -> Value {
        let entry = self.operands_to_slots(op, shape, imm, o);
        self.call_cold(self.thunks.wide, entry, None, None);
        self.result_of_function(o)
    }

    /// Stores the operands for the function, and makes its entry.
    fn operands_to_slots(&mut self, op: WideOp, shape: Shape, imm: u32, o: &Operands) -> u64 {
        for (v, slot) in o.v.into_iter().zip(VECTORS) {
            if let Some(v) = v {
                let value = self.vector(v);
                self.store_slot(slot, value);
            }
        }
        if let Some(a) = o.int {
            let value = self.int(a);
            self.store_slot(INTEGER, value);
        }
        let run = resolve(op, shape).unwrap_or_else(|| {
            self.fail(EmitError::NoWideFunction);
            |_, _| 0
        });
        self.out.tables.wides.push(WideEntry {
            run,
            imm,
            d: RESULT,
            vector: matches!(o.d, Defined::Vector(_)),
            vectors: o.v.iter().flatten().count() as u8,
            fp_env: op.signature().fp_env,
            v: std::array::from_fn(|n| o.v[n].map_or(u16::MAX, |_| VECTORS[n])),
            int: o.int.map_or(u16::MAX, |_| INTEGER),
        });
        self.out.tables.wides.len() as u64 - 1
    }

    fn result_of_function(&mut self, o: &Operands) -> Value {
        match o.d {
            Defined::Int(_) => self.load_slot(types::I64, RESULT),
            Defined::Vector(_) => self.load_slot(types::I64X2, RESULT),
        }
    }

    /// The low `bits` of a vector, zero above.
    pub(super) fn cut_vector(&mut self, value: Value, bits: u32) -> Value {
        let value = self.cast(types::I64X2, value);
        match bits {
            128 => value,
            64 => {
                let low = self.b.ins().extractlane(value, 0);
                self.b.ins().scalar_to_vector(types::I64X2, low)
            }
            _ => {
                let low = self.b.ins().extractlane(value, 0);
                let low = self.b.ins().band_imm_u(low, (1i64 << bits) - 1);
                self.b.ins().scalar_to_vector(types::I64X2, low)
            }
        }
    }
}
