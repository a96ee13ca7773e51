//! AdvSIMD floating point, vector and scalar forms (Arm ARM C4.1.96).

use ferrite_simd::float::{Rounding, RoundingImm};
use ferrite_simd::{FloatOp, Lane, LaneOp, Shape, WideOp};

use super::fp::{expand_imm, rounding, scalar};
use super::{Outcome, Translator, Undefined};
use crate::decode::simd_fp::*;

/// The vector shape of `sz` and `q`; one double lane is no vector.
fn vector(sz: u32, q: u32) -> Result<Shape, Undefined> {
    match (sz, q) {
        (0, q) => Ok(Shape::vector(Lane::S, q != 0)),
        (_, 0) => Err(Undefined),
        _ => Ok(Shape::vector(Lane::D, true)),
    }
}

/// Lane width and fraction bits of a fixed-point conversion with `immh` of at least 4: the lane's
/// bits are twice the highest bit of `immh:immb`, the fraction bits what is left to there.
fn fixed_point(immh: u32, immb: u32) -> (u32, u32) {
    let immhb = immh << 3 | immb;
    if immh < 8 {
        (0, 64 - immhb)
    } else {
        (1, 128 - immhb)
    }
}

impl Translator {
    /// `rd = op(rd, rn, element of rm)` or, for a binary `op`, without the `rd`.
    fn fp_by_element(
        &mut self,
        op: FloatOp,
        shape: Shape,
        [h, l]: [u32; 2],
        [rn, rm, rd]: [u32; 3],
    ) -> Outcome {
        let index = match (shape.lane, l) {
            (Lane::S, l) => h << 1 | l,
            (_, 0) => h,
            _ => return Err(Undefined),
        };
        let accumulates = WideOp::Float(op).signature().vecs == 3;
        self.fp(|t| {
            let (n, m) = (t.v(rn), t.v(rm));
            let dup = WideOp::Lanes(LaneOp::Dup);
            let m = t.b.wide_vec(dup, shape, index, &[m], None);
            let result = if accumulates {
                let d = t.v(rd);
                t.float(op, shape, 0, &[d, n, m])
            } else {
                t.float(op, shape, 0, &[n, m])
            };
            t.set_v(rd, result);
        })
    }

    /// Narrowing into the lower half of `rd` or, with `q`, into the upper half alone.
    fn fp_narrow(&mut self, op: FloatOp, lane: Lane, q: u32, rn: u32, rd: u32) -> Outcome {
        self.fp(|t| {
            let a = t.v(rn);
            let mut result = t.float(op, Shape::vector(lane, false), 0, &[a]);
            if q != 0 {
                let old = t.v(rd);
                let halves = Shape::vector(Lane::D, true);
                let insert = WideOp::Lanes(LaneOp::Ins);
                result = t.b.wide_vec(insert, halves, 1, &[old, result], None);
            }
            t.set_v(rd, result);
        })
    }
}

macro_rules! binary {
    ($($vector:ident($vector_operands:ident) $(/ $scalar:ident($scalar_operands:ident))? = $op:ident;)*) => {$(
        fn $vector(&mut self, i: $vector_operands) -> Outcome {
            self.fp_binary(FloatOp::$op, vector(i.sz, i.q)?, [i.rn, i.rm], i.rd)
        }
        $(
            fn $scalar(&mut self, i: $scalar_operands) -> Outcome {
                self.fp_binary(FloatOp::$op, scalar(i.sz), [i.rn, i.rm], i.rd)
            }
        )?
    )*};
}

macro_rules! unary {
    ($($vector:ident($vector_operands:ident) $(/ $scalar:ident($scalar_operands:ident))? = $op:ident;)*) => {$(
        fn $vector(&mut self, i: $vector_operands) -> Outcome {
            self.fp_unary(FloatOp::$op, vector(i.sz, i.q)?, 0, i.rn, i.rd)
        }
        $(
            fn $scalar(&mut self, i: $scalar_operands) -> Outcome {
                self.fp_unary(FloatOp::$op, scalar(i.sz), 0, i.rn, i.rd)
            }
        )?
    )*};
}

