//! How operands' lanes flow into the result's: one function per pattern, each applying a lane
//! function. `E` is the (narrower) lane, `N` the number of lanes.
//!
//! Where an operation accumulates or merges, the old destination is the first operand.

use super::element::{Cx, Element};
use crate::{FpEnv, WideArgs};

/// Which of two source registers, and which of its lanes.
pub(super) type Source = (usize, usize);

#[inline(always)]
fn fill<E: Element, const N: usize>(mut lane: impl FnMut(usize) -> u64) -> u128 {
    let mut out = [0; 16];
    for i in 0..N {
        E::set(&mut out, i, lane(i));
    }
    u128::from_le_bytes(out)
}

#[inline(always)]
fn operands(args: &WideArgs) -> [[u8; 16]; 3] {
    args.v.map(u128::to_le_bytes)
}

#[inline(always)]
fn with(env: &mut FpEnv, args: &WideArgs, body: impl FnOnce(&mut Cx) -> u128) -> u128 {
    let mut cx = Cx::new(args.imm);
    let result = body(&mut cx);
    cx.report(env);
    result
}

macro_rules! lanewise {
    ($($(#[$doc:meta])* $name:ident: $out:ty = $($arg:ident $k:literal $in:ty),*;)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        pub(super) fn $name<E: Element, const N: usize>(
            env: &mut FpEnv,
            args: &WideArgs,
            f: impl Fn(&mut Cx, $(lanewise!(@u64 $arg)),*) -> u64,
        ) -> u128 {
            let v = operands(args);
            with(env, args, |cx| {
                fill::<$out, N>(|i| f(cx, $(<$in>::get(&v[$k], i)),*))
            })
        }
    )*};
    (@u64 $arg:ident) => { u64 };
}

lanewise! {
    /// `d[i] = f(a[i])`.
    unary: E = a 0 E;
    /// `d[i] = f(a[i], b[i])`.
    binary: E = a 0 E, b 1 E;
    /// `d[i] = f(d[i], a[i], b[i])`.
    ternary: E = d 0 E, a 1 E, b 2 E;
    /// Wide results of one narrow operand.
    widen_unary: E::Wide = a 0 E;
    /// Wide results of two narrow operands.
    widen: E::Wide = a 0 E, b 1 E;
    /// Wide results of a wide and a narrow operand.
    widen_second: E::Wide = a 0 E::Wide, b 1 E;
    /// Wide results of a wide accumulator and two narrow operands.
    widen_accumulate: E::Wide = d 0 E::Wide, a 1 E, b 2 E;
    /// Narrow results of one wide operand.
    narrow_unary: E = a 0 E::Wide;
    /// Narrow results of two wide operands.
    narrow: E = a 0 E::Wide, b 1 E::Wide;
}

/// `d[i] = f` of the `i`th pair of adjacent lanes of `a` followed by `b`.
#[inline(always)]
pub(super) fn pairwise<E: Element, const N: usize>(
    env: &mut FpEnv,
    args: &WideArgs,
    f: impl Fn(&mut Cx, u64, u64) -> u64,
) -> u128 {
    let v = operands(args);
    let lane = |i: usize| E::get(&v[i / N], i % N);
    with(env, args, |cx| {
        fill::<E, N>(|i| f(cx, lane(2 * i), lane(2 * i + 1)))
    })
}

/// Wide `d[i] = f` of the `i`th pair of adjacent narrow lanes of `a`.
#[inline(always)]
pub(super) fn pairwise_long<E: Element, const N: usize>(
    _: &mut FpEnv,
    args: &WideArgs,
    f: impl Fn(&mut Cx, u64, u64) -> u64,
) -> u128 {
    let [a, ..] = operands(args);
    let mut cx = Cx::new(args.imm);
    let mut out = [0; 16];
    for i in 0..N / 2 {
        let sum = f(&mut cx, E::get(&a, 2 * i), E::get(&a, 2 * i + 1));
        E::Wide::set(&mut out, i, sum);
    }
    u128::from_le_bytes(out)
}

