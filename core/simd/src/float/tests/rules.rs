//! What Arm adds to IEEE 754: NaN propagation, default NaNs, flushing, the alternative half format.

use super::super::arith::{add, div, mul, mul_add, mul_sub, mulx, nmul, recps, rsqrts, sqrt, sub};
use super::super::compare::{cmp, cmpe, eq, ge, max, maxnm, min, minnm, recpx};
use super::super::convert::{convert, convert_to_odd, round_integral, to_integer};
use super::super::env::{FpEnv, Rounding, RoundingImm, control, status};
use super::super::format::{F16, F32, F64, Format};
use super::{MODES, env_with};

const QUIET: u64 = 0x7FC0_1234;
const OTHER_QUIET: u64 = 0xFFC0_0042;
const SIGNALLING: u64 = 0xFF80_0055;
const OTHER_SIGNALLING: u64 = 0x7F80_0066;
const ONE: u64 = 0x3F80_0000;
const INFINITY: u64 = 0x7F80_0000;
const MINUS: u64 = 0x8000_0000;
const DENORMAL: u64 = 0x0000_0123;
const DEFAULT: u64 = 0x7FC0_0000;

type Two = fn(&mut FpEnv, u64, u64) -> u64;

#[track_caller]
fn two(control: u32, f: Two, a: u64, b: u64, result: u64, flags: u32) {
    let mut env = FpEnv { control, status: 0 };
    let ours = f(&mut env, a, b);
    assert_eq!(
        (ours, env.status),
        (result, flags),
        "{ours:x} for {result:x}"
    );
}

#[test]
fn signalling_nans_come_first_then_operand_order() {
    for f in [
        add::<F32> as Two,
        mul::<F32>,
        div::<F32>,
        max::<F32>,
        min::<F32>,
        mulx::<F32>,
    ] {
        let quieted = SIGNALLING | F32::QUIET;
        two(0, f, QUIET, SIGNALLING, quieted, status::IOC);
        two(0, f, SIGNALLING, OTHER_SIGNALLING, quieted, status::IOC);
        two(0, f, QUIET, OTHER_QUIET, QUIET, 0);
        two(0, f, ONE, OTHER_QUIET, OTHER_QUIET, 0);
        two(control::DN, f, ONE, OTHER_QUIET, DEFAULT, 0);
        two(control::DN, f, SIGNALLING, QUIET, DEFAULT, status::IOC);
    }
    two(0, sub::<F32>, ONE, QUIET, QUIET, 0);
    two(0, nmul::<F32>, ONE, QUIET, QUIET | MINUS, 0);
    two(0, recps::<F32>, QUIET, ONE, QUIET | MINUS, 0);
    two(0, rsqrts::<F32>, ONE, QUIET, QUIET, 0);
}

#[test]
fn invalid_operations_give_the_default_nan() {
    two(
        0,
        add::<F32>,
        INFINITY,
        INFINITY | MINUS,
        DEFAULT,
        status::IOC,
    );
    two(0, sub::<F32>, INFINITY, INFINITY, DEFAULT, status::IOC);
    two(0, mul::<F32>, INFINITY, MINUS, DEFAULT, status::IOC);
    two(0, div::<F32>, 0, MINUS, DEFAULT, status::IOC);
    two(0, div::<F32>, INFINITY, INFINITY, DEFAULT, status::IOC);
    two(0, div::<F32>, ONE, MINUS, INFINITY | MINUS, status::DZC);
    two(0, div::<F32>, INFINITY, 0, INFINITY, 0);
    two(0, mulx::<F32>, INFINITY, MINUS, 0xC000_0000, 0);
    two(0, recps::<F32>, INFINITY, MINUS, 0x4000_0000, 0);
    two(0, rsqrts::<F32>, INFINITY, 0, 0x3FC0_0000, 0);
    let mut env = FpEnv::default();
    assert_eq!(sqrt::<F32>(&mut env, ONE | MINUS), DEFAULT);
    assert_eq!(env.status, status::IOC);
    let mut env = FpEnv::default();
    assert_eq!(sqrt::<F32>(&mut env, MINUS), MINUS);
    assert_eq!(env.status, 0);
}

#[test]
fn fused_nan_rules() {
    let run = |f: fn(&mut FpEnv, u64, u64, u64) -> u64, a, n, m| {
        let mut env = FpEnv::default();
        let result = f(&mut env, a, n, m);
        (result, env.status)
    };
    let fused = mul_add::<F32>;
    // The addend is the first operand.
    assert_eq!(run(fused, QUIET, OTHER_QUIET, ONE), (QUIET, 0));
    let quieted = SIGNALLING | F32::QUIET;
    assert_eq!(run(fused, QUIET, ONE, SIGNALLING), (quieted, status::IOC));
    assert_eq!(run(fused, QUIET, 0, INFINITY), (DEFAULT, status::IOC));
    assert_eq!(run(fused, SIGNALLING, 0, INFINITY), (quieted, status::IOC));
    assert_eq!(run(fused, ONE, INFINITY, 0), (DEFAULT, status::IOC));
    assert_eq!(
        run(fused, INFINITY, INFINITY, MINUS | ONE),
        (DEFAULT, status::IOC)
    );
    assert_eq!(run(mul_sub::<F32>, ONE, QUIET, ONE), (QUIET | MINUS, 0));
}

