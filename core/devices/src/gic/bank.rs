//! The state of 32 interrupts, and the registers that show it.

use super::spec::{Array, BANK, PRIVATE, SGIS};
use crate::words::merge;

/// What software may not change in a bank, as bit masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fixed {
    /// Interrupts that are always enabled.
    pub enabled: u32,
    /// Interrupts whose pending state the set and clear registers do not change.
    pub pending: u32,
    /// Interrupts that are always edge-triggered.
    pub edge: u32,
}

/// Thirty-two consecutive interrupts; bit `n` of a mask is the bank's `n`th.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bank {
    fixed: Fixed,
    /// Input lines that are high.
    pub level: u32,
    /// In group 1.
    pub group: u32,
    /// Enabled.
    pub enabled: u32,
    /// Pending by an edge or by software, as opposed to by a high level.
    pub latched: u32,
    /// Active: acknowledged and not yet deactivated.
    pub active: u32,
    /// Edge-triggered.
    pub edge: u32,
    /// Priorities, lower values first.
    pub priority: [u8; BANK as usize],
}

impl Bank {
    /// The state after reset, with all lines low.
    #[must_use]
    pub fn new(fixed: Fixed) -> Self {
        Self {
            fixed,
            level: 0,
            group: 0,
            enabled: fixed.enabled,
            latched: 0,
            active: 0,
            edge: fixed.edge,
            priority: [0; BANK as usize],
        }
    }

    /// Resets everything but the input lines, which belong to the devices that drive them.
    pub fn reset(&mut self) {
        *self = Self {
            level: self.level,
            ..Self::new(self.fixed)
        };
    }

    /// Interrupts that are pending.
    #[must_use]
    pub fn pending(&self) -> u32 {
        self.latched | (self.level & !self.edge)
    }

    /// Interrupts that could be delivered: pending, enabled, and not active.
    #[must_use]
    pub fn deliverable(&self) -> u32 {
        self.pending() & self.enabled & !self.active
    }

    /// Sets the input line of a private peripheral interrupt (0 to 15; there are no others) of a
    /// CPU's private bank, and tells whether something changed.
    pub fn set_private_line(&mut self, ppi: u32, level: bool) -> bool {
        ppi < PRIVATE - SGIS && self.set_line(SGIS + ppi, level)
    }

    /// Sets an input line. True when this changed what is pending.
    pub fn set_line(&mut self, bit: u32, level: bool) -> bool {
        let mask = 1 << bit;
        let before = self.pending();
        if level {
            self.latched |= mask & self.edge & !self.level;
            self.level |= mask;
        } else {
            self.level &= !mask;
        }
        self.pending() != before
    }

    /// Makes an interrupt active, as acknowledging it does; what latched it is consumed.
    pub fn acknowledge(&mut self, bit: u32) {
        self.latched &= !(1 << bit);
        self.active |= 1 << bit;
    }

    /// Makes an interrupt inactive.
    pub fn deactivate(&mut self, bit: u32) {
        self.active &= !(1 << bit);
    }

    /// Reads word `word` of the bank's part of `array`.
    #[must_use]
    pub fn read(&self, array: Array, word: usize) -> u32 {
        match array {
            Array::Group => self.group,
            Array::SetEnable | Array::ClearEnable => self.enabled,
            Array::SetPending | Array::ClearPending => self.pending(),
            Array::SetActive | Array::ClearActive => self.active,
            Array::Priority => self
                .priorities(word)
                .map_or(0, |four| u32::from_le_bytes(*four)),
            Array::Config => spread(self.edge >> ((word * 16) & 31)),
        }
    }

    fn priorities(&self, word: usize) -> Option<&[u8; 4]> {
        self.priority.as_chunks().0.get(word)
    }

    /// Writes the bits of `lanes` in word `word` of the bank's part of `array`.
    pub fn write(&mut self, array: Array, word: usize, value: u32, lanes: u32) {
        let Fixed {
            enabled,
            pending,
            edge,
        } = self.fixed;
        let set = value & lanes;
        match array {
            Array::Group => self.group = merge(self.group, value, lanes),
            Array::SetEnable => self.enabled |= set,
            Array::ClearEnable => self.enabled &= !set | enabled,
            Array::SetPending => self.latched |= set & !pending,
            Array::ClearPending => self.latched &= !set | pending,
            Array::SetActive => self.active |= set,
            Array::ClearActive => self.active &= !set,
            Array::Priority => {
                if let Some(four) = self.priority.as_chunks_mut().0.get_mut(word) {
                    *four = merge(u32::from_le_bytes(*four), value, lanes).to_le_bytes();
                }
            }
            Array::Config => {
                let shift = (word * 16) & 31;
                let written = gather(lanes) << shift & !edge;
                self.edge = merge(self.edge, gather(value) << shift, written);
            }
        }
    }
}

/// Puts bit `n` of the low half at bit `2n + 1`: the upper bit of ICFGR's field `n`.
fn spread(bits: u32) -> u32 {
    (0..16).fold(0, |word, n| word | (bits >> n & 1) << (2 * n + 1))
}

/// The inverse of [`spread`].
fn gather(word: u32) -> u32 {
    (0..16).fold(0, |bits, n| bits | (word >> (2 * n + 1) & 1) << n)
}

/// Sets the input line of a shared interrupt, if there is such a one, and tells whether something
/// changed.
pub fn set_shared_line(shared: &mut [Bank], spi: u32, level: bool) -> bool {
    shared
        .get_mut((spi / BANK) as usize)
        .is_some_and(|bank| bank.set_line(spi % BANK, level))
}
