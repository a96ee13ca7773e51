//! Look-up, the interpreter as first tier, compiling in batches, linking and invalidation.
//!
//! As in [`ferrite_ir::engine`], a translation is known by its [`Key`]. At first it is one block, which
//! is interpreted. Regions of several blocks are for what is hot, and begin at heads: where control
//! comes backwards, from another page, by a computed address, or out of compiled code. A head that has
//! run [`HOT`] guest instructions waits for others to be compiled with, but not for longer than until it
//! has run [`URGENT`]; the other blocks of its region then have to be hotter by far to become heads of
//! their own. Control passes between compiled translations as described in `emit/control.rs`: by cells
//! that are linked once, within a page for good, across pages for a code generation, and by a jump
//! cache.
//!
//! A translation that dies is unlinked from the cells and the jump cache entry that lead to it. Its
//! function stays where it is until everything is dropped, because slots, cells or modules are used up.

use ferrite_ir::engine::key::{Key, Map};
use ferrite_ir::engine::{Figure, Stats};
use ferrite_ir::env::{Extent, Fetched};
use ferrite_ir::interp::{self, BlockEnd, Lowered};
use ferrite_ir::{CodeEngine, Env, Region, VcpuBlock, opt, slot, verify};
use ferrite_ram::{GuestRam, GuestVirt, PAGE_SIZE, RamOffset, WrittenCode};

use super::cfg::block_address;
use super::emit::{self, Exit, Tables};
use super::frame::{self, Context};
use super::layout::{Cell, JumpEntry, Layout, jump_index};
use super::module::module;

/// Guest instructions that a translation runs in the interpreter before it is to be compiled.
const HOT: u32 = 2_000;
/// The same for a block that a compiled region has as well.
const COVERED: u32 = 16_000;
/// The same before it is compiled at once, with whatever waits.
const URGENT: u32 = 20_000;
/// Translations compiled together.
const BATCH: usize = 48;
/// Table slots: translations that can be compiled before everything is dropped.
const SLOTS: u32 = 48 << 10;
/// Exits of compiled translations.
const EXITS: usize = 160 << 10;
/// Modules kept.
const MODULES: u32 = 2_000;
/// Translations kept, compiled or not, and host bytes of their interpreted form.
const REGIONS: usize = 256 << 10;
const BYTES: usize = 128 << 20;

/// What compiles modules: a browser, or another engine for WebAssembly.
pub trait Host: Send {
    /// Makes the table of this artefact's functions that many slots larger and returns the first of
    /// them; `None` if that is not possible.
    fn reserve(&mut self, slots: u32) -> Option<u32>;

    /// Compiles a module and instantiates it with this artefact's memory and table as
    /// `ferrite.memory` and `ferrite.table`. False if that is not possible.
    fn install(&mut self, module: &[u8]) -> bool;
}

/// The host gives no slots for functions.
#[derive(Debug, thiserror::Error)]
#[error("the table of functions cannot grow")]
pub struct NoSlots;

/// How far a translation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tier {
    /// Interpreted, with the instructions that it may still run so.
    Cold(u32),
    /// Waiting to be compiled, in the same way.
    Waiting(u32),
    /// Interpreted for good: there is no code for it.
    Interpreted,
    /// In this table slot.
    Compiled(u32),
    /// Its code was overwritten.
    Dead,
}

struct Translation {
    key: Key,
    tier: Tier,
    /// The whole extent was translated, so it may be once more.
    whole: bool,
    lowered: Lowered,
    /// Guest instructions of the interpreted form.
    insns: u32,
    /// Where the interpreted form's exits lead, plus 1.
    links: Box<[u32]>,
    /// Exits of compiled translations that are linked to it.
    incoming: Vec<u32>,
}

/// An exit on its way to where it leads.
#[derive(Clone, Copy)]
enum Pending {
    None,
    /// Of the interpreted form of a translation.
    Interpreted {
        from: u32,
        exit: u16,
    },
    /// Of a compiled one.
    Compiled(u32),
}

