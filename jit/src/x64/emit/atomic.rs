//! Atomic and exclusive accesses.
//!
//! Single accesses to memory that the look-aside buffer knows are inline. The rest is done by the
//! function that the interpreter uses, which works between slots: fixed ones, so that the inline
//! path may fall back to it from anywhere.

use dynasm::dynasm;
use dynasmrt::DynasmApi;
use ferrite_ir::interp::AtomicKind;
use ferrite_ir::{Align, AtomicOp, Int, Mem, Op, Sign, Size, slot};

use crate::atomic::{ADDRESS, Access, EXPECTED, RESULT, VALUE};

use super::super::frame::What;
use super::super::slot_at;
use super::{Argument, Cold, Emitter, Into, RAX, RCX, RDX, cc};

/// Slots below are for values; those between are for outlined floating-point operations.
pub(super) const VALUES_END: u16 = ADDRESS - 16;

impl Emitter<'_> {
    pub(super) fn atomic(&mut self, op: &Op) {
        let Some(access) = Access::of(op) else {
            return;
        };
        self.out.atomics.push(access.entry());
        let number = self.bases.atomics + self.out.atomics.len() as u32 - 1;
        let site = self.site(What::Atomic(number));
        let stub = if self.vectors.in_use() {
            self.stubs.atomic_x
        } else {
            self.stubs.atomic
        };
        if access.is_single() && access.is_simple() {
            // In registers before the ways part.
            let value = access.values[0].map(|a| self.register(a));
            let expected = access.expected[0].map(|a| self.register(a));
            self.address(access.addr, 0);
            // What a store exclusive finds out makes it need the address once more.
            let kept = matches!(access.what, AtomicKind::StoreExclusive { .. });
            if kept {
                self.store_slot(ADDRESS, RAX);
            }
            let to = access.results[0].map_or(RCX, |d| self.wanted_result(d));
            let stores = self.stores();
            let from = self.inline(&access, to, value.unwrap_or(RDX), expected.unwrap_or(RDX));
            let back = self.here();
            self.cold.push(Cold::Call {
                from,
                back,
                stub,
                site,
                argument: Argument::Atomic {
                    address: (!kept).then_some(RAX),
                    value,
                    expected,
                },
                result: Into::Slot(to, RESULT[0]),
                stores,
            });
            return;
        }
        self.operands_to_slots(access.values, VALUE);
        self.operands_to_slots(access.expected, EXPECTED);
        self.address(access.addr, 0);
        self.store_slot(ADDRESS, RAX);
        self.store_newer();
        self.constant(RDX, site.into());
        self.call_stub(stub);
        for (d, slot) in access.results.into_iter().zip(RESULT) {
            if let Some(d) = d {
                let to = self.wanted_result(d);
                self.load_slot(to, slot);
            }
        }
    }

    /// A register for `d`; a scratch one if nobody reads it.
    fn wanted_result(&mut self, d: Int) -> u8 {
        if self.ints.value(d.0).uses > 0 {
            self.late_result(d)
        } else {
            RCX
        }
    }

    fn operands_to_slots(&mut self, values: [Option<Int>; 2], slots: [u16; 2]) {
        for (a, slot) in values.into_iter().zip(slots) {
            if let Some(a) = a {
                let register = self.register(a);
                self.store_slot(slot, register);
            }
        }
    }

    /// The access, with the address in `rax`; returns the jumps to be taken where it does not apply.
    fn inline(&mut self, access: &Access, to: u8, value: u8, expected: u8) -> Vec<usize> {
        // Both kinds are aligned to the whole access.
        let mem = Mem {
            align: Align::Natural,
            ..access.mem
        };
        let write = !matches!(access.what, AtomicKind::LoadExclusive { .. });
        let mut slow = self.translate(mem, mem.size.bytes(), write);
        match access.what {
            AtomicKind::LoadExclusive { .. } => self.load_exclusive(to, mem),
            AtomicKind::StoreExclusive { .. } => {
                dynasm!(self.asm
                    ; .arch x64
                    ; cmp rax, [rbp + slot_at(slot::EXCLUSIVE_AT)]
                );
                slow.push(self.branch(cc::NOT_EQUAL));
                self.store_exclusive(to, value, mem.size);
            }
            AtomicKind::Rmw(op) => self.modify(op, to, value, mem),
            AtomicKind::Cas { .. } => {
                self.copy(RCX, RAX);
                self.copy(RAX, expected);
                self.exchange(value, mem.size);
                self.extend_result(to, mem.size, mem.sign);
            }
        }
        slow
    }

    fn load_exclusive(&mut self, to: u8, mem: Mem) {
        dynasm!(self.asm
            ; .arch x64
            ; mov [rbp + slot_at(slot::EXCLUSIVE_AT)], rax
        );
        self.load_at(RDX, mem.size, Sign::Zero);
        dynasm!(self.asm
            ; .arch x64
            ; mov [rbp + slot_at(slot::EXCLUSIVE_LOW)], rdx
            ; mov QWORD [rbp + slot_at(slot::EXCLUSIVE_HIGH)], 0
        );
        self.copy(RAX, RDX);
        self.extend_result(to, mem.size, mem.sign);
    }

    fn store_exclusive(&mut self, to: u8, value: u8, size: Size) {
        dynasm!(self.asm
            ; .arch x64
            ; mov rcx, rax
            ; mov rax, [rbp + slot_at(slot::EXCLUSIVE_LOW)]
        );
        self.exchange(value, size);
        dynasm!(self.asm
            ; .arch x64
            ; setne al
            ; movzx Rd(to), al
            ; mov QWORD [rbp + slot_at(slot::EXCLUSIVE_AT)], -1
        );
    }

    /// Exchanges what is at the offset in `rcx` for `value` if it is what `rax` holds.
    fn exchange(&mut self, value: u8, size: Size) {
        match size {
            Size::B1 => dynasm!(self.asm ; .arch x64 ; lock cmpxchg [r15 + rcx], Rb(value)),
            Size::B2 => dynasm!(self.asm ; .arch x64 ; lock cmpxchg [r15 + rcx], Rw(value)),
            Size::B4 => dynasm!(self.asm ; .arch x64 ; lock cmpxchg [r15 + rcx], Rd(value)),
            Size::B8 | Size::B16 => {
                dynasm!(self.asm ; .arch x64 ; lock cmpxchg [r15 + rcx], Rq(value));
            }
        }
    }

    /// Stores the operands of an access whose inline path did not apply, for the function.
    pub(super) fn store_atomic_operands(
        &mut self,
        address: Option<u8>,
        value: Option<u8>,
        expected: Option<u8>,
    ) {
        for (register, slot) in [
            (address, ADDRESS),
            (value, VALUE[0]),
            (expected, EXPECTED[0]),
        ] {
            if let Some(register) = register {
                self.store_slot(slot, register);
            }
        }
    }

    /// Adds to or replaces what is at the offset in `rax`.
    fn modify(&mut self, op: AtomicOp, to: u8, value: u8, mem: Mem) {
        self.copy(RDX, value);
        match (op, mem.size) {
            (AtomicOp::Add, Size::B1) => dynasm!(self.asm ; .arch x64 ; lock xadd [r15 + rax], dl),
            (AtomicOp::Add, Size::B2) => dynasm!(self.asm ; .arch x64 ; lock xadd [r15 + rax], dx),
            (AtomicOp::Add, Size::B4) => dynasm!(self.asm ; .arch x64 ; lock xadd [r15 + rax], edx),
            (AtomicOp::Add, _) => dynasm!(self.asm ; .arch x64 ; lock xadd [r15 + rax], rdx),
            (AtomicOp::Swap, Size::B1) => dynasm!(self.asm ; .arch x64 ; xchg [r15 + rax], dl),
            (AtomicOp::Swap, Size::B2) => dynasm!(self.asm ; .arch x64 ; xchg [r15 + rax], dx),
            (AtomicOp::Swap, Size::B4) => dynasm!(self.asm ; .arch x64 ; xchg [r15 + rax], edx),
            (AtomicOp::Swap, _) => dynasm!(self.asm ; .arch x64 ; xchg [r15 + rax], rdx),
            _ => return self.modify_by_exchange(op, to, value, mem),
        }
        self.copy(RAX, RDX);
        self.extend_result(to, mem.size, mem.sign);
    }

    /// Replaces what is at the offset in `rax` until nobody came in between.
    fn modify_by_exchange(&mut self, op: AtomicOp, to: u8, value: u8, mem: Mem) {
        self.copy(RCX, RAX);
        self.load_at(RAX, mem.size, Sign::Zero);
        let again = self.here();
        match op {
            AtomicOp::Clear => dynasm!(self.asm ; .arch x64 ; andn rdx, Rq(value), rax),
            _ => {
                self.copy(RDX, value);
                match op {
                    AtomicOp::Xor => dynasm!(self.asm ; .arch x64 ; xor rdx, rax),
                    AtomicOp::Set => dynasm!(self.asm ; .arch x64 ; or rdx, rax),
                    _ => {}
                }
            }
        }
        self.exchange(RDX, mem.size);
        let retry = self.branch(cc::NOT_EQUAL);
        self.connect(retry, again);
        self.extend_result(to, mem.size, mem.sign);
    }

    /// `to` = the low bytes of `rax`, extended.
    fn extend_result(&mut self, to: u8, size: Size, sign: Sign) {
        match (size, sign) {
            (Size::B1, Sign::Zero) => dynasm!(self.asm ; .arch x64 ; movzx Rd(to), al),
            (Size::B1, Sign::To32) => dynasm!(self.asm ; .arch x64 ; movsx Rd(to), al),
            (Size::B1, Sign::To64) => dynasm!(self.asm ; .arch x64 ; movsx Rq(to), al),
            (Size::B2, Sign::Zero) => dynasm!(self.asm ; .arch x64 ; movzx Rd(to), ax),
            (Size::B2, Sign::To32) => dynasm!(self.asm ; .arch x64 ; movsx Rd(to), ax),
            (Size::B2, Sign::To64) => dynasm!(self.asm ; .arch x64 ; movsx Rq(to), ax),
            (Size::B4, Sign::To64) => dynasm!(self.asm ; .arch x64 ; movsxd Rq(to), eax),
            (Size::B4, _) => dynasm!(self.asm ; .arch x64 ; mov Rd(to), eax),
            (Size::B8 | Size::B16, _) => self.copy(to, RAX),
        }
    }
}
