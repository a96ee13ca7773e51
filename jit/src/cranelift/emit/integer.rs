//! Integer arithmetic and bit fields.

use cranelift_codegen::ir::{
    InstBuilder, Value,
    condcodes::{CondCode, IntCC},
    types,
};
use ferrite_ir::{BinOp, Cc, Int, UnOp, Width, eval};

use super::{Emitter, imm};

impl Emitter<'_> {
    /// An operand at a width.
    pub(super) fn narrow(&mut self, w: Width, value: Value) -> Value {
        match w {
            Width::W32 => self.b.ins().ireduce(types::I32, value),
            Width::W64 => value,
        }
    }

    /// A result from a width.
    pub(super) fn widen(&mut self, w: Width, value: Value) -> Value {
        match w {
            Width::W32 => self.b.ins().uextend(types::I64, value),
            Width::W64 => value,
        }
    }

    /// A 64-bit value, cut to a width.
    fn cut(&mut self, w: Width, value: Value) -> Value {
        let value = self.narrow(w, value);
        self.widen(w, value)
    }

    pub(super) fn bin(&mut self, op: BinOp, w: Width, d: Int, a: Int, b: Int) {
        let (a, b) = (self.int(a), self.int(b));
        let (a, b) = (self.narrow(w, a), self.narrow(w, b));
        let value = match op {
            BinOp::Add => self.b.ins().iadd(a, b),
            BinOp::Sub => self.b.ins().isub(a, b),
            BinOp::Mul => self.b.ins().imul(a, b),
            BinOp::MulHighU | BinOp::MulHighS => self.high_product(op, w, a, b),
            BinOp::DivU | BinOp::DivS => self.quotient(op, a, b),
            BinOp::And => self.b.ins().band(a, b),
            BinOp::Or => self.b.ins().bor(a, b),
            BinOp::Xor => self.b.ins().bxor(a, b),
            BinOp::AndNot => self.b.ins().band_not(a, b),
            BinOp::OrNot => {
                let b = self.b.ins().bnot(b);
                self.b.ins().bor(a, b)
            }
            BinOp::XorNot => {
                let b = self.b.ins().bnot(b);
                self.b.ins().bxor(a, b)
            }
            BinOp::Shl => self.b.ins().ishl(a, b),
            BinOp::ShrU => self.b.ins().ushr(a, b),
            BinOp::ShrS => self.b.ins().sshr(a, b),
            BinOp::Ror => self.b.ins().rotr(a, b),
        };
        let value = self.widen(w, value);
        self.define(d, value);
    }

    fn high_product(&mut self, op: BinOp, w: Width, a: Value, b: Value) -> Value {
        let signed = op == BinOp::MulHighS;
        match (w, signed) {
            (Width::W64, false) => self.b.ins().umulhi(a, b),
            (Width::W64, true) => self.b.ins().smulhi(a, b),
            (Width::W32, _) => {
                let mut wide = |value| match signed {
                    false => self.b.ins().uextend(types::I64, value),
                    true => self.b.ins().sextend(types::I64, value),
                };
                let (a, b) = (wide(a), wide(b));
                let product = self.b.ins().imul(a, b);
                let high = self.b.ins().ushr_imm_u(product, 32);
                self.b.ins().ireduce(types::I32, high)
            }
        }
    }

    /// The host's division may trap where the operation does not: such divisors become 1.
    fn quotient(&mut self, op: BinOp, a: Value, b: Value) -> Value {
        let ty = self.b.func.dfg.value_type(b);
        let one = self.b.ins().iconst(ty, 1);
        let zero = self.b.ins().iconst(ty, 0);
        let by_zero = self.b.ins().icmp(IntCC::Equal, b, zero);
        let quotient = if op == BinOp::DivU {
            let divisor = self.b.ins().select(by_zero, one, b);
            self.b.ins().udiv(a, divisor)
        } else {
            let by_minus_one = self.b.ins().icmp_imm_s(IntCC::Equal, b, -1);
            let special = self.b.ins().bor(by_zero, by_minus_one);
            let divisor = self.b.ins().select(special, one, b);
            let quotient = self.b.ins().sdiv(a, divisor);
            let negated = self.b.ins().ineg(a);
            self.b.ins().select(by_minus_one, negated, quotient)
        };
        self.b.ins().select(by_zero, zero, quotient)
    }

    pub(super) fn un(&mut self, op: UnOp, w: Width, d: Int, a: Int) {
        let whole = self.int(a);
        let a = self.narrow(w, whole);
        let value = match op {
            UnOp::Mov => a,
            UnOp::Neg => self.b.ins().ineg(a),
            UnOp::Not => self.b.ins().bnot(a),
            UnOp::Clz => self.b.ins().clz(a),
            UnOp::Cls => {
                let signs = self.b.ins().sshr_imm_u(a, 63);
                let differing = self.b.ins().bxor(a, signs);
                let zeros = self.b.ins().clz(differing);
                self.b.ins().iadd_imm_s(zeros, -1)
            }
            UnOp::ReverseBits => self.b.ins().bitrev(a),
            UnOp::ReverseBytes => self.b.ins().bswap(a),
            UnOp::ReverseBytes16 => {
                let low = self.b.ins().band_imm_u(whole, imm(0x00ff_00ff_00ff_00ff));
                let up = self.b.ins().ishl_imm_u(low, 8);
                let high = self.b.ins().ushr_imm_u(whole, 8);
                let down = self.b.ins().band_imm_u(high, imm(0x00ff_00ff_00ff_00ff));
                let value = self.b.ins().bor(up, down);
                self.narrow(w, value)
            }
            UnOp::ReverseBytes32 => {
                let reversed = self.b.ins().bswap(a);
                match w {
                    Width::W64 => self.b.ins().rotl_imm_u(reversed, 32),
                    Width::W32 => reversed,
                }
            }
            UnOp::SignExtend8 => self.extend_part(w, types::I8, whole, true),
            UnOp::SignExtend16 => self.extend_part(w, types::I16, whole, true),
            UnOp::SignExtend32 => self.extend_part(w, types::I32, whole, true),
            UnOp::ZeroExtend8 => self.extend_part(w, types::I8, whole, false),
            UnOp::ZeroExtend16 => self.extend_part(w, types::I16, whole, false),
            UnOp::ZeroExtend32 => self.extend_part(w, types::I32, whole, false),
        };
        let value = self.widen(w, value);
        self.define(d, value);
    }

    /// The low part of a value, extended to a width.
    fn extend_part(
        &mut self,
        w: Width,
        part: cranelift_codegen::ir::Type,
        whole: Value,
        signed: bool,
    ) -> Value {
        let to = match w {
            Width::W32 => types::I32,
            Width::W64 => types::I64,
        };
        let low = self.b.ins().ireduce(part, whole);
        if part == to {
            low
        } else if signed {
            self.b.ins().sextend(to, low)
        } else {
            self.b.ins().uextend(to, low)
        }
    }

    pub(super) fn extract(&mut self, d: Int, w: Width, a: Int, lsb: u8, len: u8, signed: bool) {
        let a = self.int(a);
        let value = if signed {
            let up = self.b.ins().ishl_imm_u(a, i64::from(64 - lsb - len));
            let field = self.b.ins().sshr_imm_u(up, i64::from(64 - len));
            self.cut(w, field)
        } else {
            let down = self.b.ins().ushr_imm_u(a, i64::from(lsb));
            self.b.ins().band_imm_u(down, imm(eval::mask(len)))
        };
        self.define(d, value);
    }

    pub(super) fn insert(&mut self, d: Int, w: Width, [a, b]: [Int; 2], lsb: u8, len: u8) {
        let (a, b) = (self.int(a), self.int(b));
        let field = eval::mask(len) << lsb;
        let rest = self.b.ins().band_imm_u(a, imm(!field));
        let up = self.b.ins().ishl_imm_u(b, i64::from(lsb));
        let part = self.b.ins().band_imm_u(up, imm(field));
        let value = self.b.ins().bor(rest, part);
        let value = self.cut(w, value);
        self.define(d, value);
    }

    pub(super) fn funnel(&mut self, d: Int, w: Width, [high, low]: [Int; 2], lsb: u8) {
        let same = high == low;
        let (high, low) = (self.int(high), self.int(low));
        let (high, low) = (self.narrow(w, high), self.narrow(w, low));
        let bits = match w {
            Width::W32 => 32,
            Width::W64 => 64,
        };
        let value = match (lsb, same) {
            (0, _) => low,
            (_, true) => self.b.ins().rotr_imm_u(low, i64::from(lsb)),
            _ => {
                let down = self.b.ins().ushr_imm_u(low, i64::from(lsb));
                let up = self.b.ins().ishl_imm_u(high, i64::from(bits - lsb));
                self.b.ins().bor(down, up)
            }
        };
        let value = self.widen(w, value);
        self.define(d, value);
    }

    /// Whether a comparison's outcome is `sense`, 0 or 1.
    pub(super) fn compare(&mut self, cc: Cc, w: Width, a: Value, b: Value, sense: bool) -> Value {
        let code = match cc {
            Cc::Eq => IntCC::Equal,
            Cc::Ne => IntCC::NotEqual,
            Cc::LtU => IntCC::UnsignedLessThan,
            Cc::LeU => IntCC::UnsignedLessThanOrEqual,
            Cc::LtS => IntCC::SignedLessThan,
            Cc::LeS => IntCC::SignedLessThanOrEqual,
        };
        let code = if sense { code } else { code.complement() };
        let (a, b) = (self.narrow(w, a), self.narrow(w, b));
        self.b.ins().icmp(code, a, b)
    }
}
