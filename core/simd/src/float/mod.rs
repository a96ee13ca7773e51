//! IEEE 754 arithmetic under Arm control and status words.
//!
//! - [`FloatOp`]: the table of operations;
//! - [`mod@env`]: control and status words, rounding modes;
//! - `format`: encodings taken apart and rounded into;
//! - `arith`, `compare`, `convert`, `estimate`: the operations, each after the pseudocode function
//!   of the Arm ARM (J1.3, shared/functions/float) that its description names;
//! - `host`: the fast path through the host's own arithmetic;
//! - `loops`: from scalars to vectors.
//!
//! The arithmetic is this crate's own, in integers, so that results and flags are the same on every
//! host. Encodings are in the low bits of a `u64`, a format's functions generic over its widths.

mod arith;
mod compare;
mod convert;
pub mod env;
mod estimate;
mod format;
mod host;
mod loops;
#[cfg(test)]
mod tests;

pub use env::{FpEnv, Rounding, RoundingImm};
pub use estimate::{recip_estimate, recip_sqrt_estimate};

use arith::{
    abd, add, div, mul, mul_add, mul_sub, mulx, neg_mul_add, neg_mul_sub, nmul, recps, rsqrts,
    sqrt, sub,
};
use compare::{abs, abs_ge, abs_gt, cmp, cmpe, eq, ge, gt, max, maxnm, min, minnm, neg, recpx};
use convert::{
    convert, convert_to_odd, from_s32, from_s64, from_u32, from_u64, lane_from_signed,
    lane_from_unsigned, lane_to_signed, lane_to_unsigned, round_integral, to_s32, to_s64, to_u32,
    to_u64,
};
use estimate::{recpe, rsqrte};
use format::{F16, F32, F64};
use loops::{by_formats, by_shape};

use crate::{Dest, Lane, Shape, Signature, WideFn};

/// The signature of each kind of row in the table.
macro_rules! signature {
    (sign) => { signature!(@ Vec 1 false false) };
    (unary) => { signature!(@ Vec 1 false true) };
    (unary_imm) => { signature!(@ Vec 1 false true) };
    (binary) => { signature!(@ Vec 2 false true) };
    (ternary) => { signature!(@ Vec 3 false true) };
    (with_zero) => { signature!(@ Vec 1 false true) };
    (zero_with) => { signature!(@ Vec 1 false true) };
    (pairwise) => { signature!(@ Vec 2 false true) };
    (reduce) => { signature!(@ Vec 1 false true) };
    (flags) => { signature!(@ Int 2 false true) };
    (flags_zero) => { signature!(@ Int 1 false true) };
    (to_int) => { signature!(@ Int 1 false true) };
    (from_int) => { signature!(@ Vec 0 true true) };
    (widen) => { signature!(@ Vec 1 false true) };
    (narrow) => { signature!(@ Vec 1 false true) };
    (widen_twice) => { signature!(@ Vec 1 false true) };
    (narrow_twice) => { signature!(@ Vec 1 false true) };
    (@ $dest:ident $vecs:literal $int:literal $fp_env:literal) => {
        Signature { dest: Dest::$dest, vecs: $vecs, int: $int, fp_env: $fp_env }
    };
}

/// The function of each kind of row at a shape.
macro_rules! at_shape {
    (sign $shape:ident $f:ident) => { at_shape!(@lanes unary $shape $f) };
    (flags $shape:ident $f:ident) => { at_shape!(@scalar binary $shape $f) };
    (flags_zero $shape:ident $f:ident) => { at_shape!(@scalar with_zero $shape $f) };
    (to_int $shape:ident $f:ident) => { at_shape!(@scalar unary_imm $shape $f) };
    (from_int $shape:ident $f:ident) => { at_shape!(@scalar from_int $shape $f) };
    (pairwise $shape:ident $f:ident) => { at_shape!(@pairs pairwise $shape $f) };
    (reduce $shape:ident $f:ident) => { at_shape!(@pairs reduce $shape $f) };
    (widen $shape:ident $f:ident) => {
        by_formats!($shape, $f, [H 1 => F16 F32, H 4 => F16 F32, S 1 => F32 F64, S 2 => F32 F64])
    };
    (narrow $shape:ident $f:ident) => {
        by_formats!($shape, $f, [H 1 => F32 F16, H 4 => F32 F16, S 1 => F64 F32, S 2 => F64 F32])
    };
    (widen_twice $shape:ident $f:ident) => { by_formats!($shape, $f, [H 1 => F16 F64]) };
    (narrow_twice $shape:ident $f:ident) => { by_formats!($shape, $f, [H 1 => F64 F16]) };
    (@lanes $loop:ident $shape:ident $f:ident) => {
        by_shape!($loop, $shape, $f, [S 1 => F32, S 2 => F32, S 4 => F32, D 1 => F64, D 2 => F64])
    };
    (@pairs $loop:ident $shape:ident $f:ident) => {
        by_shape!($loop, $shape, $f, [S 2 => F32, S 4 => F32, D 2 => F64])
    };
    (@scalar $loop:ident $shape:ident $f:ident) => {
        by_shape!($loop, $shape, $f, [S 1 => F32, D 1 => F64])
    };
    ($loop:ident $shape:ident $f:ident) => { at_shape!(@lanes $loop $shape $f) };
}

