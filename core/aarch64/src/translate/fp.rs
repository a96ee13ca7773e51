//! Scalar floating point (Arm ARM C4.1.96).
//!
//! A scalar is lane 0 of a vector register; writing one clears the rest of the register, which
//! every wide operation at a scalar shape does by itself.

use ferrite_ir::{FlagKind, Int, Vector};
use ferrite_simd::float::{Rounding, RoundingImm};
use ferrite_simd::{FloatOp, Lane, LaneOp, Shape, WideOp};

use super::operand::condition;
use super::{Flow, Outcome, Translator, Undefined};
use crate::decode::fp::*;

/// The shape of a scalar: `ptype`, or `sz`, is 0 for single and 1 for double precision.
pub(super) fn scalar(ptype: u32) -> Shape {
    Shape::scalar(if ptype == 0 { Lane::S } else { Lane::D })
}

/// The rounding that `rmode` names: N, P, M, Z, and 4 for A.
pub(super) fn rounding(rmode: u32) -> RoundingImm {
    RoundingImm::by(match rmode {
        0 => Rounding::TiesToEven,
        1 => Rounding::Up,
        2 => Rounding::Down,
        3 => Rounding::ToZero,
        _ => Rounding::TiesToAway,
    })
}

/// An 8-bit immediate as a single or double number (VFPExpandImm).
pub(super) fn expand_imm(imm8: u32, shape: Shape) -> u64 {
    let imm8 = u64::from(imm8);
    let sign = imm8 >> 7;
    let bit6 = imm8 >> 6 & 1;
    let low = imm8 & 0x3F;
    match shape.lane {
        Lane::D => sign << 63 | (bit6 ^ 1) << 62 | (bit6 * 0xFF) << 54 | low << 48,
        _ => sign << 31 | (bit6 ^ 1) << 30 | (bit6 * 0x1F) << 25 | low << 19,
    }
}

impl Translator {
    /// The body of a floating-point or AdvSIMD instruction that is known to be defined, unless such
    /// instructions trap.
    pub(super) fn fp(&mut self, body: impl FnOnce(&mut Self)) -> Outcome {
        if let Some(flow) = self.fp_access() {
            return Ok(flow);
        }
        body(self);
        Ok(Flow::Next)
    }

    /// A floating-point operation on vectors.
    pub(super) fn float(&mut self, op: FloatOp, shape: Shape, imm: u32, v: &[Vector]) -> Vector {
        self.b.wide_vec(WideOp::Float(op), shape, imm, v, None)
    }

    /// Lane 0 of register `n` as an integer.
    fn scalar_bits(&mut self, shape: Shape, n: u32) -> Int {
        let a = self.v(n);
        self.b
            .wide_int(WideOp::Lanes(LaneOp::Umov), shape, 0, &[a], None)
    }

    /// A vector whose lanes, as many as the shape has, are an integer's low bits.
    pub(super) fn splat(&mut self, shape: Shape, bits: Int) -> Vector {
        let op = WideOp::Lanes(LaneOp::DupInt);
        self.b.wide_vec(op, shape, 0, &[], Some(bits))
    }

    /// `rd = op(rn)`.
    pub(super) fn fp_unary(
        &mut self,
        op: FloatOp,
        shape: Shape,
        imm: u32,
        rn: u32,
        rd: u32,
    ) -> Outcome {
        self.fp(|t| {
            let a = t.v(rn);
            let result = t.float(op, shape, imm, &[a]);
            t.set_v(rd, result);
        })
    }

    /// `rd = op(rn, rm)`.
    pub(super) fn fp_binary(
        &mut self,
        op: FloatOp,
        shape: Shape,
        [rn, rm]: [u32; 2],
        rd: u32,
    ) -> Outcome {
        self.fp(|t| {
            let operands = [t.v(rn), t.v(rm)];
            let result = t.float(op, shape, 0, &operands);
            t.set_v(rd, result);
        })
    }

    /// `rd = op(ra, rn, rm)`.
    pub(super) fn fp_ternary(
        &mut self,
        op: FloatOp,
        shape: Shape,
        [ra, rn, rm]: [u32; 3],
        rd: u32,
    ) -> Outcome {
        self.fp(|t| {
            let operands = [t.v(ra), t.v(rn), t.v(rm)];
            let result = t.float(op, shape, 0, &operands);
            t.set_v(rd, result);
        })
    }

