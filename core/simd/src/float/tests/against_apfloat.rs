//! Values and flags against `rustc_apfloat`, on operands that are no NaNs.

use rustc_apfloat::ieee::{Double, Half, Single};
use rustc_apfloat::{Float, FloatConvert, Round, Status, StatusAnd};

use super::super::env::{FpEnv, Rounding, RoundingImm, status};
use super::super::format::{F16, F32, F64, Format};
use super::super::host::Host;
use super::super::{arith, convert};
use super::{MODES, Random, env_with, is_nan};

const ROUNDS: u64 = 60_000;

fn round(mode: Rounding) -> Round {
    match mode {
        Rounding::TiesToEven => Round::NearestTiesToEven,
        Rounding::Up => Round::TowardPositive,
        Rounding::Down => Round::TowardNegative,
        Rounding::ToZero => Round::TowardZero,
        Rounding::TiesToAway => Round::NearestTiesToAway,
        Rounding::ToOdd => unreachable!("apfloat has no such mode"),
    }
}

fn flags(from: Status) -> u32 {
    let pairs = [
        (Status::INVALID_OP, status::IOC),
        (Status::DIV_BY_ZERO, status::DZC),
        (Status::OVERFLOW, status::OFC),
        (Status::UNDERFLOW, status::UFC),
        (Status::INEXACT, status::IXC),
    ];
    pairs
        .into_iter()
        .filter(|pair| from.contains(pair.0))
        .fold(0, |all, pair| all | pair.1)
}

/// Compares a result, except that what is tiny before rounding and normal after it counts as
/// underflow only for Arm, and that apfloat does not report overflow to the largest finite number.
fn check<F: Format, A: Float>(
    what: &str,
    operands: &[u64],
    env: &FpEnv,
    ours: u64,
    theirs: StatusAnd<A>,
) {
    let mut expected = flags(theirs.status);
    let value = theirs.value.to_bits() as u64;
    if value & F::MAGNITUDE == F::MIN_NORMAL {
        expected |= env.status & status::UFC;
    }
    if value & F::MAGNITUDE == F::LARGEST && expected == status::IXC {
        expected |= env.status & status::OFC;
    }
    let same = ours == value || is_nan::<F>(ours) && is_nan::<F>(value);
    assert!(
        same && env.status == expected,
        "{what} {operands:x?} {:?}: {ours:x} flags {:x}, expected {value:x} flags {expected:x}",
        env.rounding(),
        env.status,
    );
}

fn operand<F: Format>(random: &mut Random) -> u64 {
    loop {
        let bits = random.encoding::<F>();
        if !is_nan::<F>(bits) {
            return bits;
        }
    }
}

fn arithmetic<F: Host, A: Float>(seed: u64) {
    let mut random = Random::new(seed);
    for i in 0..ROUNDS {
        let mode = MODES[i as usize % 4];
        let rm = round(mode);
        let [a, b, c] = [(); 3].map(|()| operand::<F>(&mut random));
        let [x, y, z] = [a, b, c].map(|bits| A::from_bits(u128::from(bits)));
        let run = |f: &dyn Fn(&mut FpEnv) -> u64| {
            let mut env = env_with(mode, 0);
            let result = f(&mut env);
            (result, env)
        };
        let (sum, env) = run(&|env| arith::add::<F>(env, a, b));
        check::<F, A>("add", &[a, b], &env, sum, x.add_r(y, rm));
        let (difference, env) = run(&|env| arith::sub::<F>(env, a, b));
        check::<F, A>("sub", &[a, b], &env, difference, x.sub_r(y, rm));
        let (product, env) = run(&|env| arith::mul::<F>(env, a, b));
        check::<F, A>("mul", &[a, b], &env, product, x.mul_r(y, rm));
        let (quotient, env) = run(&|env| arith::div::<F>(env, a, b));
        check::<F, A>("div", &[a, b], &env, quotient, x.div_r(y, rm));
        let (fused, env) = run(&|env| arith::mul_add::<F>(env, a, b, c));
        check::<F, A>("mul_add", &[a, b, c], &env, fused, y.mul_add_r(z, x, rm));
    }
}

