//! Sums with a carry, which goes on to the next one in the host's flag where it can.

use dynasm::dynasm;
use dynasmrt::DynasmApi;
use ferrite_ir::{FlagKind, Int, Width};

use super::super::carries::Sum;
use super::super::file::NONE;
use super::integer::two;
use super::values::Operand;
use super::{Emitter, RAX, cc};

impl Emitter<'_> {
    /// Writes a sum, which leaves its carry in the host's flag.
    pub(super) fn sum(&mut self, sum: &Sum) {
        let w = sum.w;
        let right = match sum.b {
            Some(b) => self.operand_at(w, b),
            None => Operand::Immediate(0),
        };
        match sum.c {
            Some(c) if sum.kept && sum.wants_carry => self.carry_to(c),
            Some(c) if !sum.kept => {
                let carry = self.register(c);
                dynasm!(self.asm ; .arch x64 ; bt Rd(carry), 0);
            }
            _ => {}
        }
        // Nothing reads the operands behind the last of the operations that it stands for.
        self.at += sum.len - 1;
        // A register that the second operand is in must not be taken over before it is read.
        let to = match right {
            Operand::Register(b) if self.ints.value(sum.a.0).register == u16::from(b) => {
                let to = self.result(sum.d);
                self.copy_value(to, sum.a);
                to
            }
            _ => self.result_from(sum.d, sum.a),
        };
        match sum.c {
            Some(_) => two!(self, w, adc, to, right),
            None => two!(self, w, add, to, right),
        }
        self.carry_of = Some(sum.at + sum.len);
    }

    /// Hands the carry of the flags just set on to the sum that takes it in.
    pub(super) fn hand_on_carry(&mut self, kind: FlagKind, a: Int, b: Int, c: Int) {
        let Some(carry) = self.carries.carry(self.at) else {
            return;
        };
        if self.carry_of != Some(self.at) {
            match kind {
                FlagKind::AddCarry(w) => self.add_again(w, a, b, Some(c)),
                FlagKind::Add(w) => self.add_again(w, a, b, None),
                _ => debug_assert!(false, "no other flags have such a carry"),
            }
        }
        match carry.kept {
            Some(until) => self.keeping_carry = until,
            None => self.carry_to(carry.to),
        }
    }

    /// `d` = the host's carry flag, which stays.
    fn carry_to(&mut self, d: Int) {
        debug_assert_eq!(self.ints.value(d.0).register, NONE);
        self.set_byte(cc::BELOW, RAX);
        let to = self.result(d);
        dynasm!(self.asm ; .arch x64 ; movzx Rd(to), al);
    }

    /// Adds into a scratch register, for the host's flags.
    pub(super) fn add_again(&mut self, w: Width, a: Int, b: Int, c: Option<Int>) {
        let right = self.operand_at(w, b);
        match c {
            Some(c) => {
                let carry = self.register(c);
                self.copy_value(RAX, a);
                dynasm!(self.asm ; .arch x64 ; bt Rd(carry), 0);
                two!(self, w, adc, RAX, right);
            }
            None => {
                self.copy_value(RAX, a);
                two!(self, w, add, RAX, right);
            }
        }
    }
}
