//! Integer, bitwise and permuting operations on lanes.
//!
//! A row of the table names an operation, the form (`forms.rs`) in which operands' lanes flow into the
//! result's, and the lane widths. The lane function has the operation's name in lower case.

mod arith;
mod element;
mod estimate;
mod forms;
mod permute;
mod saturate;
mod shift;
mod transfer;

#[cfg(test)]
mod tests;

use crate::{Dest, FpEnv, Lane, Shape, Signature, WideArgs, WideFn};

/// Operands of a form.
macro_rules! signature {
    (unary) => { signature!(@vec 1) };
    (binary) => { signature!(@vec 2) };
    (ternary) => { signature!(@vec 3) };
    (widen_unary) => { signature!(@vec 1) };
    (widen) => { signature!(@vec 2) };
    (widen_second) => { signature!(@vec 2) };
    (widen_accumulate) => { signature!(@vec 3) };
    (narrow_unary) => { signature!(@vec 1) };
    (narrow) => { signature!(@vec 2) };
    (pairwise) => { signature!(@vec 2) };
    (pairwise_long) => { signature!(@vec 1) };
    (across) => { signature!(@vec 1) };
    (across_long) => { signature!(@vec 1) };
    (permute1) => { signature!(@vec 1) };
    (permute2) => { signature!(@vec 2) };
    (permute3) => { signature!(@vec 3) };
    (lookup) => { signature!(@vec 3) };
    (from_int) => { (Dest::Vec, 0, true) };
    (insert_int) => { (Dest::Vec, 1, true) };
    (to_int) => { (Dest::Int, 1, false) };
    (@vec $n:literal) => { (Dest::Vec, $n, false) };
}

/// The function of a form at one shape.
macro_rules! at {
    ($form:ident $module:ident $f:ident, $lane:ident $n:literal) => {
        Some(
            (|env: &mut FpEnv, args: &WideArgs| {
                forms::$form::<$lane, $n>(env, args, $module::$f::<$lane>)
            }) as WideFn,
        )
    };
}

/// The functions of a form at the counts that an operation has of those that a lane width allows: a
/// scalar, as many as fit 64 bits and as many as fit 128 (`all`); the first two (`half`), the last
/// two (`vector`), the last (`full`).
macro_rules! counts {
    (@at [$form:ident $module:ident $f:ident] $lane:ident $n:literal) => {
        at!($form $module $f, $lane $n)
    };
    (@ $count:expr, $f:tt $lane:ident $($n:literal)*) => {
        match $count {
            $($n => counts!(@at $f $lane $n),)*
            _ => None,
        }
    };
    (all B, $count:expr, $($f:ident)*) => { counts!(@ $count, [$($f)*] u8 1 8 16) };
    (all H, $count:expr, $($f:ident)*) => { counts!(@ $count, [$($f)*] u16 1 4 8) };
    (all S, $count:expr, $($f:ident)*) => { counts!(@ $count, [$($f)*] u32 1 2 4) };
    (all D, $count:expr, $($f:ident)*) => { counts!(@ $count, [$($f)*] u64 1 2) };
    (vector B, $count:expr, $($f:ident)*) => { counts!(@ $count, [$($f)*] u8 8 16) };
    (vector H, $count:expr, $($f:ident)*) => { counts!(@ $count, [$($f)*] u16 4 8) };
    (vector S, $count:expr, $($f:ident)*) => { counts!(@ $count, [$($f)*] u32 2 4) };
    (vector D, $count:expr, $($f:ident)*) => { counts!(@ $count, [$($f)*] u64 2) };
    (full B, $count:expr, $($f:ident)*) => { counts!(@ $count, [$($f)*] u8 16) };
    (full H, $count:expr, $($f:ident)*) => { counts!(@ $count, [$($f)*] u16 8) };
    (full S, $count:expr, $($f:ident)*) => { counts!(@ $count, [$($f)*] u32 4) };
    (full D, $count:expr, $($f:ident)*) => { counts!(@ $count, [$($f)*] u64 2) };
    (half B, $count:expr, $($f:ident)*) => { counts!(@ $count, [$($f)*] u8 1 8) };
    (half H, $count:expr, $($f:ident)*) => { counts!(@ $count, [$($f)*] u16 1 4) };
    (half S, $count:expr, $($f:ident)*) => { counts!(@ $count, [$($f)*] u32 1 2) };
}

