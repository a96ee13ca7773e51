//! Address translation: the stage 1 EL1&0 regime, and the caches in front of the table walk.
//!
//! ```text
//!  access ──> vCPU block's TLB (inline) ──miss──> walk cache ──miss──> walk of the tables
//! ```
//! The first holds RAM pages only, with the rights checked when the entry was made. The walk cache
//! holds whole mappings, for devices and instruction fetches as well.

pub mod fault;
pub mod mapped;
pub mod regime;
pub mod spaces;
pub mod walk;

mod filter;
mod large;
mod physical;

#[cfg(test)]
mod tests;

use ferrite_ir::{TlbEntry, VcpuBlock, slot};
use ferrite_ram::{GuestPhys, GuestVirt, PAGE_SIZE, RamOffset};

use crate::features::Features;
use crate::platform::{Maintenance, PhysPage, Platform};
use crate::state;
use fault::{Fault, FaultKind};
use filter::PageFilter;
use large::LargePages;
use mapped::{Listing, Mapped, TooMany};
use physical::PhysicalPages;
use regime::{Controls, Regime};
use spaces::{Rights, Space, Spaces};
use walk::{Mapping, Permissions};

/// What an access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Loads.
    Read,
    /// Stores, or both.
    Write,
    /// Executes.
    Fetch,
}

/// An access, as far as permissions go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// What it does.
    pub kind: Kind,
    /// With whose rights.
    pub rights: Rights,
}

impl Access {
    /// Whether `p` allows it.
    #[must_use]
    pub fn allowed(self, p: Permissions) -> bool {
        let user = self.rights == Rights::User;
        match self.kind {
            Kind::Fetch if user => p.contains(Permissions::USER_EXECUTE),
            Kind::Fetch => p.contains(Permissions::EXECUTE),
            Kind::Read if user => p.contains(Permissions::USER_READ),
            Kind::Write if user => p.contains(Permissions::USER_WRITE),
            _ if self.rights == Rights::PrivilegedNeverUser
                && p.contains(Permissions::USER_READ) =>
            {
                false
            }
            Kind::Read => true,
            Kind::Write => p.contains(Permissions::WRITE),
        }
    }
}

/// The registers that a walk starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bases {
    table: [u64; 2],
}

impl Bases {
    fn of(block: &VcpuBlock) -> Self {
        Self {
            table: [block.get(state::TTBR0_EL1.0), block.get(state::TTBR1_EL1.0)],
        }
    }
}

#[derive(Clone, Copy)]
struct Cached {
    /// Page address with the space's number below; an unused entry has a number that no space has.
    tag: u64,
    mapping: Mapping,
}

/// Entries of the walk cache: a part of the TLB's, so that dropping a page there reaches its entry here.
const WALKS: usize = ferrite_ir::TLB_ENTRIES / 2;

/// The number of the page of `va`, the same whatever the address is tagged with.
fn page_number(va: u64) -> u64 {
    va >> 12 & 0xfff_ffff_ffff
}

/// The memory management unit of one CPU.
pub struct Mmu {
    pa_range: u64,
    features: Features,
    controls: Controls,
    regime: Regime,
    /// Controls that spaces were made under, by number.
    known_controls: Vec<Controls>,
    spaces: Spaces,
    /// The spaces of the low and the high half now.
    current: [u16; 2],
    /// What `current` was found for; `None` once numbers were taken back.
    assigned: Option<(Bases, Controls)>,
    /// Whether a page of the high half that is not global was seen.
    high_has_asids: bool,
    walks: Box<[Cached]>,
    physical: PhysicalPages,
    large: LargePages,
    /// Pages that code was fetched from since `changes` last moved.
    fetched: PageFilter,
    /// Pages of the arena that write entries were made for since the last flush.
    written: PageFilter,
    /// Counts what may have moved code without a change of context.
    changes: u64,
    /// Counts entries made for the inline look-up.
    fills: u64,
}

impl Mmu {
    /// An MMU whose ID_AA64MMFR0_EL1.PARange is `pa_range`, with translation off.
    #[must_use]
    pub fn new(pa_range: u64, features: Features) -> Self {
        let unused = Cached {
            tag: PAGE_SIZE - 1,
            mapping: Mapping {
                page: 0,
                log2_size: 12,
                level: 0,
                permissions: Permissions::empty(),
                attributes: 0,
                shareability: 0,
                not_global: false,
            },
        };
        Self {
            pa_range,
            features,
            controls: Controls::default(),
            regime: Regime::new(Controls::default(), pa_range, features),
            known_controls: vec![Controls::default()],
            spaces: Spaces::default(),
            current: [0; 2],
            assigned: None,
            high_has_asids: false,
            walks: vec![unused; WALKS].into_boxed_slice(),
            physical: PhysicalPages::default(),
            large: LargePages::default(),
            fetched: PageFilter::default(),
            written: PageFilter::default(),
            changes: 0,
            fills: 0,
        }
    }

