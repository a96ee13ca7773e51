//! Integer arithmetic of Advanced SIMD.

use ferrite_ir::Vector;
use ferrite_simd::{Lane, LaneOp, Shape};

use super::simd_operand::{bits, lane, narrow, vector};
use super::{Flow, Outcome, Translator, Undefined};
use crate::decode::simd_int::*;

impl Translator {
    fn three_same(&mut self, i: Shadd, op: LaneOp) -> Outcome {
        let shape = vector(lane(i.size), i.q)?;
        let sources = [self.v(i.rn), self.v(i.rm)];
        self.lanes_to(i.rd, op, shape, 0, &sources)
    }

    fn three_same_scalar(&mut self, i: SqaddScalar, op: LaneOp) -> Outcome {
        let sources = [self.v(i.rn), self.v(i.rm)];
        self.lanes_to(i.rd, op, Shape::scalar(lane(i.size)), 0, &sources)
    }

    fn bitwise(&mut self, i: And, op: LaneOp) -> Outcome {
        let sources = [self.v(i.rn), self.v(i.rm)];
        self.lanes_to(i.rd, op, bits(i.q), 0, &sources)
    }

    /// Bits of the third register where the first has ones, of the second where it has zeros.
    fn select_bits(&mut self, i: And, registers: [u32; 3]) -> Outcome {
        let sources = registers.map(|n| self.v(n));
        self.lanes_to(i.rd, LaneOp::Bsl, bits(i.q), 0, &sources)
    }

    fn two_misc(&mut self, i: Rev64, op: LaneOp) -> Outcome {
        let shape = vector(lane(i.size), i.q)?;
        let source = self.v(i.rn);
        self.lanes_to(i.rd, op, shape, 0, &[source])
    }

    fn two_misc_scalar(&mut self, i: SuqaddScalar, op: LaneOp) -> Outcome {
        let source = self.v(i.rn);
        self.lanes_to(i.rd, op, Shape::scalar(lane(i.size)), 0, &[source])
    }

    /// Sums of pairs, added to the lanes of twice the width.
    fn pairs_accumulated(&mut self, i: Rev64, op: LaneOp) -> Outcome {
        let source = self.v(i.rn);
        let sums = self.lanes(op, vector(lane(i.size), i.q)?, 0, &[source]);
        let wide = Shape::vector(lane(i.size + 1), i.q != 0);
        let old = self.v(i.rd);
        self.lanes_to(i.rd, LaneOp::Add, wide, 0, &[old, sums])
    }

    fn narrowed(&mut self, i: Rev64, op: LaneOp) -> Outcome {
        let source = self.v(i.rn);
        let d = self.lanes(op, narrow(lane(i.size)), 0, &[source]);
        self.set_half(i.rd, i.q, d)
    }

    fn across(&mut self, i: Rev64, op: LaneOp) -> Outcome {
        if i.size == 2 && i.q == 0 {
            return Err(Undefined);
        }
        self.two_misc(i, op)
    }

    /// Narrow operands, wide results.
    fn long(&mut self, i: Shadd, op: LaneOp) -> Outcome {
        let sources = [self.half(i.rn, i.q), self.half(i.rm, i.q)];
        self.lanes_to(i.rd, op, narrow(lane(i.size)), 0, &sources)
    }

    /// A wide and a narrow operand, wide results.
    fn wide(&mut self, i: Shadd, op: LaneOp) -> Outcome {
        let sources = [self.v(i.rn), self.half(i.rm, i.q)];
        self.lanes_to(i.rd, op, narrow(lane(i.size)), 0, &sources)
    }

    /// Wide operands, narrow results.
    fn high_narrow(&mut self, i: Shadd, op: LaneOp) -> Outcome {
        let sources = [self.v(i.rn), self.v(i.rm)];
        let d = self.lanes(op, narrow(lane(i.size)), 0, &sources);
        self.set_half(i.rd, i.q, d)
    }

    /// The indexed element of `rm` in every lane of `shape`.
    fn element(&mut self, i: SqdmlalSelem, shape: Shape) -> Vector {
        let (index, rm) = match shape.lane {
            Lane::H => (i.h << 2 | i.l << 1 | i.m, i.rm),
            _ => (i.h << 1 | i.l, i.m << 4 | i.rm),
        };
        let source = self.v(rm);
        self.lanes(LaneOp::Dup, shape, index, &[source])
    }

    fn by_element(&mut self, i: MlaElem, op: LaneOp) -> Outcome {
        let shape = vector(lane(i.size), i.q)?;
        let sources = [self.v(i.rn), self.element(scalar(i), shape)];
        self.lanes_to(i.rd, op, shape, 0, &sources)
    }

    fn long_by_element(&mut self, i: MlaElem, op: LaneOp) -> Outcome {
        let shape = narrow(lane(i.size));
        let sources = [self.half(i.rn, i.q), self.element(scalar(i), shape)];
        self.lanes_to(i.rd, op, shape, 0, &sources)
    }

