//! Look-up, the interpreter as first tier, compiling in batches, linking and invalidation.
//!
//! As in [`ferrite_ir::engine`], a translation is known by its [`Key`]. At first it is one block, which
//! is interpreted. Regions of several blocks are for what is hot, and begin at heads: where control
//! comes backwards, from another page, by a computed address, or out of compiled code. A head that has
//! run for a while waits for others to be compiled with, but not for long; the other blocks of its region
//! then have to be hotter by far to become heads of their own. Control passes between compiled
//! translations as described in `emit/control.rs`: by cells that are linked once, within a page for good,
//! across pages for a code generation, and by a table of where addresses led last, before the tables of
//! [`lookup`](crate::lookup).
//!
//! A translation that dies is unlinked from the cells and the table entries that lead to it. Its
//! function stays where it is until its half of all code is dropped, because slots, cells or modules are
//! used up.
//!
//! - `find`: from addresses to translations;
//! - `half`: what is dropped when there is no room;
//! - `heat`: what runs often is compiled;
//! - `links`: exits that lead straight to translations, and how those die;
//! - `step`: running them.

mod find;
mod half;
mod heat;
mod links;
mod step;

use ferrite_ir::engine::key::{Key, Map};
use ferrite_ir::engine::{Figure, Stats};
use ferrite_ir::interp::Lowered;
use ferrite_ir::{CodeEngine, Env, Region, VcpuBlock, opt, slot};
use ferrite_ram::{GuestRam, RamOffset};

use super::emit::Tables;
use super::frame::{self, Context};
use super::layout::{Cell, Layout};
use half::{ALL_EXITS, ALL_SLOTS, Half};

/// What compiles modules: a browser, or another engine for WebAssembly.
pub trait Host: Send {
    /// Makes the table of this artefact's functions that many slots larger and returns the first of
    /// them; `None` if that is not possible.
    fn reserve(&mut self, slots: u32) -> Option<u32>;

    /// Compiles a module and instantiates it with this artefact's memory and table as
    /// `ferrite.memory` and `ferrite.table`. False if that is not possible.
    fn install(&mut self, module: &[u8]) -> bool;

    /// How many times as long as a browser it takes to compile: what is compiled has to be as much
    /// hotter.
    fn slowness(&self) -> u32 {
        1
    }
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
    /// What is compiled, and which half of it is being filled.
    halves: [Half; 2],
    filling: usize,
    /// Optimised, waiting to be compiled together.
    queue: Vec<(u32, Region)>,
    first_slot: u32,
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
        let first_slot = host.reserve(ALL_SLOTS).ok_or(NoSlots)?;
        let cells = vec![Cell::UNLINKED; ALL_EXITS].into_boxed_slice();
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
            halves: Default::default(),
            filling: 0,
            queue: Vec::new(),
            first_slot,
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
        if let Pending::Compiled(exit) = self.enter(env, cpu, 0, slot)
            && let Some((exit, _)) = self.exit(exit)
        {
            cpu.set(slot::PC, exit.pc);
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
        self.clear_halves();
        self.translations.clear();
        self.by_key.clear();
        self.by_page.clear();
        self.bytes = 0;
        self.queue.clear();
        for context in &mut self.contexts {
            context.clear();
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
        let bytes = self.halves.iter().map(|half| half.code_bytes).sum();
        (bytes, ALL_SLOTS as usize * 1024)
    }

    fn figures(&self) -> Vec<Figure> {
        let all = self.halves.iter();
        let regions = all
            .clone()
            .map(|half| half.translations.len())
            .sum::<usize>();
        let modules = all.map(|half| half.modules).sum::<u32>();
        let mut figures = vec![
            Figure::new("interpreted instructions", self.interpreted),
            Figure::new("entries of compiled code", self.entered),
            Figure::new("compiled regions", regions),
            Figure::new("modules", modules),
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