macro_rules! round {
    ($($method:ident($operands:ident) = $imm:expr;)*) => {$(
        fn $method(&mut self, i: $operands) -> Outcome {
            let shape = vector(i.sz, i.q)?;
            self.fp_unary(FloatOp::Round, shape, $imm.encode(), i.rn, i.rd)
        }
    )*};
}

macro_rules! convert {
    ($($vector:ident($vector_operands:ident) / $scalar:ident($scalar_operands:ident)
        = $op:ident $imm:expr;)*) => {$(
        fn $vector(&mut self, i: $vector_operands) -> Outcome {
            self.fp_unary(FloatOp::$op, vector(i.sz, i.q)?, $imm.encode(), i.rn, i.rd)
        }

        fn $scalar(&mut self, i: $scalar_operands) -> Outcome {
            self.fp_unary(FloatOp::$op, scalar(i.sz), $imm.encode(), i.rn, i.rd)
        }
    )*};
}

/// Two lanes to one.
macro_rules! scalar_pairwise {
    ($($method:ident($operands:ident) = $op:ident;)*) => {$(
        fn $method(&mut self, i: $operands) -> Outcome {
            let pair = Shape { count: 2, ..scalar(i.sz) };
            self.fp_unary(FloatOp::$op, pair, 0, i.rn, i.rd)
        }
    )*};
}

macro_rules! across {
    ($($method:ident($operands:ident) = $op:ident;)*) => {$(
        fn $method(&mut self, i: $operands) -> Outcome {
            self.fp_unary(FloatOp::$op, Shape::vector(Lane::S, true), 0, i.rn, i.rd)
        }
    )*};
}

macro_rules! by_element {
    ($($vector:ident($vector_operands:ident) / $scalar:ident($scalar_operands:ident) = $op:ident;)*) => {$(
        fn $vector(&mut self, i: $vector_operands) -> Outcome {
            let shape = vector(i.sz, i.q)?;
            self.fp_by_element(FloatOp::$op, shape, [i.h, i.l], [i.rn, i.rm, i.rd])
        }

        fn $scalar(&mut self, i: $scalar_operands) -> Outcome {
            self.fp_by_element(FloatOp::$op, scalar(i.sz), [i.h, i.l], [i.rn, i.rm, i.rd])
        }
    )*};
}

macro_rules! fixed_point {
    ($($vector:ident($vector_operands:ident) / $scalar:ident($scalar_operands:ident)
        = $op:ident $imm:expr;)*) => {$(
        fn $vector(&mut self, i: $vector_operands) -> Outcome {
            let (sz, fraction) = fixed_point(i.immh, i.immb);
            let imm = $imm.with_fraction(fraction).encode();
            self.fp_unary(FloatOp::$op, vector(sz, i.q)?, imm, i.rn, i.rd)
        }

        fn $scalar(&mut self, i: $scalar_operands) -> Outcome {
            let (sz, fraction) = fixed_point(i.immh, i.immb);
            let imm = $imm.with_fraction(fraction).encode();
            self.fp_unary(FloatOp::$op, scalar(sz), imm, i.rn, i.rd)
        }
    )*};
}

impl Visitor for Translator {
    type Output = Outcome;