/// Runs guest code as WebAssembly, interpreting what is not hot. One engine serves any number of vCPUs
/// that take turns on one thread.
pub struct Engine<H> {
    host: H,
    layout: Layout,
    tables: Tables,
    translations: Vec<Translation>,
    by_key: Map<Key, u32>,
    by_page: Map<u64, Vec<u32>>,
    bytes: usize,
    cells: Box<[Cell]>,
    /// What the cells in use are of, and the translation that has the exit.
    exits: Vec<(Exit, u32)>,
    /// Optimised, waiting to be compiled together.
    queue: Vec<(u32, Region)>,
    first_slot: u32,
    slots: u32,
    modules: u32,
    code_bytes: usize,
    /// Guest instructions that were interpreted.
    interpreted: u64,
    /// Times that compiled code was entered from here.
    entered: u64,
    /// The context of each vCPU.
    contexts: Vec<Box<Context>>,
    /// Writes to code that were dealt with: see [`GuestRam::code_written_since`].
    writes: u64,
    stats: Stats,
}

impl<H: Host> Engine<H> {
    /// An engine with nothing translated.
    pub fn new(mut host: H) -> Result<Self, NoSlots> {
        let first_slot = host.reserve(SLOTS).ok_or(NoSlots)?;
        let cells = vec![Cell::UNLINKED; EXITS].into_boxed_slice();
        Ok(Self {
            host,
            layout: Layout {
                callees: frame::callees(),
                ram: 0,
                cells: cells.as_ptr() as u32,
            },
            tables: Tables::default(),
            translations: Vec::new(),
            by_key: Map::default(),
            by_page: Map::default(),
            bytes: 0,
            cells,
            exits: Vec::new(),
            queue: Vec::new(),
            first_slot,
            slots: 0,
            modules: 0,
            code_bytes: 0,
            interpreted: 0,
            entered: 0,
            contexts: Vec::new(),
            writes: 0,
            stats: Stats::default(),
        })
    }

    /// Compiles a region and runs it once, by itself, whatever is at its address in memory: for
    /// tests of the generator. `slot::PC` is where it led afterwards. False if there is no code.
    pub fn run_once(&mut self, region: &Region, env: &mut dyn Env, cpu: &mut VcpuBlock) -> bool {
        self.start(env.ram(), cpu, 0);
        let key = Key {
            at: RamOffset(region.entry),
            pc: region.entry,
            code_key: env.code_key(cpu),
        };
        let number = match self.by_key.get(&key) {
            Some(&number) => number,
            None => {
                let mut region = region.clone();
                opt::optimise(&mut region);
                let number = self.insert(key, Lowered::default(), 0, false);
                self.queue.push((number, region));
                self.compile();
                number
            }
        };
        let Tier::Compiled(slot) = self.translations[number as usize].tier else {
            return false;
        };
        if let Pending::Compiled(exit) = self.enter(env, cpu, 0, slot) {
            cpu.set(slot::PC, self.exits[exit as usize].0.pc);
        }
        true
    }

    /// Prepares a vCPU's turn, and makes sure that what was generated is for this guest.
    fn start(&mut self, ram: &GuestRam, cpu: &mut VcpuBlock, vcpu: usize) {
        let base = ram.host_base() as u32;
        if base != self.layout.ram {
            self.flush();
            self.layout.ram = base;
        }
        if self.contexts.len() <= vcpu {
            self.contexts.resize_with(vcpu + 1, Context::new);
        }
        cpu.follow_code(ram);
        cpu.set(slot::CODE_WRITES, self.writes);
    }