    /// The decoded translation controls.
    #[must_use]
    pub fn regime(&self) -> &Regime {
        &self.regime
    }

    /// Moves whenever code may have moved without a change of the context slots.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Brings regime and context slots up to date with the registers, at exception level `el` with
    /// PSTATE.PAN as given. To be called after a change to any of them.
    pub fn update(&mut self, block: &mut VcpuBlock, el: u8, pan: bool) {
        let controls = Controls {
            sctlr: block.get(state::SCTLR_EL1.0),
            tcr: block.get(state::TCR_EL1.0),
            mair: block.get(state::MAIR_EL1.0),
        };
        if controls != self.controls {
            self.controls = controls;
            self.regime = Regime::new(controls, self.pa_range, self.features);
        }
        self.assign_spaces(block);
        let [low, high] = self.current;
        let (low_rights, high_rights) = match (el, pan) {
            (0, _) => (Rights::User, Rights::User),
            // User pages of the high half stay out of the TLB instead: see `fill`.
            (_, true) => (Rights::PrivilegedNeverUser, Rights::Privileged),
            (_, false) => (Rights::Privileged, Rights::Privileged),
        };
        block.set(slot::CONTEXT_LOW, spaces::context(low, low_rights));
        block.set(slot::CONTEXT_HIGH, spaces::context(high, high_rights));
        block.set(slot::CONTEXT_LOW_USER, spaces::context(low, Rights::User));
        block.set(slot::CONTEXT_HIGH_USER, spaces::context(high, Rights::User));
    }

    /// Finds the numbers of the two current spaces.
    fn assign_spaces(&mut self, block: &mut VcpuBlock) {
        let bases = Bases::of(block);
        if self.assigned == Some((bases, self.controls)) {
            return;
        }
        loop {
            let before = self.changes;
            self.current = [
                self.space(block, bases, false),
                self.space(block, bases, true),
            ];
            // A flush for want of numbers takes back the first of the two as well.
            if self.changes == before {
                break;
            }
        }
        self.assigned = Some((bases, self.controls));
    }

    fn controls_number(&mut self) -> u16 {
        let known = self.known_controls.iter().position(|&c| c == self.controls);
        known.unwrap_or_else(|| {
            self.known_controls.push(self.controls);
            self.known_controls.len() - 1
        }) as u16
    }

    fn space(&mut self, block: &mut VcpuBlock, bases: Bases, high: bool) -> u16 {
        if self.known_controls.len() > 64 {
            self.flush(block);
        }
        let [ttbr0, ttbr1] = bases.table;
        let asid = (!high || self.high_has_asids).then(|| self.regime.asid(ttbr0, ttbr1));
        let space = Space {
            controls: self.controls_number(),
            high,
            table: bases.table[usize::from(high)] << 16 >> 16,
            asid,
        };
        if let Some(number) = self.spaces.number(space) {
            return number;
        }
        self.flush(block);
        // A fresh set of numbers has one for it.
        self.spaces.number(space).unwrap_or(0)
    }

    /// Drops every translation. The context slots are stale until [`Self::update`].
    pub fn flush(&mut self, block: &mut VcpuBlock) {
        block.flush_tlb();
        self.written.clear();
        self.spaces.clear();
        self.assigned = None;
        self.known_controls.clear();
        for entry in &mut self.walks {
            entry.tag = PAGE_SIZE - 1;
        }
        self.large.clear();
        self.code_moved();
    }

    fn code_moved(&mut self) {
        self.changes += 1;
        self.fetched.clear();
    }

    /// Flushes if the physical memory map is not the one that translations were made under.
    /// Returns whether it did: [`Self::update`] is due then.
    pub fn follow_map(&mut self, block: &mut VcpuBlock, platform: &dyn Platform) -> bool {
        let changed = self.physical.follow(platform);
        if changed {
            self.flush(block);
        }
        changed
    }