macro_rules! float_ops {
    ($($(#[$doc:meta])* $name:ident $text:literal $kind:ident $f:ident,)*) => {
        /// The table of these operations.
        ///
        /// Those that take a rounding mode have it in the immediate: see [`RoundingImm`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FloatOp {
            $($(#[$doc])* $name,)*
        }

        impl FloatOp {
            /// Every operation.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            pub(crate) fn signature(self) -> Signature {
                match self {
                    $(Self::$name => signature!($kind),)*
                }
            }

            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }

        pub(crate) fn resolve(op: FloatOp, shape: Shape) -> Option<WideFn> {
            match op {
                $(FloatOp::$name => at_shape!($kind shape $f),)*
            }
        }
    };
}

float_ops! {
    /// Magnitudes; no flags, no flushing.
    Abs "fabs" sign abs,
    /// Signs changed; no flags, no flushing.
    Neg "fneg" sign neg,
    /// Square roots.
    Sqrt "fsqrt" unary sqrt,
    /// Sums.
    Add "fadd" binary add,
    /// Differences.
    Sub "fsub" binary sub,
    /// Magnitudes of differences.
    Abd "fabd" binary abd,
    /// Products.
    Mul "fmul" binary mul,
    /// Products, zero times infinity being two.
    MulX "fmulx" binary mulx,
    /// Products with their sign changed.
    NMul "fnmul" binary nmul,
    /// Quotients.
    Div "fdiv" binary div,
    /// `v0 + v1 * v2` in one rounding.
    MulAdd "fmadd" ternary mul_add,
    /// `v0 - v1 * v2` in one rounding; a NaN in `v1` has its sign changed.
    MulSub "fmsub" ternary mul_sub,
    /// `-v0 - v1 * v2` in one rounding; NaNs in `v0` and `v1` have their sign changed.
    NegMulAdd "fnmadd" ternary neg_mul_add,
    /// `-v0 + v1 * v2` in one rounding; a NaN in `v0` has its sign changed.
    NegMulSub "fnmsub" ternary neg_mul_sub,
    /// Maxima; NaN if either is.
    Max "fmax" binary max,
    /// Minima; NaN if either is.
    Min "fmin" binary min,
    /// Maxima; the number if one is a quiet NaN.
    MaxNm "fmaxnm" binary maxnm,
    /// Minima; the number if one is a quiet NaN.
    MinNm "fminnm" binary minnm,
    /// Sums of adjacent lanes of `v0`, then of `v1`.
    AddPairs "faddp" pairwise add,
    /// Maxima of adjacent lanes.
    MaxPairs "fmaxp" pairwise max,
    /// Minima of adjacent lanes.
    MinPairs "fminp" pairwise min,
    /// Maxima of adjacent lanes, numbers preferred.
    MaxNmPairs "fmaxnmp" pairwise maxnm,
    /// Minima of adjacent lanes, numbers preferred.
    MinNmPairs "fminnmp" pairwise minnm,
    /// The sum of all lanes, by halves.
    AddAll "faddv" reduce add,
    /// The maximum of all lanes.
    MaxAll "fmaxv" reduce max,
    /// The minimum of all lanes.
    MinAll "fminv" reduce min,
    /// The maximum of all lanes, numbers preferred.
    MaxNmAll "fmaxnmv" reduce maxnm,
    /// The minimum of all lanes, numbers preferred.
    MinNmAll "fminnmv" reduce minnm,
    /// N, Z, C, V in bits 31 to 28 of comparing `v0` with `v1`; a signalling NaN is invalid.
    Compare "fcmp" flags cmp,
    /// The same; any NaN is invalid.
    CompareSignalling "fcmpe" flags cmpe,
    /// The same of comparing `v0` with zero; a signalling NaN is invalid.
    CompareZero "fcmpz" flags_zero cmp,
    /// The same; any NaN is invalid.
    CompareZeroSignalling "fcmpez" flags_zero cmpe,
    /// All ones in lanes where `v0 == v1`.
    Eq "fcmeq" binary eq,
    /// All ones where `v0 >= v1`.
    Ge "fcmge" binary ge,
    /// All ones where `v0 > v1`.
    Gt "fcmgt" binary gt,
    /// All ones where `|v0| >= |v1|`.
    AbsGe "facge" binary abs_ge,
    /// All ones where `|v0| > |v1|`.
    AbsGt "facgt" binary abs_gt,
    /// All ones where `v0 == 0`.
    EqZero "fcmeqz" with_zero eq,
    /// All ones where `v0 >= 0`.
    GeZero "fcmgez" with_zero ge,
    /// All ones where `v0 > 0`.
    GtZero "fcmgtz" with_zero gt,
    /// All ones where `v0 <= 0`.
    LeZero "fcmlez" zero_with ge,
    /// All ones where `v0 < 0`.
    LtZero "fcmltz" zero_with gt,
    /// Integral values, rounded as the immediate says.
    Round "frint" unary_imm round_integral,
    /// Lanes to signed integers of their width, rounded and scaled as the immediate says.
    ToSigned "fcvts" unary_imm lane_to_signed,
    /// Lanes to unsigned integers of their width.
    ToUnsigned "fcvtu" unary_imm lane_to_unsigned,
    /// Lanes from signed integers of their width, scaled as the immediate says.
    FromSigned "scvtf" unary_imm lane_from_signed,
    /// Lanes from unsigned integers of their width.
    FromUnsigned "ucvtf" unary_imm lane_from_unsigned,
    /// A scalar to a 32-bit signed integer, zero-extended, rounded and scaled as the immediate says.
    ToS32 "fcvts32" to_int to_s32,
    /// A scalar to a 32-bit unsigned integer.
    ToU32 "fcvtu32" to_int to_u32,
    /// A scalar to a 64-bit signed integer.
    ToS64 "fcvts64" to_int to_s64,
    /// A scalar to a 64-bit unsigned integer.
    ToU64 "fcvtu64" to_int to_u64,
    /// A scalar from the integer operand's low 32 bits, signed, scaled as the immediate says.
    FromS32 "scvtf32" from_int from_s32,
    /// A scalar from 32 bits, unsigned.
    FromU32 "ucvtf32" from_int from_u32,
    /// A scalar from 64 bits, signed.
    FromS64 "scvtf64" from_int from_s64,
    /// A scalar from 64 bits, unsigned.
    FromU64 "ucvtf64" from_int from_u64,
    /// Lanes to the next wider format. The shape is that of the source; an immediate of 1 takes
    /// the lanes above those.
    Widen "fcvtl" widen convert,
    /// Lanes to the next narrower format. The shape is that of the result.
    Narrow "fcvtn" narrow convert,
    /// The same, rounded to odd.
    NarrowToOdd "fcvtxn" narrow convert_to_odd,
    /// Half to double precision. The shape is one half-precision lane.
    WidenTwice "fcvthd" widen_twice convert,
    /// Double to half precision. The shape is one half-precision lane.
    NarrowTwice "fcvtdh" narrow_twice convert,
    /// Estimates of reciprocals.
    RecipEstimate "frecpe" unary recpe,
    /// `2 - v0 * v1`.
    RecipStep "frecps" binary recps,
    /// Exponents inverted.
    RecipExponent "frecpx" unary recpx,
    /// Estimates of reciprocal square roots.
    RsqrtEstimate "frsqrte" unary rsqrte,
    /// `(3 - v0 * v1) / 2`.
    RsqrtStep "frsqrts" binary rsqrts,
}
