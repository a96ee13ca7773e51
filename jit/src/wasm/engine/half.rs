//! Compiled code is kept in two halves. While one is filled the other stays; when it is full, the other
//! is dropped and filled next. So what goes is what was compiled longest ago, and what of it is hot is
//! compiled once more soon.

use super::super::emit::Exit;
use super::super::layout::Cell;
use super::heat::HOT;
use super::{Engine, Host, Tier};

/// Table slots of a half: translations that can be compiled into it.
const SLOTS: u32 = 24 << 10;
/// Exits of compiled translations.
const EXITS: usize = 80 << 10;
/// Modules.
const MODULES: u32 = 1_000;

/// Slots and cells of both.
pub(super) const ALL_SLOTS: u32 = 2 * SLOTS;
pub(super) const ALL_EXITS: usize = 2 * EXITS;

/// What is in a half.
#[derive(Default)]
pub(super) struct Half {
    /// Translations, by slot.
    pub translations: Vec<u32>,
    /// What the cells in use are of, and the translation that has the exit.
    pub exits: Vec<(Exit, u32)>,
    pub modules: u32,
    pub code_bytes: usize,
}

impl Half {
    /// Whether so many more translations and exits have room.
    fn has_room(&self, translations: usize, exits: usize) -> bool {
        self.translations.len() + translations <= SLOTS as usize
            && self.exits.len() + exits <= EXITS
            && self.modules < MODULES
    }

    /// Forgets what is in it.
    fn clear(&mut self) {
        self.translations.clear();
        self.exits.clear();
        self.modules = 0;
        self.code_bytes = 0;
    }
}

impl<H: Host> Engine<H> {
    /// Makes room for so many translations and exits in the half that is being filled; false if no
    /// half has as much.
    pub(super) fn make_room(&mut self, translations: usize, exits: usize) -> bool {
        if !self.halves[self.filling].has_room(translations, exits) {
            self.filling ^= 1;
            self.drop_half();
        }
        self.halves[self.filling].has_room(translations, exits)
    }

    /// Drops what is in the half that is to be filled: it is interpreted until it is hot once more.
    fn drop_half(&mut self) {
        self.stats.flushes += u64::from(self.halves[self.filling].modules != 0);
        for number in std::mem::take(&mut self.halves[self.filling].translations) {
            let Some(translation) = self.translations.get_mut(number as usize) else {
                continue;
            };
            if !matches!(translation.tier, Tier::Compiled(_)) {
                continue;
            }
            translation.tier = Tier::Cold(HOT.saturating_mul(self.host.slowness()));
            for exit in std::mem::take(&mut translation.incoming) {
                self.cells[exit as usize] = Cell::UNLINKED;
            }
            for context in &mut self.contexts {
                context.forget(&translation.key, number);
            }
        }
        self.clear_half(self.filling);
    }

    /// Forgets all compiled code; whoever calls sees to the translations.
    pub(super) fn clear_halves(&mut self) {
        self.clear_half(self.filling ^ 1);
        self.clear_half(self.filling);
    }

    /// Forgets what is in a half, which is filled next.
    fn clear_half(&mut self, n: usize) {
        let used = self.halves[n].exits.len();
        self.cells[n * EXITS..][..used].fill(Cell::UNLINKED);
        self.halves[n].clear();
        self.tables.clear(n);
        self.filling = n;
    }

    /// Number of the next exit.
    pub(super) fn next_exit(&self) -> u32 {
        (self.filling * EXITS + self.halves[self.filling].exits.len()) as u32
    }

    /// The next slot.
    pub(super) fn next_slot(&self) -> u32 {
        let half = &self.halves[self.filling];
        self.first_slot + self.filling as u32 * SLOTS + half.translations.len() as u32
    }

    /// An exit by its number, and the translation that has it.
    pub(super) fn exit(&self, number: u32) -> Option<(Exit, u32)> {
        let half = self.halves.get(number as usize / EXITS)?;
        half.exits.get(number as usize % EXITS).copied()
    }
}
