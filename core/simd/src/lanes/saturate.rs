//! Saturating arithmetic: results out of the lane's range become the nearest value in it, and the
//! status word's QC bit is set.

use super::element::{Cx, Element, sx, sx_wide};

macro_rules! saturating {
    ($($name:ident($($a:ident),*) in $cx:ident = $value:expr;)*) => {$(
        #[inline(always)]
        pub(super) fn $name<E: Element>($cx: &mut Cx, $($a: u64),*) -> u64 {
            $value
        }
    )*};
}

/// A lane as a signed number.
#[inline(always)]
fn s<E: Element>(a: u64) -> i128 {
    sx::<E>(a).into()
}

/// A wide lane as a signed number.
#[inline(always)]
fn w<E: Element>(a: u64) -> i128 {
    sx_wide::<E>(a).into()
}

/// A lane as an unsigned number.
#[inline(always)]
fn u(a: u64) -> i128 {
    a.into()
}

/// Half of the unit that a shift right by the lane width leaves.
#[inline(always)]
fn half<E: Element>() -> i128 {
    1 << (E::BITS - 1)
}

/// Twice the product, as a wide lane.
#[inline(always)]
fn doubled<E: Element>(cx: &mut Cx, a: u64, b: u64) -> i128 {
    let product = cx.signed(2 * s::<E>(a) * s::<E>(b), 2 * E::BITS);
    w::<E>(product)
}

saturating! {
    sqadd(a, b) in cx = cx.signed(s::<E>(a) + s::<E>(b), E::BITS);
    uqadd(a, b) in cx = cx.unsigned(u(a) + u(b), E::BITS);
    sqsub(a, b) in cx = cx.signed(s::<E>(a) - s::<E>(b), E::BITS);
    uqsub(a, b) in cx = cx.unsigned(u(a) - u(b), E::BITS);
    suqadd(d, a) in cx = cx.signed(s::<E>(d) + u(a), E::BITS);
    usqadd(d, a) in cx = cx.unsigned(u(d) + s::<E>(a), E::BITS);
    sqabs(a) in cx = cx.signed(s::<E>(a).abs(), E::BITS);
    sqneg(a) in cx = cx.signed(-s::<E>(a), E::BITS);

    sqdmulh(a, b) in cx = cx.signed((2 * s::<E>(a) * s::<E>(b)) >> E::BITS, E::BITS);
    sqrdmulh(a, b) in cx =
        cx.signed((2 * s::<E>(a) * s::<E>(b) + half::<E>()) >> E::BITS, E::BITS);
    sqrdmlah(d, a, b) in cx = cx.signed(
        ((s::<E>(d) << E::BITS) + 2 * s::<E>(a) * s::<E>(b) + half::<E>()) >> E::BITS,
        E::BITS,
    );
    sqrdmlsh(d, a, b) in cx = cx.signed(
        ((s::<E>(d) << E::BITS) - 2 * s::<E>(a) * s::<E>(b) + half::<E>()) >> E::BITS,
        E::BITS,
    );

    // Wide results. The product saturates by itself, before it is accumulated.
    sqdmull(a, b) in cx = doubled::<E>(cx, a, b) as u64;
    sqdmlal(d, a, b) in cx = {
        let product = doubled::<E>(cx, a, b);
        cx.signed(w::<E>(d) + product, 2 * E::BITS)
    };
    sqdmlsl(d, a, b) in cx = {
        let product = doubled::<E>(cx, a, b);
        cx.signed(w::<E>(d) - product, 2 * E::BITS)
    };

    // Wide operands.
    sqxtn(a) in cx = cx.signed(w::<E>(a), E::BITS);
    sqxtun(a) in cx = cx.unsigned(w::<E>(a), E::BITS);
    uqxtn(a) in cx = cx.unsigned(u(a), E::BITS);
}