/// One lane: `f` folded over the lanes of `a`.
#[inline(always)]
pub(super) fn across<E: Element, const N: usize>(
    env: &mut FpEnv,
    args: &WideArgs,
    f: impl Fn(&mut Cx, u64, u64) -> u64,
) -> u128 {
    let [a, ..] = operands(args);
    with(env, args, |cx| {
        let first = E::get(&a, 0);
        let folded = (1..N).fold(first, |sum, i| f(cx, sum, E::get(&a, i)));
        fill::<E, 1>(|_| folded)
    })
}

/// One wide lane: `f` folded over the narrow lanes of `a`, from 0.
#[inline(always)]
pub(super) fn across_long<E: Element, const N: usize>(
    env: &mut FpEnv,
    args: &WideArgs,
    f: impl Fn(&mut Cx, u64, u64) -> u64,
) -> u128 {
    let [a, ..] = operands(args);
    with(env, args, |cx| {
        let folded = (0..N).fold(0, |sum, i| f(cx, sum, E::get(&a, i)));
        fill::<E::Wide, 1>(|_| folded)
    })
}

macro_rules! permutes {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        pub(super) fn $name<E: Element, const N: usize>(
            _: &mut FpEnv,
            args: &WideArgs,
            f: impl Fn(u32, usize, usize) -> Source,
        ) -> u128 {
            let v = operands(args);
            let full = (128 / E::BITS) as usize;
            fill::<E, N>(|i| {
                let (register, lane) = f(args.imm, N, i);
                E::get(&v[register % 3], lane % full)
            })
        }
    )*};
}

// The function is told the immediate, the number of lanes and the result's lane.
permutes! {
    /// Lanes of one operand in another order.
    permute1;
    /// Lanes chosen from two operands.
    permute2;
    /// Lanes chosen from three operands.
    permute3;
}

/// Every lane is `f` of the integer operand.
#[inline(always)]
pub(super) fn from_int<E: Element, const N: usize>(
    _: &mut FpEnv,
    args: &WideArgs,
    f: impl Fn(u64) -> u64,
) -> u128 {
    let lane = f(args.int);
    fill::<E, N>(|_| lane)
}

/// The first operand with lane `imm` replaced by `f` of the integer operand.
#[inline(always)]
pub(super) fn insert_int<E: Element, const N: usize>(
    _: &mut FpEnv,
    args: &WideArgs,
    f: impl Fn(u64) -> u64,
) -> u128 {
    let [a, ..] = operands(args);
    let at = args.imm as usize % N;
    fill::<E, N>(|i| if i == at { f(args.int) } else { E::get(&a, i) })
}

/// The integer `f(lane imm)`.
#[inline(always)]
pub(super) fn to_int<E: Element, const N: usize>(
    _: &mut FpEnv,
    args: &WideArgs,
    f: impl Fn(u64) -> u64,
) -> u128 {
    let [a, ..] = operands(args);
    let full = (128 / E::BITS) as usize;
    f(E::get(&a, args.imm as usize % full)).into()
}

/// `d[i] = f(old, t)`: `t` is the byte of the table register that index byte `i` less `imm`
/// selects, if it selects any, and `old` the first operand's byte. The index is the operand before
/// the table, which is the last.
#[inline(always)]
pub(super) fn lookup<E: Element, const N: usize>(
    _: &mut FpEnv,
    args: &WideArgs,
    f: impl Fn(u64, Option<u64>) -> u64,
) -> u128 {
    let [old, index, table] = operands(args);
    fill::<E, N>(|i| {
        let at = E::get(&index, i).wrapping_sub(args.imm.into());
        let found = (at < 16).then(|| E::get(&table, at as usize % 16));
        f(E::get(&old, i), found)
    })
}
