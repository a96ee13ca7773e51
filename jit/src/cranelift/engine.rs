//! Look-up, tiers, linking and invalidation.
//!
//! ```text
//!            ┌── linked exit, same page ──────────────┐
//!            v                                        │
//!  PC ──> translation: interpreted ──often──> queue ──┼──> a thread compiles
//!                 │        ^                          │          │
//!                 └────────┴── compiled <── installed between regions
//! ```
//! A translation is known by its [`Key`], as in [`ferrite_ir::engine`]. It starts as code of the
//! interpreter; once it has run for a while it is translated again and handed to a thread, whose
//! machine code takes the place of the other when it is there. Both end in the same ways, so the loop
//! around them is one.
//!
//! Nothing is unlinked when a translation dies: links name translations by numbers that are not used
//! again before everything is dropped, and the dead are marked. Memory of dead machine code is used
//! again when everything is dropped at once, because the buffer is full.

use std::sync::Arc;
use std::time::Instant;

use ferrite_ir::engine::key::{Key, Map};
use ferrite_ir::engine::{CodeWatcher, Figure, HostCode, JumpCache, Limits, Stats};
use ferrite_ir::env::{Extent, Fetched};
use ferrite_ir::interp::{self, BlockEnd};
use ferrite_ir::{CodeEngine, Env, Region, VcpuBlock, opt, slot, verify};
use ferrite_ram::{GuestRam, GuestVirt, RamOffset, WrittenCode};

use super::compiler::{Compiled, Compiler, Target};
use super::emit::{EmitError, LOOK_UP};
use super::frame::Frame;
use super::thunks::Thunks;
pub use super::translation::CompilerStats;
use super::translation::{End, ExitStats, NONE, Tier, Translation};
use super::worker::{Finished, Name, Worker};
use crate::buffer::{CodeBuffer, MapError};

/// Why this host cannot run generated code.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// The code generator does not know the host.
    #[error("code cannot be generated for this host: {0}")]
    Host(String),
    /// There is no memory for code.
    #[error(transparent)]
    Memory(#[from] MapError),
    /// The buffer does not even hold what every region shares.
    #[error("a code buffer of {0} bytes is too small")]
    TooSmall(usize),
    /// There is no thread to compile on.
    #[error("cannot start a thread to compile on: {0}")]
    Thread(#[from] std::io::Error),
}

/// Bytes of code kept by default.
pub const DEFAULT_BYTES: usize = 64 << 20;

/// Guest instructions that a translation runs in the interpreter before it is compiled.
const HOT: u32 = 4000;

/// When and where regions are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// On a thread of their own, those that run often.
    Background,
    /// At once, before they first run.
    Synchronous,
}

/// Runs guest code interpreted at first, then as machine code made by Cranelift. One engine serves
/// any number of vCPUs that take turns.
pub struct Engine {
    buffer: CodeBuffer,
    /// Where what every region shares ends.
    shared: usize,
    translations: Vec<Translation>,
    by_key: Map<Key, u32>,
    by_page: Map<u64, Vec<u32>>,
    vcpus: Vec<JumpCache<u32>>,
    /// Writes to code that were dealt with: see [`GuestRam::code_written_since`].
    writes: u64,
    /// Compiles at once, in the synchronous mode and for tests.
    compiler: Compiler,
    worker: Option<Worker>,
    limits: Limits,
    /// Host bytes of interpreted code, about.
    lowered_bytes: usize,
    stats: Stats,
    compiled: CompilerStats,
    exits: ExitStats,
    watcher: Option<Box<dyn CodeWatcher>>,
}

impl Engine {
    /// An engine that keeps up to `bytes` of code (a multiple of the page size).
    pub fn new(bytes: usize, mode: Mode) -> Result<Self, Unavailable> {
        let target = Target::native().map_err(Unavailable::Host)?;
        let mut buffer = CodeBuffer::new(bytes)?;
        let thunks = Thunks::make(&*target.isa, &mut buffer).ok_or(Unavailable::TooSmall(bytes))?;
        let thunks = Arc::new(thunks);
        let compiler = || Compiler::new(target.clone(), Arc::clone(&thunks));
        let worker = match mode {
            Mode::Background => Some(Worker::start(compiler())?),
            Mode::Synchronous => None,
        };
        Ok(Self {
            shared: buffer.used(),
            buffer,
            translations: Vec::new(),
            by_key: Map::default(),
            by_page: Map::default(),
            vcpus: Vec::new(),
            writes: 0,
            compiler: compiler(),
            worker,
            limits: Limits::default(),
            lowered_bytes: 0,
            stats: Stats::default(),
            compiled: CompilerStats::default(),
            exits: ExitStats::default(),
            watcher: None,
        })
    }

