//! Sums, products, quotients, square roots.

use super::env::{FpEnv, Rounding, status};
use super::format::{
    Class, Format, Unpacked, first_nan, infinity, invalid, round, round_wide, zero, zero_sum,
};
use super::host::{self, Host};

/// A finite exact value: `magnitude * 2^scale`, the magnitude below 2^126.
#[derive(Clone, Copy)]
struct Exact {
    negative: bool,
    scale: i32,
    magnitude: u128,
}

impl Exact {
    fn of(a: &Unpacked) -> Self {
        Self {
            negative: a.negative,
            scale: a.exponent - 63,
            magnitude: if a.is(Class::Zero) {
                0
            } else {
                u128::from(a.significand)
            },
        }
    }

    fn product(a: &Unpacked, b: &Unpacked) -> Self {
        // 53-bit significands leave the low bits clear: no product bit is lost.
        let magnitude = if a.is(Class::Zero) || b.is(Class::Zero) {
            0
        } else {
            u128::from(a.significand >> 8) * u128::from(b.significand >> 8)
        };
        Self {
            negative: a.negative != b.negative,
            scale: a.exponent + b.exponent - 110,
            magnitude,
        }
    }

    /// The value with its top bit at 125, so that a sum fits.
    fn aligned(self) -> Self {
        let shift = self.magnitude.leading_zeros() as i32 - 2;
        Self {
            scale: self.scale - shift,
            magnitude: self.magnitude << shift,
            ..self
        }
    }

    /// The sum rounded; both zero-valued operands of one sign keep it.
    fn add<F: Format>(self, other: Self, env: &mut FpEnv, mode: Rounding, halve: bool) -> u64 {
        if self.magnitude == 0 && other.magnitude == 0 {
            return if self.negative == other.negative {
                zero::<F>(self.negative)
            } else {
                zero_sum::<F>(mode)
            };
        }
        let halving = i32::from(halve);
        if self.magnitude == 0 || other.magnitude == 0 {
            let one = if self.magnitude == 0 { other } else { self };
            return round_wide::<F>(env, mode, one.negative, one.scale - halving, one.magnitude);
        }
        let (a, b) = (self.aligned(), other.aligned());
        let (big, small) = if (a.scale, a.magnitude) >= (b.scale, b.magnitude) {
            (a, b)
        } else {
            (b, a)
        };
        // Bits of the smaller operand that are shifted out are folded into its last bit. At least
        // 73 bits are below the significands' last one, so that this cannot change a rounding.
        let distance = (big.scale - small.scale) as u32;
        let small_magnitude = if distance > 126 {
            1
        } else {
            let kept = small.magnitude >> distance;
            kept | u128::from(kept << distance != small.magnitude)
        };
        let magnitude = if a.negative == b.negative {
            big.magnitude + small_magnitude
        } else {
            big.magnitude - small_magnitude
        };
        if magnitude == 0 {
            return zero_sum::<F>(mode);
        }
        round_wide::<F>(env, mode, big.negative, big.scale - halving, magnitude)
    }
}

/// a + b (FPAdd).
#[inline]
pub fn add<F: Host>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    host::add::<F>(env, a, b).unwrap_or_else(|| soft_add::<F>(env, a, b, false))
}

/// a - b (FPSub).
#[inline]
pub fn sub<F: Host>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    host::add::<F>(env, a, b ^ F::SIGN).unwrap_or_else(|| soft_add::<F>(env, a, b, true))
}

/// The magnitude of a - b, its sign bit cleared even if it is a NaN (FABD).
#[inline]
pub fn abd<F: Host>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    sub::<F>(env, a, b) & F::MAGNITUDE
}

/// A sum, or a difference: subtraction negates no NaN.
pub(super) fn soft_add<F: Format>(env: &mut FpEnv, a: u64, b: u64, subtract: bool) -> u64 {
    let x = Unpacked::of::<F>(env, a);
    let mut y = Unpacked::of::<F>(env, b);
    if let Some(nan) = first_nan::<F, 2>(env, [(x.class, a), (y.class, b)]) {
        return nan;
    }
    y.negative ^= subtract;
    match (x.is(Class::Infinity), y.is(Class::Infinity)) {
        (true, true) if x.negative != y.negative => invalid::<F>(env),
        (true, _) => infinity::<F>(x.negative),
        (_, true) => infinity::<F>(y.negative),
        _ => {
            let mode = env.rounding();
            Exact::of(&x).add::<F>(Exact::of(&y), env, mode, false)
        }
    }
}