    binary! {
        fadd_v(FaddV) = Add;
        fsub_v(FsubV) = Sub;
        fabd_v(FabdV) / fabd_s(FabdS) = Abd;
        fmul_v(FmulV) = Mul;
        fmulx_v(FmulxV) / fmulx_s(FmulxS) = MulX;
        fdiv_v(FdivV) = Div;
        fmax_v(FmaxV) = Max;
        fmin_v(FminV) = Min;
        fmaxnm_v(FmaxnmV) = MaxNm;
        fminnm_v(FminnmV) = MinNm;
        faddp_v(FaddpV) = AddPairs;
        fmaxp_v(FmaxpV) = MaxPairs;
        fminp_v(FminpV) = MinPairs;
        fmaxnmp_v(FmaxnmpV) = MaxNmPairs;
        fminnmp_v(FminnmpV) = MinNmPairs;
        fcmeq_v(FcmeqV) / fcmeq_s(FcmeqS) = Eq;
        fcmge_v(FcmgeV) / fcmge_s(FcmgeS) = Ge;
        fcmgt_v(FcmgtV) / fcmgt_s(FcmgtS) = Gt;
        facge_v(FacgeV) / facge_s(FacgeS) = AbsGe;
        facgt_v(FacgtV) / facgt_s(FacgtS) = AbsGt;
        frecps_v(FrecpsV) / frecps_s(FrecpsS) = RecipStep;
        frsqrts_v(FrsqrtsV) / frsqrts_s(FrsqrtsS) = RsqrtStep;
    }

    fn fmla_v(&mut self, i: FmlaV) -> Outcome {
        let shape = vector(i.sz, i.q)?;
        self.fp_ternary(FloatOp::MulAdd, shape, [i.rd, i.rn, i.rm], i.rd)
    }

    fn fmls_v(&mut self, i: FmlsV) -> Outcome {
        let shape = vector(i.sz, i.q)?;
        self.fp_ternary(FloatOp::MulSub, shape, [i.rd, i.rn, i.rm], i.rd)
    }

    unary! {
        fabs_v(FabsV) = Abs;
        fneg_v(FnegV) = Neg;
        fsqrt_v(FsqrtV) = Sqrt;
        fcmeq_zero_v(FcmeqZeroV) / fcmeq_zero_s(FcmeqZeroS) = EqZero;
        fcmge_zero_v(FcmgeZeroV) / fcmge_zero_s(FcmgeZeroS) = GeZero;
        fcmgt_zero_v(FcmgtZeroV) / fcmgt_zero_s(FcmgtZeroS) = GtZero;
        fcmle_zero_v(FcmleZeroV) / fcmle_zero_s(FcmleZeroS) = LeZero;
        fcmlt_zero_v(FcmltZeroV) / fcmlt_zero_s(FcmltZeroS) = LtZero;
        frecpe_v(FrecpeV) / frecpe_s(FrecpeS) = RecipEstimate;
        frsqrte_v(FrsqrteV) / frsqrte_s(FrsqrteS) = RsqrtEstimate;
    }

    round! {
        frintn_v(FrintnV) = rounding(0);
        frintp_v(FrintpV) = rounding(1);
        frintm_v(FrintmV) = rounding(2);
        frintz_v(FrintzV) = rounding(3);
        frinta_v(FrintaV) = rounding(4);
        frintx_v(FrintxV) = RoundingImm::by_control().exact();
        frinti_v(FrintiV) = RoundingImm::by_control();
    }

    convert! {
        fcvtns_v(FcvtnsV) / fcvtns_s(FcvtnsS) = ToSigned rounding(0);
        fcvtps_v(FcvtpsV) / fcvtps_s(FcvtpsS) = ToSigned rounding(1);
        fcvtms_v(FcvtmsV) / fcvtms_s(FcvtmsS) = ToSigned rounding(2);
        fcvtzs_v(FcvtzsV) / fcvtzs_s(FcvtzsS) = ToSigned rounding(3);
        fcvtas_v(FcvtasV) / fcvtas_s(FcvtasS) = ToSigned rounding(4);
        fcvtnu_v(FcvtnuV) / fcvtnu_s(FcvtnuS) = ToUnsigned rounding(0);
        fcvtpu_v(FcvtpuV) / fcvtpu_s(FcvtpuS) = ToUnsigned rounding(1);
        fcvtmu_v(FcvtmuV) / fcvtmu_s(FcvtmuS) = ToUnsigned rounding(2);
        fcvtzu_v(FcvtzuV) / fcvtzu_s(FcvtzuS) = ToUnsigned rounding(3);
        fcvtau_v(FcvtauV) / fcvtau_s(FcvtauS) = ToUnsigned rounding(4);
        scvtf_v(ScvtfV) / scvtf_s(ScvtfS) = FromSigned RoundingImm::by_control();
        ucvtf_v(UcvtfV) / ucvtf_s(UcvtfS) = FromUnsigned RoundingImm::by_control();
    }

