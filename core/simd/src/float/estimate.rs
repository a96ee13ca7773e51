//! Reciprocal and reciprocal square root estimates: 8 bits, by the manual's integer algorithms.

use super::env::{FpEnv, status};
use super::format::{
    Class, Format, Unpacked, first_nan, infinity, invalid, overflows_to_infinity, zero,
};

/// An estimate of 1 / a (FPRecipEstimate).
pub fn recpe<F: Format>(env: &mut FpEnv, a: u64) -> u64 {
    let x = Unpacked::of::<F>(env, a);
    if let Some(nan) = first_nan::<F, 1>(env, [(x.class, a)]) {
        return nan;
    }
    let sign = zero::<F>(x.negative);
    match x.class {
        Class::Infinity => sign,
        Class::Zero => {
            env.raise(status::DZC);
            infinity::<F>(x.negative)
        }
        // The reciprocal is above the largest finite number.
        _ if x.exponent < F::MIN_EXP - 2 => {
            env.raise(status::OFC | status::IXC);
            if overflows_to_infinity(env.rounding(), x.negative) {
                infinity::<F>(x.negative)
            } else {
                sign | F::LARGEST
            }
        }
        // The reciprocal is denormal.
        _ if env.flushes() && x.exponent >= F::BIAS - 1 => {
            env.raise(status::UFC);
            sign
        }
        _ => {
            let scaled = (x.significand >> 55) as u32;
            let estimate = u64::from(recip_estimate(scaled));
            let significand = estimate << (F::FRAC - 8);
            match F::BIAS - 1 - x.exponent {
                0 => sign | significand >> 1,
                -1 => sign | significand >> 2,
                biased => sign | (biased as u64) << F::FRAC | significand & F::FRAC_MASK,
            }
        }
    }
}

/// An estimate of 1 / sqrt(a) (FPRSqrtEstimate).
pub fn rsqrte<F: Format>(env: &mut FpEnv, a: u64) -> u64 {
    let x = Unpacked::of::<F>(env, a);
    if let Some(nan) = first_nan::<F, 1>(env, [(x.class, a)]) {
        return nan;
    }
    match x.class {
        Class::Zero => {
            env.raise(status::DZC);
            infinity::<F>(x.negative)
        }
        _ if x.negative => invalid::<F>(env),
        Class::Infinity => 0,
        _ => {
            // As a fraction from 1/4 to 1 with an even exponent.
            let nine = (x.significand >> 55) as u32;
            let scaled = if x.exponent & 1 != 0 { nine } else { nine >> 1 };
            let estimate = u64::from(recip_sqrt_estimate(scaled));
            let exponent = (-1 - x.exponent).div_euclid(2);
            let biased = (exponent + F::BIAS) as u64;
            biased << F::FRAC | (estimate & 0xFF) << (F::FRAC - 8)
        }
    }
}

/// 2^17 / a, rounded, from the middle of a's interval, for `a` from 256 to 511 (RecipEstimate; also
/// what URECPE computes).
#[must_use]
pub fn recip_estimate(a: u32) -> u32 {
    let b = (1 << 19) / (a * 2 + 1);
    b.div_ceil(2)
}

/// 2^17 / sqrt(2^9 a) or the like, for `a` from 128 to 511 (RecipSqrtEstimate; also what URSQRTE
/// computes): 256 to 511.
#[must_use]
pub fn recip_sqrt_estimate(a: u32) -> u32 {
    let a = if a < 256 {
        a * 2 + 1
    } else {
        ((a >> 1 << 1) + 1) * 2
    };
    // The largest b with a * b^2 < 2^28.
    let b = (((1u32 << 28) - 1) / a).isqrt();
    b.div_ceil(2)
}
