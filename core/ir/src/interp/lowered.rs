//! A region in the form that the interpreter executes.

use ferrite_simd::WideFn;

use super::code::Instr;
use crate::op::{AtomicOp, Mem};

/// Why a region cannot be lowered. A verified region of sensible size always can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LowerError {
    /// More values are alive at once than there are slots for temporaries.
    #[error("too many values are alive at once")]
    TooManyTemporaries,
    /// A table of the lowered form would exceed 65,535 entries.
    #[error("the region is too large")]
    TooLarge,
    /// A wide operation has no such shape.
    #[error("a wide operation has no function at its shape")]
    NoWideFunction,
}

/// Where a block's end leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The guest address: for a block of this region, that of its first instruction.
    pub pc: u64,
    /// Index of the block's first instruction, or [`Exit::GUEST`].
    pub(crate) start: u32,
    /// Guest instructions of the block.
    pub(crate) insns: u32,
    /// Whether the block is this one or an earlier one, so that the budget is to be looked at.
    pub(crate) back: bool,
}

impl Exit {
    /// In place of a block: the exit leaves the region.
    pub(crate) const GUEST: u32 = u32::MAX;

    /// Whether the exit leaves the region.
    #[must_use]
    pub const fn leaves(&self) -> bool {
        self.start == Self::GUEST
    }
}

/// The guest instruction that lowered instructions from an index on belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// First index.
    pub at: u32,
    /// Guest instructions of the block that come after it.
    pub left: u32,
    /// Its address; `None` where the code itself has set the PC slot since the instruction began.
    pub pc: Option<u64>,
}

/// Operands of [`Code::Wide`](super::code::Code::Wide).
#[derive(Clone, Copy, Debug)]
pub struct WideEntry {
    /// The function that computes it.
    pub run: WideFn,
    /// Its immediate.
    pub imm: u32,
    /// Slot of the result.
    pub d: u16,
    /// Whether the result is a vector.
    pub vector: bool,
    /// Number of vector operands.
    pub vectors: u8,
    /// Whether it works with the floating-point control and status words.
    pub fp_env: bool,
    /// Slots of the vector operands.
    pub v: [u16; 3],
    /// Slot of the integer operand, or [`NO_SLOT`](super::code::NO_SLOT).
    pub int: u16,
}

/// Operands of [`Code::Atomic`](super::code::Code::Atomic), all slots.
#[derive(Clone, Copy, Debug)]
pub struct AtomicEntry {
    /// The operation.
    pub what: AtomicKind,
    /// The access's attributes.
    pub mem: Mem,
    /// The address.
    pub addr: u16,
    /// Results.
    pub d: [u16; 2],
    /// The value to store or combine.
    pub a: [u16; 2],
    /// The value to compare with.
    pub old: [u16; 2],
}

/// Which atomic or exclusive operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomicKind {
    /// Loads and reserves.
    LoadExclusive {
        /// Whether it moves two units.
        pair: bool,
    },
    /// Stores if the reservation holds.
    StoreExclusive {
        /// Whether it moves two units.
        pair: bool,
    },
    /// Reads, modifies and writes.
    Rmw(AtomicOp),
    /// Compares and swaps.
    Cas {
        /// Whether it moves two units.
        pair: bool,
    },
}

/// A lowered region. What a run touches whenever it passes through comes first.
#[derive(Debug, Default)]
pub struct Lowered {
    pub(crate) code: Box<[Instr]>,
    /// Guest instructions of block 0.
    pub(crate) entry_insns: u32,
    /// Whether some exit leads to a block of the region.
    pub(crate) has_inner_exits: bool,
    pub(crate) tables: Box<Tables>,
}

/// What instructions refer to by number, and what is asked for when something goes wrong.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub exits: Vec<Exit>,
    pub marks: Vec<Mark>,
    pub mems: Vec<Mem>,
    pub wides: Vec<WideEntry>,
    pub atomics: Vec<AtomicEntry>,
}

impl Lowered {
    /// The instructions, for tests and traces.
    #[must_use]
    pub fn code(&self) -> &[Instr] {
        &self.code
    }

    /// Where the region's blocks lead; [`BlockEnd::Direct`](super::BlockEnd::Direct) names one.
    #[must_use]
    pub fn exits(&self) -> &[Exit] {
        &self.tables.exits
    }

    /// Host bytes that it occupies, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let Tables {
            exits,
            marks,
            mems,
            wides,
            atomics,
        } = &*self.tables;
        size_of_val(&*self.code)
            + size_of::<Tables>()
            + exits.capacity() * size_of::<Exit>()
            + marks.capacity() * size_of::<Mark>()
            + mems.capacity() * size_of::<Mem>()
            + wides.capacity() * size_of::<WideEntry>()
            + atomics.capacity() * size_of::<AtomicEntry>()
    }

    /// The mark that covers the instruction at `at`.
    pub(crate) fn mark(&self, at: usize) -> Mark {
        let marks = &self.tables.marks;
        let after = marks.partition_point(|m| m.at as usize <= at);
        marks.get(after.wrapping_sub(1)).copied().unwrap_or(Mark {
            at: 0,
            left: 0,
            pc: None,
        })
    }
}

/// One instruction a line, then the exits: for golden tests and traces.
impl std::fmt::Display for Lowered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, Instr { code, a, b, c, imm }) in self.code.iter().enumerate() {
            let code = format!("{code:?}");
            write!(f, "{at:4}  {code:16} {a:5} {b:5} {c:5}")?;
            match imm {
                0 => writeln!(f)?,
                _ => writeln!(f, "  {imm:#x}")?,
            }
        }
        for (n, exit) in self.exits().iter().enumerate() {
            write!(f, "exit {n}: {:#x}", exit.pc)?;
            if exit.leaves() {
                writeln!(f)?;
            } else {
                let back = if exit.back { ", backwards" } else { "" };
                writeln!(f, " at {}{back}", exit.start)?;
            }
        }
        Ok(())
    }
}