#[test]
fn zeros_of_exact_sums_have_the_modes_sign() {
    for mode in MODES {
        let expected = if mode == Rounding::Down { MINUS } else { 0 };
        let mut env = env_with(mode, 0);
        assert_eq!(sub::<F32>(&mut env, ONE, ONE), expected);
        assert_eq!(add::<F32>(&mut env, 0, MINUS), expected);
        assert_eq!(add::<F32>(&mut env, MINUS, MINUS), MINUS);
        assert_eq!(mul_add::<F32>(&mut env, ONE | MINUS, ONE, ONE), expected);
        assert_eq!(recps::<F32>(&mut env, 0x4000_0000, ONE), expected);
        assert_eq!(env.status, 0);
    }
}

#[test]
fn flushing_of_inputs_and_results() {
    let fz = control::FZ;
    two(fz, add::<F32>, DENORMAL, ONE, ONE, status::IDC);
    two(fz, add::<F32>, DENORMAL | MINUS, MINUS, MINUS, status::IDC);
    two(
        fz,
        mul::<F32>,
        DENORMAL,
        INFINITY,
        DEFAULT,
        status::IDC | status::IOC,
    );
    two(
        fz,
        div::<F32>,
        ONE,
        DENORMAL,
        INFINITY,
        status::IDC | status::DZC,
    );
    two(fz, max::<F32>, DENORMAL, MINUS, 0, status::IDC);
    two(fz, eq::<F32>, DENORMAL, MINUS, 0xFFFF_FFFF, status::IDC);
    two(fz, add::<F32>, DENORMAL, QUIET, QUIET, status::IDC);
    // 2^-126 * 0.5 is flushed without being inexact.
    two(fz, mul::<F32>, 0x0080_0000, 0xBF00_0000, MINUS, status::UFC);
    two(0, mul::<F32>, 0x0080_0000, 0x3F00_0000, 0x0040_0000, 0);
    // 2^-126 * (1 - 2^-24) is tiny before rounding, 2^-126 after it.
    two(fz, mul::<F32>, 0x0080_0000, 0x3F7F_FFFF, 0, status::UFC);
    let tiny = status::UFC | status::IXC;
    two(0, mul::<F32>, 0x0080_0000, 0x3F7F_FFFF, 0x0080_0000, tiny);
    // Conversions flush single and double, never half.
    let mut env = FpEnv {
        control: fz,
        status: 0,
    };
    assert_eq!(convert::<F16, F32>(&mut env, 1), 0x3380_0000);
    assert_eq!(convert::<F32, F16>(&mut env, 0x3380_0000), 1);
    assert_eq!(env.status, 0);
    assert_eq!(convert::<F64, F32>(&mut env, 0x3800_0000_0000_0000), 0);
    assert_eq!(env.status, status::UFC);
    env.status = 0;
    assert_eq!(to_integer::<F32>(&mut env, DENORMAL, 1, 32, true), 0);
    assert_eq!(round_integral::<F32>(&mut env, DENORMAL, 1 | 8), 0);
    assert_eq!(env.status, status::IDC);
}

#[test]
fn overflow_is_by_the_rounded_value() {
    const LARGEST: u64 = INFINITY - 1;
    let both = status::OFC | status::IXC;
    // Half a unit in the last place of the largest number, and a little less.
    let (half, less) = (0x7300_0000, 0x72FF_FFFF);
    for (mode, at_half, below) in [
        (
            Rounding::TiesToEven,
            (INFINITY, both),
            (LARGEST, status::IXC),
        ),
        (Rounding::Up, (INFINITY, both), (INFINITY, both)),
        (
            Rounding::Down,
            (LARGEST, status::IXC),
            (LARGEST, status::IXC),
        ),
        (
            Rounding::ToZero,
            (LARGEST, status::IXC),
            (LARGEST, status::IXC),
        ),
    ] {
        for (addend, expected) in [(half, at_half), (less, below)] {
            let mut env = env_with(mode, 0);
            let result = add::<F32>(&mut env, LARGEST, addend);
            assert_eq!((result, env.status), expected, "{mode:?}");
        }
    }
    let mut env = env_with(Rounding::ToZero, 0);
    assert_eq!(add::<F32>(&mut env, LARGEST, LARGEST), LARGEST);
    assert_eq!(env.status, both);
}

#[test]
fn numbers_win_over_quiet_nans_only() {
    two(0, maxnm::<F32>, QUIET, ONE, ONE, 0);
    two(0, minnm::<F32>, ONE, QUIET, ONE, 0);
    two(0, maxnm::<F32>, QUIET, OTHER_QUIET, QUIET, 0);
    two(
        0,
        minnm::<F32>,
        QUIET,
        SIGNALLING,
        SIGNALLING | F32::QUIET,
        status::IOC,
    );
    two(
        0,
        maxnm::<F32>,
        QUIET,
        INFINITY | MINUS,
        INFINITY | MINUS,
        0,
    );
    two(0, max::<F32>, MINUS, 0, 0, 0);
    two(0, min::<F32>, 0, MINUS, MINUS, 0);
}

