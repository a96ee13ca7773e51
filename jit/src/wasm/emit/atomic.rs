//! Atomic and exclusive accesses.
//!
//! Single accesses to memory that the look-aside buffer knows are inline: plain ones where one thread
//! runs every vCPU, else WebAssembly's atomic ones. The rest is done by the function that the interpreter
//! uses, between slots.

use ferrite_ir::interp::AtomicKind;
use ferrite_ir::{Align, AtomicOp, Int, Mem, Op, Sign, Value, slot};
use wasm_encoder::{BlockType, ValType};

use crate::atomic::{ADDRESS, Access, EXPECTED, RESULT, VALUE};

use super::super::THREADS;
use super::super::layout::{Callee, What};
use super::{BLOCK, CONTEXT, Emitter};

impl Emitter<'_> {
    pub(super) fn atomic(&mut self, op: &Op) {
        let Some(access) = Access::of(op) else {
            return;
        };
        if access.is_single()
            && access.is_simple()
            && !access.mem.unprivileged
            && !(THREADS && access.mem.sign != Sign::Zero)
            && let Some(d) = access.results[0]
        {
            self.inline(&access);
            return self.define(Value::Int(d), ValType::I64);
        }
        self.outlined(&access, 0);
        for (d, slot) in access.results.into_iter().zip(RESULT) {
            if let Some(d) = d {
                self.load_slot(slot);
                self.define(Value::Int(d), ValType::I64);
            }
        }
    }

    /// Has the function do it, within so many constructs; results are in slots.
    fn outlined(&mut self, access: &Access, within: u32) {
        self.int_to_slot(Some(access.addr), ADDRESS);
        for n in 0..2 {
            self.int_to_slot(access.values[n], VALUE[n]);
            self.int_to_slot(access.expected[n], EXPECTED[n]);
        }
        let half = self.tables.half;
        let number = self.tables.atomics.push(half, access.entry());
        let site = self.site(What::Atomic(number));
        let late = self.save_seen();
        let mut code = self.code();
        code.local_get(CONTEXT).i32_const(site);
        code.call(Callee::Atomic.index());
        self.leave_if(late, within);
        self.reload_budget();
    }

    /// Does the access, or has the function do it, and pushes the result.
    fn inline(&mut self, access: &Access) {
        // Operands of both ways, in locals before the ways part.
        let va = self.in_local(access.addr);
        let value = access.values[0].map(|a| self.in_local(a));
        let expected = access.expected[0].map(|a| self.in_local(a));
        let old = self.locals.temporary(ValType::I64);
        let at = self.locals.temporary(ValType::I32);
        // Both kinds are aligned to the whole access.
        let mem = Mem {
            align: Align::Natural,
            ..access.mem
        };
        let write = !matches!(access.what, AtomicKind::LoadExclusive { .. });
        self.code().block(BlockType::Result(ValType::I64));
        self.code().block(BlockType::Empty);
        let place = self.misses(va, mem, mem.size.bytes(), write);
        self.code().br_if(0);
        self.offset(place);
        self.code().local_set(at);
        match access.what {
            AtomicKind::LoadExclusive { .. } => {
                self.code().local_get(at);
                if THREADS {
                    self.load_atomic(mem.size);
                } else {
                    self.load_at(mem.size, Sign::Zero);
                }
                self.code().local_set(old).local_get(BLOCK).local_get(at);
                self.code().i64_extend_i32_u();
                self.store_slot(slot::EXCLUSIVE_AT);
                self.code().local_get(BLOCK).local_get(old);
                self.store_slot(slot::EXCLUSIVE_LOW);
                self.code().local_get(BLOCK).i64_const(0);
                self.store_slot(slot::EXCLUSIVE_HIGH);
                if THREADS {
                    self.code().local_get(old);
                } else {
                    self.code().local_get(at);
                    self.load_at(mem.size, mem.sign);
                }
            }
            AtomicKind::StoreExclusive { .. } => {
                self.code().local_get(at).i64_extend_i32_u();
                self.load_slot(slot::EXCLUSIVE_AT);
                self.code().i64_ne().br_if(0);
                self.code().local_get(BLOCK);
                self.code().i64_const(slot::NO_EXCLUSIVE as i64);
                self.store_slot(slot::EXCLUSIVE_AT);
                let mask = ferrite_ir::eval::mask(8 << mem.size as u8) as i64;
                if THREADS {
                    self.load_slot(slot::EXCLUSIVE_LOW);
                    self.code().i64_const(mask).i64_and().local_set(old);
                    self.code().local_get(at).local_get(old);
                    self.get_or_zero(value);
                    self.exchange_if_equal(mem.size);
                    self.code().local_get(old).i64_ne().i64_extend_i32_u();
                    return self.otherwise(access);
                }
                self.code().local_get(at);
                self.load_at(mem.size, Sign::Zero);
                self.load_slot(slot::EXCLUSIVE_LOW);
                self.code()
                    .i64_const(mask)
                    .i64_and()
                    .i64_eq()
                    .if_(BlockType::Result(ValType::I64));
                self.store_value(at, value, mem);
                self.code().i64_const(0).else_().i64_const(1).end();
            }
            AtomicKind::Cas { .. } if THREADS => {
                self.code().local_get(at);
                self.get_low_bytes(expected, mem);
                self.get_or_zero(value);
                self.exchange_if_equal(mem.size);
            }
            AtomicKind::Rmw(op) if THREADS => {
                self.code().local_get(at);
                self.get_or_zero(value);
                self.update(op, mem.size);
            }
            AtomicKind::Cas { .. } => {
                self.code().local_get(at);
                self.load_at(mem.size, Sign::Zero);
                self.code().local_tee(old);
                self.get_low_bytes(expected, mem);
                self.code().i64_eq();
                self.code().local_get(at);
                self.load_at(mem.size, mem.sign);
                self.code().local_set(old);
                self.code().if_(BlockType::Empty);
                self.store_value(at, value, mem);
                self.code().end().local_get(old);
            }
            AtomicKind::Rmw(op) => {
                self.code().local_get(at);
                self.load_at(mem.size, mem.sign);
                self.code().local_set(old).local_get(at);
                self.combine(op, old, value);
                self.store_at(mem.size);
                self.code().local_get(old);
            }
        }
        self.otherwise(access);
    }

    /// Ends the inline way and has the function do the access where that was left.
    fn otherwise(&mut self, access: &Access) {
        self.code().br(1).end();
        self.outlined(access, 1);
        self.load_slot(RESULT[0]);
        self.code().end();
    }

    fn store_value(&mut self, at: u32, value: Option<u32>, mem: Mem) {
        self.code().local_get(at);
        self.get_or_zero(value);
        self.store_at(mem.size);
    }

    fn get_or_zero(&mut self, local: Option<u32>) {
        let mut code = self.code();
        match local {
            Some(local) => code.local_get(local),
            None => code.i64_const(0),
        };
    }

    /// Pushes as many bytes of a local as an access moves.
    fn get_low_bytes(&mut self, local: Option<u32>, mem: Mem) {
        let mask = ferrite_ir::eval::mask(8 << mem.size as u8);
        self.get_or_zero(local);
        self.code().i64_const(mask as i64).i64_and();
    }

    /// Pushes what memory becomes.
    fn combine(&mut self, op: AtomicOp, old: u32, value: Option<u32>) {
        if op != AtomicOp::Swap {
            self.code().local_get(old);
        }
        self.get_or_zero(value);
        let mut code = self.code();
        match op {
            AtomicOp::Add => code.i64_add(),
            AtomicOp::Clear => code.i64_const(-1).i64_xor().i64_and(),
            AtomicOp::Xor => code.i64_xor(),
            AtomicOp::Set => code.i64_or(),
            _ => &mut code,
        };
    }

    fn int_to_slot(&mut self, a: Option<Int>, slot: u16) {
        if let Some(a) = a {
            self.code().local_get(BLOCK);
            self.int(a);
            self.store_slot(slot);
        }
    }
}