    /// Carries out TLB maintenance. The context slots are stale until [`Self::update`].
    pub fn maintain(&mut self, block: &mut VcpuBlock, maintenance: Maintenance) {
        if !matches!(maintenance, Maintenance::TlbPage { .. }) {
            self.assigned = None;
        }
        match maintenance {
            Maintenance::TlbAll => self.spaces.forget_all(),
            Maintenance::TlbAsid { asid } => self.spaces.forget_asid(self.regime.narrow(asid)),
            Maintenance::TlbPage { va, asid: _ } => self.drop_page(block, va),
        }
        if maintenance == Maintenance::TlbAll {
            self.code_moved();
        }
    }

    /// Drops the translations of the page around `va` in every context, whatever the size of the
    /// page or block that they came from.
    fn drop_page(&mut self, block: &mut VcpuBlock, va: u64) {
        let granule = self.regime.halves[Regime::half_of(va)].granule.max(12);
        for log2 in self.large.sizes_around(va) {
            self.drop_range(block, va, log2);
        }
        self.drop_range(block, va, granule);
    }

    fn drop_range(&mut self, block: &mut VcpuBlock, va: u64, log2_size: u32) {
        const ADDRESS: u64 = 0x00ff_ffff_ffff_ffff;
        let mask = ADDRESS & !((1 << log2_size) - 1);
        let hit = |tag: u64| (tag ^ va) & mask == 0;
        let entries = ferrite_ir::TLB_ENTRIES;
        let pages = (1_u64 << (log2_size - 12)).min(entries as u64) as usize;
        let first = VcpuBlock::tlb_index(GuestVirt(va & mask));
        for n in 0..pages {
            let index = (first + n) & (entries - 1);
            if hit(block.tlb_read[index].tag) {
                block.tlb_read[index] = TlbEntry::EMPTY;
            }
            if hit(block.tlb_write[index].tag) {
                block.tlb_write[index] = TlbEntry::EMPTY;
            }
            let walk = &mut self.walks[index & (WALKS - 1)];
            if hit(walk.tag) {
                walk.tag = PAGE_SIZE - 1;
            }
        }
        if log2_size > 16
            || (0..pages as u64).any(|n| self.fetched.may_contain(page_number(va & mask) + n))
        {
            self.code_moved();
        }
    }

    /// Translates `va` for `access`, checking permissions.
    pub fn translate(
        &mut self,
        block: &mut VcpuBlock,
        platform: &dyn Platform,
        va: u64,
        access: Access,
    ) -> Result<Mapping, Fault> {
        if access.kind == Kind::Fetch {
            self.fetched.insert(page_number(va));
        }
        let high = Regime::half_of(va);
        let closed = self.regime.enabled && self.regime.halves[high].closed_to_el0;
        if closed && access.rights == Rights::User {
            return Err(Fault::flat(FaultKind::Translation));
        }
        let tag = va & !(PAGE_SIZE - 1) | u64::from(self.current[high]);
        let index = (va >> 12) as usize & (WALKS - 1);
        let cached = &self.walks[index];
        if cached.tag == tag && access.allowed(cached.mapping.permissions) {
            return Ok(cached.mapping);
        }
        let mapping = self.walk(block, platform, va)?;
        if mapping.not_global && high == 1 && !self.high_has_asids && self.regime.enabled {
            // From now on the high half is a space per ASID; what was cached so far is global.
            self.high_has_asids = true;
            self.refresh_high(block);
        }
        if mapping.log2_size > 12 {
            self.large.note(va, u32::from(mapping.log2_size));
        }
        let tag = va & !(PAGE_SIZE - 1) | u64::from(self.current[high]);
        self.walks[index] = Cached { tag, mapping };
        if access.allowed(mapping.permissions) {
            Ok(mapping)
        } else {
            Err(Fault {
                kind: FaultKind::Permission,
                level: mapping.level,
            })
        }
    }

    fn refresh_high(&mut self, block: &mut VcpuBlock) {
        let rights = |context: u64| context & 3;
        let [low, high, low_user, high_user] = [
            slot::CONTEXT_LOW,
            slot::CONTEXT_HIGH,
            slot::CONTEXT_LOW_USER,
            slot::CONTEXT_HIGH_USER,
        ]
        .map(|slot| rights(block.get(slot)));
        self.flush(block);
        self.assign_spaces(block);
        let number = self.current.map(|space| u64::from(space) << 2);
        block.set(slot::CONTEXT_LOW, number[0] | low);
        block.set(slot::CONTEXT_HIGH, number[1] | high);
        block.set(slot::CONTEXT_LOW_USER, number[0] | low_user);
        block.set(slot::CONTEXT_HIGH_USER, number[1] | high_user);
    }

