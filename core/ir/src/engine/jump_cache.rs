//! Where addresses led lately.

use super::cache::Id;

/// Entries: enough for the indirect branches of a large working set.
const ENTRIES: usize = 4096;

#[derive(Clone, Copy)]
struct Entry {
    pc: u64,
    generation: u64,
    id: Id,
}

/// A direct-mapped cache from address and code generation to translation. Dead translations are
/// recognised by their names, so nothing is ever removed.
pub(super) struct JumpCache(Box<[Entry; ENTRIES]>);

impl Default for JumpCache {
    fn default() -> Self {
        const EMPTY: Entry = Entry {
            pc: 0,
            generation: 0,
            id: Id::NONE,
        };
        Self(Box::new([EMPTY; ENTRIES]))
    }
}

impl JumpCache {
    #[inline(always)]
    fn index(pc: u64, generation: u64) -> usize {
        // Instructions are at multiples of 1 to 4 bytes; generations spread over the table.
        let mixed = (pc >> 2) ^ (pc >> 13) ^ generation.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
        mixed as usize & (ENTRIES - 1)
    }

    /// [`Id::NONE`] where nothing is known.
    #[inline(always)]
    pub(super) fn get(&self, pc: u64, generation: u64) -> Id {
        let entry = &self.0[Self::index(pc, generation)];
        if entry.pc == pc && entry.generation == generation {
            entry.id
        } else {
            Id::NONE
        }
    }

    pub(super) fn set(&mut self, pc: u64, generation: u64, id: Id) {
        self.0[Self::index(pc, generation)] = Entry { pc, generation, id };
    }
}