    /// Register `rd` from a scalar.
    fn fp_to_int(
        &mut self,
        sf: u32,
        signed: bool,
        ptype: u32,
        imm: RoundingImm,
        [rn, rd]: [u32; 2],
    ) -> Outcome {
        let op = match (sf, signed) {
            (0, true) => FloatOp::ToS32,
            (0, false) => FloatOp::ToU32,
            (_, true) => FloatOp::ToS64,
            (_, false) => FloatOp::ToU64,
        };
        self.fp(|t| {
            let a = t.v(rn);
            let op = WideOp::Float(op);
            let result = t.b.wide_int(op, scalar(ptype), imm.encode(), &[a], None);
            t.set_x(rd, result);
        })
    }

    /// A scalar from register `rn`.
    fn fp_from_int(
        &mut self,
        sf: u32,
        signed: bool,
        ptype: u32,
        fraction_bits: u32,
        [rn, rd]: [u32; 2],
    ) -> Outcome {
        let op = match (sf, signed) {
            (0, true) => FloatOp::FromS32,
            (0, false) => FloatOp::FromU32,
            (_, true) => FloatOp::FromS64,
            (_, false) => FloatOp::FromU64,
        };
        let imm = RoundingImm::by_control().with_fraction(fraction_bits);
        self.fp(|t| {
            let a = t.x(rn);
            let op = WideOp::Float(op);
            let result = t.b.wide_vec(op, scalar(ptype), imm.encode(), &[], Some(a));
            t.set_v(rd, result);
        })
    }

    /// Register `rd` from 32 or 64 bits of a vector register.
    fn fmov_to_int(&mut self, lane: Lane, index: u32, rn: u32, rd: u32) -> Outcome {
        self.fp(|t| {
            let a = t.v(rn);
            let op = WideOp::Lanes(LaneOp::Umov);
            let bits = t.b.wide_int(op, Shape::scalar(lane), index, &[a], None);
            t.set_x(rd, bits);
        })
    }

    /// A scalar's bits from register `rn`.
    fn fmov_from_int(&mut self, lane: Lane, rn: u32, rd: u32) -> Outcome {
        self.fp(|t| {
            let bits = t.x(rn);
            let result = t.splat(Shape::scalar(lane), bits);
            t.set_v(rd, result);
        })
    }
}

/// `scale` as fraction bits: no more than the integer has.
fn fraction_bits(sf: u32, scale: u32) -> Result<u32, Undefined> {
    if sf == 0 && scale < 32 {
        return Err(Undefined);
    }
    Ok(64 - scale)
}

macro_rules! unary {
    ($($method:ident($operands:ident) = $op:ident $(, $imm:expr)?;)*) => {$(
        fn $method(&mut self, i: $operands) -> Outcome {
            let imm = unary!(@imm $($imm)?);
            self.fp_unary(FloatOp::$op, scalar(i.ptype), imm, i.rn, i.rd)
        }
    )*};
    (@imm) => { 0 };
    (@imm $imm:expr) => { $imm.encode() };
}

macro_rules! binary {
    ($($method:ident($operands:ident) = $op:ident;)*) => {$(
        fn $method(&mut self, i: $operands) -> Outcome {
            self.fp_binary(FloatOp::$op, scalar(i.ptype), [i.rn, i.rm], i.rd)
        }
    )*};
}

macro_rules! ternary {
    ($($method:ident($operands:ident) = $op:ident;)*) => {$(
        fn $method(&mut self, i: $operands) -> Outcome {
            self.fp_ternary(FloatOp::$op, scalar(i.ptype), [i.ra, i.rn, i.rm], i.rd)
        }
    )*};
}

impl Visitor for Translator {
    type Output = Outcome;

    fn scvtf_fixed(&mut self, i: ScvtfFixed) -> Outcome {
        let fraction = fraction_bits(i.sf, i.scale)?;
        self.fp_from_int(i.sf, true, i.ptype, fraction, [i.rn, i.rd])
    }