    fn frecpx_s(&mut self, i: FrecpxS) -> Outcome {
        self.fp_unary(FloatOp::RecipExponent, scalar(i.sz), 0, i.rn, i.rd)
    }

    fn fcvtl_v(&mut self, i: FcvtlV) -> Outcome {
        let narrower = Shape::vector(if i.sz == 0 { Lane::H } else { Lane::S }, false);
        self.fp_unary(FloatOp::Widen, narrower, i.q, i.rn, i.rd)
    }

    fn fcvtn_v(&mut self, i: FcvtnV) -> Outcome {
        let narrower = if i.sz == 0 { Lane::H } else { Lane::S };
        self.fp_narrow(FloatOp::Narrow, narrower, i.q, i.rn, i.rd)
    }

    fn fcvtxn_v(&mut self, i: FcvtxnV) -> Outcome {
        self.fp_narrow(FloatOp::NarrowToOdd, Lane::S, i.q, i.rn, i.rd)
    }

    fn fcvtxn_s(&mut self, i: FcvtxnS) -> Outcome {
        self.fp_unary(FloatOp::NarrowToOdd, scalar(0), 0, i.rn, i.rd)
    }

    scalar_pairwise! {
        faddp_s(FaddpS) = AddAll;
        fmaxp_s(FmaxpS) = MaxAll;
        fminp_s(FminpS) = MinAll;
        fmaxnmp_s(FmaxnmpS) = MaxNmAll;
        fminnmp_s(FminnmpS) = MinNmAll;
    }

    across! {
        fmaxv(Fmaxv) = MaxAll;
        fminv(Fminv) = MinAll;
        fmaxnmv(Fmaxnmv) = MaxNmAll;
        fminnmv(Fminnmv) = MinNmAll;
    }

    by_element! {
        fmla_elem_v(FmlaElemV) / fmla_elem_s(FmlaElemS) = MulAdd;
        fmls_elem_v(FmlsElemV) / fmls_elem_s(FmlsElemS) = MulSub;
        fmul_elem_v(FmulElemV) / fmul_elem_s(FmulElemS) = Mul;
        fmulx_elem_v(FmulxElemV) / fmulx_elem_s(FmulxElemS) = MulX;
    }

    fixed_point! {
        scvtf_fixed_v(ScvtfFixedV) / scvtf_fixed_s(ScvtfFixedS)
            = FromSigned RoundingImm::by_control();
        ucvtf_fixed_v(UcvtfFixedV) / ucvtf_fixed_s(UcvtfFixedS)
            = FromUnsigned RoundingImm::by_control();
        fcvtzs_fixed_v(FcvtzsFixedV) / fcvtzs_fixed_s(FcvtzsFixedS)
            = ToSigned RoundingImm::by(Rounding::ToZero);
        fcvtzu_fixed_v(FcvtzuFixedV) / fcvtzu_fixed_s(FcvtzuFixedS)
            = ToUnsigned RoundingImm::by(Rounding::ToZero);
    }

    fn fmov_v_imm(&mut self, i: FmovVImm) -> Outcome {
        let shape = vector(i.op, i.q)?;
        self.fp(|t| {
            let bits = expand_imm(i.abc << 5 | i.defgh, shape);
            let bits = t.b.iconst(bits);
            let result = t.splat(shape, bits);
            t.set_v(i.rd, result);
        })
    }
}
