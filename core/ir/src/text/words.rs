//! The words of a line, and what they stand for.

use ferrite_simd::{CryptoOp, FloatOp, Lane, LaneOp, Shape, WideOp};

use super::Named;
use crate::op::{Align, BlockId, FlagKind, Int, Mem, Order, Sign, Size, Target, Vector, Width};

/// What is wrong in a line: what is there, and what should be.
pub(super) type Wrong = (String, &'static str);
pub(super) type Result<T> = std::result::Result<T, Wrong>;

/// The words of a line, separated by blanks and commas; brackets go.
pub(super) struct Words<'a>(std::vec::IntoIter<&'a str>);

impl<'a> Words<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        let words: Vec<&str> = line
            .split([' ', ',', '[', ']'])
            .filter(|word| !word.is_empty())
            .collect();
        Self(words.into_iter())
    }

    pub(super) fn peek(&self) -> &'a str {
        self.0.as_slice().first().copied().unwrap_or("")
    }

    pub(super) fn word(&mut self) -> &'a str {
        self.0.next().unwrap_or("")
    }

    pub(super) fn read<T>(
        &mut self,
        wanted: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T> {
        let word = self.word();
        read(word).ok_or((word.to_owned(), wanted))
    }

    pub(super) fn number<T: TryFrom<u64>>(&mut self) -> Result<T> {
        self.read("a number", |word| T::try_from(number(word)?).ok())
    }

    pub(super) fn int(&mut self) -> Result<Int> {
        self.read("an integer value", |word| {
            Some(Int(word.strip_prefix('i')?.parse().ok()?))
        })
    }

    pub(super) fn ints(&mut self) -> Result<[Int; 2]> {
        Ok([self.int()?, self.int()?])
    }

    pub(super) fn vector(&mut self) -> Result<Vector> {
        self.read("a vector value", vector)
    }

    pub(super) fn named<T: Named>(&mut self, wanted: &'static str) -> Result<T> {
        self.read(wanted, T::from_name)
    }

    /// `[addr]`, `[addr + disp]` or `[addr - disp]`.
    pub(super) fn address(&mut self) -> Result<(Int, i32)> {
        let addr = self.int()?;
        let sign = match self.peek() {
            "+" => 1,
            "-" => -1,
            _ => return Ok((addr, 0)),
        };
        self.word();
        let disp = self.read("a displacement", |word| {
            i32::try_from(sign * i64::try_from(number(word)?).ok()?).ok()
        })?;
        Ok((addr, disp))
    }

    pub(super) fn target(&mut self) -> Result<Target> {
        if self.peek() == "block" {
            self.word();
            return Ok(Target::Block(BlockId(self.number()?)));
        }
        Ok(Target::Guest(self.number()?))
    }

    pub(super) fn flags(&mut self) -> Result<(FlagKind, [Int; 3])> {
        let word = self.word();
        let (kind, width) = word.split_once('.').unwrap_or((word, ""));
        let w = Width::from_name(width);
        let kind = match (kind, w) {
            ("nzcv", None) => FlagKind::Nzcv,
            ("logic", Some(w)) => FlagKind::Logic(w),
            ("add", Some(w)) => FlagKind::Add(w),
            ("sub", Some(w)) => FlagKind::Sub(w),
            ("add_carry", Some(w)) => FlagKind::AddCarry(w),
            _ => return Err((word.to_owned(), "a kind of flags")),
        };
        let a = self.int()?;
        let b = if kind.reads_b() { self.int()? } else { a };
        let c = if kind.reads_c() { self.int()? } else { a };
        Ok((kind, [a, b, c]))
    }

    pub(super) fn end(&mut self) -> Result<()> {
        match self.word() {
            "" => Ok(()),
            word => Err((word.to_owned(), "the end of the line")),
        }
    }
}

pub(super) fn number(word: &str) -> Option<u64> {
    match word.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => word.parse().ok(),
    }
}

pub(super) fn vector(word: &str) -> Option<Vector> {
    Some(Vector(word.strip_prefix('v')?.parse().ok()?))
}

/// Attributes, as `b8.natural.swap`.
pub(super) fn mem(attributes: &str) -> Option<Mem> {
    let mut parts = attributes.split('.');
    let mut mem = Mem::plain(Size::from_name(parts.next()?)?);
    for part in parts {
        match part {
            "swap" => mem.swap = true,
            "user" => mem.unprivileged = true,
            _ => {
                if let Some(sign) = Sign::from_name(part) {
                    mem.sign = sign;
                } else if let Some(order) = Order::from_name(part) {
                    mem.order = order;
                } else {
                    mem.align = Align::from_name(part)?;
                }
            }
        }
    }
    Some(mem)
}

pub(super) fn wide_op(family: &str, name: &str) -> Option<WideOp> {
    let named = |op: &WideOp| op.name() == name;
    match family {
        "lanes" => LaneOp::ALL.iter().map(|&op| WideOp::Lanes(op)).find(named),
        "float" => FloatOp::ALL.iter().map(|&op| WideOp::Float(op)).find(named),
        "crypto" => CryptoOp::ALL
            .iter()
            .map(|&op| WideOp::Crypto(op))
            .find(named),
        _ => None,
    }
}

pub(super) fn shape(word: &str) -> Option<Shape> {
    let at = word.len().checked_sub(1)?;
    let lane = match word.get(at..)? {
        "b" => Lane::B,
        "h" => Lane::H,
        "s" => Lane::S,
        "d" => Lane::D,
        "q" => Lane::Q,
        _ => return None,
    };
    let count = word.get(..at)?.parse().ok()?;
    Some(Shape { lane, count })
}
