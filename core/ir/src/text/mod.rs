//! The text form of regions: for golden tests, traces and bug reports.
//!
//! ```text
//! region 0x1000, insns 2, bytes 8
//! block 0:
//!   insn 0x1000
//!   i0 = get 33
//!   i1 = const 0x8
//!   i2 = load.b8 [i0 + 16]
//!   i3 = add.64 i0, i1
//!   set 33, i3
//!   set_flags sub.64 i2, i1
//!   insn 0x1004
//!   i4 = test ne
//!   branch i4, block 0, 0x1008
//! ```
//!
//! Integers are `i0`, `i1` …, vectors `v0`, `v1` …; globals are slot numbers. A width follows the
//! mnemonic as `.32` or `.64`, the attributes of an access as `.b1` to `.b16` and then, where they
//! apply, `.s32` `.s64` (sign), `.acquire` `.release` `.acqrel`, `.natural` `.pair` (alignment),
//! `.swap` and `.user`. [`Display`](std::fmt::Display) writes it, [`FromStr`](std::str::FromStr)
//! reads it; operands that an operation does not read are not written.

mod parse;
mod print;
mod words;

pub use parse::ParseError;

use crate::op::{
    Align, AtomicOp, BinOp, Cc, Condition, Fence, IndirectKind, Order, Sign, Size, UnOp, Width,
};

/// A small set whose members have names in the text form.
trait Named: Copy + PartialEq + 'static {
    const NAMES: &'static [(Self, &'static str)];

    fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(value, _)| *value == self)
            .map_or("?", |(_, name)| name)
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, n)| *n == name)
            .map(|(value, _)| *value)
    }
}

macro_rules! names {
    ($($ty:ident { $($variant:ident $name:literal,)* })*) => {
        $(impl Named for $ty {
            const NAMES: &'static [(Self, &'static str)] = &[$(($ty::$variant, $name),)*];
        })*
    };
}

names! {
    Width { W32 "32", W64 "64", }
    BinOp {
        Add "add", Sub "sub", Mul "mul", MulHighU "mul_high_u", MulHighS "mul_high_s",
        DivU "div_u", DivS "div_s", And "and", Or "or", Xor "xor", AndNot "and_not",
        OrNot "or_not", XorNot "xor_not", Shl "shl", ShrU "shr_u", ShrS "shr_s", Ror "ror",
    }
    UnOp {
        Mov "mov", Neg "neg", Not "not", Clz "clz", Cls "cls", ReverseBits "reverse_bits",
        ReverseBytes "reverse_bytes", ReverseBytes16 "reverse_bytes16",
        ReverseBytes32 "reverse_bytes32", SignExtend8 "sign_extend8",
        SignExtend16 "sign_extend16", SignExtend32 "sign_extend32",
        ZeroExtend8 "zero_extend8", ZeroExtend16 "zero_extend16", ZeroExtend32 "zero_extend32",
    }
    Cc {
        Eq "compare_eq", Ne "compare_ne", LtU "compare_lt_u", LeU "compare_le_u",
        LtS "compare_lt_s", LeS "compare_le_s",
    }
    Condition {
        Eq "eq", Ne "ne", Cs "cs", Cc "cc", Mi "mi", Pl "pl", Vs "vs", Vc "vc", Hi "hi", Ls "ls",
        Ge "ge", Lt "lt", Gt "gt", Le "le", Al "al", Nv "nv",
    }
    Size { B1 "b1", B2 "b2", B4 "b4", B8 "b8", B16 "b16", }
    Sign { Zero "", To32 "s32", To64 "s64", }
    Order { Plain "", Acquire "acquire", Release "release", AcquireRelease "acqrel", }
    Align { Any "", Natural "natural", Pair "pair", }
    AtomicOp {
        Add "atomic_add", Clear "atomic_clear", Xor "atomic_xor", Set "atomic_set",
        MaxS "atomic_max_s", MinS "atomic_min_s", MaxU "atomic_max_u", MinU "atomic_min_u",
        Swap "atomic_swap",
    }
    Fence { Load "load", Store "store", Full "full", }
    IndirectKind { Jump "jump", Call "call", Return "return", }
}

#[cfg(test)]
mod tests;
