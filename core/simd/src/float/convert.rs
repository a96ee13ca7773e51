//! Conversions between formats and to and from integers.

use super::env::{FpEnv, Rounding, RoundingImm, status};
use super::format::{
    Class, Format, Unpacked, first_nan, infinity, round, round_to_integer, round_wide, zero,
};

/// A number of format `F` in format `T`, rounded as the control word says (FPConvert).
pub fn convert<F: Format, T: Format>(env: &mut FpEnv, a: u64) -> u64 {
    let mode = env.rounding();
    convert_by::<F, T>(env, a, mode)
}

/// The same, rounded to odd (FCVTXN).
pub fn convert_to_odd<F: Format, T: Format>(env: &mut FpEnv, a: u64) -> u64 {
    convert_by::<F, T>(env, a, Rounding::ToOdd)
}

fn convert_by<F: Format, T: Format>(env: &mut FpEnv, a: u64, mode: Rounding) -> u64 {
    let x = Unpacked::of::<F>(env, a);
    let to_alternative = T::HALF && env.alternative_half();
    match x.class {
        Class::Zero => zero::<T>(x.negative),
        Class::Finite => round::<T>(env, mode, x.negative, x.exponent, x.significand),
        Class::Infinity if to_alternative => {
            env.raise(status::IOC);
            zero::<T>(x.negative) | T::MAGNITUDE
        }
        Class::Infinity => infinity::<T>(x.negative),
        Class::Quiet | Class::Signalling => {
            if to_alternative || x.is(Class::Signalling) {
                env.raise(status::IOC);
            }
            if to_alternative {
                zero::<T>(x.negative)
            } else if env.default_nan() {
                T::DEFAULT_NAN
            } else {
                let fraction = (a & F::FRAC_MASK) << (63 - F::FRAC) >> (63 - T::FRAC);
                infinity::<T>(x.negative) | T::QUIET | fraction
            }
        }
    }
}

/// An integral value in the same format (FPRoundInt); the immediate is a [`RoundingImm`].
pub fn round_integral<F: Format>(env: &mut FpEnv, a: u64, imm: u32) -> u64 {
    let x = Unpacked::of::<F>(env, a);
    if let Some(nan) = first_nan::<F, 1>(env, [(x.class, a)]) {
        return nan;
    }
    if x.is(Class::Zero) {
        return zero::<F>(x.negative);
    }
    if x.is(Class::Infinity) || x.exponent >= F::FRAC as i32 {
        return a;
    }
    let imm = RoundingImm::decode(imm);
    let mode = imm.mode.unwrap_or(env.rounding());
    let (whole, changed) = round_to_integer(mode, x.negative, x.exponent, x.significand);
    if changed && imm.exact {
        env.raise(status::IXC);
    }
    if whole == 0 {
        return zero::<F>(x.negative);
    }
    round_wide::<F>(env, Rounding::ToZero, x.negative, 0, whole)
}

/// An integer of `bits` bits, saturated (FPToFixed): two's complement in the low bits, zero above.
#[inline]
pub fn to_integer<F: Format>(env: &mut FpEnv, a: u64, imm: u32, bits: u32, signed: bool) -> u64 {
    let x = Unpacked::of::<F>(env, a);
    let ones = u64::MAX >> (64 - bits);
    let limit = u128::from(match (signed, x.negative) {
        (false, false) => ones,
        (false, true) => 0,
        (true, false) => ones >> 1,
        (true, true) => (ones >> 1) + 1,
    });
    let (magnitude, inexact) = match x.class {
        Class::Zero => return 0,
        Class::Quiet | Class::Signalling => {
            env.raise(status::IOC);
            return 0;
        }
        Class::Infinity => (u128::MAX, false),
        Class::Finite => {
            let imm = RoundingImm::decode(imm);
            let mode = imm.mode.unwrap_or(env.rounding());
            let exponent = x.exponent + imm.fraction_bits as i32;
            if exponent >= 64 {
                (u128::MAX, false)
            } else {
                round_to_integer(mode, x.negative, exponent, x.significand)
            }
        }
    };
    if magnitude > limit {
        env.raise(status::IOC);
    } else if inexact {
        env.raise(status::IXC);
    }
    let magnitude = magnitude.min(limit) as u64;
    let value = if x.negative {
        magnitude.wrapping_neg()
    } else {
        magnitude
    };
    value & ones
}

/// The number that an integer of `bits` bits is, rounded as the control word says (FixedToFP).
#[inline]
pub fn from_integer<F: Format>(env: &mut FpEnv, a: u64, imm: u32, bits: u32, signed: bool) -> u64 {
    let unused = 64 - bits;
    let top = a << unused;
    let negative = signed && (top as i64) < 0;
    let magnitude = if negative {
        top.wrapping_neg() >> unused
    } else {
        top >> unused
    };
    if magnitude == 0 {
        return 0;
    }
    let zeros = magnitude.leading_zeros();
    let exponent = 63 - zeros as i32 - RoundingImm::decode(imm).fraction_bits as i32;
    let mode = env.rounding();
    round::<F>(env, mode, negative, exponent, magnitude << zeros)
}

/// A lane as a signed integer of its own width.
pub fn lane_to_signed<F: Format>(env: &mut FpEnv, a: u64, imm: u32) -> u64 {
    to_integer::<F>(env, a, imm, F::BITS, true)
}

/// A lane as an unsigned integer of its own width.
pub fn lane_to_unsigned<F: Format>(env: &mut FpEnv, a: u64, imm: u32) -> u64 {
    to_integer::<F>(env, a, imm, F::BITS, false)
}

/// A lane from a signed integer of its own width.
pub fn lane_from_signed<F: Format>(env: &mut FpEnv, a: u64, imm: u32) -> u64 {
    from_integer::<F>(env, a, imm, F::BITS, true)
}

/// A lane from an unsigned integer of its own width.
pub fn lane_from_unsigned<F: Format>(env: &mut FpEnv, a: u64, imm: u32) -> u64 {
    from_integer::<F>(env, a, imm, F::BITS, false)
}

macro_rules! integers {
    ($($to:ident $from:ident $bits:literal $signed:literal,)*) => {$(
        #[doc = concat!("An integer of ", $bits, " bits; signed: ", $signed, ".")]
        pub fn $to<F: Format>(env: &mut FpEnv, a: u64, imm: u32) -> u64 {
            to_integer::<F>(env, a, imm, $bits, $signed)
        }

        #[doc = concat!("From an integer of ", $bits, " bits; signed: ", $signed, ".")]
        pub fn $from<F: Format>(env: &mut FpEnv, a: u64, imm: u32) -> u64 {
            from_integer::<F>(env, a, imm, $bits, $signed)
        }
    )*};
}

integers! {
    to_s32 from_s32 32 true,
    to_u32 from_u32 32 false,
    to_s64 from_s64 64 true,
    to_u64 from_u64 64 false,
}