#[test]
fn single_arithmetic() {
    arithmetic::<F32, Single>(1);
}

#[test]
fn double_arithmetic() {
    arithmetic::<F64, Double>(2);
}

/// Operands whose product or sum nearly cancels, where a fused operation is hard.
#[test]
fn fused_cancellation() {
    let mut random = Random::new(3);
    for i in 0..ROUNDS {
        let mode = MODES[i as usize % 4];
        let [b, c] = [(); 2].map(|()| operand::<F64>(&mut random));
        let product = f64::from_bits(b) * f64::from_bits(c);
        let near = random.below(5).wrapping_sub(2);
        let a = (-product).to_bits().wrapping_add(near);
        if is_nan::<F64>(a) {
            continue;
        }
        let mut env = env_with(mode, 0);
        let ours = arith::mul_add::<F64>(&mut env, a, b, c);
        let [x, y, z] = [a, b, c].map(|bits| Double::from_bits(u128::from(bits)));
        let theirs = y.mul_add_r(z, x, round(mode));
        check::<F64, Double>("mul_add", &[a, b, c], &env, ours, theirs);
    }
}

fn conversion<F, T, A, B>(seed: u64)
where
    F: Format,
    T: Format,
    A: Float + FloatConvert<B>,
    B: Float,
{
    let mut random = Random::new(seed);
    for i in 0..ROUNDS {
        let mode = MODES[i as usize % 4];
        let mut a = operand::<F>(&mut random);
        if i & 4 != 0 && F::BITS > T::BITS {
            // Near the range of the narrower format.
            let span = T::EXP_MAX + 16;
            let exponent = (F::BIAS - T::BIAS - 8) as u64 + random.below(span);
            a = a & !F::INFINITY | exponent << F::FRAC;
        }
        let mut env = env_with(mode, 0);
        let ours = convert::convert::<F, T>(&mut env, a);
        let theirs = A::from_bits(u128::from(a)).convert_r(round(mode), &mut false);
        check::<T, B>("convert", &[a], &env, ours, theirs);
    }
}

#[test]
fn conversions_between_formats() {
    conversion::<F16, F32, Half, Single>(4);
    conversion::<F16, F64, Half, Double>(5);
    conversion::<F32, F16, Single, Half>(6);
    conversion::<F32, F64, Single, Double>(7);
    conversion::<F64, F16, Double, Half>(8);
    conversion::<F64, F32, Double, Single>(9);
}

/// Modes that an immediate may name.
const NAMED: [Rounding; 5] = [
    Rounding::TiesToEven,
    Rounding::Up,
    Rounding::Down,
    Rounding::ToZero,
    Rounding::TiesToAway,
];

fn integers<F: Format, A: Float>(seed: u64) {
    let mut random = Random::new(seed);
    for i in 0..ROUNDS {
        let mode = NAMED[i as usize % 5];
        let a = operand::<F>(&mut random);
        let x = A::from_bits(u128::from(a));
        let fraction = if i & 1 == 0 {
            0
        } else {
            random.below(65) as u32
        };
        let imm = RoundingImm::by(mode).with_fraction(fraction).encode();
        // Scaling by a power of two is exact in a wider format.
        let scaled = to_quad(x).scalbn(fraction as i32);
        for bits in [32, 64] {
            for signed in [false, true] {
                let mut env = FpEnv::default();
                let ours = convert::to_integer::<F>(&mut env, a, imm, bits, signed);
                let (value, flags) = if signed {
                    let r = scaled.to_i128_r(bits as usize, round(mode), &mut false);
                    (r.value as u64, flags(r.status))
                } else {
                    let r = scaled.to_u128_r(bits as usize, round(mode), &mut false);
                    (r.value as u64, flags(r.status))
                };
                let value = value & u64::MAX >> (64 - bits);
                assert_eq!(
                    (ours, env.status),
                    (value, flags),
                    "{a:x} fraction {fraction} to {bits} bits, signed {signed}, {mode:?}"
                );
            }
        }
        let mut env = FpEnv::default();
        let imm = RoundingImm::by(mode).exact().encode();
        let ours = convert::round_integral::<F>(&mut env, a, imm);
        let theirs = x.round_to_integral(round(mode));
        assert_eq!(u128::from(ours), theirs.value.to_bits(), "{a:x} {mode:?}");
        let changed = theirs.value.to_bits() != u128::from(a);
        assert_eq!(env.status, if changed { status::IXC } else { 0 }, "{a:x}");
    }
}

