//! From scalar functions to functions on vectors, one for each shape.
//!
//! The inner loops have constant bounds and inlined bodies; the macros pick one by shape.

use super::env::FpEnv;
use super::format::Format;
use crate::WideArgs;

/// Lane `index` of a vector.
#[inline]
fn lane<F: Format>(vector: u128, index: usize) -> u64 {
    (vector >> (index as u32 * F::BITS)) as u64 & (F::SIGN | F::MAGNITUDE)
}

/// A vector of `N` lanes made one after another, from the lowest.
#[inline]
fn collect<F: Format, const N: usize>(mut make: impl FnMut(usize) -> u64) -> u128 {
    (0..N).fold(0, |vector, i| {
        vector | u128::from(make(i)) << (i as u32 * F::BITS)
    })
}

pub(super) fn unary<F: Format, const N: usize>(
    env: &mut FpEnv,
    args: &WideArgs,
    f: impl Fn(&mut FpEnv, u64) -> u64,
) -> u128 {
    collect::<F, N>(|i| f(env, lane::<F>(args.v[0], i)))
}

pub(super) fn unary_imm<F: Format, const N: usize>(
    env: &mut FpEnv,
    args: &WideArgs,
    f: impl Fn(&mut FpEnv, u64, u32) -> u64,
) -> u128 {
    collect::<F, N>(|i| f(env, lane::<F>(args.v[0], i), args.imm))
}

pub(super) fn binary<F: Format, const N: usize>(
    env: &mut FpEnv,
    args: &WideArgs,
    f: impl Fn(&mut FpEnv, u64, u64) -> u64,
) -> u128 {
    collect::<F, N>(|i| f(env, lane::<F>(args.v[0], i), lane::<F>(args.v[1], i)))
}

pub(super) fn ternary<F: Format, const N: usize>(
    env: &mut FpEnv,
    args: &WideArgs,
    f: impl Fn(&mut FpEnv, u64, u64, u64) -> u64,
) -> u128 {
    collect::<F, N>(|i| {
        let [a, n, m] = args.v.map(|v| lane::<F>(v, i));
        f(env, a, n, m)
    })
}

/// `f(a, 0)` in each lane.
pub(super) fn with_zero<F: Format, const N: usize>(
    env: &mut FpEnv,
    args: &WideArgs,
    f: impl Fn(&mut FpEnv, u64, u64) -> u64,
) -> u128 {
    collect::<F, N>(|i| f(env, lane::<F>(args.v[0], i), 0))
}

/// `f(0, a)` in each lane.
pub(super) fn zero_with<F: Format, const N: usize>(
    env: &mut FpEnv,
    args: &WideArgs,
    f: impl Fn(&mut FpEnv, u64, u64) -> u64,
) -> u128 {
    collect::<F, N>(|i| f(env, 0, lane::<F>(args.v[0], i)))
}

/// Adjacent lanes of the first operand, then of the second.
pub(super) fn pairwise<F: Format, const N: usize>(
    env: &mut FpEnv,
    args: &WideArgs,
    f: impl Fn(&mut FpEnv, u64, u64) -> u64,
) -> u128 {
    collect::<F, N>(|i| {
        let (source, first) = (args.v[i * 2 / N], i * 2 % N);
        let (a, b) = (lane::<F>(source, first), lane::<F>(source, first + 1));
        f(env, a, b)
    })
}

/// All lanes to one, halves before their union (Reduce).
pub(super) fn reduce<F: Format, const N: usize>(
    env: &mut FpEnv,
    args: &WideArgs,
    f: impl Fn(&mut FpEnv, u64, u64) -> u64,
) -> u128 {
    let mut lanes: [u64; N] = std::array::from_fn(|i| lane::<F>(args.v[0], i));
    let mut count = N;
    while count > 1 {
        count /= 2;
        for i in 0..count {
            lanes[i] = f(env, lanes[2 * i], lanes[2 * i + 1]);
        }
    }
    u128::from(lanes[0])
}

/// From lanes of `F`, the `imm`-th group of `N` of the operand, to lanes of `T`.
pub(super) fn resize<F: Format, T: Format, const N: usize>(
    env: &mut FpEnv,
    args: &WideArgs,
    f: impl Fn(&mut FpEnv, u64) -> u64,
) -> u128 {
    let base = if args.imm == 0 { 0 } else { N };
    collect::<T, N>(|i| f(env, lane::<F>(args.v[0], base + i)))
}

/// The integer operand to lane 0.
pub(super) fn from_int<F: Format, const N: usize>(
    env: &mut FpEnv,
    args: &WideArgs,
    f: impl Fn(&mut FpEnv, u64, u32) -> u64,
) -> u128 {
    collect::<F, N>(|_| f(env, args.int, args.imm))
}

/// Picks a loop by shape: `by_shape!(loop, shape, function, [lane count => format, …])`.
macro_rules! by_shape {
    ($loop:ident, $shape:ident, $f:ident, [$($lane:ident $count:literal => $format:ident),* $(,)?]) => {
        match ($shape.lane, $shape.count) {
            $((Lane::$lane, $count) => Some(
                |env, args| loops::$loop::<$format, $count>(env, args, $f::<$format>)
            ),)*
            _ => None,
        }
    };
}

/// Picks a loop between two formats by the shape, which is the narrower one's.
macro_rules! by_formats {
    ($shape:ident, $f:ident, [$($lane:ident $count:literal => $from:ident $to:ident),* $(,)?]) => {
        match ($shape.lane, $shape.count) {
            $((Lane::$lane, $count) => Some(|env, args| {
                loops::resize::<$from, $to, $count>(env, args, $f::<$from, $to>)
            }),)*
            _ => None,
        }
    };
}

pub(super) use {by_formats, by_shape};