    /// Walks the tables without looking at or filling any cache of translations.
    fn walk(
        &mut self,
        block: &VcpuBlock,
        platform: &dyn Platform,
        va: u64,
    ) -> Result<Mapping, Fault> {
        let physical = &mut self.physical;
        walk_tables(&self.regime, block, platform, va, &mut |at| {
            physical.page(platform, at)
        })
    }

    /// The same without any side effect.
    pub fn peek(
        &self,
        block: &VcpuBlock,
        platform: &dyn Platform,
        va: u64,
    ) -> Result<Mapping, Fault> {
        walk_tables(&self.regime, block, platform, va, &mut |at| {
            platform.page(at)
        })
    }

    /// Adds everything that the tables of the EL1&0 regime map, the low half first, but for tables
    /// that were followed before. Nothing if translation is off. Changes nothing of the CPU.
    ///
    /// # Errors
    /// There is more than is listed.
    pub fn list(
        &self,
        block: &VcpuBlock,
        platform: &dyn Platform,
        into: &mut Mapped,
    ) -> Result<(), TooMany> {
        if !self.regime.enabled {
            return Ok(());
        }
        for (high, ttbr) in Bases::of(block).table.into_iter().enumerate() {
            if into.is_new(ttbr, self.controls.tcr, high) {
                let mut listing = Listing {
                    regime: &self.regime,
                    read: &mut |at| read_table(platform, at, platform.page(GuestPhys(at))),
                    into,
                };
                listing.half(high, ttbr)?;
            }
        }
        Ok(())
    }

    /// What the physical page of `at` leads to.
    pub fn physical(&mut self, platform: &dyn Platform, at: GuestPhys) -> PhysPage {
        self.physical.page(platform, at)
    }

    /// Makes the inline look-up find the RAM page `ram` for accesses to `va`. `mapping` is the
    /// translation and `unprivileged` says that the access was made with EL0's rights from EL1.
    pub fn fill(
        &mut self,
        block: &mut VcpuBlock,
        va: GuestVirt,
        ram: RamOffset,
        mapping: &Mapping,
        fill: Fill,
    ) {
        // Unaligned accesses to Device memory fault; with translation off, when everything is
        // Device memory, translations check alignment throughout (see `CpuCore::context`).
        if mapping.is_device() && self.regime.enabled {
            return;
        }
        let context = block.context(va, fill.unprivileged);
        let user_high = Regime::half_of(va.0) == 1
            && context & 3 == Rights::Privileged as u64
            && mapping.permissions.contains(Permissions::USER_READ);
        if user_high && self.regime.enabled {
            return;
        }
        let index = VcpuBlock::tlb_index(va);
        let entry = TlbEntry::new(va, ram, context);
        if fill.write {
            self.written.insert(ram.0 / PAGE_SIZE);
            block.tlb_write[index] = entry;
        } else {
            block.tlb_read[index] = entry;
        }
        self.fills += 1;
    }

    /// How many accesses the inline look-up could not answer and can from now on.
    #[must_use]
    pub fn fills(&self) -> u64 {
        self.fills
    }

    /// Drops write entries that lead to the arena page `page`.
    pub fn drop_writes(&self, block: &mut VcpuBlock, page: RamOffset) {
        if !self.written.may_contain(page.0 / PAGE_SIZE) {
            return;
        }
        for entry in &mut block.tlb_write {
            if entry.page() == page {
                *entry = TlbEntry::EMPTY;
            }
        }
    }
}

/// How an entry of the inline TLB is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// For stores rather than loads.
    pub write: bool,
    /// For EL1's accesses with EL0's rights.
    pub unprivileged: bool,
}

fn walk_tables(
    regime: &Regime,
    block: &VcpuBlock,
    platform: &dyn Platform,
    va: u64,
    page: &mut dyn FnMut(GuestPhys) -> PhysPage,
) -> Result<Mapping, Fault> {
    let ttbr = Bases::of(block).table[Regime::half_of(va)];
    let mut read = |at: u64| read_table(platform, at, page(GuestPhys(at)));
    walk::walk(regime, va, ttbr, &mut read)
}

/// Reads the descriptor at the physical address `at`, whose page is `page`.
fn read_table(platform: &dyn Platform, at: u64, page: PhysPage) -> Option<u64> {
    match page {
        PhysPage::Ram { at: ram, .. } => {
            let place = ram.page().offset(at % PAGE_SIZE);
            platform.ram().load::<u64>(place)
        }
        // No device is read by a walk.
        PhysPage::Device => None,
    }
}