    fn scalar_by_element(&mut self, i: SqdmlalSelem, op: LaneOp) -> Outcome {
        let shape = Shape::scalar(lane(i.size));
        let sources = [self.v(i.rn), self.element(i, shape)];
        self.lanes_to(i.rd, op, shape, 0, &sources)
    }
}

/// The operands that the scalar form has, too.
fn scalar(i: MlaElem) -> SqdmlalSelem {
    let MlaElem {
        q: _,
        size,
        l,
        m,
        rm,
        h,
        rn,
        rd,
    } = i;
    SqdmlalSelem {
        size,
        l,
        m,
        rm,
        h,
        rn,
        rd,
    }
}

/// Rows named after their operation, by the function that translates them.
macro_rules! rows {
    ($($shared:ident: $($method:ident($Op:ident)),*;)*) => {$($(
        fn $method(&mut self, i: $Op) -> Outcome {
            self.$shared(i, LaneOp::$Op)
        }
    )*)*};
}

/// Rows that are a form of an operation among others.
macro_rules! forms {
    ($($shared:ident: $($method:ident($Row:ident) $Op:ident),*;)*) => {$($(
        fn $method(&mut self, i: $Row) -> Outcome {
            self.$shared(i, LaneOp::$Op)
        }
    )*)*};
}

impl Visitor for Translator {
    type Output = Outcome;

    rows! {
        three_same:
            shadd(Shadd), uhadd(Uhadd), sqadd(Sqadd), uqadd(Uqadd), srhadd(Srhadd), urhadd(Urhadd),
            shsub(Shsub), uhsub(Uhsub), sqsub(Sqsub), uqsub(Uqsub),
            cmgt(Cmgt), cmhi(Cmhi), cmge(Cmge), cmhs(Cmhs), cmtst(Cmtst), cmeq(Cmeq),
            sshl(Sshl), ushl(Ushl), sqshl(Sqshl), uqshl(Uqshl),
            srshl(Srshl), urshl(Urshl), sqrshl(Sqrshl), uqrshl(Uqrshl),
            smax(Smax), umax(Umax), smin(Smin), umin(Umin),
            sabd(Sabd), uabd(Uabd), saba(Saba), uaba(Uaba),
            add(Add), sub(Sub), mla(Mla), mls(Mls), mul(Mul), pmul(Pmul),
            smaxp(Smaxp), umaxp(Umaxp), sminp(Sminp), uminp(Uminp), addp(Addp),
            sqdmulh(Sqdmulh), sqrdmulh(Sqrdmulh), sqrdmlah(Sqrdmlah), sqrdmlsh(Sqrdmlsh);
        bitwise: and(And), bic(Bic), orn(Orn), eor(Eor);
        two_misc:
            rev64(Rev64), rev32(Rev32), rev16(Rev16), saddlp(Saddlp), uaddlp(Uaddlp),
            suqadd(Suqadd), usqadd(Usqadd), cls(Cls), clz(Clz), cnt(Cnt),
            sqabs(Sqabs), sqneg(Sqneg), abs(Abs), neg(Neg),
            cmgt0(Cmgt0), cmge0(Cmge0), cmeq0(Cmeq0), cmle0(Cmle0), cmlt0(Cmlt0),
            urecpe(Urecpe), ursqrte(Ursqrte);
        narrowed: xtn(Xtn), sqxtun(Sqxtun), sqxtn(Sqxtn), uqxtn(Uqxtn);
        across:
            saddlv(Saddlv), uaddlv(Uaddlv), smaxv(Smaxv), umaxv(Umaxv), sminv(Sminv), uminv(Uminv),
            addv(Addv);
        long:
            saddl(Saddl), uaddl(Uaddl), ssubl(Ssubl), usubl(Usubl),
            sabal(Sabal), uabal(Uabal), sabdl(Sabdl), uabdl(Uabdl),
            smlal(Smlal), umlal(Umlal), smlsl(Smlsl), umlsl(Umlsl), smull(Smull), umull(Umull),
            sqdmlal(Sqdmlal), sqdmlsl(Sqdmlsl), sqdmull(Sqdmull), pmull(Pmull);
        wide: saddw(Saddw), uaddw(Uaddw), ssubw(Ssubw), usubw(Usubw);
        high_narrow: addhn(Addhn), raddhn(Raddhn), subhn(Subhn), rsubhn(Rsubhn);
    }