/// a * b (FPMul).
#[inline]
pub fn mul<F: Host>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    host::mul::<F>(env, a, b).unwrap_or_else(|| soft_mul::<F>(env, a, b, false))
}

/// -(a * b): the product, then its sign changed, even of a NaN (FNMUL).
#[inline]
pub fn nmul<F: Host>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    mul::<F>(env, a, b) ^ F::SIGN
}

/// a * b, with zero times infinity being two (FPMulX).
#[inline]
pub fn mulx<F: Host>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    host::mul::<F>(env, a, b).unwrap_or_else(|| soft_mul::<F>(env, a, b, true))
}

pub(super) fn soft_mul<F: Format>(env: &mut FpEnv, a: u64, b: u64, extended: bool) -> u64 {
    let x = Unpacked::of::<F>(env, a);
    let y = Unpacked::of::<F>(env, b);
    if let Some(nan) = first_nan::<F, 2>(env, [(x.class, a), (y.class, b)]) {
        return nan;
    }
    let negative = x.negative != y.negative;
    let some = |class| x.is(class) || y.is(class);
    match (some(Class::Infinity), some(Class::Zero)) {
        (true, true) if extended => zero::<F>(negative) | F::TWO,
        (true, true) => invalid::<F>(env),
        (true, _) => infinity::<F>(negative),
        (_, true) => zero::<F>(negative),
        _ => {
            let product = Exact::product(&x, &y);
            let mode = env.rounding();
            round_wide::<F>(env, mode, negative, product.scale, product.magnitude)
        }
    }
}

/// a / b (FPDiv).
#[inline]
pub fn div<F: Host>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    host::div::<F>(env, a, b).unwrap_or_else(|| soft_div::<F>(env, a, b))
}

pub(super) fn soft_div<F: Format>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    let x = Unpacked::of::<F>(env, a);
    let y = Unpacked::of::<F>(env, b);
    if let Some(nan) = first_nan::<F, 2>(env, [(x.class, a), (y.class, b)]) {
        return nan;
    }
    let negative = x.negative != y.negative;
    match (x.class, y.class) {
        (Class::Infinity, Class::Infinity) | (Class::Zero, Class::Zero) => invalid::<F>(env),
        (Class::Infinity, _) => infinity::<F>(negative),
        (_, Class::Zero) => {
            env.raise(status::DZC);
            infinity::<F>(negative)
        }
        (Class::Zero, _) | (_, Class::Infinity) => zero::<F>(negative),
        _ => {
            let dividend = u128::from(x.significand) << 63;
            let divisor = u128::from(y.significand);
            let sticky = u128::from(dividend % divisor != 0);
            let quotient = (dividend / divisor) << 1 | sticky;
            let mode = env.rounding();
            let scale = x.exponent - y.exponent - 64;
            round_wide::<F>(env, mode, negative, scale, quotient)
        }
    }
}

/// The square root (FPSqrt).
#[inline]
pub fn sqrt<F: Host>(env: &mut FpEnv, a: u64) -> u64 {
    host::sqrt::<F>(env, a).unwrap_or_else(|| soft_sqrt::<F>(env, a))
}

pub(super) fn soft_sqrt<F: Format>(env: &mut FpEnv, a: u64) -> u64 {
    let x = Unpacked::of::<F>(env, a);
    if let Some(nan) = first_nan::<F, 1>(env, [(x.class, a)]) {
        return nan;
    }
    match x.class {
        Class::Zero => zero::<F>(x.negative),
        _ if x.negative => invalid::<F>(env),
        Class::Infinity => F::INFINITY,
        _ => {
            // The root of m * 2^e with e even is that of m, times 2^(e/2).
            let odd = x.exponent & 1;
            let radicand = u128::from(x.significand) << (61 + odd);
            let root = radicand.isqrt();
            let sticky = u64::from(root * root != radicand);
            let significand = (root as u64) << 1 | sticky;
            let mode = env.rounding();
            round::<F>(env, mode, false, (x.exponent - odd) / 2, significand)
        }
    }
}

