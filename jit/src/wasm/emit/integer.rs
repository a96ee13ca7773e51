//! Integer operations.

use ferrite_ir::{BinOp, Cc, Int, Op, UnOp, Width, eval};
use wasm_encoder::{BlockType, ValType};

use super::super::layout::Callee;
use super::Emitter;

/// Bytes of the first half of a vector, for shuffles that reverse them within units.
const REVERSE_64: [u8; 16] = [7, 6, 5, 4, 3, 2, 1, 0, 7, 6, 5, 4, 3, 2, 1, 0];
const REVERSE_32: [u8; 16] = [3, 2, 1, 0, 7, 6, 5, 4, 3, 2, 1, 0, 7, 6, 5, 4];
const REVERSE_16: [u8; 16] = [1, 0, 3, 2, 5, 4, 7, 6, 1, 0, 3, 2, 5, 4, 7, 6];

impl Emitter<'_> {
    /// Pushes what an operation defines, a number.
    pub(super) fn compute(&mut self, op: &Op) {
        if self.compute_low(op) {
            self.code().i64_extend_i32_u();
            return;
        }
        match *op {
            Op::Bin { op, a, b, .. } => self.binary(op, a, b),
            Op::Un { op, a, .. } => self.unary(op, a),
            Op::Extract {
                a,
                lsb,
                len,
                signed,
                ..
            } => self.extract(a, lsb, len, signed),
            Op::Insert {
                w, a, b, lsb, len, ..
            } => self.insert(w, a, b, lsb, len),
            Op::Funnel {
                w, high, low, lsb, ..
            } => self.funnel(w, high, low, lsb),
            Op::Select { c, a, b, .. } => {
                self.int(a);
                self.int(b);
                self.condition(c);
                self.code().select();
            }
            Op::GetNzcv { .. } => self.nzcv(),
            _ => {
                self.code().i64_const(0);
            }
        }
    }

    /// Pushes the result of an operation that is one at 32 bits, as such; false, with nothing
    /// written, if it is not.
    pub(super) fn compute_low(&mut self, op: &Op) -> bool {
        match *op {
            Op::Bin {
                op,
                w: Width::W32,
                a,
                b,
                ..
            } => self.binary_low(op, a, b),
            Op::Un {
                op,
                w: Width::W32,
                a,
                ..
            } => self.unary_low(op, a),
            Op::Extract {
                w: Width::W32,
                a,
                lsb,
                len,
                signed: true,
                ..
            } => {
                self.low(a);
                let up = 32 - i32::from(len);
                self.code().i32_const(up - i32::from(lsb)).i32_shl();
                self.code().i32_const(up).i32_shr_s();
                true
            }
            Op::Compare { cc, w, a, b, .. } => {
                self.compare(cc, w, a, Some(b));
                true
            }
            Op::Test { cond, .. } => {
                let flags = self.plan.flags(self.at);
                self.test(cond, flags);
                true
            }
            _ => false,
        }
    }

    fn binary(&mut self, op: BinOp, a: Int, b: Int) {
        match op {
            BinOp::DivU | BinOp::DivS => return self.divide(op, a, b),
            BinOp::MulHighU => return self.by_function(Callee::MulHighU, a, b),
            BinOp::MulHighS => return self.by_function(Callee::MulHighS, a, b),
            _ => {}
        }
        self.int(a);
        self.int(b);
        let mut code = self.code();
        match op {
            BinOp::Add => code.i64_add(),
            BinOp::Sub => code.i64_sub(),
            BinOp::Mul => code.i64_mul(),
            BinOp::And => code.i64_and(),
            BinOp::Or => code.i64_or(),
            BinOp::Xor => code.i64_xor(),
            BinOp::AndNot => code.i64_const(-1).i64_xor().i64_and(),
            BinOp::OrNot => code.i64_const(-1).i64_xor().i64_or(),
            BinOp::XorNot => code.i64_xor().i64_const(-1).i64_xor(),
            BinOp::Shl => code.i64_shl(),
            BinOp::ShrU => code.i64_shr_u(),
            BinOp::ShrS => code.i64_shr_s(),
            _ => code.i64_rotr(),
        };
    }

    fn binary_low(&mut self, op: BinOp, a: Int, b: Int) -> bool {
        match op {
            BinOp::DivU => {
                self.divide_low(a, b);
                return true;
            }
            BinOp::DivS => {
                // As numbers of 64 bits the quotient always fits.
                self.divide_signed_low(a, b);
                return true;
            }
            BinOp::MulHighU | BinOp::MulHighS => {
                for v in [a, b] {
                    self.low(v);
                    if op == BinOp::MulHighS {
                        self.code().i64_extend_i32_s();
                    } else {
                        self.code().i64_extend_i32_u();
                    }
                }
                self.code().i64_mul().i64_const(32).i64_shr_u();
                self.code().i32_wrap_i64();
                return true;
            }
            _ => {}
        }
        self.low(a);
        self.low(b);
        let mut code = self.code();
        match op {
            BinOp::Add => code.i32_add(),
            BinOp::Sub => code.i32_sub(),
            BinOp::Mul => code.i32_mul(),
            BinOp::And => code.i32_and(),
            BinOp::Or => code.i32_or(),
            BinOp::Xor => code.i32_xor(),
            BinOp::AndNot => code.i32_const(-1).i32_xor().i32_and(),
            BinOp::OrNot => code.i32_const(-1).i32_xor().i32_or(),
            BinOp::XorNot => code.i32_xor().i32_const(-1).i32_xor(),
            BinOp::Shl => code.i32_shl(),
            BinOp::ShrU => code.i32_shr_u(),
            BinOp::ShrS => code.i32_shr_s(),
            _ => code.i32_rotr(),
        };
        true
    }

    /// Quotients at 64 bits: 0 by 0, and MIN / -1 is MIN.
    fn divide(&mut self, op: BinOp, a: Int, b: Int) {
        let (a, b) = (self.in_local(a), self.in_local(b));
        let mut code = self.code();
        code.local_get(b).i64_eqz();
        code.if_(BlockType::Result(ValType::I64))
            .i64_const(0)
            .else_();
        if op == BinOp::DivU {
            code.local_get(a).local_get(b).i64_div_u();
        } else {
            code.local_get(b).i64_const(-1).i64_eq();
            code.if_(BlockType::Result(ValType::I64));
            code.i64_const(0).local_get(a).i64_sub().else_();
            code.local_get(a).local_get(b).i64_div_s().end();
        }
        code.end();
    }

    fn divide_low(&mut self, a: Int, b: Int) {
        let (a, b) = (self.in_local(a), self.in_local(b));
        let mut code = self.code();
        code.local_get(b).i32_wrap_i64().i32_eqz();
        code.if_(BlockType::Result(ValType::I32))
            .i32_const(0)
            .else_();
        code.local_get(a).i32_wrap_i64();
        code.local_get(b).i32_wrap_i64().i32_div_u().end();
    }

    fn divide_signed_low(&mut self, a: Int, b: Int) {
        let (a, b) = (self.in_local(a), self.in_local(b));
        let mut code = self.code();
        code.local_get(b).i32_wrap_i64().i32_eqz();
        code.if_(BlockType::Result(ValType::I32))
            .i32_const(0)
            .else_();
        code.local_get(a).i64_extend32_s();
        code.local_get(b)
            .i64_extend32_s()
            .i64_div_s()
            .i32_wrap_i64()
            .end();
    }

    /// A function of two numbers.
    fn by_function(&mut self, callee: Callee, a: Int, b: Int) {
        self.int(a);
        self.int(b);
        self.code().call(callee.index());
    }

    fn unary(&mut self, op: UnOp, a: Int) {
        match op {
            UnOp::Neg => {
                self.code().i64_const(0);
                self.int(a);
                self.code().i64_sub();
                return;
            }
            UnOp::Cls => {
                let a = self.in_local(a);
                let mut code = self.code();
                code.local_get(a).i64_const(63).i64_shr_s();
                code.local_get(a).i64_xor().i64_clz().i64_const(1).i64_sub();
                return;
            }
            _ => self.int(a),
        }
        let mut code = self.code();
        match op {
            UnOp::Not => code.i64_const(-1).i64_xor(),
            UnOp::Clz => code.i64_clz(),
            UnOp::ReverseBits => code.i64_const(0).call(Callee::ReverseBits.index()),
            UnOp::ReverseBytes | UnOp::ReverseBytes16 | UnOp::ReverseBytes32 => {
                let lanes = match op {
                    UnOp::ReverseBytes => REVERSE_64,
                    UnOp::ReverseBytes16 => REVERSE_16,
                    _ => REVERSE_32,
                };
                code.i64x2_splat().v128_const(0);
                code.i8x16_shuffle(lanes).i64x2_extract_lane(0)
            }
            UnOp::SignExtend8 => code.i64_extend8_s(),
            UnOp::SignExtend16 => code.i64_extend16_s(),
            UnOp::SignExtend32 => code.i64_extend32_s(),
            UnOp::ZeroExtend8 => code.i64_const(0xff).i64_and(),
            UnOp::ZeroExtend16 => code.i64_const(0xffff).i64_and(),
            UnOp::ZeroExtend32 => code.i64_const(0xffff_ffff).i64_and(),
            UnOp::Mov | UnOp::Neg | UnOp::Cls => &mut code,
        };
    }

    fn unary_low(&mut self, op: UnOp, a: Int) -> bool {
        match op {
            UnOp::Neg => {
                self.code().i32_const(0);
                self.low(a);
                self.code().i32_sub();
                return true;
            }
            UnOp::Cls => {
                let a = self.in_local(a);
                let mut code = self.code();
                code.local_get(a).i32_wrap_i64().i32_const(31).i32_shr_s();
                code.local_get(a).i32_wrap_i64().i32_xor().i32_clz();
                code.i32_const(1).i32_sub();
                return true;
            }
            UnOp::ReverseBits => {
                self.unary(op, a);
                self.code().i64_const(32).i64_shr_u().i32_wrap_i64();
                return true;
            }
            _ => self.low(a),
        }
        let mut code = self.code();
        match op {
            UnOp::Not => code.i32_const(-1).i32_xor(),
            UnOp::Clz => code.i32_clz(),
            // At this width both put the four bytes in reverse order, except that the second leaves
            // the lower half of what it reverses.
            UnOp::ReverseBytes | UnOp::ReverseBytes16 | UnOp::ReverseBytes32 => {
                let lanes = match op {
                    UnOp::ReverseBytes16 => REVERSE_16,
                    _ => REVERSE_32,
                };
                code.i32x4_splat().v128_const(0);
                code.i8x16_shuffle(lanes).i32x4_extract_lane(0)
            }
            UnOp::SignExtend8 => code.i32_extend8_s(),
            UnOp::SignExtend16 => code.i32_extend16_s(),
            UnOp::ZeroExtend8 => code.i32_const(0xff).i32_and(),
            UnOp::ZeroExtend16 => code.i32_const(0xffff).i32_and(),
            _ => &mut code,
        };
        true
    }

    fn extract(&mut self, a: Int, lsb: u8, len: u8, signed: bool) {
        self.int(a);
        let (lsb, len) = (i64::from(lsb), i64::from(len));
        let mut code = self.code();
        if signed {
            code.i64_const(64 - lsb - len).i64_shl();
            code.i64_const(64 - len).i64_shr_s();
            return;
        }
        if lsb > 0 {
            code.i64_const(lsb).i64_shr_u();
        }
        if lsb + len < 64 {
            code.i64_const(eval::mask(len as u8) as i64).i64_and();
        }
    }

    fn insert(&mut self, w: Width, a: Int, b: Int, lsb: u8, len: u8) {
        let field = eval::mask(len) << (lsb & 63);
        let kept = eval::truncate(w, !field);
        self.int(a);
        self.code().i64_const(kept as i64).i64_and();
        self.int(b);
        let mut code = self.code();
        if lsb > 0 {
            code.i64_const(lsb.into()).i64_shl();
        }
        code.i64_const(field as i64).i64_and().i64_or();
    }

    fn funnel(&mut self, w: Width, high: Int, low: Int, lsb: u8) {
        let lsb = i64::from(lsb);
        match w {
            Width::W32 => {
                self.low(high);
                self.code().i64_extend_i32_u().i64_const(32).i64_shl();
                self.low(low);
                self.code().i64_extend_i32_u().i64_or();
                self.code().i64_const(lsb).i64_shr_u();
                self.code().i64_const(0xffff_ffff).i64_and();
            }
            Width::W64 if lsb == 0 => self.int(low),
            Width::W64 => {
                self.int(low);
                self.code().i64_const(lsb).i64_shr_u();
                self.int(high);
                self.code().i64_const(64 - lsb).i64_shl().i64_or();
            }
        }
    }

    /// Pushes 1 if the comparison holds, else 0; with zero if there is no `b`.
    pub(super) fn compare(&mut self, cc: Cc, w: Width, a: Int, b: Option<Int>) {
        let zero = b.is_none_or(|b| self.constant(b).is_some_and(|n| eval::truncate(w, n) == 0));
        match w {
            Width::W64 => self.int(a),
            Width::W32 => self.low(a),
        }
        if zero && matches!(cc, Cc::Eq) {
            match w {
                Width::W64 => self.code().i64_eqz(),
                Width::W32 => self.code().i32_eqz(),
            };
            return;
        }
        match (w, b) {
            (Width::W64, Some(b)) => self.int(b),
            (Width::W32, Some(b)) => self.low(b),
            (Width::W64, None) => {
                self.code().i64_const(0);
            }
            (Width::W32, None) => {
                self.code().i32_const(0);
            }
        }
        let mut code = self.code();
        match (w, cc) {
            (Width::W64, Cc::Eq) => code.i64_eq(),
            (Width::W64, Cc::Ne) => code.i64_ne(),
            (Width::W64, Cc::LtU) => code.i64_lt_u(),
            (Width::W64, Cc::LeU) => code.i64_le_u(),
            (Width::W64, Cc::LtS) => code.i64_lt_s(),
            (Width::W64, Cc::LeS) => code.i64_le_s(),
            (Width::W32, Cc::Eq) => code.i32_eq(),
            (Width::W32, Cc::Ne) => code.i32_ne(),
            (Width::W32, Cc::LtU) => code.i32_lt_u(),
            (Width::W32, Cc::LeU) => code.i32_le_u(),
            (Width::W32, Cc::LtS) => code.i32_lt_s(),
            (Width::W32, Cc::LeS) => code.i32_le_s(),
        };
    }

    /// Pushes a word that is not zero if `c` is not.
    pub(super) fn condition(&mut self, c: Int) {
        let one = matches!(
            self.waiting(c),
            Some((_, Op::Compare { .. } | Op::Test { .. }))
        );
        if one {
            self.low(c);
        } else {
            self.int(c);
            self.code().i64_const(0).i64_ne();
        }
    }
}