    forms! {
        three_same_scalar:
            sqadd_scalar(SqaddScalar) Sqadd, uqadd_scalar(UqaddScalar) Uqadd,
            sqsub_scalar(SqsubScalar) Sqsub, uqsub_scalar(UqsubScalar) Uqsub,
            cmgt_scalar(CmgtScalar) Cmgt, cmhi_scalar(CmhiScalar) Cmhi,
            cmge_scalar(CmgeScalar) Cmge, cmhs_scalar(CmhsScalar) Cmhs,
            cmtst_scalar(CmtstScalar) Cmtst, cmeq_scalar(CmeqScalar) Cmeq,
            sshl_scalar(SshlScalar) Sshl, ushl_scalar(UshlScalar) Ushl,
            sqshl_scalar(SqshlScalar) Sqshl, uqshl_scalar(UqshlScalar) Uqshl,
            srshl_scalar(SrshlScalar) Srshl, urshl_scalar(UrshlScalar) Urshl,
            sqrshl_scalar(SqrshlScalar) Sqrshl, uqrshl_scalar(UqrshlScalar) Uqrshl,
            add_scalar(AddScalar) Add, sub_scalar(SubScalar) Sub,
            sqdmulh_scalar(SqdmulhScalar) Sqdmulh, sqrdmulh_scalar(SqrdmulhScalar) Sqrdmulh,
            sqrdmlah_scalar(SqrdmlahScalar) Sqrdmlah, sqrdmlsh_scalar(SqrdmlshScalar) Sqrdmlsh,
            sqdmlal_scalar(SqdmlalScalar) Sqdmlal, sqdmlsl_scalar(SqdmlslScalar) Sqdmlsl,
            sqdmull_scalar(SqdmullScalar) Sqdmull;
        two_misc_scalar:
            suqadd_scalar(SuqaddScalar) Suqadd, usqadd_scalar(UsqaddScalar) Usqadd,
            sqabs_scalar(SqabsScalar) Sqabs, sqneg_scalar(SqnegScalar) Sqneg,
            abs_scalar(AbsScalar) Abs, neg_scalar(NegScalar) Neg,
            cmgt0_scalar(Cmgt0Scalar) Cmgt0, cmge0_scalar(Cmge0Scalar) Cmge0,
            cmeq0_scalar(Cmeq0Scalar) Cmeq0, cmle0_scalar(Cmle0Scalar) Cmle0,
            cmlt0_scalar(Cmlt0Scalar) Cmlt0,
            sqxtun_scalar(SqxtunScalar) Sqxtun, sqxtn_scalar(SqxtnScalar) Sqxtn,
            uqxtn_scalar(UqxtnScalar) Uqxtn;
        pairs_accumulated: sadalp(Sadalp) Saddlp, uadalp(Uadalp) Uaddlp;
        by_element:
            mla_elem(MlaElem) Mla, mls_elem(MlsElem) Mls, mul_elem(MulElem) Mul,
            sqdmulh_elem(SqdmulhElem) Sqdmulh, sqrdmulh_elem(SqrdmulhElem) Sqrdmulh,
            sqrdmlah_elem(SqrdmlahElem) Sqrdmlah, sqrdmlsh_elem(SqrdmlshElem) Sqrdmlsh;
        long_by_element:
            smlal_elem(SmlalElem) Smlal, umlal_elem(UmlalElem) Umlal,
            smlsl_elem(SmlslElem) Smlsl, umlsl_elem(UmlslElem) Umlsl,
            smull_elem(SmullElem) Smull, umull_elem(UmullElem) Umull,
            sqdmlal_elem(SqdmlalElem) Sqdmlal, sqdmlsl_elem(SqdmlslElem) Sqdmlsl,
            sqdmull_elem(SqdmullElem) Sqdmull;
        scalar_by_element:
            sqdmlal_selem(SqdmlalSelem) Sqdmlal, sqdmlsl_selem(SqdmlslSelem) Sqdmlsl,
            sqdmull_selem(SqdmullSelem) Sqdmull, sqdmulh_selem(SqdmulhSelem) Sqdmulh,
            sqrdmulh_selem(SqrdmulhSelem) Sqrdmulh, sqrdmlah_selem(SqrdmlahSelem) Sqrdmlah,
            sqrdmlsh_selem(SqrdmlshSelem) Sqrdmlsh;
    }

    /// With equal operands it is how registers are copied.
    fn orr(&mut self, i: Orr) -> Outcome {
        if i.rn == i.rm && i.q != 0 {
            let a = self.v(i.rn);
            self.set_v(i.rd, a);
            return Ok(Flow::Next);
        }
        self.bitwise(i, LaneOp::Orr)
    }

    fn bsl(&mut self, i: Bsl) -> Outcome {
        self.select_bits(i, [i.rd, i.rn, i.rm])
    }

    fn bit(&mut self, i: Bit) -> Outcome {
        self.select_bits(i, [i.rm, i.rn, i.rd])
    }

    fn bif(&mut self, i: Bif) -> Outcome {
        self.select_bits(i, [i.rm, i.rd, i.rn])
    }

    fn not(&mut self, i: Not) -> Outcome {
        let source = self.v(i.rn);
        self.lanes_to(i.rd, LaneOp::Not, bits(i.q), 0, &[source])
    }

    fn rbit(&mut self, i: Rbit) -> Outcome {
        let source = self.v(i.rn);
        let shape = Shape::vector(Lane::B, i.q != 0);
        self.lanes_to(i.rd, LaneOp::Rbit, shape, 0, &[source])
    }

    fn shll(&mut self, i: Shll) -> Outcome {
        let source = self.half(i.rn, i.q);
        self.lanes_to(i.rd, LaneOp::Shll, narrow(lane(i.size)), 0, &[source])
    }

    fn addp_scalar(&mut self, i: AddpScalar) -> Outcome {
        let source = self.v(i.rn);
        self.lanes_to(i.rd, LaneOp::Addv, bits(1), 0, &[source])
    }
}
