//! Where the lanes of a permuting operation come from. The functions are told the immediate, the
//! number of lanes and the result's lane, and answer with an operand and its lane.

use super::element::Element;
use super::forms::Source;

macro_rules! permutations {
    ($($name:ident($imm:ident, $n:ident, $i:ident) = $value:expr;)*) => {$(
        #[inline(always)]
        pub(super) fn $name<E: Element>($imm: u32, $n: usize, $i: usize) -> Source {
            $value
        }
    )*};
}

permutations! {
    dup(imm, _n, _i) = (0, imm as usize);
    ext(imm, n, i) = across(imm as usize % n + i, n);
    zip1(_imm, _n, i) = (i % 2, i / 2);
    zip2(_imm, n, i) = (i % 2, (n + i) / 2);
    uzp1(_imm, n, i) = across(2 * i, n);
    uzp2(_imm, n, i) = across(2 * i + 1, n);
    trn1(_imm, _n, i) = (i % 2, i & !1);
    trn2(_imm, _n, i) = (i % 2, i | 1);
    rev16(_imm, _n, i) = (0, i ^ (16 / E::BITS as usize - 1));
    rev32(_imm, _n, i) = (0, i ^ (32 / E::BITS as usize - 1));
    rev64(_imm, _n, i) = (0, i ^ (64 / E::BITS as usize - 1));
    ins(imm, _n, i) = if i == (imm & 0xff) as usize {
        (1, (imm >> 8) as usize)
    } else {
        (0, i)
    };
    deinterleave3(imm, n, i) = across(3 * i + imm as usize % 3, n);
    interleave3(imm, n, i) = {
        let element = imm as usize % 3 * n + i;
        (element % 3, element / 3)
    };
}

/// Lane `at` of the operands' `n` lanes each, one after the other.
#[inline(always)]
fn across(at: usize, n: usize) -> Source {
    (at / n, at % n)
}
