//! Shifts: by the immediate, by lanes of a vector, widening and narrowing.

use super::element::{Cx, Element, sx, sx_wide};

/// `a` shifted right by `by` (1 to 127) bits, rounded to nearest with halves up if asked.
#[inline(always)]
fn right(a: i128, by: u32, round: bool) -> i128 {
    // Operands have at most 64 bits: beyond this count the result changes no more.
    let by = by.min(66);
    let a = if round { a + (1 << (by - 1)) } else { a };
    a >> by
}

/// How a result that does not fit its lane is cut.
#[derive(Clone, Copy)]
enum Cut {
    Wrap,
    Signed,
    Unsigned,
}

/// `a` shifted left by `by`, right if negative.
#[inline(always)]
fn shift<E: Element>(cx: &mut Cx, a: i128, by: i64, round: bool, cut: Cut) -> u64 {
    let bits = E::BITS;
    let value = if by < 0 {
        right(a, by.unsigned_abs() as u32, round)
    } else if by < i64::from(bits) {
        a << by
    } else if matches!(cut, Cut::Wrap) {
        0
    } else {
        // Out of range unless zero.
        a.signum() << 65
    };
    match cut {
        Cut::Wrap => value as u64,
        Cut::Signed => cx.signed(value, bits),
        Cut::Unsigned => cx.unsigned(value, bits),
    }
}

/// The count in a lane: its low byte, signed.
#[inline(always)]
fn count(b: u64) -> i64 {
    i64::from(b as i8)
}

macro_rules! shifts {
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

/// Counts of shifts to the left: 0 to the lane width less 1.
#[inline(always)]
fn left_count<E: Element>(cx: &Cx) -> u32 {
    cx.imm % E::BITS
}

/// Counts of shifts to the right: 1 to the lane width.
#[inline(always)]
fn right_count<E: Element>(cx: &Cx) -> u32 {
    cx.imm.clamp(1, E::BITS)
}

shifts! {
    // By lanes.
    sshl(a, b) in cx = shift::<E>(cx, s::<E>(a), count(b), false, Cut::Wrap);
    ushl(a, b) in cx = shift::<E>(cx, u(a), count(b), false, Cut::Wrap);
    srshl(a, b) in cx = shift::<E>(cx, s::<E>(a), count(b), true, Cut::Wrap);
    urshl(a, b) in cx = shift::<E>(cx, u(a), count(b), true, Cut::Wrap);
    sqshl(a, b) in cx = shift::<E>(cx, s::<E>(a), count(b), false, Cut::Signed);
    uqshl(a, b) in cx = shift::<E>(cx, u(a), count(b), false, Cut::Unsigned);
    sqrshl(a, b) in cx = shift::<E>(cx, s::<E>(a), count(b), true, Cut::Signed);
    uqrshl(a, b) in cx = shift::<E>(cx, u(a), count(b), true, Cut::Unsigned);

    // Left by the immediate.
    shl(a) in cx = a << left_count::<E>(cx);
    sli(d, a) in cx = {
        let by = left_count::<E>(cx);
        (a << by) | (d & !(u64::MAX << by))
    };
    sqshl_imm(a) in cx = {
        let by = left_count::<E>(cx);
        cx.signed(s::<E>(a) << by, E::BITS)
    };
    uqshl_imm(a) in cx = {
        let by = left_count::<E>(cx);
        cx.unsigned(u(a) << by, E::BITS)
    };
    sqshlu(a) in cx = {
        let by = left_count::<E>(cx);
        cx.unsigned(s::<E>(a) << by, E::BITS)
    };
    sshll(a) in cx = (sx::<E>(a) as u64) << left_count::<E>(cx);
    ushll(a) in cx = a << left_count::<E>(cx);
    shll(a) in _cx = a << E::BITS;

    // Right by the immediate.
    sshr(a) in cx = (sx::<E>(a) >> right_count::<E>(cx).min(63)) as u64;
    ushr(a) in cx = a.checked_shr(right_count::<E>(cx)).unwrap_or(0);
    srshr(a) in cx = right(s::<E>(a), right_count::<E>(cx), true) as u64;
    urshr(a) in cx = right(u(a), right_count::<E>(cx), true) as u64;
    ssra(d, a) in cx = d.wrapping_add(sshr::<E>(cx, a));
    usra(d, a) in cx = d.wrapping_add(ushr::<E>(cx, a));
    srsra(d, a) in cx = d.wrapping_add(srshr::<E>(cx, a));
    ursra(d, a) in cx = d.wrapping_add(urshr::<E>(cx, a));
    sri(d, a) in cx = {
        let by = right_count::<E>(cx);
        let kept = !(u64::MAX >> (64 - E::BITS)).checked_shr(by).unwrap_or(0);
        ushr::<E>(cx, a) | (d & kept)
    };

    // Right by the immediate, wide operands.
    shrn(a) in cx = a >> right_count::<E>(cx);
    rshrn(a) in cx = right(u(a), right_count::<E>(cx), true) as u64;
    sqshrn(a) in cx = {
        let value = right(w::<E>(a), right_count::<E>(cx), false);
        cx.signed(value, E::BITS)
    };
    sqrshrn(a) in cx = {
        let value = right(w::<E>(a), right_count::<E>(cx), true);
        cx.signed(value, E::BITS)
    };
    sqshrun(a) in cx = {
        let value = right(w::<E>(a), right_count::<E>(cx), false);
        cx.unsigned(value, E::BITS)
    };
    sqrshrun(a) in cx = {
        let value = right(w::<E>(a), right_count::<E>(cx), true);
        cx.unsigned(value, E::BITS)
    };
    uqshrn(a) in cx = {
        let value = right(u(a), right_count::<E>(cx), false);
        cx.unsigned(value, E::BITS)
    };
    uqrshrn(a) in cx = {
        let value = right(u(a), right_count::<E>(cx), true);
        cx.unsigned(value, E::BITS)
    };
}
