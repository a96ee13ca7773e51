//! Integer operations.

use dynasm::dynasm;
use dynasmrt::DynasmApi;
use ferrite_ir::{BinOp, Int, UnOp, Width, eval};

use super::values::Operand;
use super::{Emitter, RAX, RCX, RDX, cc, immediate};

/// Writes an instruction of two operands at a width, the second a register or an immediate.
macro_rules! two {
    ($e:expr, $w:expr, $op:ident, $d:expr, $b:expr) => {
        match ($w, $b) {
            (Width::W64, Operand::Register(b)) => dynasm!($e.asm ; .arch x64 ; $op Rq($d), Rq(b)),
            (Width::W32, Operand::Register(b)) => dynasm!($e.asm ; .arch x64 ; $op Rd($d), Rd(b)),
            (Width::W64, Operand::Immediate(b)) => match i8::try_from(b) {
                Ok(b) => dynasm!($e.asm ; .arch x64 ; $op Rq($d), BYTE b),
                Err(_) => dynasm!($e.asm ; .arch x64 ; $op Rq($d), b),
            },
            (Width::W32, Operand::Immediate(b)) => match i8::try_from(b) {
                Ok(b) => dynasm!($e.asm ; .arch x64 ; $op Rd($d), BYTE b),
                Err(_) => dynasm!($e.asm ; .arch x64 ; $op Rd($d), b),
            },
        }
    };
}

/// Writes an instruction of one operand at a width.
macro_rules! one {
    ($e:expr, $w:expr, $op:ident, $d:expr) => {
        match $w {
            Width::W64 => dynasm!($e.asm ; .arch x64 ; $op Rq($d)),
            Width::W32 => dynasm!($e.asm ; .arch x64 ; $op Rd($d)),
        }
    };
}

/// Writes a shift by a constant.
macro_rules! shift {
    ($e:expr, $w:expr, $op:ident, $d:expr, $n:expr) => {
        match $w {
            Width::W64 => dynasm!($e.asm ; .arch x64 ; $op Rq($d), BYTE ($n) as i8),
            Width::W32 => dynasm!($e.asm ; .arch x64 ; $op Rd($d), BYTE ($n) as i8),
        }
    };
}

/// Writes a shift by a register into another (BMI2).
macro_rules! shift_by {
    ($e:expr, $w:expr, $op:ident, $d:expr, $a:expr, $n:expr) => {
        match $w {
            Width::W64 => dynasm!($e.asm ; .arch x64 ; $op Rq($d), Rq($a), Rq($n)),
            Width::W32 => dynasm!($e.asm ; .arch x64 ; $op Rd($d), Rd($a), Rd($n)),
        }
    };
}

/// Writes an instruction from one register to another.
macro_rules! unary {
    ($e:expr, $w:expr, $op:ident, $d:expr, $a:expr) => {
        match $w {
            Width::W64 => dynasm!($e.asm ; .arch x64 ; $op Rq($d), Rq($a)),
            Width::W32 => dynasm!($e.asm ; .arch x64 ; $op Rd($d), Rd($a)),
        }
    };
}

pub(super) use {two, unary};

const fn bits(w: Width) -> u32 {
    match w {
        Width::W64 => 64,
        Width::W32 => 32,
    }
}

