//! Exits that lead straight to translations, and what happens to translations whose code changes.

use ferrite_ir::CodeEngine;
use ferrite_ir::interp::Lowered;
use ferrite_ram::{GuestRam, WrittenCode};

use super::{Engine, Host, Pending, Tier};
use crate::wasm::layout::Cell;

impl<H: Host> Engine<H> {
    /// Lets an exit lead straight to a translation, where that is safe.
    pub(super) fn link(&mut self, exit: Pending, to: u32, generation: u64) {
        match exit {
            Pending::None => {}
            Pending::Interpreted { from, exit } => {
                let key = self.translations[to as usize].key;
                let source = &mut self.translations[from as usize];
                if source.key.may_link(&key)
                    && let Some(link) = source.links.get_mut(usize::from(exit))
                {
                    *link = to + 1;
                }
            }
            Pending::Compiled(exit) => self.link_cell(exit, to, generation),
        }
    }

    pub(super) fn link_cell(&mut self, exit: u32, to: u32, generation: u64) {
        let Some((place, from)) = self.exit(exit) else {
            return;
        };
        let from = self.translations[from as usize].key;
        let target = &mut self.translations[to as usize];
        let Tier::Compiled(slot) = target.tier else {
            return;
        };
        if place.pc != target.key.pc || !place.far && !from.may_link(&target.key) {
            return;
        }
        if self.cells[exit as usize].slot != slot {
            target.incoming.push(exit);
        }
        self.cells[exit as usize] = Cell {
            generation,
            slot,
            ..Cell::UNLINKED
        };
    }

    #[inline(never)]
    pub(super) fn drop_written(&mut self, ram: &GuestRam) {
        let pages = match ram.code_written_since(&mut self.writes) {
            WrittenCode::Pages(pages) => pages,
            WrittenCode::Any => return self.flush(),
        };
        for page in pages {
            for number in self.by_page.remove(&page.page().0).unwrap_or_default() {
                self.stats.invalidations += 1;
                self.kill(number);
            }
        }
    }

    pub(super) fn kill(&mut self, number: u32) {
        let translation = &mut self.translations[number as usize];
        self.bytes -= translation.lowered.bytes();
        translation.tier = Tier::Dead;
        translation.lowered = Lowered::default();
        translation.links = Box::default();
        let key = translation.key;
        self.by_key.remove(&key);
        for exit in std::mem::take(&mut translation.incoming) {
            self.cells[exit as usize] = Cell::UNLINKED;
        }
        for context in &mut self.contexts {
            context.forget(&key, number);
        }
    }
}