    /// The translation for `pc`; `None` if fetching it faulted.
    fn find(
        &mut self,
        env: &mut dyn Env,
        cpu: &mut VcpuBlock,
        vcpu: usize,
        pc: u64,
    ) -> Option<u32> {
        self.stats.lookups += 1;
        let high = pc >> 55 & 1 != 0;
        let generation = env.code_generation(cpu, high);
        let entry = self.contexts[vcpu].jumps()[jump_index(pc)];
        if entry.pc == pc && entry.generation == generation {
            let number = entry.region;
            if entry.slot == 0
                && let Tier::Compiled(slot) = self.translations[number as usize].tier
            {
                self.contexts[vcpu].jumps()[jump_index(pc)].slot = slot;
            }
            return Some(number);
        }
        self.stats.misses += 1;
        let fetched = env.fetch(cpu, GuestVirt(pc)).ok()?;
        let key = Key {
            at: fetched.at,
            pc,
            code_key: env.code_key(cpu),
        };
        let number = match self.by_key.get(&key) {
            Some(&number) => number,
            None => self.translate(env, cpu, key, fetched)?,
        };
        let slot = match self.translations[number as usize].tier {
            Tier::Compiled(slot) => slot,
            _ => 0,
        };
        // The generation after the fetch, which may have filled translation caches.
        let generation = env.code_generation(cpu, high);
        self.contexts[vcpu].jumps()[jump_index(pc)] = JumpEntry {
            pc,
            generation,
            slot,
            region: number,
            ..JumpEntry::EMPTY
        };
        Some(number)
    }

    fn translate(
        &mut self,
        env: &mut dyn Env,
        cpu: &mut VcpuBlock,
        key: Key,
        fetched: Fetched,
    ) -> Option<u32> {
        // First, so that no write falls between.
        if env.ram().mark_code(key.at) {
            cpu.note_own_code();
            env.protect_code(cpu, key.at.page());
        }
        if self.translations.len() >= REGIONS || self.bytes >= BYTES {
            self.flush();
        }
        for extent in [Extent::Block, Extent::Instruction, Extent::Refusal] {
            let mut region = env.translate(cpu, GuestVirt(key.pc), fetched, extent);
            let insns = region.insns;
            if !cfg!(debug_assertions) || verify(&region).is_ok() {
                opt::optimise(&mut region);
                if let Ok(lowered) = interp::lower(&region) {
                    self.stats.regions += 1;
                    self.stats.insns += u64::from(insns);
                    return Some(self.insert(key, lowered, insns, extent == Extent::Block));
                }
            }
            self.stats.narrowed += 1;
        }
        None
    }

    fn insert(&mut self, key: Key, lowered: Lowered, insns: u32, whole: bool) -> u32 {
        let number = self.translations.len() as u32;
        self.bytes += lowered.bytes();
        self.translations.push(Translation {
            key,
            tier: if whole {
                Tier::Cold(HOT)
            } else {
                Tier::Interpreted
            },
            whole,
            links: vec![0; lowered.exits().len()].into_boxed_slice(),
            lowered,
            insns,
            incoming: Vec::new(),
        });
        self.by_key.insert(key, number);
        let page = self.by_page.entry(key.at.page().0).or_default();
        page.push(number);
        number
    }

    /// Has a translation that has run long enough wait to be compiled, or compiles it now.
    fn warm(&mut self, env: &mut dyn Env, cpu: &VcpuBlock, number: u32) {
        let translation = &mut self.translations[number as usize];
        match translation.tier {
            Tier::Cold(_) if translation.whole => {
                translation.tier = Tier::Waiting(URGENT);
                let key = translation.key;
                let fetched = Fetched { at: key.at };
                let mut region = env.translate(cpu, GuestVirt(key.pc), fetched, Extent::Region);
                self.cover(&key, &region);
                opt::optimise(&mut region);
                self.queue.push((number, region));
                if self.queue.len() >= BATCH {
                    self.compile();
                }
            }
            Tier::Waiting(_) => self.compile(),
            _ => translation.tier = Tier::Interpreted,
        }
    }

    /// Notes that a region has other blocks than its first.
    fn cover(&mut self, key: &Key, region: &Region) {
        for pc in region.blocks.iter().skip(1).filter_map(block_address) {
            let at = RamOffset(key.at.0.wrapping_add(pc.wrapping_sub(key.pc)));
            if let Some(&number) = self.by_key.get(&Key { at, pc, ..*key })
                && let Tier::Cold(rest) = &mut self.translations[number as usize].tier
            {
                *rest = COVERED;
            }
        }
    }