    /// What has been compiled so far.
    #[must_use]
    pub fn compiler_stats(&self) -> CompilerStats {
        self.compiled
    }

    /// Compiles a region and runs it once, by itself, whatever is at its address in memory: for
    /// tests of the generator. `slot::PC` is where it led afterwards.
    pub fn run_once(
        &mut self,
        region: &Region,
        env: &mut dyn Env,
        cpu: &mut VcpuBlock,
    ) -> Result<(), EmitError> {
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
                let compiled = self.compiler.compile(&region)?;
                let tier = self.install(key.pc, compiled);
                let (tier, exits) = tier.ok_or(EmitError::NoRoom)?;
                self.insert(key, tier, exits)
            }
        };
        if let End::Exit(exit) = self.enter(env, cpu, number) {
            let pc = self.exit_address(number, exit);
            cpu.set(slot::PC, pc.unwrap_or(region.entry));
        }
        Ok(())
    }

    /// Prepares a vCPU's turn.
    fn start(&mut self, ram: &GuestRam, cpu: &mut VcpuBlock, vcpu: usize) {
        if self.vcpus.len() <= vcpu {
            self.vcpus.resize_with(vcpu + 1, JumpCache::default);
        }
        cpu.follow_code(ram);
        cpu.set(slot::CODE_WRITES, self.writes);
    }

    fn is_alive(&self, number: u32) -> bool {
        let translation = self.translations.get(number as usize);
        translation.is_some_and(|t| !matches!(t.tier, Tier::Dead))
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
        if let Some(number) = self.vcpus[vcpu].get(pc, generation)
            && self.is_alive(number)
        {
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
        // The generation after the fetch, which may have filled translation caches.
        let generation = env.code_generation(cpu, high);
        self.vcpus[vcpu].set(pc, generation, number);
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
        if self.translations.len() >= self.limits.regions || self.lowered_bytes >= self.limits.bytes
        {
            self.flush();
        }
        // Before it is worth while to look further than a block, the interpreter runs it.
        let all = [
            Extent::Region,
            Extent::Block,
            Extent::Instruction,
            Extent::Refusal,
        ];
        for extent in all.into_iter().skip(usize::from(self.worker.is_some())) {
            let mut region = env.translate(cpu, GuestVirt(key.pc), fetched, extent);
            if cfg!(debug_assertions) && verify(&region).is_err() {
                self.stats.narrowed += 1;
                continue;
            }
            opt::optimise(&mut region);
            if let Some((tier, exits)) = self.first_tier(key.pc, &region, extent) {
                self.stats.regions += 1;
                self.stats.insns += u64::from(region.insns);
                return Some(self.insert(key, tier, exits));
            }
            self.stats.narrowed += 1;
        }
        None
    }

    /// What a region is run as at first, and the number of its exits.
    fn first_tier(&mut self, pc: u64, region: &Region, extent: Extent) -> Option<(Tier, usize)> {
        if self.worker.is_none() {
            let start = Instant::now();
            let result = self.compiler.compile(region);
            self.compiled.time += start.elapsed();
            match result {
                Ok(compiled) => match self.install(pc, compiled) {
                    Some(tier) => return Some(tier),
                    None => self.flush(),
                },
                Err(_) => self.compiled.refused += 1,
            }
        }
        let code = interp::lower(region).ok()?;
        self.lowered_bytes += code.bytes();
        let exits = code.exits().len();
        // What could be translated in parts only stays as it is.
        let heat = match extent {
            Extent::Region | Extent::Block => 0,
            Extent::Instruction | Extent::Refusal => u32::MAX,
        };
        Some((Tier::Interpreted { code, heat }, exits))
    }

    fn insert(&mut self, key: Key, tier: Tier, exits: usize) -> u32 {
        let number = self.translations.len() as u32;
        self.translations.push(Translation {
            key,
            tier,
            links: vec![NONE; exits].into(),
        });
        self.by_key.insert(key, number);
        self.by_page
            .entry(key.at.page().0)
            .or_default()
            .push(number);
        number
    }

    /// Puts machine code where it can run. `None` if there is no room.
    fn install(&mut self, pc: u64, compiled: Compiled) -> Option<(Tier, usize)> {
        let Compiled {
            code,
            tables,
            exits,
        } = compiled;
        self.compiled.regions += 1;
        self.compiled.bytes += code.len() as u64;
        let bytes = code;
        let code = self.buffer.append_aligned(&bytes)?;
        if let Some(watcher) = &mut self.watcher {
            watcher.made(HostCode {
                engine: "cranelift",
                pc,
                address: code,
                bytes: &bytes,
            });
        }
        let count = exits.len();
        let exits = exits.into();
        Some((
            Tier::Compiled {
                code,
                exits,
                tables,
            },
            count,
        ))
    }

    /// Lets machine code that has been finished take the place of what it was made for.
    #[cold]
    fn take_finished(&mut self) {
        while let Some(finished) = self.worker.as_ref().and_then(Worker::next) {
            let Finished { name, result, took } = finished;
            self.compiled.time += took;
            let compiled = match result {
                Ok(compiled) => compiled,
                Err(_) => {
                    self.compiled.refused += 1;
                    continue;
                }
            };
            if name.flushes != self.stats.flushes || !self.is_alive(name.number) {
                continue;
            }
            let pc = self.translations[name.number as usize].key.pc;
            let Some((tier, exits)) = self.install(pc, compiled) else {
                self.flush();
                continue;
            };
            let translation = &mut self.translations[name.number as usize];
            if let Tier::Interpreted { code, .. } = &translation.tier {
                self.lowered_bytes -= code.bytes();
            }
            translation.tier = tier;
            translation.links = vec![NONE; exits].into();
        }
    }

    /// Hands a translation that has run for a while to the thread.
    #[cold]
    fn promote(&mut self, env: &mut dyn Env, cpu: &VcpuBlock, number: u32) {
        let name = Name {
            number,
            flushes: self.stats.flushes,
        };
        let Translation { key, tier, .. } = &mut self.translations[number as usize];
        let Tier::Interpreted { heat, .. } = tier else {
            return;
        };
        *heat = u32::MAX;
        if env.code_key(cpu) != key.code_key {
            *heat = HOT / 2;
            return;
        }
        let fetched = Fetched { at: key.at };
        let mut region = env.translate(cpu, GuestVirt(key.pc), fetched, Extent::Region);
        opt::optimise(&mut region);
        let worker = self.worker.as_ref();
        if worker.is_some_and(|worker| !worker.take_on(name, region)) {
            *heat = HOT / 2;
            self.compiled.deferred += 1;
        }
    }

    fn exit_address(&self, number: u32, exit: u32) -> Option<u64> {
        match &self.translations.get(number as usize)?.tier {
            Tier::Interpreted { code, .. } => code.exits().get(exit as usize).map(|e| e.pc),
            Tier::Compiled { exits, .. } => exits.get(exit as usize).copied(),
            Tier::Dead => None,
        }
    }

    /// Lets an exit lead straight to a translation, where that is safe.
    fn link(&mut self, from: u32, exit: u32, to: u32) {
        let target = self.translations[to as usize].key;
        let Some(source) = self.translations.get_mut(from as usize) else {
            return;
        };
        if source.key.may_link(&target)
            && let Some(link) = source.links.get_mut(exit as usize)
        {
            *link = to;
        }
    }

    fn drop_written(&mut self, ram: &GuestRam) {
        let pages = match ram.code_written_since(&mut self.writes) {
            WrittenCode::Pages(pages) => pages,
            WrittenCode::Any => return self.flush(),
        };
        for page in pages {
            for number in self.by_page.remove(&page.page().0).unwrap_or_default() {
                self.stats.invalidations += 1;
                let translation = &mut self.translations[number as usize];
                if let Tier::Interpreted { code, .. } = &translation.tier {
                    self.lowered_bytes -= code.bytes();
                }
                translation.tier = Tier::Dead;
                translation.links = Box::default();
                self.by_key.remove(&translation.key);
            }
        }
    }

    /// Runs a translation.
    #[inline]
    fn enter(&mut self, env: &mut dyn Env, cpu: &mut VcpuBlock, number: u32) -> End {
        let Some(translation) = self.translations.get_mut(number as usize) else {
            return End::LookUp;
        };
        match &mut translation.tier {
            Tier::Compiled { code, .. } => match call(*code, env, cpu) {
                LOOK_UP => End::LookUp,
                exit => End::Exit(exit),
            },
            Tier::Interpreted { code, heat } => {
                let before = cpu.get(slot::BUDGET);
                let end = interp::run(code, env, cpu);
                let run = before.wrapping_sub(cpu.get(slot::BUDGET)) as u32;
                let was = *heat;
                *heat = was.saturating_add(run.min(HOT));
                if was < HOT && *heat >= HOT {
                    self.promote(env, cpu, number);
                }
                match end {
                    BlockEnd::Direct(exit) => End::Exit(exit.into()),
                    BlockEnd::Indirect(_) | BlockEnd::Lookup => End::LookUp,
                }
            }
            Tier::Dead => End::LookUp,
        }
    }
}

