//! Estimates against the manual's algorithms, transcribed literally, and against mathematics.

use super::super::env::{FpEnv, Rounding, control, status};
use super::super::estimate::{recip_estimate, recip_sqrt_estimate, recpe, rsqrte};
use super::super::format::{F32, F64};
use super::{Random, env_with};

/// RecipEstimate of the Arm ARM.
fn manual_recip(a: u64) -> u64 {
    let a = a * 2 + 1;
    let b = (1 << 19) / a;
    (b + 1) >> 1
}

/// RecipSqrtEstimate of the Arm ARM, its search included.
fn manual_recip_sqrt(a: u64) -> u64 {
    let a = if a < 256 {
        a * 2 + 1
    } else {
        ((a >> 1 << 1) + 1) * 2
    };
    let mut b = 512;
    while a * (b + 1) * (b + 1) < 1 << 28 {
        b += 1;
    }
    (b + 1) >> 1
}

#[test]
fn tables_agree_with_the_manual() {
    for a in 256..512 {
        assert_eq!(u64::from(recip_estimate(a)), manual_recip(u64::from(a)));
    }
    for a in 128..512 {
        let ours = u64::from(recip_sqrt_estimate(a));
        assert_eq!(ours, manual_recip_sqrt(u64::from(a)), "{a}");
        assert!((256..512).contains(&ours), "{a}");
    }
}

#[test]
fn estimates_are_within_a_256th() {
    let mut random = Random::new(21);
    for _ in 0..20_000 {
        let bits = random.encoding::<F64>();
        let a = f64::from_bits(bits);
        if !a.is_finite() || a.abs() < 1e-300 || a.abs() > 1e300 {
            continue;
        }
        let mut env = FpEnv::default();
        let reciprocal = f64::from_bits(recpe::<F64>(&mut env, bits));
        assert!((reciprocal * a - 1.0).abs() <= 1.0 / 256.0, "{a:e}");
        if a > 0.0 {
            let root = f64::from_bits(rsqrte::<F64>(&mut env, bits));
            assert!((root * root * a - 1.0).abs() <= 1.0 / 120.0, "{a:e}");
        }
        assert_eq!(env.status, 0);
    }
}

#[test]
fn known_single_estimates() {
    let estimate = |f: fn(&mut FpEnv, u64) -> u64, a: f32| {
        f32::from_bits(f(&mut FpEnv::default(), u64::from(a.to_bits())) as u32)
    };
    // 511/512 for 1, as every Armv8 CPU answers.
    assert_eq!(estimate(recpe::<F32>, 1.0), 0.998_046_9);
    assert_eq!(estimate(recpe::<F32>, -4.0), -0.249_511_72);
    assert_eq!(estimate(rsqrte::<F32>, 1.0), 0.998_046_9);
    assert_eq!(estimate(rsqrte::<F32>, 4.0), 0.499_023_44);
}

#[test]
fn ends_of_the_range() {
    let tiny = 1;
    for (mode, expected) in [
        (Rounding::TiesToEven, 0x7F80_0000),
        (Rounding::Up, 0x7F80_0000),
        (Rounding::Down, 0x7F7F_FFFF),
        (Rounding::ToZero, 0x7F7F_FFFF),
    ] {
        let mut env = env_with(mode, 0);
        assert_eq!(recpe::<F32>(&mut env, tiny), expected);
        assert_eq!(env.status, status::OFC | status::IXC);
    }
    // 2^-128 is the smallest number with a finite estimate.
    let mut env = FpEnv::default();
    assert_eq!(recpe::<F32>(&mut env, 0x0020_0000), 0x7F7F_8000);
    assert_eq!(env.status, 0);
    // The estimate of 2^126 is denormal, and flushed.
    assert_eq!(recpe::<F32>(&mut env, 0x7E80_0000), 0x007F_C000);
    assert_eq!(recpe::<F32>(&mut env, 0x7F00_0000), 0x003F_E000);
    env.control = control::FZ;
    assert_eq!(recpe::<F32>(&mut env, 0xFE80_0000), 0x8000_0000);
    assert_eq!(env.status, status::UFC);
    let mut env = FpEnv::default();
    assert_eq!(recpe::<F32>(&mut env, 0x8000_0000), 0xFF80_0000);
    assert_eq!(rsqrte::<F32>(&mut env, 0x8000_0000), 0xFF80_0000);
    assert_eq!(env.status, status::DZC);
    assert_eq!(rsqrte::<F32>(&mut env, 0xBF80_0000), 0x7FC0_0000);
    assert_eq!(env.status, status::DZC | status::IOC);
}