    fn ucvtf_fixed(&mut self, i: UcvtfFixed) -> Outcome {
        let fraction = fraction_bits(i.sf, i.scale)?;
        self.fp_from_int(i.sf, false, i.ptype, fraction, [i.rn, i.rd])
    }

    fn fcvtzs_fixed(&mut self, i: FcvtzsFixed) -> Outcome {
        let imm = RoundingImm::by(Rounding::ToZero).with_fraction(fraction_bits(i.sf, i.scale)?);
        self.fp_to_int(i.sf, true, i.ptype, imm, [i.rn, i.rd])
    }

    fn fcvtzu_fixed(&mut self, i: FcvtzuFixed) -> Outcome {
        let imm = RoundingImm::by(Rounding::ToZero).with_fraction(fraction_bits(i.sf, i.scale)?);
        self.fp_to_int(i.sf, false, i.ptype, imm, [i.rn, i.rd])
    }

    fn fcvts_int(&mut self, i: FcvtsInt) -> Outcome {
        self.fp_to_int(i.sf, true, i.ptype, rounding(i.rmode), [i.rn, i.rd])
    }

    fn fcvtu_int(&mut self, i: FcvtuInt) -> Outcome {
        self.fp_to_int(i.sf, false, i.ptype, rounding(i.rmode), [i.rn, i.rd])
    }

    fn scvtf_int(&mut self, i: ScvtfInt) -> Outcome {
        self.fp_from_int(i.sf, true, i.ptype, 0, [i.rn, i.rd])
    }

    fn ucvtf_int(&mut self, i: UcvtfInt) -> Outcome {
        self.fp_from_int(i.sf, false, i.ptype, 0, [i.rn, i.rd])
    }

    fn fcvtas_int(&mut self, i: FcvtasInt) -> Outcome {
        let imm = RoundingImm::by(Rounding::TiesToAway);
        self.fp_to_int(i.sf, true, i.ptype, imm, [i.rn, i.rd])
    }

    fn fcvtau_int(&mut self, i: FcvtauInt) -> Outcome {
        let imm = RoundingImm::by(Rounding::TiesToAway);
        self.fp_to_int(i.sf, false, i.ptype, imm, [i.rn, i.rd])
    }

    fn fmov_to_w(&mut self, i: FmovToW) -> Outcome {
        self.fmov_to_int(Lane::S, 0, i.rn, i.rd)
    }

    fn fmov_to_x(&mut self, i: FmovToX) -> Outcome {
        self.fmov_to_int(Lane::D, 0, i.rn, i.rd)
    }

    fn fmov_to_x_top(&mut self, i: FmovToXTop) -> Outcome {
        self.fmov_to_int(Lane::D, 1, i.rn, i.rd)
    }

    fn fmov_from_w(&mut self, i: FmovFromW) -> Outcome {
        self.fmov_from_int(Lane::S, i.rn, i.rd)
    }

    fn fmov_from_x(&mut self, i: FmovFromX) -> Outcome {
        self.fmov_from_int(Lane::D, i.rn, i.rd)
    }

    fn fmov_from_x_top(&mut self, i: FmovFromXTop) -> Outcome {
        self.fp(|t| {
            let bits = t.x(i.rn);
            let old = t.v(i.rd);
            let op = WideOp::Lanes(LaneOp::InsInt);
            let both = Shape::vector(Lane::D, true);
            let result = t.b.wide_vec(op, both, 1, &[old], Some(bits));
            t.set_v(i.rd, result);
        })
    }

    fn fmov_reg(&mut self, i: FmovReg) -> Outcome {
        self.fp(|t| {
            let a = t.v(i.rn);
            let op = WideOp::Lanes(LaneOp::Dup);
            let result = t.b.wide_vec(op, scalar(i.ptype), 0, &[a], None);
            t.set_v(i.rd, result);
        })
    }

    unary! {
        fabs(Fabs) = Abs;
        fneg(Fneg) = Neg;
        fsqrt(Fsqrt) = Sqrt;
        frintn(Frintn) = Round, rounding(0);
        frintp(Frintp) = Round, rounding(1);
        frintm(Frintm) = Round, rounding(2);
        frintz(Frintz) = Round, rounding(3);
        frinta(Frinta) = Round, rounding(4);
        frintx(Frintx) = Round, RoundingImm::by_control().exact();
        frinti(Frinti) = Round, RoundingImm::by_control();
    }