/// Runs the machine code at an address of a code buffer that is still mapped.
#[inline]
fn call(code: u64, env: &mut dyn Env, cpu: &mut VcpuBlock) -> u32 {
    type Enter = unsafe extern "C" fn(*mut Frame, *mut VcpuBlock, *mut u8) -> u32;
    let memory = env.ram().host_base();
    // SAFETY: the code at that address has this signature. It touches the vCPU block, the frame and
    // guest memory at offsets that the look-aside buffer gives (which safe code fills with offsets in
    // the arena); what it calls uses the references in the frame, which nobody else uses until it
    // returns.
    unsafe {
        let mut frame = Frame::new(env, cpu);
        let enter = std::mem::transmute::<*const u8, Enter>(code as *const u8);
        enter(&raw mut frame, cpu, memory)
    }
}

impl CodeEngine for Engine {
    fn name(&self) -> &'static str {
        "cranelift"
    }

    fn run(&mut self, env: &mut dyn Env, cpu: &mut VcpuBlock, vcpu: usize) {
        self.start(env.ram(), cpu, vcpu);
        let mut pending = None;
        while cpu.budget() > 0 {
            let flushes = self.stats.flushes;
            if cpu.has_stale_code(env.ram()) {
                self.drop_written(env.ram());
                cpu.set(slot::CODE_WRITES, self.writes);
            }
            if self.worker.as_ref().is_some_and(Worker::is_ready) {
                self.take_finished();
                pending = None;
            }
            let pc = cpu.get(slot::PC);
            let Some(mut number) = self.find(env, cpu, vcpu, pc) else {
                // The fetch faulted. That counts, or a fault in the fault handler would never end.
                cpu.charge(1);
                pending = None;
                continue;
            };
            if let Some((from, exit)) = pending.take()
                && flushes == self.stats.flushes
            {
                self.link(from, exit, number);
            }
            loop {
                let End::Exit(exit) = self.enter(env, cpu, number) else {
                    self.exits.looked_up += 1;
                    break;
                };
                if cpu.budget() > 0 && !cpu.has_stale_code(env.ram()) {
                    let links = &self.translations[number as usize].links;
                    let next = links.get(exit as usize).copied().unwrap_or(NONE);
                    if self.is_alive(next) {
                        self.exits.linked += 1;
                        number = next;
                        continue;
                    }
                }
                self.exits.unlinked += 1;
                if let Some(pc) = self.exit_address(number, exit) {
                    cpu.set(slot::PC, pc);
                }
                pending = Some((number, exit));
                break;
            }
        }
    }

    fn flush(&mut self) {
        self.buffer.truncate(self.shared);
        self.translations.clear();
        self.by_key.clear();
        self.by_page.clear();
        self.lowered_bytes = 0;
        self.vcpus.fill_with(JumpCache::default);
        self.stats.flushes += 1;
    }

    fn stats(&self) -> Stats {
        self.stats
    }

    fn regions(&self) -> usize {
        self.by_key.len()
    }

    fn code_bytes(&self) -> (usize, usize) {
        let used = self.buffer.used();
        (used, used + self.buffer.left())
    }

    fn figures(&self) -> Vec<Figure> {
        let is_compiled = |t: &&Translation| matches!(t.tier, Tier::Compiled { .. });
        let compiled = self.translations.iter().filter(is_compiled).count();
        let CompilerStats {
            regions,
            bytes,
            time,
            refused,
            deferred,
        } = self.compiled;
        let ExitStats {
            linked,
            unlinked,
            looked_up,
        } = self.exits;
        vec![
            Figure::new("TB compiled", compiled),
            Figure::new("TB interpreted", self.by_key.len().saturating_sub(compiled)),
            Figure::new("compilations", regions),
            Figure::new("compiled code", bytes),
            Figure::new("compile time", format_args!("{} us", time.as_micros())),
            Figure::new("not compilable", refused),
            Figure::new("queue full", deferred),
            Figure::new("exits linked", linked),
            Figure::new("exits not linked", unlinked),
            Figure::new("exits looked up", looked_up),
        ]
    }

    fn watch(&mut self, watcher: Box<dyn CodeWatcher>) {
        self.watcher = Some(watcher);
    }
}
