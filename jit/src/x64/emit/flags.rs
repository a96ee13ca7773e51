//! Comparisons, conditions and the guest's flags.

use dynasm::dynasm;
use dynasmrt::DynasmApi;
use ferrite_ir::{BinOp, Cc, Condition, FlagKind, Int, Op, Width, eval, slot};

use super::super::file::NONE;
use super::super::plan::{Flags, flags_are_replaced};
use super::integer::unary;
use super::values::Operand;
use super::{Emitter, RAX, RDX, cc};

/// Arm's conditions as x86's after a comparison, whose carry is a borrow.
fn after_compare(cond: Condition) -> Option<u8> {
    Some(match cond {
        Condition::Eq => cc::EQUAL,
        Condition::Ne => cc::NOT_EQUAL,
        Condition::Cs => cc::NOT_BELOW,
        Condition::Cc => cc::BELOW,
        Condition::Mi => cc::SIGN,
        Condition::Pl => cc::NO_SIGN,
        Condition::Vs => cc::OVERFLOW,
        Condition::Vc => cc::NO_OVERFLOW,
        Condition::Hi => cc::ABOVE,
        Condition::Ls => cc::NOT_ABOVE,
        Condition::Ge => cc::NOT_LESS,
        Condition::Lt => cc::LESS,
        Condition::Gt => cc::GREATER,
        Condition::Le => cc::NOT_GREATER,
        Condition::Al | Condition::Nv => return None,
    })
}