    fn fcvt(&mut self, i: Fcvt) -> Outcome {
        let (op, narrower) = match (i.ptype, i.opc) {
            (0, 1) => (FloatOp::Widen, Lane::S),
            (1, 0) => (FloatOp::Narrow, Lane::S),
            (3, 0) => (FloatOp::Widen, Lane::H),
            (0, 3) => (FloatOp::Narrow, Lane::H),
            (3, 1) => (FloatOp::WidenTwice, Lane::H),
            (1, 3) => (FloatOp::NarrowTwice, Lane::H),
            _ => return Err(Undefined),
        };
        self.fp_unary(op, Shape::scalar(narrower), 0, i.rn, i.rd)
    }

    fn fcmp(&mut self, i: Fcmp) -> Outcome {
        self.fp(|t| {
            let operands = [t.v(i.rn), t.v(i.rm)];
            let op = WideOp::Float(compare(i.e));
            let nzcv = t.b.wide_int(op, scalar(i.ptype), 0, &operands, None);
            t.b.set_flags(FlagKind::Nzcv, nzcv, nzcv, nzcv);
        })
    }

    fn fcmp_zero(&mut self, i: FcmpZero) -> Outcome {
        let op = match i.e {
            0 => FloatOp::CompareZero,
            _ => FloatOp::CompareZeroSignalling,
        };
        self.fp(|t| {
            let a = t.v(i.rn);
            let op = WideOp::Float(op);
            let nzcv = t.b.wide_int(op, scalar(i.ptype), 0, &[a], None);
            t.b.set_flags(FlagKind::Nzcv, nzcv, nzcv, nzcv);
        })
    }

    fn fmov_imm(&mut self, i: FmovImm) -> Outcome {
        let shape = scalar(i.ptype);
        self.fp(|t| {
            let bits = t.b.iconst(expand_imm(i.imm8, shape));
            let result = t.splat(shape, bits);
            t.set_v(i.rd, result);
        })
    }

    /// Where the condition fails nothing is compared, so no exception is raised: zeros stand in.
    fn fccmp(&mut self, i: Fccmp) -> Outcome {
        let shape = scalar(i.ptype);
        self.fp(|t| {
            let holds = t.b.test(condition(i.cond));
            let zero = t.b.iconst(0);
            let operands = [i.rn, i.rm].map(|n| {
                let bits = t.scalar_bits(shape, n);
                let bits = t.b.select(holds, bits, zero);
                t.splat(shape, bits)
            });
            let op = WideOp::Float(compare(i.e));
            let compared = t.b.wide_int(op, shape, 0, &operands, None);
            let given = t.b.iconst(u64::from(i.nzcv) << 28);
            let nzcv = t.b.select(holds, compared, given);
            t.b.set_flags(FlagKind::Nzcv, nzcv, nzcv, nzcv);
        })
    }

    binary! {
        fmul(Fmul) = Mul;
        fdiv(Fdiv) = Div;
        fadd(Fadd) = Add;
        fsub(Fsub) = Sub;
        fmax(Fmax) = Max;
        fmin(Fmin) = Min;
        fmaxnm(Fmaxnm) = MaxNm;
        fminnm(Fminnm) = MinNm;
        fnmul(Fnmul) = NMul;
    }

    fn fcsel(&mut self, i: Fcsel) -> Outcome {
        let shape = scalar(i.ptype);
        self.fp(|t| {
            let holds = t.b.test(condition(i.cond));
            let [n, m] = [i.rn, i.rm].map(|n| t.scalar_bits(shape, n));
            let bits = t.b.select(holds, n, m);
            let result = t.splat(shape, bits);
            t.set_v(i.rd, result);
        })
    }

    ternary! {
        fmadd(Fmadd) = MulAdd;
        fmsub(Fmsub) = MulSub;
        fnmadd(Fnmadd) = NegMulAdd;
        fnmsub(Fnmsub) = NegMulSub;
    }
}

/// The comparison of registers: FCMP, or FCMPE where `e` is set.
fn compare(e: u32) -> FloatOp {
    match e {
        0 => FloatOp::Compare,
        _ => FloatOp::CompareSignalling,
    }
}