#[test]
fn comparisons() {
    const LESS: u64 = 0x8000_0000;
    const EQUAL: u64 = 0x6000_0000;
    const GREATER: u64 = 0x2000_0000;
    const UNORDERED: u64 = 0x3000_0000;
    two(0, cmp::<F32>, ONE | MINUS, ONE, LESS, 0);
    two(0, cmp::<F32>, 0, MINUS, EQUAL, 0);
    two(0, cmp::<F32>, INFINITY, ONE, GREATER, 0);
    two(0, cmp::<F32>, QUIET, ONE, UNORDERED, 0);
    two(0, cmp::<F32>, ONE, SIGNALLING, UNORDERED, status::IOC);
    two(0, cmpe::<F32>, QUIET, ONE, UNORDERED, status::IOC);
    two(0, eq::<F32>, QUIET, QUIET, 0, 0);
    two(0, ge::<F32>, QUIET, ONE, 0, status::IOC);
}

#[test]
fn nans_through_conversions() {
    let mut env = FpEnv::default();
    assert_eq!(convert::<F32, F64>(&mut env, QUIET), 0x7FF8_0246_8000_0000);
    assert_eq!(
        convert::<F64, F32>(&mut env, 0xFFFF_FFFF_FFFF_FFFF),
        0xFFFF_FFFF
    );
    assert_eq!(convert::<F32, F16>(&mut env, 0xFFC0_2000), 0xFE01);
    assert_eq!(env.status, 0);
    assert_eq!(
        convert::<F32, F64>(&mut env, SIGNALLING),
        0xFFF8_000A_A000_0000
    );
    assert_eq!(env.status, status::IOC);
    let mut env = FpEnv {
        control: control::DN,
        status: 0,
    };
    assert_eq!(convert::<F32, F64>(&mut env, OTHER_QUIET), F64::DEFAULT_NAN);
    assert_eq!(env.status, 0);
    assert_eq!(to_integer::<F32>(&mut env, QUIET, 0, 64, true), 0);
    assert_eq!(env.status, status::IOC);
}

#[test]
fn alternative_half_precision() {
    let ahp = |f: fn(&mut FpEnv, u64) -> u64, a| {
        let mut env = FpEnv {
            control: control::AHP,
            status: 0,
        };
        let result = f(&mut env, a);
        (result, env.status)
    };
    // What would be infinity is 65536, a NaN a larger number.
    assert_eq!(ahp(convert::<F16, F32>, 0x7C00), (0x4780_0000, 0));
    assert_eq!(ahp(convert::<F16, F32>, 0xFFFF), (0xC7FF_E000, 0));
    assert_eq!(ahp(convert::<F32, F16>, 0x4780_0000), (0x7C00, 0));
    assert_eq!(ahp(convert::<F32, F16>, 0x4800_0000), (0x7FFF, status::IOC));
    assert_eq!(
        ahp(convert::<F32, F16>, INFINITY | MINUS),
        (0xFFFF, status::IOC)
    );
    assert_eq!(ahp(convert::<F32, F16>, OTHER_QUIET), (0x8000, status::IOC));
}

#[test]
fn rounding_to_odd_keeps_a_second_rounding_right() {
    let narrow = |a: f64| {
        let mut env = FpEnv::default();
        let result = convert_to_odd::<F64, F32>(&mut env, a.to_bits());
        (f32::from_bits(result as u32), env.status)
    };
    assert_eq!(narrow(1.0), (1.0, 0));
    assert_eq!(
        narrow(1.0 + f64::EPSILON),
        (1.0 + f32::EPSILON, status::IXC)
    );
    assert_eq!(
        narrow(2.0 - f64::EPSILON),
        (2.0 - f32::EPSILON, status::IXC)
    );
    assert_eq!(narrow(1e300), (f32::MAX, status::OFC | status::IXC));
    assert_eq!(
        narrow(-1e-300),
        (-f32::from_bits(1), status::UFC | status::IXC)
    );
}

#[test]
fn reciprocal_exponents() {
    let run = |a| recpx::<F32>(&mut FpEnv::default(), a);
    assert_eq!(run(0x3F81_2345), 0x4000_0000);
    assert_eq!(run(MINUS | 5), 0xFF00_0000);
    assert_eq!(run(INFINITY), 0);
    assert_eq!(run(SIGNALLING), SIGNALLING | F32::QUIET);
}

#[test]
fn immediates_survive_their_encoding() {
    for mode in [None, Some(Rounding::TiesToAway), Some(Rounding::Down)] {
        for exact in [false, true] {
            let imm = RoundingImm {
                mode,
                exact,
                fraction_bits: 64,
            };
            assert_eq!(RoundingImm::decode(imm.encode()), imm);
        }
    }
}