impl Emitter<'_> {
    /// Compares into the host's flags; returns the condition.
    pub(super) fn compare(&mut self, op: Cc, w: Width, a: Int, b: Int) -> u8 {
        let condition = match op {
            Cc::Eq => cc::EQUAL,
            Cc::Ne => cc::NOT_EQUAL,
            Cc::LtU => cc::BELOW,
            Cc::LeU => cc::NOT_ABOVE,
            Cc::LtS => cc::LESS,
            Cc::LeS => cc::NOT_GREATER,
        };
        self.compare_values(w, a, b);
        condition
    }

    fn compare_values(&mut self, w: Width, a: Int, b: Int) {
        let left = self.register(a);
        match self.operand_at(w, b) {
            Operand::Immediate(0) => unary!(self, w, test, left, left),
            right => self.cmp(w, left, right),
        }
    }

    /// `d` = 1 if the condition holds.
    pub(super) fn set_condition(&mut self, d: Int, condition: u8) {
        self.set_byte(condition, RAX);
        let to = self.result(d);
        dynasm!(self.asm ; .arch x64 ; movzx Rd(to), al);
    }

    /// The low byte of a register = 1 if the condition holds, else 0.
    pub(super) fn set_byte(&mut self, condition: u8, register: u8) {
        debug_assert_eq!(register, RAX);
        self.asm.extend([0x0f, 0x90 | condition, 0xc0]);
    }

    /// Tests whether `c` is not zero into the host's flags; returns the condition.
    pub(super) fn condition(&mut self, c: Int) -> u8 {
        let value = *self.ints.value(c.0);
        if value.deferred {
            match self.ops.get(value.def as usize) {
                Some(&Op::Compare { cc, w, a, b, .. }) => return self.compare(cc, w, a, b),
                Some(&Op::Test { cond, .. }) => return self.test(cond),
                Some(&Op::Bin {
                    op: BinOp::And,
                    a,
                    b,
                    ..
                }) => return self.test_bits(a, self.known(b).unwrap_or(0)),
                _ => {}
            }
        }
        let register = self.register(c);
        dynasm!(self.asm ; .arch x64 ; test Rq(register), Rq(register));
        cc::NOT_EQUAL
    }

    /// Whether `a & mask` is not zero.
    pub(super) fn test_bits(&mut self, a: Int, mask: u64) -> u8 {
        let register = self.register(a);
        if let Ok(mask) = i32::try_from(mask) {
            dynasm!(self.asm ; .arch x64 ; test Rd(register), mask);
            cc::NOT_EQUAL
        } else if mask.is_power_of_two() {
            dynasm!(self.asm ; .arch x64 ; bt Rq(register), BYTE mask.trailing_zeros() as i8);
            cc::BELOW
        } else {
            self.constant(RAX, mask);
            dynasm!(self.asm ; .arch x64 ; test Rq(register), rax);
            cc::NOT_EQUAL
        }
    }

    pub(super) fn select(&mut self, d: Int, c: Int, a: Int, b: Int) {
        // Both before the comparison: bringing them may take a register from its operands, but not
        // the other way round.
        let then = self.register(a);
        let condition = self.condition(c);
        self.copy_value(RDX, b);
        // cmovcc rdx, then
        let rex = 0x48 | (then >> 3);
        self.asm
            .extend([rex, 0x0f, 0x40 | condition, 0xd0 | (then & 7)]);
        let to = self.result(d);
        self.copy(to, RDX);
    }

    fn store_kind(&mut self, kind: FlagKind) {
        let code = kind.code();
        if self.stored_kind != Some(code) {
            self.store_slot_constant(slot::FLAG_KIND, code);
            self.stored_kind = Some(code);
        }
    }

    fn store_flag_operand(&mut self, to: u16, a: Int) {
        let value = *self.ints.value(a.0);
        match (value.constant, value.register) {
            (Some(constant), NONE) => self.store_slot_constant(to, constant),
            _ => {
                let register = self.register(a);
                self.store_slot(to, register);
            }
        }
    }

    pub(super) fn set_flags(&mut self, kind: FlagKind, a: Int, b: Int, c: Int) {
        if flags_are_replaced(self.ops, self.at as usize) {
            return;
        }
        self.store_kind(kind);
        self.store_flag_operand(slot::FLAG_A, a);
        if kind.reads_b() {
            self.store_flag_operand(slot::FLAG_B, b);
        }
        if kind.reads_c() {
            self.store_flag_operand(slot::FLAG_C, c);
        }
    }

    pub(super) fn set_flags_if(&mut self, c: Int, kind: FlagKind, a: Int, b: Int, otherwise: u32) {
        // Everything in registers first: both ways must find the same ones.
        let c = self.register(c);
        let a = self.register(a);
        let b = self.register(b);
        dynasm!(self.asm ; .arch x64 ; test Rq(c), Rq(c));
        let other = self.skip(cc::EQUAL);
        self.store_slot_constant(slot::FLAG_KIND, kind.code());
        self.store_slot(slot::FLAG_A, a);
        self.store_slot(slot::FLAG_B, b);
        let end = self.skip_always();
        self.land_short(other);
        self.store_slot_constant(slot::FLAG_KIND, FlagKind::Nzcv.code());
        self.constant(RAX, u64::from(otherwise));
        self.store_slot(slot::FLAG_A, RAX);
        self.land_short(end);
        self.stored_kind = None;
    }

    /// Tests the guest's flags into the host's; returns the condition.
    pub(super) fn test(&mut self, cond: Condition) -> u8 {
        let Some(condition) = after_compare(cond) else {
            dynasm!(self.asm ; .arch x64 ; xor eax, eax);
            return cc::EQUAL;
        };
        match self.flags {
            Flags::Of { kind, a, b, c } => self.test_kind(condition, kind, a, b, c),
            Flags::If {
                c,
                kind,
                a,
                b,
                otherwise,
            } => {
                let c = self.register(c);
                // In registers before the ways part.
                self.register(a);
                self.register(b);
                dynasm!(self.asm ; .arch x64 ; test Rq(c), Rq(c));
                let other = self.skip(cc::EQUAL);
                let condition = self.test_kind(condition, kind, a, b, a);
                self.set_byte(condition, RAX);
                let end = self.skip_always();
                self.land_short(other);
                let holds = i8::from(eval::holds(cond, otherwise));
                dynasm!(self.asm ; .arch x64 ; mov al, holds);
                self.land_short(end);
                dynasm!(self.asm ; .arch x64 ; test al, al);
                cc::NOT_EQUAL
            }
            Flags::Unknown => {
                self.call_stub(self.stubs.flags);
                condition
            }
        }
    }

    fn test_kind(&mut self, condition: u8, kind: FlagKind, a: Int, b: Int, c: Int) -> u8 {
        match kind {
            FlagKind::Sub(w) => self.compare_exactly(w, a, b),
            FlagKind::Logic(w) => {
                let a = self.register(a);
                unary!(self, w, test, a, a);
                // Arm's carry is clear, which is a borrow.
                dynasm!(self.asm ; .arch x64 ; stc);
            }
            FlagKind::Add(w) => {
                self.add_again(w, a, b, None);
                dynasm!(self.asm ; .arch x64 ; cmc);
            }
            FlagKind::AddCarry(w) => {
                self.add_again(w, a, b, Some(c));
                dynasm!(self.asm ; .arch x64 ; cmc);
            }
            FlagKind::Nzcv => return self.test_word(condition, a),
        }
        condition
    }

    /// Tests N, Z, C, V in bits 31 to 28 of `a`.
    fn test_word(&mut self, condition: u8, a: Int) -> u8 {
        const Z: i32 = 1 << 30;
        const C: i32 = 1 << 29;
        let word = self.register(a);
        let (bits, set) = match condition {
            cc::EQUAL => (Z, true),
            cc::NOT_EQUAL => (Z, false),
            cc::NOT_BELOW => (C, true),
            cc::BELOW => (C, false),
            cc::OVERFLOW => (1 << 28, true),
            cc::NO_OVERFLOW => (1 << 28, false),
            cc::SIGN => (i32::MIN, true),
            cc::NO_SIGN => (i32::MIN, false),
            cc::ABOVE | cc::NOT_ABOVE => {
                dynasm!(self.asm
                    ; .arch x64
                    ; mov eax, Rd(word)
                    ; and eax, Z | C
                    ; cmp eax, C
                );
                return if condition == cc::ABOVE {
                    cc::EQUAL
                } else {
                    cc::NOT_EQUAL
                };
            }
            _ => {
                // The top bit of `eax`: whether N and V differ.
                dynasm!(self.asm
                    ; .arch x64
                    ; mov eax, Rd(word)
                    ; shl eax, 3
                    ; xor eax, Rd(word)
                );
                match condition {
                    cc::NOT_LESS => (),
                    cc::LESS => return cc::SIGN,
                    _ => {
                        dynasm!(self.asm
                            ; .arch x64
                            ; and eax, i32::MIN
                            ; mov ecx, Rd(word)
                            ; and ecx, Z
                            ; or eax, ecx
                        );
                        return if condition == cc::GREATER {
                            cc::EQUAL
                        } else {
                            cc::NOT_EQUAL
                        };
                    }
                }
                return cc::NO_SIGN;
            }
        };
        dynasm!(self.asm ; .arch x64 ; test Rd(word), bits);
        if set { cc::NOT_EQUAL } else { cc::EQUAL }
    }

    /// A comparison that leaves every flag as the subtraction does.
    fn compare_exactly(&mut self, w: Width, a: Int, b: Int) {
        let right = self.operand_at(w, b);
        let left = self.register(a);
        self.cmp(w, left, right);
    }

    pub(super) fn get_nzcv(&mut self, d: Int) {
        self.call_stub(self.stubs.nzcv);
        let to = self.result(d);
        self.copy(to, RAX);
    }
}