    /// Compiles what waits.
    fn compile(&mut self) {
        let queue = std::mem::take(&mut self.queue);
        let exits: usize = queue
            .iter()
            .map(|(_, region)| 2 * region.blocks.len())
            .sum();
        if self.slots + queue.len() as u32 > SLOTS
            || self.exits.len() + exits > EXITS
            || self.modules >= MODULES
        {
            // What waited goes as well, and gets hot again if it is.
            return self.flush();
        }
        let first = self.first_slot + self.slots;
        let (mut outputs, mut numbers) = (Vec::new(), Vec::new());
        for (number, region) in queue {
            if self.translations[number as usize].tier == Tier::Dead {
                continue;
            }
            let first_exit = self.exits.len() as u32;
            match emit::region(&region, &self.layout, &mut self.tables, first_exit) {
                Ok(output) => {
                    self.exits
                        .extend(output.exits.iter().map(|&exit| (exit, number)));
                    outputs.push(output);
                    numbers.push(number);
                }
                Err(_) => self.translations[number as usize].tier = Tier::Interpreted,
            }
        }
        if outputs.is_empty() {
            return;
        }
        let bytes = module(&self.layout, first, &outputs);
        let installed = self.host.install(&bytes);
        if installed {
            self.slots += outputs.len() as u32;
            self.modules += 1;
            self.code_bytes += bytes.len();
        }
        for (slot, number) in (first..).zip(numbers) {
            self.translations[number as usize].tier = if installed {
                Tier::Compiled(slot)
            } else {
                Tier::Interpreted
            };
        }
    }

    /// Lets an exit lead straight to a translation, where that is safe.
    fn link(&mut self, exit: Pending, to: u32, generation: u64) {
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

    fn link_cell(&mut self, exit: u32, to: u32, generation: u64) {
        let (place, from) = self.exits[exit as usize];
        let from = self.translations[from as usize].key;
        let target = &mut self.translations[to as usize];
        let Tier::Compiled(slot) = target.tier else {
            return;
        };
        if place.pc != target.key.pc || !place.far && !from.may_link(&target.key) {
            return;
        }
        target.incoming.push(exit);
        self.cells[exit as usize] = Cell {
            generation,
            slot,
            ..Cell::UNLINKED
        };
    }

    fn drop_written(&mut self, ram: &GuestRam) {
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

    fn kill(&mut self, number: u32) {
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
            let entry = &mut context.jumps()[jump_index(key.pc)];
            if entry.region == number {
                *entry = JumpEntry::EMPTY;
            }
        }
    }

    fn enter(&mut self, env: &mut dyn Env, cpu: &mut VcpuBlock, vcpu: usize, slot: u32) -> Pending {
        self.entered += 1;
        match self.contexts[vcpu]
            .enter(slot, env, cpu, &mut self.tables)
            .checked_sub(1)
        {
            Some(exit) if (exit as usize) < self.exits.len() => Pending::Compiled(exit),
            _ => Pending::None,
        }
    }

    /// Runs a translation and what it leads to; it is come to as a head, or not.
    fn step(
        &mut self,
        env: &mut dyn Env,
        cpu: &mut VcpuBlock,
        vcpu: usize,
        mut number: u32,
        mut head: bool,
    ) -> Pending {
        loop {
            let translation = &mut self.translations[number as usize];
            let pc = translation.key.pc;
            match &mut translation.tier {
                Tier::Compiled(slot) => {
                    let slot = *slot;
                    let exit = self.enter(env, cpu, vcpu, slot);
                    if let Pending::Compiled(exit) = exit {
                        cpu.set(slot::PC, self.exits[exit as usize].0.pc);
                    }
                    return exit;
                }
                Tier::Cold(0) | Tier::Waiting(0) => {
                    let flushes = self.stats.flushes;
                    self.warm(env, cpu, number);
                    if flushes != self.stats.flushes {
                        cpu.set(slot::PC, pc);
                        return Pending::None;
                    }
                    continue;
                }
                Tier::Dead => {
                    cpu.set(slot::PC, pc);
                    return Pending::None;
                }
                Tier::Cold(_) | Tier::Waiting(_) | Tier::Interpreted => {}
            }
            let before = done(cpu);
            let end = interp::run(&translation.lowered, env, cpu);
            let ran = (before - done(cpu)).clamp(0, u32::MAX.into()) as u32;
            self.interpreted += u64::from(ran);
            if let Tier::Cold(rest) | Tier::Waiting(rest) = &mut translation.tier
                && (head || ran > translation.insns)
            {
                *rest = rest.saturating_sub(ran.max(1));
            }
            let BlockEnd::Direct(exit) = end else {
                return Pending::None;
            };
            let link = translation
                .links
                .get(usize::from(exit))
                .copied()
                .unwrap_or(0);
            if let Some(next) = link.checked_sub(1)
                && cpu.budget() > 0
                && !cpu.has_stale_code(env.ram())
                && self.translations[next as usize].tier != Tier::Dead
            {
                head = self.translations[next as usize].key.pc <= pc;
                number = next;
                continue;
            }
            let translation = &self.translations[number as usize];
            if let Some(exit) = translation.lowered.exits().get(usize::from(exit)) {
                cpu.set(slot::PC, exit.pc);
            }
            return Pending::Interpreted { from: number, exit };
        }
    }

    /// Whether what an exit leads to is the head of what may get hot.
    fn is_head(&self, exit: Pending, pc: u64) -> bool {
        let Pending::Interpreted { from, .. } = exit else {
            return true;
        };
        let from = self.translations.get(from as usize).map(|from| from.key.pc);
        from.is_none_or(|from| pc <= from || pc / PAGE_SIZE != from / PAGE_SIZE)
    }
}

/// A count that goes down by one for each guest instruction.
fn done(cpu: &VcpuBlock) -> i64 {
    cpu.budget().wrapping_add(cpu.get(slot::DEFERRED) as i64)
}

impl<H: Host> CodeEngine for Engine<H> {
    fn name(&self) -> &'static str {
        "wasm"
    }

