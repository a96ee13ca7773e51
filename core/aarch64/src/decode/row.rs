//! Tables as data: what random tests, reports and traces read.

use std::fmt;

use super::Features;

/// A table.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Name of its file and module.
    pub name: &'static str,
    /// Its rows.
    pub rows: &'static [Row],
    /// The number of the row that a word decodes to.
    pub decode: fn(u32, Features) -> Option<usize>,
    /// The instruction as text.
    pub show: fn(u32, Features) -> Option<String>,
}

/// A row: one instruction class.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Name, such as `ADD_imm`.
    pub name: &'static str,
    /// Name of the table.
    pub group: &'static str,
    /// The words that it covers.
    pub pattern: Pattern,
    /// Its operands, from the most significant bits down.
    pub fields: &'static [Field],
    /// The feature that it needs.
    pub feature: Option<Features>,
    /// Patterns of the special cases that have rows of their own and win over this one.
    pub overridden_by: &'static [Pattern],
}

/// A set of words.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    /// Fixed bits.
    pub mask: u32,
    /// Their values.
    pub value: u32,
    /// Conditions, all of which hold.
    pub constraints: &'static [Constraint],
}

/// A part of the encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name, the manual's in lower case.
    pub name: &'static str,
    /// Lowest bit.
    pub lsb: u8,
    /// Number of bits, 1 to 32.
    pub width: u8,
}

/// A condition on a field.
#[derive(Clone, Copy, Debug)]
pub struct Constraint {
    /// The field.
    pub field: Field,
    /// What must hold of it.
    pub test: Test,
}

/// Comparisons with constants.
#[derive(Clone, Copy, Debug)]
pub enum Test {
    /// Equal.
    Eq(u32),
    /// Not equal.
    Ne(u32),
    /// Less.
    Lt(u32),
    /// Greater.
    Gt(u32),
    /// One of these.
    In(&'static [u32]),
    /// None of these.
    NotIn(&'static [u32]),
}

impl Test {
    fn holds(self, value: u32) -> bool {
        match self {
            Self::Eq(n) => value == n,
            Self::Ne(n) => value != n,
            Self::Lt(n) => value < n,
            Self::Gt(n) => value > n,
            Self::In(set) => set.contains(&value),
            Self::NotIn(set) => !set.contains(&value),
        }
    }
}

impl Field {
    /// Its bits, in place.
    #[must_use]
    pub const fn mask(self) -> u32 {
        (u32::MAX >> (32 - self.width)) << self.lsb
    }

    /// Its value in `word`.
    #[must_use]
    pub const fn of(self, word: u32) -> u32 {
        (word & self.mask()) >> self.lsb
    }

    /// `word` with this field set to the low bits of `value`.
    #[must_use]
    pub const fn put(self, word: u32, value: u32) -> u32 {
        word & !self.mask() | value << self.lsb & self.mask()
    }
}

impl Pattern {
    /// Whether `word` is in the set.
    #[must_use]
    pub fn matches(&self, word: u32) -> bool {
        word & self.mask == self.value
            && (self.constraints.iter()).all(|c| c.test.holds(c.field.of(word)))
    }
}

impl Row {
    /// The field of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Field> {
        self.fields.iter().copied().find(|f| f.name == name)
    }

    /// Whether this row is what `word` decodes to, on a CPU with every feature.
    #[must_use]
    pub fn matches(&self, word: u32) -> bool {
        self.pattern.matches(word) && !self.overridden_by.iter().any(|p| p.matches(word))
    }

    /// An instruction of this row, its operands chosen by `rng`.
    ///
    /// Bits that the pattern ignores are random, too. Should the constraints leave so little that
    /// chance does not find it, the result may decode to another row.
    pub fn encode(&self, rng: &mut dyn FnMut() -> u32) -> u32 {
        let mut word = 0;
        for _ in 0..256 {
            word = rng() & !self.pattern.mask | self.pattern.value;
            // A field at a time, until it meets all conditions on it.
            for Constraint { field, .. } in self.pattern.constraints {
                let on_it = || {
                    self.pattern
                        .constraints
                        .iter()
                        .filter(|c| c.field == *field)
                };
                for _ in 0..256 {
                    if on_it().all(|c| c.test.holds(field.of(word))) {
                        break;
                    }
                    word = field.put(word, rng());
                }
            }
            if self.matches(word) {
                break;
            }
        }
        word
    }

    /// Writes an instruction of this row with the given operands, in the order of [`Self::fields`].
    pub(super) fn show(&self, f: &mut fmt::Formatter<'_>, operands: &[u32]) -> fmt::Result {
        for c in self.name.chars() {
            write!(f, "{}", c.to_ascii_lowercase())?;
        }
        for (field, value) in self.fields.iter().zip(operands) {
            if field.width > 5 {
                write!(f, " {}={value:#x}", field.name)?;
            } else {
                write!(f, " {}={value}", field.name)?;
            }
        }
        Ok(())
    }
}
