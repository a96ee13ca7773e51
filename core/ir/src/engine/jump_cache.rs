//! Where addresses led lately.

/// Entries: enough for the indirect branches of a large working set.
const ENTRIES: usize = 4096;

#[derive(Clone, Copy)]
struct Entry<T> {
    pc: u64,
    generation: u64,
    to: Option<T>,
}

/// A direct-mapped cache from address and code generation to a translation's name. Dead translations
/// are recognised by their names, so nothing is ever removed.
pub struct JumpCache<T>(Box<[Entry<T>; ENTRIES]>);

impl<T: Copy> Default for JumpCache<T> {
    fn default() -> Self {
        let empty = Entry {
            pc: 0,
            generation: 0,
            to: None,
        };
        Self(Box::new([empty; ENTRIES]))
    }
}

impl<T: Copy> JumpCache<T> {
    #[inline(always)]
    fn index(pc: u64, generation: u64) -> usize {
        // Instructions are at multiples of 1 to 4 bytes; generations spread over the table.
        let mixed = (pc >> 2) ^ (pc >> 13) ^ generation.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
        mixed as usize & (ENTRIES - 1)
    }

    /// What an address led to in a code generation, if it is remembered.
    #[inline(always)]
    #[must_use]
    pub fn get(&self, pc: u64, generation: u64) -> Option<T> {
        let entry = &self.0[Self::index(pc, generation)];
        if entry.pc == pc && entry.generation == generation {
            entry.to
        } else {
            None
        }
    }

    /// Remembers what an address leads to in a code generation.
    pub fn set(&mut self, pc: u64, generation: u64, to: T) {
        self.0[Self::index(pc, generation)] = Entry {
            pc,
            generation,
            to: Some(to),
        };
    }
}
