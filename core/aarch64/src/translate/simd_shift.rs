//! Shifts by an immediate of Advanced SIMD.

use ferrite_simd::{Lane, LaneOp, Shape};

use super::simd_operand::{lane, narrow, vector};
use super::{Outcome, Translator};
use crate::decode::simd_shift::*;

/// Lane and count of a shift: the highest set bit of `immh` gives the width, and the number
/// `immh:immb` counts from it upwards for a shift to the left, from its double downwards for one to
/// the right.
struct Count {
    lane: Lane,
    left: u32,
    right: u32,
}

impl Count {
    /// Rows have an `immh` other than zero.
    fn of(immh: u32, immb: u32) -> Self {
        let lane = lane(immh.checked_ilog2().unwrap_or(0));
        let number = immh << 3 | immb;
        Self {
            lane,
            left: number.wrapping_sub(lane.bits()),
            right: (2 * lane.bits()).wrapping_sub(number),
        }
    }
}

impl Translator {
    fn shift_left(&mut self, i: Sshr, op: LaneOp) -> Outcome {
        let count = Count::of(i.immh, i.immb);
        let shape = vector(count.lane, i.q)?;
        let source = self.v(i.rn);
        self.lanes_to(i.rd, op, shape, count.left, &[source])
    }

    fn shift_right(&mut self, i: Sshr, op: LaneOp) -> Outcome {
        let count = Count::of(i.immh, i.immb);
        let shape = vector(count.lane, i.q)?;
        let source = self.v(i.rn);
        self.lanes_to(i.rd, op, shape, count.right, &[source])
    }

    fn shift_left_long(&mut self, i: Sshr, op: LaneOp) -> Outcome {
        let count = Count::of(i.immh, i.immb);
        let source = self.half(i.rn, i.q);
        self.lanes_to(i.rd, op, narrow(count.lane), count.left, &[source])
    }

    fn shift_right_narrow(&mut self, i: Sshr, op: LaneOp) -> Outcome {
        let count = Count::of(i.immh, i.immb);
        let source = self.v(i.rn);
        let d = self.lanes(op, narrow(count.lane), count.right, &[source]);
        self.set_half(i.rd, i.q, d)
    }

    fn shift_left_scalar(&mut self, i: SshrScalar, op: LaneOp) -> Outcome {
        let count = Count::of(i.immh, i.immb);
        let source = self.v(i.rn);
        self.lanes_to(i.rd, op, Shape::scalar(count.lane), count.left, &[source])
    }

    fn shift_right_scalar(&mut self, i: SshrScalar, op: LaneOp) -> Outcome {
        let count = Count::of(i.immh, i.immb);
        let source = self.v(i.rn);
        self.lanes_to(i.rd, op, Shape::scalar(count.lane), count.right, &[source])
    }
}

macro_rules! rows {
    ($($shared:ident: $($method:ident($Row:ident) $Op:ident),*;)*) => {$($(
        fn $method(&mut self, i: $Row) -> Outcome {
            self.$shared(i, LaneOp::$Op)
        }
    )*)*};
}

impl Visitor for Translator {
    type Output = Outcome;

    rows! {
        shift_left:
            shl(Shl) Shl, sli(Sli) Sli, sqshlu(Sqshlu) Sqshlu,
            sqshl_imm(SqshlImm) SqshlImm, uqshl_imm(UqshlImm) UqshlImm;
        shift_right:
            sshr(Sshr) Sshr, ushr(Ushr) Ushr, ssra(Ssra) Ssra, usra(Usra) Usra,
            srshr(Srshr) Srshr, urshr(Urshr) Urshr, srsra(Srsra) Srsra, ursra(Ursra) Ursra,
            sri(Sri) Sri;
        shift_left_long: sshll(Sshll) Sshll, ushll(Ushll) Ushll;
        shift_right_narrow:
            shrn(Shrn) Shrn, rshrn(Rshrn) Rshrn, sqshrun(Sqshrun) Sqshrun,
            sqrshrun(Sqrshrun) Sqrshrun, sqshrn(Sqshrn) Sqshrn, sqrshrn(Sqrshrn) Sqrshrn,
            uqshrn(Uqshrn) Uqshrn, uqrshrn(Uqrshrn) Uqrshrn;
        shift_left_scalar:
            shl_scalar(ShlScalar) Shl, sli_scalar(SliScalar) Sli,
            sqshlu_scalar(SqshluScalar) Sqshlu, sqshl_imm_scalar(SqshlImmScalar) SqshlImm,
            uqshl_imm_scalar(UqshlImmScalar) UqshlImm;
        shift_right_scalar:
            sshr_scalar(SshrScalar) Sshr, ushr_scalar(UshrScalar) Ushr,
            ssra_scalar(SsraScalar) Ssra, usra_scalar(UsraScalar) Usra,
            srshr_scalar(SrshrScalar) Srshr, urshr_scalar(UrshrScalar) Urshr,
            srsra_scalar(SrsraScalar) Srsra, ursra_scalar(UrsraScalar) Ursra,
            sri_scalar(SriScalar) Sri, sqshrun_scalar(SqshrunScalar) Sqshrun,
            sqrshrun_scalar(SqrshrunScalar) Sqrshrun, sqshrn_scalar(SqshrnScalar) Sqshrn,
            sqrshrn_scalar(SqrshrnScalar) Sqrshrn, uqshrn_scalar(UqshrnScalar) Uqshrn,
            uqrshrn_scalar(UqrshrnScalar) Uqrshrn;
    }
}