impl Emitter<'_> {
    pub(super) fn operand_at(&mut self, w: Width, a: Int) -> Operand {
        match w {
            Width::W64 => self.operand(a),
            Width::W32 => self.operand_32(a),
        }
    }

    /// `to = a` at a width.
    pub(super) fn move_at(&mut self, w: Width, to: u8, a: u8) {
        unary!(self, w, mov, to, a);
    }

    pub(super) fn bin(&mut self, op: BinOp, w: Width, d: Int, a: Int, b: Int) {
        match op {
            BinOp::Add => self.add(w, d, a, b),
            BinOp::Sub => self.sub(w, d, a, b),
            BinOp::And | BinOp::Or | BinOp::Xor | BinOp::XorNot | BinOp::OrNot | BinOp::AndNot => {
                self.logic(op, w, d, a, b);
            }
            BinOp::Shl | BinOp::ShrU | BinOp::ShrS | BinOp::Ror => self.shift(op, w, d, a, b),
            BinOp::Mul => self.mul(w, d, a, b),
            BinOp::MulHighU | BinOp::MulHighS => self.mul_high(op, w, d, a, b),
            BinOp::DivU | BinOp::DivS => self.div(op == BinOp::DivS, w, d, a, b),
        }
    }

    fn add(&mut self, w: Width, d: Int, a: Int, b: Int) {
        let (a, b) = if self.known(a).is_some() {
            (b, a)
        } else {
            (a, b)
        };
        let right = self.operand_at(w, b);
        let left = self.register(a);
        let to = self.result_over(d, &[a, b]);
        match right {
            Operand::Register(b) => self.lea_sum(w, to, left, b, 0, 0),
            Operand::Immediate(b) => self.lea(w, to, left, b),
        }
    }

    /// `to = from + disp`.
    pub(super) fn lea(&mut self, w: Width, to: u8, from: u8, disp: i32) {
        // The index that is none.
        const NO_INDEX: u8 = 4;
        self.lea_sum(w, to, from, NO_INDEX, 0, disp);
    }

    /// `to = base + (index << scale) + disp`, `scale` at most 3; an index of 4 is none. Without a
    /// distance where there is none: sums of three parts take longer.
    pub(super) fn lea_sum(&mut self, w: Width, to: u8, base: u8, index: u8, scale: u8, disp: i32) {
        let rex =
            0x40 | u8::from(w == Width::W64) << 3 | to >> 3 << 2 | index >> 3 << 1 | base >> 3;
        let short = i8::try_from(disp);
        // Registers that end like `rbp` have no form without a distance.
        let form = match short {
            Ok(0) if base & 7 != 5 => 0,
            Ok(_) => 0x40,
            Err(_) => 0x80,
        };
        let alone = index == 4 && base & 7 != 4;
        let rm = if alone { base & 7 } else { 4 };
        self.asm.extend([rex, 0x8d, form | (to & 7) << 3 | rm]);
        if !alone {
            self.asm.push(scale << 6 | (index & 7) << 3 | (base & 7));
        }
        match (form, short) {
            (0, _) => {}
            (_, Ok(disp)) => self.asm.push_i8(disp),
            (_, Err(_)) => self.asm.push_i32(disp),
        }
    }

    /// Compares a register with an operand into the host's flags.
    pub(super) fn cmp(&mut self, w: Width, left: u8, right: Operand) {
        match right {
            Operand::Register(b) => unary!(self, w, cmp, left, b),
            // The assembler does not know the short form.
            Operand::Immediate(b) if i8::try_from(b).is_ok() => {
                let rex = 0x40 | u8::from(w == Width::W64) << 3 | left >> 3;
                self.asm.extend([rex, 0x83, 0xf8 | (left & 7), b as u8]);
            }
            Operand::Immediate(b) => match w {
                Width::W64 => dynasm!(self.asm ; .arch x64 ; cmp Rq(left), b),
                Width::W32 => dynasm!(self.asm ; .arch x64 ; cmp Rd(left), b),
            },
        }
    }

    fn sub(&mut self, w: Width, d: Int, a: Int, b: Int) {
        let right = self.operand_at(w, b);
        if let Operand::Immediate(n) = right
            && let Some(n) = n.checked_neg()
        {
            let left = self.register(a);
            let to = self.result_over(d, &[a]);
            return self.lea(w, to, left, n);
        }
        if a == b {
            let to = self.result(d);
            return self.constant(to, 0);
        }
        let to = self.result_from(d, a);
        two!(self, w, sub, to, right);
    }

    fn logic(&mut self, op: BinOp, w: Width, d: Int, a: Int, b: Int) {
        let b = match op {
            BinOp::And | BinOp::Or | BinOp::Xor => self.operand_at(w, b),
            _ => match self.known(b) {
                // The complement may be an immediate.
                Some(n) if w == Width::W32 || immediate(!n).is_some() => {
                    Operand::Immediate(!n as i32)
                }
                _ => return self.logic_not(op, w, d, a, b),
            },
        };
        // A register that `b` is in must not be taken over before it is read.
        let to = match b {
            Operand::Register(b) if self.ints.value(a.0).register == u16::from(b) => {
                let to = self.result(d);
                self.copy_value(to, a);
                to
            }
            _ => self.result_from(d, a),
        };
        match op {
            BinOp::And | BinOp::AndNot => two!(self, w, and, to, b),
            BinOp::Or | BinOp::OrNot => two!(self, w, or, to, b),
            _ => two!(self, w, xor, to, b),
        }
    }

    fn logic_not(&mut self, op: BinOp, w: Width, d: Int, a: Int, b: Int) {
        let right = self.register(b);
        if op == BinOp::AndNot {
            let left = self.register(a);
            let to = self.result(d);
            match w {
                Width::W64 => dynasm!(self.asm ; .arch x64 ; andn Rq(to), Rq(right), Rq(left)),
                Width::W32 => dynasm!(self.asm ; .arch x64 ; andn Rd(to), Rd(right), Rd(left)),
            }
            return;
        }
        self.copy(RAX, right);
        one!(self, w, not, RAX);
        let to = self.result_from(d, a);
        let right = Operand::Register(RAX);
        match op {
            BinOp::OrNot => two!(self, w, or, to, right),
            _ => two!(self, w, xor, to, right),
        }
    }

    fn shift(&mut self, op: BinOp, w: Width, d: Int, a: Int, b: Int) {
        if let Some(n) = self.known(b) {
            let n = n as u32 & (bits(w) - 1);
            if op == BinOp::Ror {
                let from = self.register(a);
                let to = self.result(d);
                match w {
                    Width::W64 => {
                        dynasm!(self.asm ; .arch x64 ; rorx Rq(to), Rq(from), BYTE n as i8);
                    }
                    Width::W32 => {
                        dynasm!(self.asm ; .arch x64 ; rorx Rd(to), Rd(from), BYTE n as i8);
                    }
                }
                return;
            }
            let to = self.result_from(d, a);
            if n == 0 {
                if w == Width::W32 {
                    self.move_at(w, to, to);
                }
                return;
            }
            match op {
                BinOp::Shl => shift!(self, w, shl, to, n),
                BinOp::ShrU => shift!(self, w, shr, to, n),
                _ => shift!(self, w, sar, to, n),
            }
            return;
        }
        let count = self.register(b);
        let from = self.register(a);
        let to = self.result(d);
        match op {
            BinOp::Shl => shift_by!(self, w, shlx, to, from, count),
            BinOp::ShrU => shift_by!(self, w, shrx, to, from, count),
            BinOp::ShrS => shift_by!(self, w, sarx, to, from, count),
            _ => {
                self.copy(RCX, count);
                self.copy(to, from);
                match w {
                    Width::W64 => dynasm!(self.asm ; .arch x64 ; ror Rq(to), cl),
                    Width::W32 => dynasm!(self.asm ; .arch x64 ; ror Rd(to), cl),
                }
            }
        }
    }

    fn mul(&mut self, w: Width, d: Int, a: Int, b: Int) {
        let (a, b) = if self.known(a).is_some() {
            (b, a)
        } else {
            (a, b)
        };
        if self.at < self.keeping_carry && w == Width::W64 {
            return self.mul_keeping_flags(d, a, b);
        }
        match self.operand_at(w, b) {
            Operand::Immediate(n) => {
                let from = self.register(a);
                let to = self.result(d);
                match w {
                    Width::W64 => dynasm!(self.asm ; .arch x64 ; imul Rq(to), Rq(from), n),
                    Width::W32 => dynasm!(self.asm ; .arch x64 ; imul Rd(to), Rd(from), n),
                }
            }
            Operand::Register(right) => {
                let left = self.register(a);
                let to = self.result(d);
                self.move_at(w, to, left);
                unary!(self, w, imul, to, right);
            }
        }
    }

    fn mul_keeping_flags(&mut self, d: Int, a: Int, b: Int) {
        let right = self.register(b);
        self.copy_value(RDX, a);
        let to = self.result_over(d, &[a, b]);
        dynasm!(self.asm ; .arch x64 ; mulx rax, Rq(to), Rq(right));
    }

    fn mul_high(&mut self, op: BinOp, w: Width, d: Int, a: Int, b: Int) {
        let left = self.register(a);
        let right = self.register(b);
        let to = self.result(d);
        match (w, op) {
            (Width::W64, BinOp::MulHighU) => dynasm!(self.asm
                ; .arch x64
                ; mov rdx, Rq(left)
                ; mulx Rq(to), rax, Rq(right)
            ),
            (Width::W64, _) => dynasm!(self.asm
                ; .arch x64
                ; mov rax, Rq(left)
                ; imul Rq(right)
                ; mov Rq(to), rdx
            ),
            (Width::W32, BinOp::MulHighU) => dynasm!(self.asm
                ; .arch x64
                ; mov eax, Rd(left)
                ; mov ecx, Rd(right)
                ; imul rax, rcx
                ; shr rax, 32
                ; mov Rq(to), rax
            ),
            (Width::W32, _) => dynasm!(self.asm
                ; .arch x64
                ; movsxd rax, Rd(left)
                ; movsxd rcx, Rd(right)
                ; imul rax, rcx
                ; shr rax, 32
                ; mov Rq(to), rax
            ),
        }
    }

    /// Division by zero gives zero; the one quotient that does not fit is the dividend.
    fn div(&mut self, signed: bool, w: Width, d: Int, a: Int, b: Int) {
        let left = self.register(a);
        let right = self.register(b);
        let to = self.result(d);
        dynasm!(self.asm ; .arch x64 ; xor eax, eax);
        unary!(self, w, test, right, right);
        let zero = self.skip(cc::EQUAL);
        self.move_at(w, RAX, left);
        let mut minus_one = None;
        if signed {
            self.cmp(w, right, Operand::Immediate(-1));
            let other = self.skip(cc::NOT_EQUAL);
            one!(self, w, neg, RAX);
            minus_one = Some(self.skip_always());
            self.land_short(other);
            match w {
                Width::W64 => dynasm!(self.asm ; .arch x64 ; cqo),
                Width::W32 => dynasm!(self.asm ; .arch x64 ; cdq),
            }
            one!(self, w, idiv, right);
        } else {
            dynasm!(self.asm ; .arch x64 ; xor edx, edx);
            one!(self, w, div, right);
        }
        self.land_short(zero);
        if let Some(from) = minus_one {
            self.land_short(from);
        }
        self.copy(to, RAX);
    }

    pub(super) fn un(&mut self, op: UnOp, w: Width, d: Int, a: Int) {
        let from = self.register(a);
        match op {
            UnOp::Mov if w == Width::W64 => self.define(d, from),
            UnOp::Neg => {
                let to = self.result_from(d, a);
                one!(self, w, neg, to);
            }
            UnOp::Not => {
                let to = self.result_from(d, a);
                one!(self, w, not, to);
            }
            UnOp::ReverseBits => self.reverse_bits(w, d, from),
            UnOp::ReverseBytes16 => self.reverse_bytes_16(w, d, from),
            _ => {
                let to = self.result(d);
                self.un_into(op, w, to, from);
            }
        }
    }

    fn un_into(&mut self, op: UnOp, w: Width, to: u8, from: u8) {
        match op {
            UnOp::Mov | UnOp::ZeroExtend32 => self.move_at(Width::W32, to, from),
            UnOp::Clz => unary!(self, w, lzcnt, to, from),
            UnOp::Cls => {
                self.move_at(w, RAX, from);
                shift!(self, w, sar, RAX, bits(w) - 1);
                two!(self, w, xor, RAX, Operand::Register(from));
                unary!(self, w, lzcnt, to, RAX);
                one!(self, w, dec, to);
            }
            UnOp::ReverseBytes => {
                self.move_at(w, to, from);
                one!(self, w, bswap, to);
            }
            UnOp::ReverseBytes32 => {
                dynasm!(self.asm
                    ; .arch x64
                    ; mov Rq(to), Rq(from)
                    ; bswap Rq(to)
                    ; rol Rq(to), 32
                );
                if w == Width::W32 {
                    self.move_at(w, to, to);
                }
            }
            UnOp::SignExtend8 => match w {
                Width::W64 => dynasm!(self.asm ; .arch x64 ; movsx Rq(to), Rb(from)),
                Width::W32 => dynasm!(self.asm ; .arch x64 ; movsx Rd(to), Rb(from)),
            },
            UnOp::SignExtend16 => match w {
                Width::W64 => dynasm!(self.asm ; .arch x64 ; movsx Rq(to), Rw(from)),
                Width::W32 => dynasm!(self.asm ; .arch x64 ; movsx Rd(to), Rw(from)),
            },
            UnOp::SignExtend32 => match w {
                Width::W64 => dynasm!(self.asm ; .arch x64 ; movsxd Rq(to), Rd(from)),
                Width::W32 => self.move_at(w, to, from),
            },
            UnOp::ZeroExtend8 => dynasm!(self.asm ; .arch x64 ; movzx Rd(to), Rb(from)),
            UnOp::ZeroExtend16 => dynasm!(self.asm ; .arch x64 ; movzx Rd(to), Rw(from)),
            // The caller has done these.
            UnOp::Neg | UnOp::Not | UnOp::ReverseBits | UnOp::ReverseBytes16 => {}
        }
    }

    /// Swaps neighbouring groups of bits in `rax`: those under `mask` with those `n` above.
    fn swap_groups(&mut self, mask: u64, n: i8) {
        self.constant(RDX, mask);
        dynasm!(self.asm
            ; .arch x64
            ; mov rcx, rax
            ; shr rcx, n
            ; and rax, rdx
            ; and rcx, rdx
            ; shl rax, n
            ; or rax, rcx
        );
    }

    fn reverse_bits(&mut self, w: Width, d: Int, from: u8) {
        let to = self.result(d);
        self.move_at(w, RAX, from);
        self.swap_groups(0x5555_5555_5555_5555, 1);
        self.swap_groups(0x3333_3333_3333_3333, 2);
        self.swap_groups(0x0f0f_0f0f_0f0f_0f0f, 4);
        one!(self, w, bswap, RAX);
        self.copy(to, RAX);
    }

    fn reverse_bytes_16(&mut self, w: Width, d: Int, from: u8) {
        let to = self.result(d);
        self.move_at(w, RAX, from);
        self.swap_groups(0x00ff_00ff_00ff_00ff, 8);
        self.copy(to, RAX);
    }

    pub(super) fn extract(&mut self, d: Int, w: Width, a: Int, lsb: u8, len: u8, signed: bool) {
        let from = self.register(a);
        let top = bits(w) as u8 - lsb - len;
        match (signed, lsb, len) {
            (false, 0, 8) => {
                let to = self.result(d);
                self.un_into(UnOp::ZeroExtend8, w, to, from);
            }
            (false, 0, 16) => {
                let to = self.result(d);
                self.un_into(UnOp::ZeroExtend16, w, to, from);
            }
            (false, 0, 32) => {
                let to = self.result(d);
                self.move_at(Width::W32, to, from);
            }
            (true, 0, 8 | 16 | 32) => {
                let op = match len {
                    8 => UnOp::SignExtend8,
                    16 => UnOp::SignExtend16,
                    _ => UnOp::SignExtend32,
                };
                let to = self.result(d);
                self.un_into(op, w, to, from);
            }
            (false, _, _) if len < 32 && top != 0 => {
                let to = self.result_from(d, a);
                if lsb != 0 {
                    shift!(self, w, shr, to, lsb);
                }
                two!(
                    self,
                    Width::W32,
                    and,
                    to,
                    Operand::Immediate(eval::mask(len) as i32)
                );
            }
            _ => {
                let to = self.result_from(d, a);
                if top == 0 && w == Width::W32 {
                    self.move_at(w, to, to);
                }
                if top != 0 {
                    shift!(self, w, shl, to, top);
                }
                let down = lsb + top;
                if down != 0 && signed {
                    shift!(self, w, sar, to, down);
                } else if down != 0 {
                    shift!(self, w, shr, to, down);
                }
            }
        }
    }

    pub(super) fn insert(&mut self, d: Int, w: Width, a: Int, b: Int, lsb: u8, len: u8) {
        if u32::from(len) == bits(w) {
            let from = self.register(b);
            let to = self.result(d);
            return self.move_at(w, to, from);
        }
        let width = bits(w) as u8;
        // The field, in place, in `rax`.
        self.copy_value(RAX, b);
        shift!(self, w, shl, RAX, width - len);
        if width - len - lsb != 0 {
            shift!(self, w, shr, RAX, width - len - lsb);
        }
        let keep = !(eval::mask(len) << lsb);
        let keep = match w {
            Width::W64 => immediate(keep),
            Width::W32 => Some(keep as i32),
        };
        let keep = match keep {
            Some(keep) => Operand::Immediate(keep),
            None => {
                self.constant(RCX, !(eval::mask(len) << lsb));
                Operand::Register(RCX)
            }
        };
        let to = self.result_from(d, a);
        two!(self, w, and, to, keep);
        two!(self, w, or, to, Operand::Register(RAX));
    }

    pub(super) fn funnel(&mut self, d: Int, w: Width, high: Int, low: Int, lsb: u8) {
        let high = self.register(high);
        let low = self.register(low);
        let to = self.result(d);
        self.move_at(w, to, low);
        if lsb != 0 {
            match w {
                Width::W64 => {
                    dynasm!(self.asm ; .arch x64 ; shrd Rq(to), Rq(high), BYTE lsb as i8);
                }
                Width::W32 => {
                    dynasm!(self.asm ; .arch x64 ; shrd Rd(to), Rd(high), BYTE lsb as i8);
                }
            }
        }
    }
}
