//! From guest addresses to code: the tables that generated code reads.
//!
//! A computed address is looked up in two steps. First its page, as it is seen now: a *view* is a small
//! number for a code generation, and the table of pages tells what a virtual page holds in a view.
//! Then its place in that page, which leads to code. What a page holds has a number of its own, the
//! same in every view, so that after a context switch each page has to be translated once, and all of
//! its code is there at once.

use ferrite_ir::engine::key::Map;
use ferrite_ir::{CodeKey, Env, VcpuBlock};
use ferrite_ram::{PAGE_SIZE, RamOffset};

/// Entries of the table of pages.
pub(crate) const PAGES: usize = 1024;

/// Entries of the table of code.
pub(crate) const JUMPS: usize = 16384;

/// What a view's number is multiplied by for its part of an index.
pub(crate) const VIEW_MIX: i32 = 0x9d;

/// The view of a code generation that has no number: nothing is found in it.
pub(crate) const NO_VIEW: u32 = 0;

/// Numbers of views: as many as fit in the bits of an address within its page, save the first and
/// the one that an empty entry carries.
const LAST_VIEW: u32 = 0xffe;

/// Code generations whose numbers are remembered.
const VIEWS: usize = 256;

/// Contents of pages that are numbered before all are forgotten.
const CONTENTS: usize = 1 << 18;

/// What a page holds in a view.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct PageEntry {
    /// The virtual page's address, and the view.
    pub tag: u64,
    /// A number for its contents, above the bits of an address within a page.
    pub contents: u64,
}

/// Where code is.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct JumpEntry {
    /// The page's contents, and the address within it.
    pub key: u64,
    /// The code: its address or table slot, or 0 while there is none.
    pub code: usize,
}

const NO_PAGE: PageEntry = PageEntry {
    tag: u64::MAX,
    contents: 0,
};

const NO_JUMP: JumpEntry = JumpEntry {
    key: u64::MAX,
    code: 0,
};

/// The numbers of code generations.
pub(crate) struct Views([(u64, u32); VIEWS]);

impl Views {
    const fn index(generation: u64) -> usize {
        (generation.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
    }

    /// The view of a code generation, if it has a number.
    pub(crate) fn of(&self, generation: u64) -> u32 {
        let (known, view) = self.0[Self::index(generation)];
        if known == generation { view } else { NO_VIEW }
    }
}

/// How the guest sees its code, for addresses with bit 55 clear and set.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Seen {
    /// The code generations.
    pub generations: [u64; 2],
    /// Their views.
    pub views: [u32; 2],
}

impl Seen {
    /// How `cpu` sees its code now.
    pub(crate) fn by(env: &dyn Env, cpu: &VcpuBlock, views: &Views) -> Self {
        let generations = env.code_generations(cpu);
        Self {
            generations,
            views: generations.map(|generation| views.of(generation)),
        }
    }
}

/// A virtual page as translations know it: its address, where it is, and the context.
type Contents = (u64, RamOffset, CodeKey);

/// The part of keys that a page's number gives: neighbours in number are far apart in the table of code,
/// and an odd factor keeps them distinct.
const fn contents(number: u32) -> u64 {
    (number.wrapping_mul(0x9e37_79b1) as u64) << PAGE_SIZE.trailing_zeros()
}

/// A place that was looked for: what is found there, if anything, goes into the tables.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Where the address is in memory.
    pub at: RamOffset,
    key: u64,
}

/// The tables of a vCPU.
pub(crate) struct JumpCache {
    views: Views,
    /// The last number given to a view.
    last_view: u32,
    pages: Box<[PageEntry; PAGES]>,
    /// Where each of `pages` is.
    places: Box<[RamOffset; PAGES]>,
    contents: Map<Contents, u32>,
    jumps: Box<[JumpEntry; JUMPS]>,
    /// Numbers of the regions that `jumps` lead to.
    regions: Box<[u32; JUMPS]>,
}

