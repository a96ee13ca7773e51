//! Binary interchange formats: taking encodings apart, and rounding results into them.

use super::env::{FpEnv, Rounding, status};

/// A format, as its field widths. Encodings travel in the low bits of a `u64`.
pub trait Format: Copy + 'static {
    /// Bits of an encoding.
    const BITS: u32;
    /// Bits of the fraction field.
    const FRAC: u32;
    /// Whether this is half precision, which Arm's FZ leaves alone and AHP reinterprets.
    const HALF: bool = false;

    /// Bits of the exponent field.
    const EXP: u32 = Self::BITS - 1 - Self::FRAC;
    /// The exponent field's all-ones value.
    const EXP_MAX: u64 = (1 << Self::EXP) - 1;
    /// What is added to an exponent.
    const BIAS: i32 = (1 << (Self::EXP - 1)) - 1;
    /// Exponent of the smallest normal number.
    const MIN_EXP: i32 = 1 - Self::BIAS;
    /// The sign bit.
    const SIGN: u64 = 1 << (Self::BITS - 1);
    /// Everything but the sign.
    const MAGNITUDE: u64 = Self::SIGN - 1;
    /// The fraction field.
    const FRAC_MASK: u64 = (1 << Self::FRAC) - 1;
    /// Plus infinity; with the next, the exponent field.
    const INFINITY: u64 = Self::EXP_MAX << Self::FRAC;
    /// The largest finite number.
    const LARGEST: u64 = Self::INFINITY - 1;
    /// The smallest normal number.
    const MIN_NORMAL: u64 = 1 << Self::FRAC;
    /// The fraction bit that tells quiet from signalling NaNs.
    const QUIET: u64 = 1 << (Self::FRAC - 1);
    /// The NaN that operations make where there is none to propagate (Arm: positive, quiet).
    const DEFAULT_NAN: u64 = Self::INFINITY | Self::QUIET;
    /// 1.5.
    const ONE_AND_HALF: u64 = (Self::BIAS as u64) << Self::FRAC | Self::QUIET;
    /// 2.0.
    const TWO: u64 = (Self::BIAS as u64 + 1) << Self::FRAC;
}

/// Half precision (binary16).
#[derive(Clone, Copy, Debug)]
pub struct F16;
/// Single precision (binary32).
#[derive(Clone, Copy, Debug)]
pub struct F32;
/// Double precision (binary64).
#[derive(Clone, Copy, Debug)]
pub struct F64;

impl Format for F16 {
    const BITS: u32 = 16;
    const FRAC: u32 = 10;
    const HALF: bool = true;
}

impl Format for F32 {
    const BITS: u32 = 32;
    const FRAC: u32 = 23;
}

impl Format for F64 {
    const BITS: u32 = 64;
    const FRAC: u32 = 52;
}

/// What an encoding stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Zero, or a denormal flushed to it.
    Zero,
    /// A finite number other than zero.
    Finite,
    /// Infinity.
    Infinity,
    /// A quiet NaN.
    Quiet,
    /// A signalling NaN.
    Signalling,
}

/// An encoding taken apart (Arm ARM: FPUnpack). A finite value is `significand * 2^(exponent - 63)`
/// with the significand's top bit set.
#[derive(Clone, Copy, Debug)]
pub struct Unpacked {
    pub class: Class,
    pub negative: bool,
    pub exponent: i32,
    pub significand: u64,
}

impl Unpacked {
    /// Takes an encoding apart, flushing denormals if the control word says so.
    pub fn of<F: Format>(env: &mut FpEnv, bits: u64) -> Self {
        let negative = bits & F::SIGN != 0;
        let biased = (bits >> F::FRAC) & F::EXP_MAX;
        let fraction = bits & F::FRAC_MASK;
        let mut class = Class::Finite;
        let mut exponent = biased as i32 - F::BIAS;
        let mut significand = (fraction | F::MIN_NORMAL) << (63 - F::FRAC);
        if biased == 0 {
            if fraction == 0 {
                class = Class::Zero;
            } else if !F::HALF && env.flushes() {
                env.raise(status::IDC);
                class = Class::Zero;
            } else {
                let zeros = fraction.leading_zeros();
                significand = fraction << zeros;
                exponent = F::MIN_EXP + (63 - F::FRAC) as i32 - zeros as i32;
            }
        } else if biased == F::EXP_MAX && !(F::HALF && env.alternative_half()) {
            class = if fraction == 0 {
                Class::Infinity
            } else if fraction & F::QUIET != 0 {
                Class::Quiet
            } else {
                Class::Signalling
            };
        }
        Self {
            class,
            negative,
            exponent,
            significand,
        }
    }

    pub(super) fn is(&self, class: Class) -> bool {
        self.class == class
    }
}

/// Zero of that sign.
pub fn zero<F: Format>(negative: bool) -> u64 {
    if negative { F::SIGN } else { 0 }
}

/// Infinity of that sign.
pub fn infinity<F: Format>(negative: bool) -> u64 {
    zero::<F>(negative) | F::INFINITY
}

/// The sign of an exact sum that is zero.
pub fn zero_sum<F: Format>(mode: Rounding) -> u64 {
    zero::<F>(mode == Rounding::Down)
}

