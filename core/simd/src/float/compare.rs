//! Comparisons, minima and maxima, and the sign operations.

use std::cmp::Ordering;

use super::env::{FpEnv, status};
use super::format::{Class, Format, Unpacked, first_nan, infinity};

/// The flags of a comparison, N, Z, C, V in bits 31 to 28.
mod nzcv {
    pub const LESS: u64 = 0b1000 << 28;
    pub const EQUAL: u64 = 0b0110 << 28;
    pub const GREATER: u64 = 0b0010 << 28;
    pub const UNORDERED: u64 = 0b0011 << 28;
}

/// The encoding with a denormal flushed to zero of its sign, if the control word says so.
#[inline]
fn flushed<F: Format>(env: &mut FpEnv, bits: u64) -> u64 {
    let magnitude = bits & F::MAGNITUDE;
    if magnitude != 0 && magnitude < F::MIN_NORMAL && env.flushes() {
        env.raise(status::IDC);
        return bits & F::SIGN;
    }
    bits
}

/// An integer in the order of the numbers, equal for both zeros.
#[inline]
fn key<F: Format>(bits: u64) -> i64 {
    let magnitude = (bits & F::MAGNITUDE) as i64;
    if bits & F::SIGN != 0 {
        -magnitude
    } else {
        magnitude
    }
}

/// Orders two encodings; with a NaN, `None`, and the invalid flag if it signals or `signal` is set.
#[inline]
fn order<F: Format>(env: &mut FpEnv, a: u64, b: u64, signal: bool) -> Option<Ordering> {
    let (a, b) = (flushed::<F>(env, a), flushed::<F>(env, b));
    let is_nan = |bits| bits & F::MAGNITUDE > F::INFINITY;
    let signals = |bits| is_nan(bits) && bits & F::QUIET == 0;
    if is_nan(a) || is_nan(b) {
        if signal || signals(a) || signals(b) {
            env.raise(status::IOC);
        }
        return None;
    }
    Some(key::<F>(a).cmp(&key::<F>(b)))
}

fn flags(order: Option<Ordering>) -> u64 {
    match order {
        None => nzcv::UNORDERED,
        Some(Ordering::Less) => nzcv::LESS,
        Some(Ordering::Equal) => nzcv::EQUAL,
        Some(Ordering::Greater) => nzcv::GREATER,
    }
}

/// The flags of comparing a with b; a quiet NaN is not invalid (FCMP).
pub fn cmp<F: Format>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    flags(order::<F>(env, a, b, false))
}

/// The flags of comparing a with b; any NaN is invalid (FCMPE).
pub fn cmpe<F: Format>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    flags(order::<F>(env, a, b, true))
}

fn mask<F: Format>(holds: bool) -> u64 {
    if holds { F::SIGN | F::MAGNITUDE } else { 0 }
}

/// All ones where a = b (FPCompareEQ).
pub fn eq<F: Format>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    mask::<F>(order::<F>(env, a, b, false) == Some(Ordering::Equal))
}

/// All ones where a >= b (FPCompareGE).
pub fn ge<F: Format>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    mask::<F>(order::<F>(env, a, b, true).is_some_and(Ordering::is_ge))
}

/// All ones where a > b (FPCompareGT).
pub fn gt<F: Format>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    mask::<F>(order::<F>(env, a, b, true) == Some(Ordering::Greater))
}

/// All ones where |a| >= |b| (FACGE).
pub fn abs_ge<F: Format>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    ge::<F>(env, a & F::MAGNITUDE, b & F::MAGNITUDE)
}

/// All ones where |a| > |b| (FACGT).
pub fn abs_gt<F: Format>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    gt::<F>(env, a & F::MAGNITUDE, b & F::MAGNITUDE)
}

/// The greater (FPMax); of zeros, the positive one.
pub fn max<F: Format>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    extreme::<F>(env, a, b, Ordering::Greater)
}

/// The lesser (FPMin); of zeros, the negative one.
pub fn min<F: Format>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    extreme::<F>(env, a, b, Ordering::Less)
}

/// The greater; a number rather than a quiet NaN (FPMaxNum).
pub fn maxnm<F: Format>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    let (a, b) = numbers::<F>(a, b, infinity::<F>(true));
    max::<F>(env, a, b)
}

/// The lesser; a number rather than a quiet NaN (FPMinNum).
pub fn minnm<F: Format>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    let (a, b) = numbers::<F>(a, b, infinity::<F>(false));
    min::<F>(env, a, b)
}

fn extreme<F: Format>(env: &mut FpEnv, a: u64, b: u64, wanted: Ordering) -> u64 {
    let (a, b) = (flushed::<F>(env, a), flushed::<F>(env, b));
    let class = |bits: u64| match bits & F::MAGNITUDE {
        magnitude if magnitude <= F::INFINITY => Class::Finite,
        magnitude if magnitude & F::QUIET != 0 => Class::Quiet,
        _ => Class::Signalling,
    };
    if let Some(nan) = first_nan::<F, 2>(env, [(class(a), a), (class(b), b)]) {
        return nan;
    }
    match key::<F>(a).cmp(&key::<F>(b)) {
        // Equal encodings, or zeros of different signs.
        Ordering::Equal if wanted == Ordering::Greater => a & b,
        Ordering::Equal => a | b,
        order if order == wanted => a,
        _ => b,
    }
}

/// The operands with a quiet NaN that stands against something else replaced.
fn numbers<F: Format>(a: u64, b: u64, replacement: u64) -> (u64, u64) {
    let quiet = |bits| bits & F::MAGNITUDE >= F::DEFAULT_NAN;
    match (quiet(a), quiet(b)) {
        (true, false) => (replacement, b),
        (false, true) => (a, replacement),
        _ => (a, b),
    }
}

/// The magnitude, of anything (FPAbs).
pub fn abs<F: Format>(_: &mut FpEnv, a: u64) -> u64 {
    a & F::MAGNITUDE
}

/// The sign changed, of anything (FPNeg).
pub fn neg<F: Format>(_: &mut FpEnv, a: u64) -> u64 {
    a ^ F::SIGN
}

/// Bits 30:23 or 62:52 inverted: a scaling that brings a number near one (FPRecpX).
pub fn recpx<F: Format>(env: &mut FpEnv, a: u64) -> u64 {
    let x = Unpacked::of::<F>(env, a);
    if let Some(nan) = first_nan::<F, 1>(env, [(x.class, a)]) {
        return nan;
    }
    let sign = a & F::SIGN;
    match a & F::INFINITY {
        0 => sign | (F::EXP_MAX - 1) << F::FRAC,
        exponent => sign | exponent ^ F::INFINITY,
    }
}
