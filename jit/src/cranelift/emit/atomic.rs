//! Atomic and exclusive accesses.
//!
//! Single accesses to memory that the look-aside buffer knows are inline. The rest is done by the
//! function that the interpreter uses, which works between slots.

use cranelift_codegen::ir::{
    self, AtomicRmwOp, InstBuilder, MemFlagsData, Value, condcodes::IntCC, types,
};
use ferrite_ir::interp::AtomicKind;
use ferrite_ir::{Align, AtomicOp, Mem, Op, Sign, Size, slot};

use crate::atomic::{ADDRESS, Access, EXPECTED, RESULT, VALUE};

use super::super::frame::What;
use super::access::{guest, type_of};
use super::{Emitter, own};

/// First of the slots that accesses work with: those before are for wide operations.
pub(super) const FIRST: u16 = ADDRESS;

/// Atomic accesses are aligned wherever the inline path is taken.
fn aligned() -> MemFlagsData {
    guest().with_aligned()
}

impl Emitter<'_> {
    pub(super) fn atomic(&mut self, op: &Op) {
        let Some(access) = Access::of(op) else {
            return;
        };
        let at = self.int(access.addr);
        let slow = self.cold_block();
        let done = self.new_block(&[types::I64, types::I64]);
        if access.is_single() {
            let value = self.inline(&access, at, slow);
            self.jump(done, &[value, value]);
        } else {
            self.jump(slow, &[]);
        }
        self.enter(slow);
        self.outlined_atomic(&access, at);
        let results = RESULT.map(|slot| self.load_slot(types::I64, slot));
        self.jump(done, &results);
        self.enter(done);
        let values = [0, 1].map(|n| self.b.block_params(done)[n]);
        for (d, value) in access.results.into_iter().zip(values) {
            if let Some(d) = d {
                self.define(d, value);
            }
        }
    }

    fn outlined_atomic(&mut self, access: &Access, at: Value) {
        self.store_slot(ADDRESS, at);
        let operands = access.values.into_iter().zip(VALUE);
        for (a, slot) in operands.chain(access.expected.into_iter().zip(EXPECTED)) {
            if let Some(a) = a {
                let value = self.int(a);
                self.store_slot(slot, value);
            }
        }
        self.sync();
        self.out.tables.atomics.push(access.entry());
        let number = self.out.tables.atomics.len() as u32 - 1;
        let site = self.site(What::Atomic(number));
        self.call_cold(self.thunks.atomic, site, None, None);
        let told = self.frame_field(
            types::I64,
            std::mem::offset_of!(super::super::frame::Frame, left),
        );
        self.leave_if(told);
    }

    /// The access, where the look-aside buffer knows the place; its result.
    fn inline(&mut self, access: &Access, at: Value, slow: ir::Block) -> Value {
        // Both kinds are aligned to the whole access.
        let mem = Mem {
            align: Align::Natural,
            ..access.mem
        };
        let write = !matches!(access.what, AtomicKind::LoadExclusive { .. });
        let place = self.translate(at, mem, write, slow);
        let value = access.values[0].map(|a| self.int(a));
        let value = value.map(|a| self.part(mem.size, a));
        match (access.what, value) {
            (AtomicKind::StoreExclusive { .. }, Some(value)) => {
                self.store_exclusive(place, value, mem.size, slow)
            }
            (AtomicKind::Rmw(op), Some(value)) => {
                let old = self.modify(op, place, value, mem.size);
                self.extend(mem.size, mem.sign, old)
            }
            (AtomicKind::Cas { .. }, Some(value)) => {
                let expected = access.expected[0].map_or(at, |a| self.int(a));
                let expected = self.part(mem.size, expected);
                let old = self.b.ins().atomic_cas(aligned(), place, expected, value);
                self.extend(mem.size, mem.sign, old)
            }
            _ => self.load_exclusive(place, mem),
        }
    }

    /// The low bytes of a value.
    fn part(&mut self, size: Size, value: Value) -> Value {
        match size {
            Size::B8 | Size::B16 => value,
            size => self.b.ins().ireduce(type_of(size), value),
        }
    }

    fn load_exclusive(&mut self, place: Value, mem: Mem) -> Value {
        let offset = self.b.ins().isub(place, self.memory);
        self.store_slot(slot::EXCLUSIVE_AT, offset);
        let raw = self
            .b
            .ins()
            .atomic_load(type_of(mem.size), aligned(), place);
        let low = self.extend(mem.size, Sign::Zero, raw);
        self.store_slot(slot::EXCLUSIVE_LOW, low);
        let zero = self.constant(0);
        self.store_slot(slot::EXCLUSIVE_HIGH, zero);
        self.extend(mem.size, mem.sign, raw)
    }

    fn store_exclusive(
        &mut self,
        place: Value,
        value: Value,
        size: Size,
        slow: ir::Block,
    ) -> Value {
        let offset = self.b.ins().isub(place, self.memory);
        let reserved = self.b.ins().load(
            types::I64,
            own(),
            self.cpu,
            i32::from(slot::EXCLUSIVE_AT) * 8,
        );
        let same = self.b.ins().icmp(IntCC::Equal, offset, reserved);
        let go_on = self.new_block(&[]);
        self.branch(same, go_on, slow);
        self.enter(go_on);
        let expected = self.load_slot(types::I64, slot::EXCLUSIVE_LOW);
        let expected = self.part(size, expected);
        let old = self.b.ins().atomic_cas(aligned(), place, expected, value);
        let failed = self.b.ins().icmp(IntCC::NotEqual, old, expected);
        let none = self.constant(slot::NO_EXCLUSIVE);
        self.store_slot(slot::EXCLUSIVE_AT, none);
        self.b.ins().uextend(types::I64, failed)
    }

    fn modify(&mut self, op: AtomicOp, place: Value, value: Value, size: Size) -> Value {
        let (op, value) = match op {
            AtomicOp::Add => (AtomicRmwOp::Add, value),
            AtomicOp::Clear => (AtomicRmwOp::And, self.b.ins().bnot(value)),
            AtomicOp::Xor => (AtomicRmwOp::Xor, value),
            AtomicOp::Set => (AtomicRmwOp::Or, value),
            AtomicOp::MaxS => (AtomicRmwOp::Smax, value),
            AtomicOp::MinS => (AtomicRmwOp::Smin, value),
            AtomicOp::MaxU => (AtomicRmwOp::Umax, value),
            AtomicOp::MinU => (AtomicRmwOp::Umin, value),
            AtomicOp::Swap => (AtomicRmwOp::Xchg, value),
        };
        self.b
            .ins()
            .atomic_rmw(type_of(size), aligned(), op, place, value)
    }
}