/// An invalid operation: the default NaN.
pub fn invalid<F: Format>(env: &mut FpEnv) -> u64 {
    env.raise(status::IOC);
    F::DEFAULT_NAN
}

/// The result of an operation on a NaN (FPProcessNaN).
pub fn propagate<F: Format>(env: &mut FpEnv, bits: u64) -> u64 {
    if bits & F::QUIET == 0 {
        env.raise(status::IOC);
    }
    if env.default_nan() {
        F::DEFAULT_NAN
    } else {
        bits | F::QUIET
    }
}

/// The result where some operand is a NaN: the first signalling one, else the first quiet one
/// (FPProcessNaNs, FPProcessNaNs3).
pub fn first_nan<F: Format, const N: usize>(
    env: &mut FpEnv,
    operands: [(Class, u64); N],
) -> Option<u64> {
    let find = |class| operands.iter().find(|operand| operand.0 == class);
    let &(_, bits) = find(Class::Signalling).or_else(|| find(Class::Quiet))?;
    Some(propagate::<F>(env, bits))
}

/// Whether a magnitude grows when it is rounded, given its last bit and what lies below it as a
/// fraction of 2^64.
fn rounds_up(mode: Rounding, negative: bool, odd: bool, below: u64) -> bool {
    const HALF: u64 = 1 << 63;
    match mode {
        Rounding::TiesToEven => below > HALF || below == HALF && odd,
        Rounding::TiesToAway => below >= HALF,
        Rounding::Up => below != 0 && !negative,
        Rounding::Down => below != 0 && negative,
        Rounding::ToZero => false,
        Rounding::ToOdd => below != 0 && !odd,
    }
}

/// `value >> count`, and the bits shifted out as a fraction of 2^64, with everything below folded
/// into its last bit.
fn split(value: u64, count: u32) -> (u64, u64) {
    match count {
        0 => (value, 0),
        1..=63 => (value >> count, value << (64 - count)),
        64 => (0, value),
        _ => (0, u64::from(value != 0)),
    }
}

/// A magnitude rounded to an integer, and whether it changed. The value is
/// `significand * 2^(exponent - 63)` with an exponent below 64.
pub fn round_to_integer(
    mode: Rounding,
    negative: bool,
    exponent: i32,
    significand: u64,
) -> (u128, bool) {
    debug_assert!(exponent < 64);
    let (whole, below) = split(significand, (63 - exponent) as u32);
    let up = rounds_up(mode, negative, whole & 1 != 0, below);
    (u128::from(whole) + u128::from(up), below != 0)
}

/// Whether overflow in this mode gives infinity rather than the largest finite number.
pub fn overflows_to_infinity(mode: Rounding, negative: bool) -> bool {
    match mode {
        Rounding::TiesToEven | Rounding::TiesToAway => true,
        Rounding::Up => !negative,
        Rounding::Down => negative,
        Rounding::ToZero | Rounding::ToOdd => false,
    }
}

/// Rounds `significand * 2^(exponent - 63)`, the significand's top bit set and its last bit standing
/// for all that is below it, into the format (FPRound).
pub fn round<F: Format>(
    env: &mut FpEnv,
    mode: Rounding,
    negative: bool,
    exponent: i32,
    significand: u64,
) -> u64 {
    debug_assert!(significand >> 63 == 1);
    let sign = zero::<F>(negative);
    let tiny = exponent < F::MIN_EXP;
    if tiny && !F::HALF && env.flushes() {
        env.raise(status::UFC);
        return sign;
    }
    let narrowing = 63 - F::FRAC;
    let extra = if tiny {
        (F::MIN_EXP - exponent) as u32
    } else {
        0
    };
    let (mut kept, below) = split(significand, narrowing.saturating_add(extra));
    if rounds_up(mode, negative, kept & 1 != 0, below) {
        kept += 1;
    }
    if below != 0 && tiny {
        env.raise(status::UFC);
    }
    // The leading bit of a normal significand adds one to the exponent field; so does a carry.
    let below_exponent = if tiny {
        0
    } else {
        (exponent - F::MIN_EXP) as u64
    };
    let overflows = below_exponent > F::EXP_MAX;
    let magnitude = if overflows {
        u64::MAX
    } else {
        (below_exponent << F::FRAC) + kept
    };
    if F::HALF && env.alternative_half() {
        if magnitude > F::MAGNITUDE {
            env.raise(status::IOC);
            return sign | F::MAGNITUDE;
        }
    } else if magnitude >= F::INFINITY {
        env.raise(status::OFC | status::IXC);
        return if overflows_to_infinity(mode, negative) {
            sign | F::INFINITY
        } else {
            sign | F::LARGEST
        };
    }
    if below != 0 {
        env.raise(status::IXC);
    }
    sign | magnitude
}

/// Rounds `value * 2^scale`, `value` exact but for its last bit, which stands for all below it.
pub fn round_wide<F: Format>(
    env: &mut FpEnv,
    mode: Rounding,
    negative: bool,
    scale: i32,
    value: u128,
) -> u64 {
    debug_assert!(value != 0);
    let zeros = value.leading_zeros();
    let aligned = value << zeros;
    let high = (aligned >> 64) as u64;
    let significand = high | u64::from(aligned as u64 != 0);
    round::<F>(env, mode, negative, scale + 127 - zeros as i32, significand)
}
