//! A cache of what physical pages lead to.

use ferrite_ram::{GuestPhys, PAGE_BITS};

use crate::platform::{PhysPage, Platform};

const ENTRIES: usize = 4096;

/// Remembers [`Platform::page`]'s answers for one state of the memory map.
#[derive(Debug)]
pub struct PhysicalPages {
    generation: u64,
    entries: Box<[(u64, PhysPage)]>,
}

impl Default for PhysicalPages {
    fn default() -> Self {
        Self {
            generation: 0,
            entries: vec![(u64::MAX, PhysPage::Device); ENTRIES].into_boxed_slice(),
        }
    }
}

impl PhysicalPages {
    /// Forgets everything if the memory map has changed; returns whether it had.
    pub fn follow(&mut self, platform: &dyn Platform) -> bool {
        let generation = platform.map_generation();
        let changed = generation != self.generation;
        if changed {
            self.generation = generation;
            self.entries.fill((u64::MAX, PhysPage::Device));
        }
        changed
    }

    /// What the page of `at` leads to.
    pub fn page(&mut self, platform: &dyn Platform, at: GuestPhys) -> PhysPage {
        let number = at.0 >> PAGE_BITS;
        let entry = &mut self.entries[number as usize & (ENTRIES - 1)];
        if entry.0 != number {
            *entry = (number, platform.page(at));
        }
        entry.1
    }
}
