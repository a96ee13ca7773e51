//! Vector and floating-point operations: inline where wasm has instructions that compute the same,
//! else by the function that defines them.

use ferrite_ir::interp::WideEntry;
use ferrite_ir::{Int, Value, Vector, slot};
use ferrite_simd::{Shape, WideOp, resolve};
use wasm_encoder::ValType;

use super::super::layout::Callee;
use super::values::slot_at;
use super::{BLOCK, CONTEXT, EmitError, Emitter};

/// Slots that an outlined operation works with.
const OPERANDS: [u16; 3] = [slot::FIRST_TEMP, slot::FIRST_TEMP + 2, slot::FIRST_TEMP + 4];
const INTEGER: u16 = slot::FIRST_TEMP + 6;
const RESULT: u16 = slot::FIRST_TEMP + 8;

/// What stands for no slot in a [`WideEntry`].
pub(super) const NONE: u16 = ferrite_ir::interp::code::NO_SLOT;

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
            WideOp::Crypto(_) => false,
        };
        if !inline {
            self.by_wide_function(op, shape, imm, o);
        }
        match o.d {
            Value::Int(_) => self.define(o.d, ValType::I64),
            Value::Vector(_) => self.define(o.d, ValType::V128),
        }
    }

    /// Has the function do it, on slots, and pushes the result.
    pub(super) fn by_wide_function(&mut self, op: WideOp, shape: Shape, imm: u32, o: &Operands) {
        for (v, slot) in o.v.iter().zip(OPERANDS) {
            if let Some(v) = *v {
                self.code().local_get(BLOCK);
                self.vector(v);
                self.code().v128_store(slot_at(slot));
            }
        }
        if let Some(a) = o.int {
            self.code().local_get(BLOCK);
            self.int(a);
            self.store_slot(INTEGER);
        }
        let number = self.wide_entry(op, shape, imm, o) as i32;
        let mut code = self.code();
        code.local_get(CONTEXT).i32_const(number);
        code.call(Callee::Wide.index()).drop();
        match o.d {
            Value::Int(_) => self.load_slot(RESULT),
            Value::Vector(_) => self.load_vector_slot(RESULT),
        }
    }

    /// The number of the operation's entry. All uses share one, since the slots are always the same.
    fn wide_entry(&mut self, op: WideOp, shape: Shape, imm: u32, o: &Operands) -> u32 {
        if let Some(&known) = self.tables.wide_numbers.get(&(op, shape, imm)) {
            return known;
        }
        let Some(run) = resolve(op, shape) else {
            self.fail(EmitError::NoWideFunction);
            return 0;
        };
        self.tables.wides.push(WideEntry {
            run,
            imm,
            d: RESULT,
            vector: matches!(o.d, Value::Vector(_)),
            vectors: o.v.iter().flatten().count() as u8,
            fp_env: op.signature().fp_env,
            v: std::array::from_fn(|n| o.v[n].map_or(NONE, |_| OPERANDS[n])),
            int: o.int.map_or(NONE, |_| INTEGER),
        });
        let number = self.tables.wides.len() as u32 - 1;
        self.tables.wide_numbers.insert((op, shape, imm), number);
        number
    }
}
