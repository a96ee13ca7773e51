//! Operands and results that many instructions share.

use ferrite_ir::{BinOp, Condition, FlagKind, Int, Size, UnOp, Width};

use super::{Translator, Undefined};

/// The condition with this number.
#[must_use]
pub fn condition(number: u32) -> Condition {
    use Condition::{Al, Cc, Cs, Eq, Ge, Gt, Hi, Le, Ls, Lt, Mi, Ne, Nv, Pl, Vc, Vs};
    const ALL: [Condition; 16] = [
        Eq, Ne, Cs, Cc, Mi, Pl, Vs, Vc, Hi, Ls, Ge, Lt, Gt, Le, Al, Nv,
    ];
    ALL[number as usize & 15]
}

/// The size of the `size` field of integer loads and stores: `1 << size` bytes, for 0 to 3.
#[must_use]
pub fn size(field: u32) -> Size {
    [Size::B1, Size::B2, Size::B4, Size::B8][field as usize & 3]
}

/// Bits of a width.
#[must_use]
pub fn bits(w: Width) -> u32 {
    match w {
        Width::W32 => 32,
        Width::W64 => 64,
    }
}

/// The low `width` bits of `value`, sign-extended.
#[must_use]
pub fn sign_extend(value: u32, width: u32) -> i64 {
    let up = 64 - width;
    (i64::from(value) << up) >> up
}

impl Translator {
    /// Register `rm` shifted by an immediate (`ShiftReg`): `shift` is LSL, LSR, ASR, ROR. An amount
    /// that the width does not have is UNDEFINED.
    pub fn shift_reg(
        &mut self,
        w: Width,
        rm: u32,
        shift: u32,
        amount: u32,
    ) -> Result<Int, Undefined> {
        if amount >= bits(w) {
            return Err(Undefined);
        }
        let a = self.x(rm);
        if amount == 0 || rm == 31 {
            return Ok(a);
        }
        let op = [BinOp::Shl, BinOp::ShrU, BinOp::ShrS, BinOp::Ror][shift as usize & 3];
        Ok(self.b.bin_const(op, w, a, u64::from(amount)))
    }

    /// Register `rm` extended and shifted left by 0 to 4 (`ExtendReg`): `option` is UXTB, UXTH,
    /// UXTW, UXTX, SXTB, SXTH, SXTW, SXTX.
    pub fn extend_reg(&mut self, w: Width, rm: u32, option: u32, shift: u32) -> Int {
        let a = self.x(rm);
        let extended = match option {
            0 => self.b.un(UnOp::ZeroExtend8, w, a),
            1 => self.b.un(UnOp::ZeroExtend16, w, a),
            2 if w == Width::W64 => self.b.un(UnOp::ZeroExtend32, w, a),
            4 => self.b.un(UnOp::SignExtend8, w, a),
            5 => self.b.un(UnOp::SignExtend16, w, a),
            6 if w == Width::W64 => self.b.un(UnOp::SignExtend32, w, a),
            _ => a,
        };
        if shift == 0 {
            return extended;
        }
        self.b.bin_const(BinOp::Shl, w, extended, u64::from(shift))
    }

    /// `a` as the result of an operation at width `w`: 32-bit results have a zero upper half.
    pub fn result(&mut self, w: Width, a: Int) -> Int {
        match w {
            Width::W32 => self.b.un(UnOp::Mov, w, a),
            Width::W64 => a,
        }
    }

    /// Sum or difference, with the flags set where `flags` says so.
    pub fn add_sub(&mut self, w: Width, op: BinOp, a: Int, b: Int, flags: bool) -> Int {
        let d = self.b.bin(op, w, a, b);
        if flags {
            let kind = match op {
                BinOp::Sub => FlagKind::Sub(w),
                _ => FlagKind::Add(w),
            };
            self.b.set_flags(kind, a, b, a);
        }
        d
    }
}
