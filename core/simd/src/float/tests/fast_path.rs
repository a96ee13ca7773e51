//! The host's arithmetic against the crate's own, with every state of the words that matters.

use super::super::arith::{soft_add, soft_div, soft_mul, soft_mul_add, soft_sqrt};
use super::super::env::{FpEnv, Rounding, control, status};
use super::super::format::{F32, F64};
use super::super::host::{self, Host};
use super::{Random, env_with};

fn agree<F: Host>(seed: u64) {
    let mut random = Random::new(seed);
    let mut taken = [0u32; 5];
    for i in 0..100_000u32 {
        let control = if i & 1 != 0 { control::FZ } else { 0 };
        let mode = if i & 62 == 62 {
            Rounding::Up
        } else {
            Rounding::TiesToEven
        };
        let mut start = env_with(mode, control);
        start.status = if i & 2 != 0 { status::IXC } else { 0 };
        let [a, b, c] = [(); 3].map(|()| random.encoding::<F>());
        let mut same = |which: usize,
                        fast: &dyn Fn(&mut FpEnv) -> Option<u64>,
                        soft: &dyn Fn(&mut FpEnv) -> u64| {
            let (mut quick, mut slow) = (start, start);
            if let Some(result) = fast(&mut quick) {
                taken[which] += 1;
                let expected = soft(&mut slow);
                assert_eq!(
                    (result, quick),
                    (expected, slow),
                    "{which} {a:x} {b:x} {c:x}"
                );
            }
        };
        same(0, &|e| host::add::<F>(e, a, b), &|e| {
            soft_add::<F>(e, a, b, false)
        });
        same(1, &|e| host::mul::<F>(e, a, b), &|e| {
            soft_mul::<F>(e, a, b, false)
        });
        same(2, &|e| host::div::<F>(e, a, b), &|e| soft_div::<F>(e, a, b));
        same(3, &|e| host::sqrt::<F>(e, a), &|e| soft_sqrt::<F>(e, a));
        same(4, &|e| host::mul_add::<F>(e, a, b, c), &|e| {
            soft_mul_add::<F>(e, a, b, c)
        });
    }
    assert!(taken[..4].iter().all(|&n| n > 10_000), "{taken:?}");
}

#[test]
fn single() {
    agree::<F32>(31);
}

#[test]
fn double() {
    agree::<F64>(32);
}
