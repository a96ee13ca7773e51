//! What happens to single lanes on their way between a vector and an integer or a table.

use super::element::{Element, sx};

/// An integer copied to every lane.
#[inline(always)]
pub(super) fn dup_int<E: Element>(a: u64) -> u64 {
    a
}

/// An integer put into one lane.
#[inline(always)]
pub(super) fn ins_int<E: Element>(a: u64) -> u64 {
    a
}

/// A lane, zero-extended.
#[inline(always)]
pub(super) fn umov<E: Element>(a: u64) -> u64 {
    a
}

/// A lane, sign-extended.
#[inline(always)]
pub(super) fn smov<E: Element>(a: u64) -> u64 {
    sx::<E>(a) as u64
}

/// A table look-up that keeps what it does not find.
#[inline(always)]
pub(super) fn tbx<E: Element>(old: u64, found: Option<u64>) -> u64 {
    found.unwrap_or(old)
}