impl Default for JumpCache {
    fn default() -> Self {
        Self {
            views: Views([(u64::MAX, NO_VIEW); VIEWS]),
            last_view: NO_VIEW,
            pages: Box::new([NO_PAGE; PAGES]),
            places: Box::new([RamOffset(0); PAGES]),
            contents: Map::default(),
            jumps: Box::new([NO_JUMP; JUMPS]),
            regions: Box::new([0; JUMPS]),
        }
    }
}

impl JumpCache {
    pub(crate) fn views(&self) -> &Views {
        &self.views
    }

    pub(crate) fn pages(&self) -> *const PageEntry {
        self.pages.as_ptr()
    }

    pub(crate) fn jumps(&self) -> *const JumpEntry {
        self.jumps.as_ptr()
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.forget_views();
        self.contents.clear();
        self.jumps.fill(NO_JUMP);
    }

    fn forget_views(&mut self) {
        self.views.0.fill((u64::MAX, NO_VIEW));
        self.last_view = NO_VIEW;
        self.pages.fill(NO_PAGE);
    }

    fn view(&mut self, generation: u64) -> u32 {
        let known = self.views.of(generation);
        if known != NO_VIEW {
            return known;
        }
        if self.last_view == LAST_VIEW {
            self.forget_views();
        }
        self.last_view += 1;
        self.views.0[Views::index(generation)] = (generation, self.last_view);
        self.last_view
    }

    /// Index in the table of pages, as the stub computes it.
    const fn page_index(pc: u64, view: u32) -> usize {
        let page = (pc as u32) >> 12;
        (page ^ view.wrapping_mul(VIEW_MIX as u32)) as usize & (PAGES - 1)
    }

    /// Index in the table of code, as the stub computes it.
    const fn jump_index(key: u64) -> usize {
        let key = key as u32;
        ((key >> 2) ^ (key >> 12)) as usize & (JUMPS - 1)
    }

    /// The place of an address in a code generation, if its page has been translated.
    pub(crate) fn place(&mut self, pc: u64, generation: u64) -> Option<Place> {
        let view = self.view(generation);
        let index = Self::page_index(pc, view);
        let (entry, offset) = (self.pages[index], pc % PAGE_SIZE);
        (entry.tag == (pc - offset) | u64::from(view)).then(|| Place {
            at: RamOffset(self.places[index].0 + offset),
            key: entry.contents | offset,
        })
    }

    /// Notes where the page of an address is, which was found at `at`.
    pub(crate) fn note_page(
        &mut self,
        pc: u64,
        generation: u64,
        at: RamOffset,
        code_key: CodeKey,
    ) -> Place {
        if self.contents.len() == CONTENTS {
            self.clear();
        }
        let view = self.view(generation);
        let offset = pc % PAGE_SIZE;
        let (page, place) = (pc - offset, RamOffset(at.0 - offset));
        let next = self.contents.len() as u32 + 1;
        let number = *self.contents.entry((page, place, code_key)).or_insert(next);
        let contents = contents(number);
        let index = Self::page_index(pc, view);
        self.pages[index] = PageEntry {
            tag: page | u64::from(view),
            contents,
        };
        self.places[index] = place;
        Place {
            at,
            key: contents | offset,
        }
    }

    /// The region that a place led to when it was last noted.
    pub(crate) fn region(&self, place: Place) -> Option<u32> {
        let index = Self::jump_index(place.key);
        (self.jumps[index].key == place.key).then(|| self.regions[index])
    }

    /// Notes the region at a place and its code.
    pub(crate) fn note_region(&mut self, place: Place, region: u32, code: usize) {
        let index = Self::jump_index(place.key);
        self.jumps[index] = JumpEntry {
            key: place.key,
            code,
        };
        self.regions[index] = region;
    }

    /// Forgets a region, where it is found.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn forget_region(&mut self, pc: u64, at: RamOffset, code_key: CodeKey, region: u32) {
        let offset = pc % PAGE_SIZE;
        let page = (pc - offset, RamOffset(at.0 - offset), code_key);
        let Some(&number) = self.contents.get(&page) else {
            return;
        };
        let index = Self::jump_index(contents(number) | offset);
        if self.regions[index] == region {
            self.jumps[index] = NO_JUMP;
        }
    }
}
