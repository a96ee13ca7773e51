//! Sums, products, comparisons and bitwise operations, without saturation.

use super::element::{Cx, Element, sx};
use super::estimate;

macro_rules! pure {
    ($($name:ident($($a:ident),*) = $value:expr;)*) => {$(
        #[inline(always)]
        pub(super) fn $name<E: Element>(_: &mut Cx, $($a: u64),*) -> u64 {
            $value
        }
    )*};
}

/// All ones for true.
#[inline(always)]
fn mask(c: bool) -> u64 {
    (c as u64).wrapping_neg()
}

pure! {
    add(a, b) = a.wrapping_add(b);
    sub(a, b) = a.wrapping_sub(b);
    mul(a, b) = a.wrapping_mul(b);
    mla(d, a, b) = d.wrapping_add(a.wrapping_mul(b));
    mls(d, a, b) = d.wrapping_sub(a.wrapping_mul(b));
    neg(a) = a.wrapping_neg();
    abs(a) = sx::<E>(a).unsigned_abs();

    and(a, b) = a & b;
    orr(a, b) = a | b;
    eor(a, b) = a ^ b;
    bic(a, b) = a & !b;
    orn(a, b) = a | !b;
    not(a) = !a;
    bsl(d, a, b) = (d & a) | (!d & b);

    smax(a, b) = sx::<E>(a).max(sx::<E>(b)) as u64;
    smin(a, b) = sx::<E>(a).min(sx::<E>(b)) as u64;
    umax(a, b) = a.max(b);
    umin(a, b) = a.min(b);

    cmeq(a, b) = mask(a == b);
    cmgt(a, b) = mask(sx::<E>(a) > sx::<E>(b));
    cmge(a, b) = mask(sx::<E>(a) >= sx::<E>(b));
    cmhi(a, b) = mask(a > b);
    cmhs(a, b) = mask(a >= b);
    cmtst(a, b) = mask(a & b != 0);
    cmeq0(a) = mask(a == 0);
    cmgt0(a) = mask(sx::<E>(a) > 0);
    cmge0(a) = mask(sx::<E>(a) >= 0);
    cmlt0(a) = mask(sx::<E>(a) < 0);
    cmle0(a) = mask(sx::<E>(a) <= 0);

    shadd(a, b) = ((i128::from(sx::<E>(a)) + i128::from(sx::<E>(b))) >> 1) as u64;
    uhadd(a, b) = ((u128::from(a) + u128::from(b)) >> 1) as u64;
    srhadd(a, b) = ((i128::from(sx::<E>(a)) + i128::from(sx::<E>(b)) + 1) >> 1) as u64;
    urhadd(a, b) = ((u128::from(a) + u128::from(b) + 1) >> 1) as u64;
    shsub(a, b) = ((i128::from(sx::<E>(a)) - i128::from(sx::<E>(b))) >> 1) as u64;
    uhsub(a, b) = ((i128::from(a) - i128::from(b)) >> 1) as u64;

    sabd(a, b) = sx::<E>(a).abs_diff(sx::<E>(b));
    uabd(a, b) = a.abs_diff(b);
    saba(d, a, b) = d.wrapping_add(sx::<E>(a).abs_diff(sx::<E>(b)));
    uaba(d, a, b) = d.wrapping_add(a.abs_diff(b));

    pmul(a, b) = carryless(a, b, E::BITS);
    pmull(a, b) = carryless(a, b, E::BITS);

    // Widening: `a` and `b` are narrow, the result and an accumulator wide.
    saddl(a, b) = sx::<E>(a).wrapping_add(sx::<E>(b)) as u64;
    uaddl(a, b) = a.wrapping_add(b);
    ssubl(a, b) = sx::<E>(a).wrapping_sub(sx::<E>(b)) as u64;
    usubl(a, b) = a.wrapping_sub(b);
    saddw(a, b) = a.wrapping_add(sx::<E>(b) as u64);
    uaddw(a, b) = a.wrapping_add(b);
    ssubw(a, b) = a.wrapping_sub(sx::<E>(b) as u64);
    usubw(a, b) = a.wrapping_sub(b);
    sabdl(a, b) = sx::<E>(a).abs_diff(sx::<E>(b));
    uabdl(a, b) = a.abs_diff(b);
    sabal(d, a, b) = d.wrapping_add(sx::<E>(a).abs_diff(sx::<E>(b)));
    uabal(d, a, b) = d.wrapping_add(a.abs_diff(b));
    smull(a, b) = sx::<E>(a).wrapping_mul(sx::<E>(b)) as u64;
    umull(a, b) = a.wrapping_mul(b);
    smlal(d, a, b) = d.wrapping_add(sx::<E>(a).wrapping_mul(sx::<E>(b)) as u64);
    umlal(d, a, b) = d.wrapping_add(a.wrapping_mul(b));
    smlsl(d, a, b) = d.wrapping_sub(sx::<E>(a).wrapping_mul(sx::<E>(b)) as u64);
    umlsl(d, a, b) = d.wrapping_sub(a.wrapping_mul(b));

    // Pairs of adjacent lanes, and lanes folded into one.
    addp(a, b) = a.wrapping_add(b);
    smaxp(a, b) = sx::<E>(a).max(sx::<E>(b)) as u64;
    sminp(a, b) = sx::<E>(a).min(sx::<E>(b)) as u64;
    umaxp(a, b) = a.max(b);
    uminp(a, b) = a.min(b);
    saddlp(a, b) = sx::<E>(a).wrapping_add(sx::<E>(b)) as u64;
    uaddlp(a, b) = a.wrapping_add(b);
    addv(a, b) = a.wrapping_add(b);
    smaxv(a, b) = sx::<E>(a).max(sx::<E>(b)) as u64;
    sminv(a, b) = sx::<E>(a).min(sx::<E>(b)) as u64;
    umaxv(a, b) = a.max(b);
    uminv(a, b) = a.min(b);
    saddlv(sum, a) = sum.wrapping_add(sx::<E>(a) as u64);
    uaddlv(sum, a) = sum.wrapping_add(a);

    // Narrowing to the high half: `a` and `b` are wide.
    addhn(a, b) = a.wrapping_add(b) >> E::BITS;
    raddhn(a, b) = a.wrapping_add(b).wrapping_add(1 << (E::BITS - 1)) >> E::BITS;
    subhn(a, b) = a.wrapping_sub(b) >> E::BITS;
    rsubhn(a, b) = a.wrapping_sub(b).wrapping_add(1 << (E::BITS - 1)) >> E::BITS;
    xtn(a) = a;

    // Bits within a lane.
    cnt(a) = a.count_ones().into();
    clz(a) = u64::from(a.leading_zeros()) - u64::from(64 - E::BITS);
    cls(a) = u64::from((sx::<E>(a) ^ (sx::<E>(a) >> 1)).leading_zeros() - (65 - E::BITS));
    rbit(a) = a.reverse_bits() >> (64 - E::BITS);
    urecpe(a) = estimate::reciprocal(a);
    ursqrte(a) = estimate::reciprocal_root(a);
}

/// Product of polynomials over {0, 1}, of degree below `bits`.
#[inline(always)]
fn carryless(a: u64, b: u64, bits: u32) -> u64 {
    (0..bits)
        .filter(|i| (b >> i) & 1 != 0)
        .fold(0, |product, i| product ^ (a << i))
}