fn to_quad<A: Float>(a: A) -> rustc_apfloat::ieee::Quad {
    let text = a.to_bits();
    match A::BITS {
        32 => Single::from_bits(text).convert(&mut false).value,
        _ => Double::from_bits(text).convert(&mut false).value,
    }
}

#[test]
fn single_to_integer() {
    integers::<F32, Single>(10);
}

#[test]
fn double_to_integer() {
    integers::<F64, Double>(11);
}

fn from_integers<F: Format, A: Float>(seed: u64) {
    let mut random = Random::new(seed);
    for i in 0..ROUNDS {
        let mode = MODES[i as usize % 4];
        let raw = random.next() >> random.below(64);
        let raw = if i & 4 != 0 { raw.wrapping_neg() } else { raw };
        let raw = raw & !(u64::MAX >> 1 >> random.below(64)) | raw & 3;
        let fraction = if i & 8 == 0 {
            0
        } else {
            random.below(65) as u32
        };
        let imm = RoundingImm::by_control().with_fraction(fraction).encode();
        for (bits, signed) in [(32, false), (32, true), (64, false), (64, true)] {
            let mut env = env_with(mode, 0);
            let ours = convert::from_integer::<F>(&mut env, raw, imm, bits, signed);
            let theirs: StatusAnd<A> = match (bits, signed) {
                (32, false) => A::from_u128_r(u128::from(raw as u32), round(mode)),
                (32, true) => A::from_i128_r(i128::from(raw as i32), round(mode)),
                (_, false) => A::from_u128_r(u128::from(raw), round(mode)),
                (_, true) => A::from_i128_r(i128::from(raw as i64), round(mode)),
            };
            let theirs = theirs.map(|value| value.scalbn(-(fraction as i32)));
            check::<F, A>("from integer", &[raw], &env, ours, theirs);
        }
    }
}

#[test]
fn from_integer() {
    from_integers::<F32, Single>(12);
    from_integers::<F64, Double>(13);
}

/// The root `r` of `a` must satisfy the definition of its rounding mode; neighbours are compared by
/// their exact squares.
fn roots<F: Host, A: Float>(seed: u64) {
    let mut random = Random::new(seed);
    for i in 0..ROUNDS {
        let mode = MODES[i as usize % 4];
        let a = operand::<F>(&mut random) & F::MAGNITUDE;
        if a == 0 || a == F::INFINITY {
            continue;
        }
        let mut env = env_with(mode, 0);
        let root = arith::sqrt::<F>(&mut env, a);
        // The sign of root^2 - a, exactly, scaled away from underflow.
        let excess = |root: u64| {
            let [x, r] = [a, root].map(|bits| to_quad(A::from_bits(u128::from(bits))));
            (r * r).value.partial_cmp(&x)
        };
        let above = |root| excess(root) == Some(std::cmp::Ordering::Greater);
        let exact = excess(root) == Some(std::cmp::Ordering::Equal);
        assert_eq!(env.status, if exact { 0 } else { status::IXC }, "{a:x}");
        if exact {
            continue;
        }
        match mode {
            Rounding::Up => assert!(above(root) && !above(root - 1), "{a:x} {root:x}"),
            Rounding::Down | Rounding::ToZero => {
                assert!(!above(root) && above(root + 1), "{a:x} {root:x}");
            }
            _ => assert_eq!(root, F::bits(F::root(F::number(a))), "{a:x}"),
        }
    }
}

#[test]
fn square_roots() {
    roots::<F32, Single>(14);
    roots::<F64, Double>(15);
}
