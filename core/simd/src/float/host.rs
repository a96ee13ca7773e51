//! The fast path: the host's own arithmetic where its result and the flags are certain.
//!
//! That is so when rounding is to nearest, no input would be flushed, and the result is well inside
//! the normal range: Rust's operators are IEEE 754's on every host, and of all flags only the
//! inexact one is open. It is sticky, so mostly it is set already; else exactness is decided by
//! exact arithmetic (an error-free sum, or the odd parts of significands). Everything else, NaNs
//! first of all, gets `None` and goes the long way.

use super::env::{FpEnv, control, status};
use super::format::{F32, F64, Format};

/// Formats that the host computes in.
pub trait Host: Format {
    /// The host's type.
    type Number: Copy
        + PartialEq
        + std::ops::Add<Output = Self::Number>
        + std::ops::Sub<Output = Self::Number>
        + std::ops::Mul<Output = Self::Number>
        + std::ops::Div<Output = Self::Number>;

    /// The number of an encoding.
    fn number(bits: u64) -> Self::Number;
    /// The encoding of a number.
    fn bits(number: Self::Number) -> u64;
    /// The host's square root.
    fn root(number: Self::Number) -> Self::Number;
    /// a + n * m in one rounding, to nearest, and whether that was inexact (`None`: not known).
    /// `None` where the host has no quick way.
    fn fused(a: u64, n: u64, m: u64) -> Option<(u64, Option<bool>)>;
}

impl Host for F32 {
    type Number = f32;

    #[inline]
    fn number(bits: u64) -> f32 {
        f32::from_bits(bits as u32)
    }

    #[inline]
    fn bits(number: f32) -> u64 {
        u64::from(number.to_bits())
    }

    #[inline]
    fn root(number: f32) -> f32 {
        number.sqrt()
    }

    #[inline]
    fn fused(a: u64, n: u64, m: u64) -> Option<(u64, Option<bool>)> {
        // The product is exact in double precision. The sum is rounded to odd there, and 53 bits
        // are enough above single precision's 24 for the second rounding to be the only one.
        let product = f64::from(Self::number(n)) * f64::from(Self::number(m));
        let addend = f64::from(Self::number(a));
        let sum = product + addend;
        let error = sum_error::<F64>(product, addend, sum);
        let mut odd = sum.to_bits();
        if error != 0.0 && odd & 1 == 0 {
            let towards_zero = (error > 0.0) != (sum > 0.0);
            odd = if towards_zero { odd - 1 } else { odd + 1 };
        }
        let result = f64::from_bits(odd) as f32;
        let inexact = error != 0.0 || f64::from(result) != sum;
        Some((Self::bits(result), Some(inexact)))
    }
}

/// Whether `f64::mul_add` is an instruction, or a library function known to use it.
const QUICK_FUSED: bool = cfg!(any(
    target_feature = "fma",
    target_arch = "aarch64",
    all(target_os = "linux", target_env = "gnu"),
));

impl Host for F64 {
    type Number = f64;

    #[inline]
    fn number(bits: u64) -> f64 {
        f64::from_bits(bits)
    }

    #[inline]
    fn bits(number: f64) -> u64 {
        number.to_bits()
    }

    #[inline]
    fn root(number: f64) -> f64 {
        number.sqrt()
    }

    #[inline]
    fn fused(a: u64, n: u64, m: u64) -> Option<(u64, Option<bool>)> {
        if !QUICK_FUSED {
            return None;
        }
        let result = Self::number(n).mul_add(Self::number(m), Self::number(a));
        Some((result.to_bits(), None))
    }
}

/// Whether the host's rounding is the guest's, and no input is subject to flushing.
#[inline]
fn applies<F: Format, const N: usize>(env: &FpEnv, inputs: [u64; N]) -> bool {
    if env.control & (control::RMODE | control::FZ) == 0 {
        return true;
    }
    let normal_or_zero = |bits: u64| {
        let magnitude = bits & F::MAGNITUDE;
        magnitude == 0 || magnitude >= F::MIN_NORMAL
    };
    env.control & control::RMODE == 0 && inputs.into_iter().all(normal_or_zero)
}

