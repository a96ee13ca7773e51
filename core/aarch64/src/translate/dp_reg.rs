//! Data processing with registers (Arm ARM C4.1.95).

use ferrite_ir::{BinOp, Condition, FlagKind, Int, UnOp, Width};

use super::operand::condition;
use super::{Flow, Outcome, Translator};
use crate::decode::dp_reg::*;

impl Translator {
    fn two_source(&mut self, i: Udiv, op: BinOp) -> Outcome {
        let (a, b) = (self.x(i.rn), self.x(i.rm));
        let d = self.b.bin(op, Self::width(i.sf), a, b);
        self.set_x(i.rd, d);
        Ok(Flow::Next)
    }

    fn one_source(&mut self, rn: u32, rd: u32, w: Width, op: UnOp) -> Outcome {
        let a = self.x(rn);
        let d = self.b.un(op, w, a);
        self.set_x(rd, d);
        Ok(Flow::Next)
    }

    fn logical_shift(&mut self, i: AndShift, op: BinOp, flags: bool) -> Outcome {
        let w = Self::width(i.sf);
        let b = self.shift_reg(w, i.rm, i.shift, i.imm6)?;
        let d = match (op, i.rn) {
            // MOV (register) and MVN
            (BinOp::Or | BinOp::Xor, 31) => self.result(w, b),
            (BinOp::OrNot | BinOp::XorNot, 31) => self.b.un(UnOp::Not, w, b),
            _ => {
                let a = self.x(i.rn);
                self.b.bin(op, w, a, b)
            }
        };
        if flags {
            self.b.set_flags(FlagKind::Logic(w), d, d, d);
        }
        self.set_x(i.rd, d);
        Ok(Flow::Next)
    }

    fn add_sub_shift(&mut self, i: AddShift, op: BinOp, flags: bool) -> Outcome {
        let w = Self::width(i.sf);
        let b = self.shift_reg(w, i.rm, i.shift, i.imm6)?;
        let d = if op == BinOp::Sub && i.rn == 31 && !flags {
            self.b.un(UnOp::Neg, w, b)
        } else {
            let a = self.x(i.rn);
            self.add_sub(w, op, a, b, flags)
        };
        self.set_x(i.rd, d);
        Ok(Flow::Next)
    }

    fn add_sub_ext(&mut self, i: AddExt, op: BinOp, flags: bool) -> Outcome {
        let w = Self::width(i.sf);
        let a = self.x_or_sp(i.rn);
        let b = self.extend_reg(w, i.rm, i.option, i.imm3);
        let d = self.add_sub(w, op, a, b, flags);
        if flags {
            self.set_x(i.rd, d);
        } else {
            self.set_x_or_sp(i.rd, d);
        }
        Ok(Flow::Next)
    }

    /// `rn + rm + C`, or `rn + NOT(rm) + C`.
    fn add_carry(&mut self, i: Adc, subtract: bool, flags: bool) -> Outcome {
        let w = Self::width(i.sf);
        let (a, mut b) = (self.x(i.rn), self.x(i.rm));
        if subtract {
            b = self.b.un(UnOp::Not, w, b);
        }
        let carry = self.b.test(Condition::Cs);
        let sum = self.b.bin(BinOp::Add, w, a, b);
        let d = self.b.bin(BinOp::Add, w, sum, carry);
        if flags {
            self.b.set_flags(FlagKind::AddCarry(w), a, b, carry);
        }
        self.set_x(i.rd, d);
        Ok(Flow::Next)
    }

    /// Flags of a comparison where a condition holds, else `nzcv`.
    fn compare_if(&mut self, cond: u32, kind: FlagKind, a: Int, b: Int, nzcv: u32) -> Outcome {
        match condition(cond) {
            Condition::Al | Condition::Nv => self.b.set_flags(kind, a, b, a),
            cond => {
                let c = self.b.test(cond);
                self.b.set_flags_if(c, kind, a, b, nzcv << 28);
            }
        }
        Ok(Flow::Next)
    }