macro_rules! lane_ops {
    ($($(#[$doc:meta])* $op:ident = $form:ident($module:ident::$f:ident) $sizes:ident [$($lane:ident)*] $($qc:ident)?;)*) => {
        /// The table of these operations. Operands are numbered `v0` to `v2`; an old destination
        /// that is accumulated into or merged with comes first.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum LaneOp {
            $($(#[$doc])* $op,)*
        }

        impl LaneOp {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$(Self::$op),*];

            pub(crate) fn signature(self) -> Signature {
                let ((dest, vecs, int), fp_env) = match self {
                    $(Self::$op => (signature!($form), lane_ops!(@qc $($qc)?)),)*
                };
                Signature { dest, vecs, int, fp_env }
            }

            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$op => stringify!($f),)*
                }
            }
        }

        pub(crate) fn resolve(op: LaneOp, shape: Shape) -> Option<WideFn> {
            match op {
                $(LaneOp::$op => match shape.lane {
                    $(Lane::$lane => counts!($sizes $lane, shape.count, $form $module $f),)*
                    #[allow(unreachable_patterns)]
                    _ => None,
                },)*
            }
        }
    };
    (@qc) => { false };
    (@qc qc) => { true };
}

lane_ops! {
    /// Sum, wrapping.
    Add = binary(arith::add) all [B H S D];
    /// Difference, wrapping.
    Sub = binary(arith::sub) all [B H S D];
    /// Low half of the product.
    Mul = binary(arith::mul) all [B H S D];
    /// `v0 + v1 * v2`.
    Mla = ternary(arith::mla) all [B H S D];
    /// `v0 - v1 * v2`.
    Mls = ternary(arith::mls) all [B H S D];
    /// Negation, wrapping.
    Neg = unary(arith::neg) all [B H S D];
    /// Absolute value, wrapping.
    Abs = unary(arith::abs) all [B H S D];

    /// Bitwise and.
    And = binary(arith::and) all [D];
    /// Bitwise or.
    Orr = binary(arith::orr) all [D];
    /// Bitwise exclusive or.
    Eor = binary(arith::eor) all [D];
    /// `v0 & !v1`.
    Bic = binary(arith::bic) all [D];
    /// `v0 | !v1`.
    Orn = binary(arith::orn) all [D];
    /// Bitwise complement.
    Not = unary(arith::not) all [D];
    /// Bits of `v1` where `v0` has ones, of `v2` where it has zeros.
    Bsl = ternary(arith::bsl) all [D];

    /// Signed maximum.
    Smax = binary(arith::smax) all [B H S D];
    /// Signed minimum.
    Smin = binary(arith::smin) all [B H S D];
    /// Unsigned maximum.
    Umax = binary(arith::umax) all [B H S D];
    /// Unsigned minimum.
    Umin = binary(arith::umin) all [B H S D];

    /// All ones where equal.
    Cmeq = binary(arith::cmeq) all [B H S D];
    /// All ones where `v0 > v1`, signed.
    Cmgt = binary(arith::cmgt) all [B H S D];
    /// All ones where `v0 >= v1`, signed.
    Cmge = binary(arith::cmge) all [B H S D];
    /// All ones where `v0 > v1`, unsigned.
    Cmhi = binary(arith::cmhi) all [B H S D];
    /// All ones where `v0 >= v1`, unsigned.
    Cmhs = binary(arith::cmhs) all [B H S D];
    /// All ones where `v0 & v1` is not zero.
    Cmtst = binary(arith::cmtst) all [B H S D];
    /// All ones where zero.
    Cmeq0 = unary(arith::cmeq0) all [B H S D];
    /// All ones where above zero, signed.
    Cmgt0 = unary(arith::cmgt0) all [B H S D];
    /// All ones where zero or above, signed.
    Cmge0 = unary(arith::cmge0) all [B H S D];
    /// All ones where below zero, signed.
    Cmlt0 = unary(arith::cmlt0) all [B H S D];
    /// All ones where zero or below, signed.
    Cmle0 = unary(arith::cmle0) all [B H S D];

    /// Half of the signed sum, rounded down.
    Shadd = binary(arith::shadd) all [B H S D];
    /// Half of the unsigned sum, rounded down.
    Uhadd = binary(arith::uhadd) all [B H S D];
    /// Half of the signed sum, halves rounded up.
    Srhadd = binary(arith::srhadd) all [B H S D];
    /// Half of the unsigned sum, halves rounded up.
    Urhadd = binary(arith::urhadd) all [B H S D];
    /// Half of the signed difference, rounded down.
    Shsub = binary(arith::shsub) all [B H S D];
    /// Half of the unsigned difference, rounded down.
    Uhsub = binary(arith::uhsub) all [B H S D];
    /// Absolute difference of signed lanes.
    Sabd = binary(arith::sabd) all [B H S D];
    /// Absolute difference of unsigned lanes.
    Uabd = binary(arith::uabd) all [B H S D];
    /// `v0` plus the absolute difference of signed lanes of `v1` and `v2`.
    Saba = ternary(arith::saba) all [B H S D];
    /// `v0` plus the absolute difference of unsigned lanes of `v1` and `v2`.
    Uaba = ternary(arith::uaba) all [B H S D];
    /// Low half of the product of polynomials over {0, 1}.
    Pmul = binary(arith::pmul) all [B];

    /// Saturating signed sum.
    Sqadd = binary(saturate::sqadd) all [B H S D] qc;
    /// Saturating unsigned sum.
    Uqadd = binary(saturate::uqadd) all [B H S D] qc;
    /// Saturating signed difference.
    Sqsub = binary(saturate::sqsub) all [B H S D] qc;
    /// Saturating unsigned difference.
    Uqsub = binary(saturate::uqsub) all [B H S D] qc;
    /// Signed `v0` plus unsigned `v1`, saturating as signed.
    Suqadd = binary(saturate::suqadd) all [B H S D] qc;
    /// Unsigned `v0` plus signed `v1`, saturating as unsigned.
    Usqadd = binary(saturate::usqadd) all [B H S D] qc;
    /// Saturating absolute value.
    Sqabs = unary(saturate::sqabs) all [B H S D] qc;
    /// Saturating negation.
    Sqneg = unary(saturate::sqneg) all [B H S D] qc;
    /// High half of twice the signed product, saturating.
    Sqdmulh = binary(saturate::sqdmulh) all [H S] qc;
    /// The same, rounded.
    Sqrdmulh = binary(saturate::sqrdmulh) all [H S] qc;
    /// Rounded high half of `v0` (as high half) plus twice the product of `v1` and `v2`.
    Sqrdmlah = ternary(saturate::sqrdmlah) all [H S] qc;
    /// Rounded high half of `v0` (as high half) less twice the product of `v1` and `v2`.
    Sqrdmlsh = ternary(saturate::sqrdmlsh) all [H S] qc;

    /// Signed shift of `v0` left by the signed low byte of each lane of `v1`.
    Sshl = binary(shift::sshl) all [B H S D];
    /// Unsigned shift by lanes.
    Ushl = binary(shift::ushl) all [B H S D];
    /// Signed shift by lanes, rounded.
    Srshl = binary(shift::srshl) all [B H S D];
    /// Unsigned shift by lanes, rounded.
    Urshl = binary(shift::urshl) all [B H S D];
    /// Signed shift by lanes, saturating.
    Sqshl = binary(shift::sqshl) all [B H S D] qc;
    /// Unsigned shift by lanes, saturating.
    Uqshl = binary(shift::uqshl) all [B H S D] qc;
    /// Signed shift by lanes, rounded and saturating.
    Sqrshl = binary(shift::sqrshl) all [B H S D] qc;
    /// Unsigned shift by lanes, rounded and saturating.
    Uqrshl = binary(shift::uqrshl) all [B H S D] qc;

    /// Left by `imm`, 0 to the width less 1.
    Shl = unary(shift::shl) all [B H S D];
    /// `v1` left by `imm`, the low bits those of `v0`.
    Sli = binary(shift::sli) all [B H S D];
    /// Signed left by `imm`, saturating.
    SqshlImm = unary(shift::sqshl_imm) all [B H S D] qc;
    /// Unsigned left by `imm`, saturating.
    UqshlImm = unary(shift::uqshl_imm) all [B H S D] qc;
    /// Signed left by `imm`, saturating as unsigned.
    Sqshlu = unary(shift::sqshlu) all [B H S D] qc;
    /// Signed right by `imm`, 1 to the width.
    Sshr = unary(shift::sshr) all [B H S D];
    /// Unsigned right by `imm`.
    Ushr = unary(shift::ushr) all [B H S D];
    /// Signed right by `imm`, rounded.
    Srshr = unary(shift::srshr) all [B H S D];
    /// Unsigned right by `imm`, rounded.
    Urshr = unary(shift::urshr) all [B H S D];
    /// `v0` plus `v1` shifted signed right by `imm`.
    Ssra = binary(shift::ssra) all [B H S D];
    /// `v0` plus `v1` shifted unsigned right by `imm`.
    Usra = binary(shift::usra) all [B H S D];
    /// `v0` plus `v1` shifted signed right by `imm`, rounded.
    Srsra = binary(shift::srsra) all [B H S D];
    /// `v0` plus `v1` shifted unsigned right by `imm`, rounded.
    Ursra = binary(shift::ursra) all [B H S D];
    /// `v1` right by `imm`, the high bits those of `v0`.
    Sri = binary(shift::sri) all [B H S D];

    /// Sign-extended to twice the width, left by `imm`.
    Sshll = widen_unary(shift::sshll) half [B H S];
    /// Zero-extended to twice the width, left by `imm`.
    Ushll = widen_unary(shift::ushll) half [B H S];
    /// Extended to twice the width, left by the width.
    Shll = widen_unary(shift::shll) half [B H S];
    /// Wide lanes right by `imm`, low half.
    Shrn = narrow_unary(shift::shrn) half [B H S];
    /// Wide lanes right by `imm`, rounded, low half.
    Rshrn = narrow_unary(shift::rshrn) half [B H S];
    /// Signed wide lanes right by `imm`, saturating.
    Sqshrn = narrow_unary(shift::sqshrn) half [B H S] qc;
    /// Signed wide lanes right by `imm`, rounded, saturating.
    Sqrshrn = narrow_unary(shift::sqrshrn) half [B H S] qc;
    /// Signed wide lanes right by `imm`, saturating as unsigned.
    Sqshrun = narrow_unary(shift::sqshrun) half [B H S] qc;
    /// Signed wide lanes right by `imm`, rounded, saturating as unsigned.
    Sqrshrun = narrow_unary(shift::sqrshrun) half [B H S] qc;
    /// Unsigned wide lanes right by `imm`, saturating.
    Uqshrn = narrow_unary(shift::uqshrn) half [B H S] qc;
    /// Unsigned wide lanes right by `imm`, rounded, saturating.
    Uqrshrn = narrow_unary(shift::uqrshrn) half [B H S] qc;

    /// Low half of wide lanes.
    Xtn = narrow_unary(arith::xtn) half [B H S];
    /// Signed wide lanes, saturating.
    Sqxtn = narrow_unary(saturate::sqxtn) half [B H S] qc;
    /// Signed wide lanes, saturating as unsigned.
    Sqxtun = narrow_unary(saturate::sqxtun) half [B H S] qc;
    /// Unsigned wide lanes, saturating.
    Uqxtn = narrow_unary(saturate::uqxtn) half [B H S] qc;
    /// High half of the sum of wide lanes.
    Addhn = narrow(arith::addhn) half [B H S];
    /// High half of the sum of wide lanes, rounded.
    Raddhn = narrow(arith::raddhn) half [B H S];
    /// High half of the difference of wide lanes.
    Subhn = narrow(arith::subhn) half [B H S];
    /// High half of the difference of wide lanes, rounded.
    Rsubhn = narrow(arith::rsubhn) half [B H S];

    /// Wide sum of signed lanes.
    Saddl = widen(arith::saddl) half [B H S];
    /// Wide sum of unsigned lanes.
    Uaddl = widen(arith::uaddl) half [B H S];
    /// Wide difference of signed lanes.
    Ssubl = widen(arith::ssubl) half [B H S];
    /// Wide difference of unsigned lanes.
    Usubl = widen(arith::usubl) half [B H S];
    /// Wide `v0` plus signed `v1`.
    Saddw = widen_second(arith::saddw) half [B H S];
    /// Wide `v0` plus unsigned `v1`.
    Uaddw = widen_second(arith::uaddw) half [B H S];
    /// Wide `v0` less signed `v1`.
    Ssubw = widen_second(arith::ssubw) half [B H S];
    /// Wide `v0` less unsigned `v1`.
    Usubw = widen_second(arith::usubw) half [B H S];
    /// Wide absolute difference of signed lanes.
    Sabdl = widen(arith::sabdl) half [B H S];
    /// Wide absolute difference of unsigned lanes.
    Uabdl = widen(arith::uabdl) half [B H S];
    /// Wide `v0` plus the absolute difference of signed lanes.
    Sabal = widen_accumulate(arith::sabal) half [B H S];
    /// Wide `v0` plus the absolute difference of unsigned lanes.
    Uabal = widen_accumulate(arith::uabal) half [B H S];
    /// Wide product of signed lanes.
    Smull = widen(arith::smull) half [B H S];
    /// Wide product of unsigned lanes.
    Umull = widen(arith::umull) half [B H S];
    /// Wide `v0` plus the product of signed lanes.
    Smlal = widen_accumulate(arith::smlal) half [B H S];
    /// Wide `v0` plus the product of unsigned lanes.
    Umlal = widen_accumulate(arith::umlal) half [B H S];
    /// Wide `v0` less the product of signed lanes.
    Smlsl = widen_accumulate(arith::smlsl) half [B H S];
    /// Wide `v0` less the product of unsigned lanes.
    Umlsl = widen_accumulate(arith::umlsl) half [B H S];
    /// Wide product of polynomials over {0, 1}.
    Pmull = widen(arith::pmull) half [B];
    /// Twice the wide product of signed lanes, saturating.
    Sqdmull = widen(saturate::sqdmull) half [H S] qc;
    /// Wide `v0` plus twice the product of signed lanes, both saturating.
    Sqdmlal = widen_accumulate(saturate::sqdmlal) half [H S] qc;
    /// Wide `v0` less twice the product of signed lanes, both saturating.
    Sqdmlsl = widen_accumulate(saturate::sqdmlsl) half [H S] qc;

    /// Sums of adjacent lanes of `v0` followed by `v1`.
    Addp = pairwise(arith::addp) vector [B H S D];
    /// Signed maxima of adjacent lanes.
    Smaxp = pairwise(arith::smaxp) vector [B H S D];
    /// Signed minima of adjacent lanes.
    Sminp = pairwise(arith::sminp) vector [B H S D];
    /// Unsigned maxima of adjacent lanes.
    Umaxp = pairwise(arith::umaxp) vector [B H S D];
    /// Unsigned minima of adjacent lanes.
    Uminp = pairwise(arith::uminp) vector [B H S D];
    /// Wide sums of adjacent signed lanes. The shape is that of the narrow operand, whole.
    Saddlp = pairwise_long(arith::saddlp) vector [B H S];
    /// Wide sums of adjacent unsigned lanes. The shape is that of the narrow operand, whole.
    Uaddlp = pairwise_long(arith::uaddlp) vector [B H S];

    /// Sum of all lanes, in the first.
    Addv = across(arith::addv) vector [B H S D];
    /// Signed maximum of all lanes.
    Smaxv = across(arith::smaxv) vector [B H S D];
    /// Signed minimum of all lanes.
    Sminv = across(arith::sminv) vector [B H S D];
    /// Unsigned maximum of all lanes.
    Umaxv = across(arith::umaxv) vector [B H S D];
    /// Unsigned minimum of all lanes.
    Uminv = across(arith::uminv) vector [B H S D];
    /// Wide sum of all signed lanes. The shape is that of the narrow operand, whole.
    Saddlv = across_long(arith::saddlv) vector [B H S];
    /// Wide sum of all unsigned lanes. The shape is that of the narrow operand, whole.
    Uaddlv = across_long(arith::uaddlv) vector [B H S];

    /// Bits set.
    Cnt = unary(arith::cnt) all [B];
    /// Leading zeros.
    Clz = unary(arith::clz) all [B H S D];
    /// Leading bits equal to the sign bit, not counting it.
    Cls = unary(arith::cls) all [B H S D];
    /// Bits in reverse order.
    Rbit = unary(arith::rbit) all [B H S D];
    /// Arm's estimate of the reciprocal of a fixed-point fraction.
    Urecpe = unary(arith::urecpe) all [S];
    /// Arm's estimate of the reciprocal square root of a fixed-point fraction.
    Ursqrte = unary(arith::ursqrte) all [S];

    /// Every lane is lane `imm` of the whole register `v0`.
    Dup = permute1(permute::dup) all [B H S D];
    /// `v0` with lane `imm & 0xff` replaced by lane `imm >> 8` of `v1`.
    Ins = permute2(permute::ins) full [B H S D];
    /// Lanes `imm` and up of `v0` followed by `v1`.
    Ext = permute2(permute::ext) vector [B H S D];
    /// Lanes of the low halves, alternating.
    Zip1 = permute2(permute::zip1) vector [B H S D];
    /// Lanes of the high halves, alternating.
    Zip2 = permute2(permute::zip2) vector [B H S D];
    /// Even lanes of `v0` followed by `v1`.
    Uzp1 = permute2(permute::uzp1) vector [B H S D];
    /// Odd lanes of `v0` followed by `v1`.
    Uzp2 = permute2(permute::uzp2) vector [B H S D];
    /// Even lanes of `v0` and `v1`, alternating.
    Trn1 = permute2(permute::trn1) vector [B H S D];
    /// Odd lanes of `v0` and `v1`, alternating.
    Trn2 = permute2(permute::trn2) vector [B H S D];
    /// Lanes reversed within each 16 bits.
    Rev16 = permute1(permute::rev16) all [B];
    /// Lanes reversed within each 32 bits.
    Rev32 = permute1(permute::rev32) all [B H];
    /// Lanes reversed within each 64 bits.
    Rev64 = permute1(permute::rev64) all [B H S];
    /// Every third lane, from lane `imm` (0 to 2), of `v0` followed by `v1` and `v2`.
    Deinterleave3 = permute3(permute::deinterleave3) vector [B H S D];
    /// The part `imm` (0 to 2), as long as an operand, of the lanes of `v0`, `v1` and `v2` in turn.
    Interleave3 = permute3(permute::interleave3) vector [B H S D];

    /// The integer operand in every lane.
    DupInt = from_int(transfer::dup_int) all [B H S D];
    /// `v0` with lane `imm` replaced by the integer operand.
    InsInt = insert_int(transfer::ins_int) full [B H S D];
    /// Lane `imm` of the whole register as an integer, zero-extended.
    Umov = to_int(transfer::umov) all [B H S D];
    /// Lane `imm` of the whole register as an integer, sign-extended to 64 bits.
    Smov = to_int(transfer::smov) all [B H S D];

    /// Bytes of the 16-byte table `v2` at the indices in `v1` less `imm`; where an index is out of
    /// range, the byte of `v0`. Tables of several registers are looked up one register after the
    /// other, with `imm` 0, 16, 32, 48.
    Tbx = lookup(transfer::tbx) all [B];
}