/// Whether a result is far enough from both ends of the normal range that neither underflow nor
/// overflow is near, not even in the error terms below.
#[inline]
fn inside<F: Format>(result: u64) -> bool {
    let magnitude = result & F::MAGNITUDE;
    magnitude > F::MIN_NORMAL && magnitude < F::INFINITY - (2 << F::FRAC)
}

#[inline]
fn is_zero<F: Format>(bits: u64) -> bool {
    bits & F::MAGNITUDE == 0
}

/// Notes whether the result was inexact, asking only if that would be news.
#[inline]
fn note(env: &mut FpEnv, inexact: impl FnOnce() -> bool) {
    if env.status & status::IXC == 0 && inexact() {
        env.raise(status::IXC);
    }
}

/// a + b - sum, exactly (Knuth's TwoSum).
#[inline]
fn sum_error<F: Host>(a: F::Number, b: F::Number, sum: F::Number) -> F::Number {
    let from_b = sum - a;
    let from_a = sum - from_b;
    (a - from_a) + (b - from_b)
}

/// A finite number's significand without trailing zeros.
fn odd_part<F: Format>(bits: u64) -> u64 {
    let fraction = bits & F::FRAC_MASK;
    let significand = if bits & F::INFINITY == 0 {
        fraction
    } else {
        fraction | F::MIN_NORMAL
    };
    significand >> significand.trailing_zeros().min(63)
}

fn odd_product<F: Format>(a: u64, b: u64) -> u128 {
    u128::from(odd_part::<F>(a)) * u128::from(odd_part::<F>(b))
}

/// a + b.
#[inline]
pub fn add<F: Host>(env: &mut FpEnv, a: u64, b: u64) -> Option<u64> {
    if !applies::<F, 2>(env, [a, b]) {
        return None;
    }
    let (x, y) = (F::number(a), F::number(b));
    let sum = x + y;
    let result = F::bits(sum);
    if is_zero::<F>(result) {
        // A sum is zero only exactly.
        return Some(result);
    }
    if !inside::<F>(result) {
        return None;
    }
    note(env, || sum_error::<F>(x, y, sum) != F::number(0));
    Some(result)
}

/// a * b.
#[inline]
pub fn mul<F: Host>(env: &mut FpEnv, a: u64, b: u64) -> Option<u64> {
    if !applies::<F, 2>(env, [a, b]) {
        return None;
    }
    let result = F::bits(F::number(a) * F::number(b));
    if is_zero::<F>(result) && (is_zero::<F>(a) || is_zero::<F>(b)) {
        return Some(result);
    }
    if !inside::<F>(result) {
        return None;
    }
    note(env, || odd_product::<F>(a, b) >> (F::FRAC + 1) != 0);
    Some(result)
}

/// a / b.
#[inline]
pub fn div<F: Host>(env: &mut FpEnv, a: u64, b: u64) -> Option<u64> {
    if !applies::<F, 2>(env, [a, b]) {
        return None;
    }
    let result = F::bits(F::number(a) / F::number(b));
    if is_zero::<F>(result) && is_zero::<F>(a) {
        return Some(result);
    }
    if !inside::<F>(result) {
        return None;
    }
    // The result is so near the quotient that its product with b is a, or not a power of two times a.
    note(env, || {
        odd_product::<F>(result, b) != u128::from(odd_part::<F>(a))
    });
    Some(result)
}

/// The square root.
#[inline]
pub fn sqrt<F: Host>(env: &mut FpEnv, a: u64) -> Option<u64> {
    if !applies::<F, 1>(env, [a]) {
        return None;
    }
    let result = F::bits(F::root(F::number(a)));
    if !inside::<F>(result) {
        return None;
    }
    note(env, || {
        odd_product::<F>(result, result) != u128::from(odd_part::<F>(a))
    });
    Some(result)
}

/// a + n * m.
#[inline]
pub fn mul_add<F: Host>(env: &mut FpEnv, a: u64, n: u64, m: u64) -> Option<u64> {
    if !applies::<F, 3>(env, [a, n, m]) {
        return None;
    }
    let (result, inexact) = F::fused(a, n, m)?;
    if !inside::<F>(result) || inexact.is_none() && env.status & status::IXC == 0 {
        return None;
    }
    note(env, || inexact.unwrap_or(false));
    Some(result)
}