    fn compare_if_reg(&mut self, i: CcmnReg, kind: fn(Width) -> FlagKind) -> Outcome {
        let (a, b) = (self.x(i.rn), self.x(i.rm));
        self.compare_if(i.cond, kind(Self::width(i.sf)), a, b, i.nzcv)
    }

    fn compare_if_imm(&mut self, i: CcmnImm, kind: fn(Width) -> FlagKind) -> Outcome {
        let a = self.x(i.rn);
        let b = self.b.iconst(u64::from(i.imm5));
        self.compare_if(i.cond, kind(Self::width(i.sf)), a, b, i.nzcv)
    }

    /// `rn` where the condition holds, else `other` of `rm`. `set`, where both registers are zero:
    /// the result where the condition fails, which is 1 or all ones.
    fn select_if(&mut self, i: Csel, other: Option<UnOp>, increment: bool) -> Outcome {
        let w = Self::width(i.sf);
        let cond = condition(i.cond);
        let always = matches!(cond, Condition::Al | Condition::Nv);
        let d = if always {
            let a = self.x(i.rn);
            self.result(w, a)
        } else if i.rn == 31 && i.rm == 31 && (increment || other == Some(UnOp::Not)) {
            // CSET and CSETM: conditions come in pairs of opposites.
            let set = self.b.test(condition(i.cond ^ 1));
            if increment {
                set
            } else {
                self.b.un(UnOp::Neg, w, set)
            }
        } else {
            let (a, mut b) = (self.x(i.rn), self.x(i.rm));
            if let Some(op) = other {
                b = self.b.un(op, w, b);
            }
            if increment {
                b = self.b.bin_const(BinOp::Add, w, b, 1);
            }
            let c = self.b.test(cond);
            let d = self.b.select(c, a, b);
            self.result(w, d)
        };
        self.set_x(i.rd, d);
        Ok(Flow::Next)
    }

    /// `ra` plus or minus a product.
    fn multiply_add(&mut self, w: Width, ra: u32, rd: u32, a: Int, b: Int, op: BinOp) -> Outcome {
        let product = self.b.bin(BinOp::Mul, w, a, b);
        let d = match (ra, op) {
            (31, BinOp::Add) => product,
            (31, _) => self.b.un(UnOp::Neg, w, product),
            _ => {
                let addend = self.x(ra);
                self.b.bin(op, w, addend, product)
            }
        };
        self.set_x(rd, d);
        Ok(Flow::Next)
    }

    fn multiply_add_reg(&mut self, i: Madd, op: BinOp) -> Outcome {
        let (a, b) = (self.x(i.rn), self.x(i.rm));
        self.multiply_add(Self::width(i.sf), i.ra, i.rd, a, b, op)
    }

    /// The factors are the low halves, extended.
    fn multiply_add_long(&mut self, i: Smaddl, extend: UnOp, op: BinOp) -> Outcome {
        let (a, b) = (self.x(i.rn), self.x(i.rm));
        let a = self.b.un(extend, Width::W64, a);
        let b = self.b.un(extend, Width::W64, b);
        self.multiply_add(Width::W64, i.ra, i.rd, a, b, op)
    }

    fn multiply_high(&mut self, i: Smulh, op: BinOp) -> Outcome {
        let (a, b) = (self.x(i.rn), self.x(i.rm));
        let d = self.b.bin(op, Width::W64, a, b);
        self.set_x(i.rd, d);
        Ok(Flow::Next)
    }
}

/// Methods that only name the shared one and what it differs in.
macro_rules! forms {
    ($($method:ident($type:ident) => $shared:ident($($argument:expr),*);)*) => {
        $(fn $method(&mut self, i: $type) -> Outcome {
            self.$shared(i, $($argument),*)
        })*
    };
}

impl Visitor for Translator {
    type Output = Outcome;