/// a + n * m in one rounding (FPMulAdd).
#[inline]
pub fn mul_add<F: Host>(env: &mut FpEnv, a: u64, n: u64, m: u64) -> u64 {
    host::mul_add::<F>(env, a, n, m).unwrap_or_else(|| soft_mul_add::<F>(env, a, n, m))
}

/// a - n * m: `n` is negated first, even if it is a NaN (FMSUB, FMLS).
#[inline]
pub fn mul_sub<F: Host>(env: &mut FpEnv, a: u64, n: u64, m: u64) -> u64 {
    mul_add::<F>(env, a, n ^ F::SIGN, m)
}

/// -a - n * m (FNMADD).
#[inline]
pub fn neg_mul_add<F: Host>(env: &mut FpEnv, a: u64, n: u64, m: u64) -> u64 {
    mul_add::<F>(env, a ^ F::SIGN, n ^ F::SIGN, m)
}

/// -a + n * m (FNMSUB).
#[inline]
pub fn neg_mul_sub<F: Host>(env: &mut FpEnv, a: u64, n: u64, m: u64) -> u64 {
    mul_add::<F>(env, a ^ F::SIGN, n, m)
}

pub(super) fn soft_mul_add<F: Format>(env: &mut FpEnv, a: u64, n: u64, m: u64) -> u64 {
    let z = Unpacked::of::<F>(env, a);
    let x = Unpacked::of::<F>(env, n);
    let y = Unpacked::of::<F>(env, m);
    let no_product =
        x.is(Class::Infinity) && y.is(Class::Zero) || x.is(Class::Zero) && y.is(Class::Infinity);
    let nan = first_nan::<F, 3>(env, [(z.class, a), (x.class, n), (y.class, m)]);
    if no_product && !z.is(Class::Signalling) {
        return invalid::<F>(env);
    }
    if let Some(nan) = nan {
        return nan;
    }
    let negative = x.negative != y.negative;
    let infinite = x.is(Class::Infinity) || y.is(Class::Infinity);
    match (z.is(Class::Infinity), infinite) {
        (true, true) if z.negative != negative => invalid::<F>(env),
        (true, _) => infinity::<F>(z.negative),
        (_, true) => infinity::<F>(negative),
        _ => {
            let mode = env.rounding();
            Exact::of(&z).add::<F>(Exact::product(&x, &y), env, mode, false)
        }
    }
}

/// 2 - a * b, a Newton-Raphson step towards a reciprocal (FPRecipStepFused).
pub fn recps<F: Host>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    step::<F>(env, a, b, F::TWO, false)
}

/// (3 - a * b) / 2, a step towards a reciprocal square root (FPRSqrtStepFused).
pub fn rsqrts<F: Host>(env: &mut FpEnv, a: u64, b: u64) -> u64 {
    step::<F>(env, a, b, F::TWO | F::QUIET, true)
}

/// (addend - a * b), halved or not, in one rounding. Where the product is zero times infinity it
/// counts as zero.
fn step<F: Format>(env: &mut FpEnv, a: u64, b: u64, addend: u64, halve: bool) -> u64 {
    let a = a ^ F::SIGN;
    let x = Unpacked::of::<F>(env, a);
    let y = Unpacked::of::<F>(env, b);
    if let Some(nan) = first_nan::<F, 2>(env, [(x.class, a), (y.class, b)]) {
        return nan;
    }
    let some = |class| x.is(class) || y.is(class);
    match (some(Class::Infinity), some(Class::Zero)) {
        (true, true) if halve => F::ONE_AND_HALF,
        (true, true) => addend,
        (true, _) => infinity::<F>(x.negative != y.negative),
        _ => {
            let mode = env.rounding();
            let addend = Unpacked::of::<F>(env, addend);
            Exact::of(&addend).add::<F>(Exact::product(&x, &y), env, mode, halve)
        }
    }
}