    fn run(&mut self, env: &mut dyn Env, cpu: &mut VcpuBlock, vcpu: usize) {
        self.start(env.ram(), cpu, vcpu);
        let mut pending = Pending::None;
        while cpu.budget() > 0 {
            let flushes = self.stats.flushes;
            if cpu.has_stale_code(env.ram()) {
                self.drop_written(env.ram());
                cpu.set(slot::CODE_WRITES, self.writes);
            }
            let pc = cpu.get(slot::PC);
            let Some(number) = self.find(env, cpu, vcpu, pc) else {
                // The fetch faulted. That counts, or a fault in the fault handler would never end.
                cpu.charge(1);
                pending = Pending::None;
                continue;
            };
            if flushes == self.stats.flushes && !matches!(pending, Pending::None) {
                let generation = env.code_generation(cpu, pc >> 55 & 1 != 0);
                self.link(pending, number, generation);
            }
            let head = self.is_head(pending, pc);
            pending = self.step(env, cpu, vcpu, number, head);
        }
    }

    fn flush(&mut self) {
        self.tables.clear();
        self.translations.clear();
        self.by_key.clear();
        self.by_page.clear();
        self.bytes = 0;
        self.cells[..self.exits.len()].fill(Cell::UNLINKED);
        self.exits.clear();
        self.queue.clear();
        self.slots = 0;
        self.modules = 0;
        self.code_bytes = 0;
        for context in &mut self.contexts {
            context.jumps().fill(JumpEntry::EMPTY);
        }
        self.stats.flushes += 1;
    }

    fn stats(&self) -> Stats {
        self.stats
    }

    fn regions(&self) -> usize {
        self.by_key.len()
    }

    fn code_bytes(&self) -> (usize, usize) {
        // What a module of average functions takes.
        (self.code_bytes, SLOTS as usize * 1024)
    }

    fn figures(&self) -> Vec<Figure> {
        let mut figures = vec![
            Figure::new("interpreted instructions", self.interpreted),
            Figure::new("entries of compiled code", self.entered),
            Figure::new("compiled regions", self.slots),
            Figure::new("modules", self.modules),
        ];
        let looks = self
            .contexts
            .iter()
            .map(|context| context.looks())
            .sum::<u64>();
        figures.push(Figure::new("calls of slow paths", looks));
        figures
    }
}