    forms! {
        udiv(Udiv) => two_source(BinOp::DivU);
        sdiv(Sdiv) => two_source(BinOp::DivS);
        lslv(Lslv) => two_source(BinOp::Shl);
        lsrv(Lsrv) => two_source(BinOp::ShrU);
        asrv(Asrv) => two_source(BinOp::ShrS);
        rorv(Rorv) => two_source(BinOp::Ror);

        and_shift(AndShift) => logical_shift(BinOp::And, false);
        bic_shift(BicShift) => logical_shift(BinOp::AndNot, false);
        orr_shift(OrrShift) => logical_shift(BinOp::Or, false);
        orn_shift(OrnShift) => logical_shift(BinOp::OrNot, false);
        eor_shift(EorShift) => logical_shift(BinOp::Xor, false);
        eon_shift(EonShift) => logical_shift(BinOp::XorNot, false);
        ands_shift(AndsShift) => logical_shift(BinOp::And, true);
        bics_shift(BicsShift) => logical_shift(BinOp::AndNot, true);

        add_shift(AddShift) => add_sub_shift(BinOp::Add, false);
        adds_shift(AddsShift) => add_sub_shift(BinOp::Add, true);
        sub_shift(SubShift) => add_sub_shift(BinOp::Sub, false);
        subs_shift(SubsShift) => add_sub_shift(BinOp::Sub, true);

        add_ext(AddExt) => add_sub_ext(BinOp::Add, false);
        adds_ext(AddsExt) => add_sub_ext(BinOp::Add, true);
        sub_ext(SubExt) => add_sub_ext(BinOp::Sub, false);
        subs_ext(SubsExt) => add_sub_ext(BinOp::Sub, true);

        adc(Adc) => add_carry(false, false);
        adcs(Adcs) => add_carry(false, true);
        sbc(Sbc) => add_carry(true, false);
        sbcs(Sbcs) => add_carry(true, true);

        ccmn_reg(CcmnReg) => compare_if_reg(FlagKind::Add);
        ccmp_reg(CcmpReg) => compare_if_reg(FlagKind::Sub);
        ccmn_imm(CcmnImm) => compare_if_imm(FlagKind::Add);
        ccmp_imm(CcmpImm) => compare_if_imm(FlagKind::Sub);

        csel(Csel) => select_if(None, false);
        csinc(Csinc) => select_if(None, true);
        csinv(Csinv) => select_if(Some(UnOp::Not), false);
        csneg(Csneg) => select_if(Some(UnOp::Neg), false);

        madd(Madd) => multiply_add_reg(BinOp::Add);
        msub(Msub) => multiply_add_reg(BinOp::Sub);
        smaddl(Smaddl) => multiply_add_long(UnOp::SignExtend32, BinOp::Add);
        smsubl(Smsubl) => multiply_add_long(UnOp::SignExtend32, BinOp::Sub);
        umaddl(Umaddl) => multiply_add_long(UnOp::ZeroExtend32, BinOp::Add);
        umsubl(Umsubl) => multiply_add_long(UnOp::ZeroExtend32, BinOp::Sub);
        smulh(Smulh) => multiply_high(BinOp::MulHighS);
        umulh(Umulh) => multiply_high(BinOp::MulHighU);
    }

    fn rbit(&mut self, i: Rbit) -> Outcome {
        self.one_source(i.rn, i.rd, Self::width(i.sf), UnOp::ReverseBits)
    }

    fn rev16(&mut self, i: Rev16) -> Outcome {
        self.one_source(i.rn, i.rd, Self::width(i.sf), UnOp::ReverseBytes16)
    }

    fn rev_w(&mut self, i: RevW) -> Outcome {
        self.one_source(i.rn, i.rd, Width::W32, UnOp::ReverseBytes)
    }

    fn rev32(&mut self, i: Rev32) -> Outcome {
        self.one_source(i.rn, i.rd, Width::W64, UnOp::ReverseBytes32)
    }

    fn rev_x(&mut self, i: RevX) -> Outcome {
        self.one_source(i.rn, i.rd, Width::W64, UnOp::ReverseBytes)
    }

    fn clz(&mut self, i: Clz) -> Outcome {
        self.one_source(i.rn, i.rd, Self::width(i.sf), UnOp::Clz)
    }

    fn cls(&mut self, i: Cls) -> Outcome {
        self.one_source(i.rn, i.rd, Self::width(i.sf), UnOp::Cls)
    }
}
