//! Message-signalled interrupts by table (PCI Local Bus 3.0, section 6.8.2).

use ferrite_ram::GuestPhys;

use super::config::ConfigSpace;

/// Bytes of a table entry.
const ENTRY: u64 = 16;
/// Message control: interrupts are sent as messages.
const ENABLE: u16 = 1 << 15;
/// Message control: every vector is masked.
const MASK_ALL: u16 = 1 << 14;
/// Vector control: this vector is masked.
const MASKED: u32 = 1;

/// Words of a table entry: address low, address high, data, vector control.
type Entry = [u32; 4];

/// Table and pending bits of a function.
#[derive(Clone, Debug)]
pub struct Msix {
    // Fixed.
    capability: usize,
    bar: usize,
    table: u64,
    pending_at: u64,
    // Guest-visible.
    entries: Vec<Entry>,
    pending: Vec<bool>,
}

impl Msix {
    pub(super) fn new(
        capability: usize,
        vectors: usize,
        bar: usize,
        table: u64,
        pending_at: u64,
    ) -> Self {
        Self {
            capability,
            bar,
            table,
            pending_at,
            entries: vec![[0, 0, 0, MASKED]; vectors],
            pending: vec![false; vectors],
        }
    }

    pub(super) fn reset(&mut self) {
        self.entries.fill([0, 0, 0, MASKED]);
        self.pending.fill(false);
    }

    /// How many vectors there are.
    #[must_use]
    pub fn vectors(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn enabled(&self, config: &ConfigSpace) -> bool {
        config.u16(self.capability + 2) & ENABLE != 0
    }

    fn all_masked(&self, config: &ConfigSpace) -> bool {
        config.u16(self.capability + 2) & MASK_ALL != 0
    }

    /// Whether an access of a BAR is to the table or to the pending bits.
    pub(super) fn covers(&self, bar: usize, offset: u64) -> bool {
        let vectors = self.entries.len() as u64;
        let within = |start: u64, len: u64| offset.checked_sub(start).is_some_and(|at| at < len);
        bar == self.bar
            && (within(self.table, ENTRY * vectors)
                || within(self.pending_at, vectors.div_ceil(64) * 8))
    }

    /// Reads a word of the table or of the pending bits.
    pub(super) fn read(&self, offset: u64) -> u32 {
        if let Some(word) = self.word(offset) {
            let (entry, part) = word;
            return self.entries.get(entry).map_or(0, |entry| entry[part]);
        }
        let first = offset.saturating_sub(self.pending_at) as usize / 4 * 32;
        let bits = self.pending.iter().skip(first).take(32);
        bits.enumerate()
            .fold(0, |word, (n, pending)| word | u32::from(*pending) << n)
    }

    /// Writes a word of the table; the pending bits cannot be written.
    pub(super) fn write(&mut self, offset: u64, value: u32) {
        if let Some((entry, part)) = self.word(offset)
            && let Some(entry) = self.entries.get_mut(entry)
        {
            entry[part] = value;
        }
    }

    /// The table entry and the word in it that `offset` is.
    fn word(&self, offset: u64) -> Option<(usize, usize)> {
        let at = offset.checked_sub(self.table)?;
        let entry = (at / ENTRY) as usize;
        (entry < self.entries.len()).then_some((entry, (at % ENTRY / 4) as usize))
    }

    /// A vector's interrupt: the message to send, unless the vector is masked and pends.
    pub(super) fn raise(&mut self, vector: usize, masked: bool) -> Option<(GuestPhys, u32)> {
        let entry = self.entries.get(vector)?;
        if masked || entry[3] & MASKED != 0 {
            self.pending[vector] = true;
            return None;
        }
        Some(message(entry))
    }

    /// Whether every vector is masked, for [`Self::raise`].
    pub(super) fn function_masked(&self, config: &ConfigSpace) -> bool {
        self.all_masked(config)
    }

    /// Takes the pending messages that may go out now.
    pub(super) fn release(&mut self) -> Vec<(GuestPhys, u32)> {
        let mut messages = Vec::new();
        for (entry, pending) in self.entries.iter().zip(&mut self.pending) {
            if *pending && entry[3] & MASKED == 0 {
                *pending = false;
                messages.push(message(entry));
            }
        }
        messages
    }
}

fn message(entry: &Entry) -> (GuestPhys, u32) {
    let address = u64::from(entry[1]) << 32 | u64::from(entry[0] & !3);
    (GuestPhys(address), entry[2])
}
