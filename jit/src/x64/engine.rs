//! Look-up, translation, linking and invalidation of machine code.
//!
//! As in [`ferrite_ir::engine`], a translation is known by its [`Key`]. Control passes from one to the
//! next in three ways, none of which returns to this loop:
//! - an exit to the same page is a jump, patched once and for all;
//! - an exit to another page is a jump behind a comparison with the code generation that it was
//!   linked under;
//! - a computed address is looked up in the jump cache by a stub.
//!
//! A translation that dies gets a jump at its entry that leaves to this loop, so that no jump cache
//! needs to be searched for it, and its incoming exits are unlinked. Its memory is used again when
//! everything is dropped at once, because the buffer is full.

use std::ptr::NonNull;
use std::time::{Duration, Instant};

use ferrite_ir::engine::key::{Key, Map};
use ferrite_ir::engine::{CodeWatcher, Figure, HostCode, Stats};
use ferrite_ir::env::{Extent, Fetched};
use ferrite_ir::interp::{AtomicEntry, WideEntry};
use ferrite_ir::{CodeEngine, Env, Region, VcpuBlock, opt, slot, verify};
use ferrite_ram::{GuestRam, GuestVirt, WrittenCode};

use super::emit::{self, Bases, EmitError, Exit, Host, Output, Scratch};
use super::frame::{Context, Site};
use super::stubs::{self, Stubs};
use crate::buffer::{CodeBuffer, MapError};
use crate::lookup::{JumpCache, Place, Seen};

/// Why this host cannot run generated code.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// The processor lacks instructions that the emitter uses.
    #[error("the host's processor has no {0}; the interpreter runs everywhere")]
    Processor(&'static str),
    /// There is no memory for code.
    #[error(transparent)]
    Memory(#[from] MapError),
    /// The buffer does not even hold the stubs.
    #[error("a code buffer of {0} bytes is too small")]
    TooSmall(usize),
}

/// Bytes of code kept by default.
pub const DEFAULT_BYTES: usize = 64 << 20;

/// Room that the largest region may need.
const REGION_BYTES: usize = 256 << 10;

/// A translation.
struct Translation {
    key: Key,
    /// Offset of its code.
    entry: u32,
    /// Offset of what leaves it at its entry.
    bail: u32,
    /// Numbers of the exits that are linked to it.
    incoming: Vec<u32>,
    /// How often a slice of guest time began with it.
    samples: u8,
    /// Whether it may still be run.
    alive: bool,
}

/// An exit of a translation.
struct Link {
    exit: Exit,
    /// The translation that it leaves.
    from: u32,
    /// The one that it leads to, if it does.
    to: Option<u32>,
    /// How often it was to be linked.
    tries: u32,
}

/// Samples that make a block the entry of a region of several: slices are tens of thousands of
/// instructions long, so this code has run for some hundred microseconds, and what takes no time to
/// speak of is never compiled twice.
const HOT: u8 = 4;

/// Runs guest code as x86-64 code, compiling as it goes. One engine serves any number of vCPUs that
/// take turns.
pub struct Engine {
    buffer: CodeBuffer,
    stubs: Stubs,
    /// Where the stubs end.
    start: usize,
    translations: Vec<Translation>,
    by_key: Map<Key, u32>,
    by_page: Map<u64, Vec<u32>>,
    links: Vec<Link>,
    sites: Vec<Site>,
    wides: Vec<WideEntry>,
    atomics: Vec<AtomicEntry>,
    vcpus: Vec<JumpCache>,
    /// Writes to code that were dealt with: see [`GuestRam::code_written_since`].
    writes: u64,
    scratch: Scratch,
    host: Host,
    stats: Stats,
    /// Time that compilation took.
    compile_time: Duration,
    watcher: Option<Box<dyn CodeWatcher>>,
}

impl Engine {
    /// An engine that keeps up to `bytes` of code (a multiple of the page size).
    pub fn new(bytes: usize) -> Result<Self, Unavailable> {
        check_processor()?;
        let mut buffer = CodeBuffer::new(bytes)?;
        let stubs = stubs::make(&mut buffer).ok_or(Unavailable::TooSmall(bytes))?;
        let start = buffer.used();
        if buffer.left() < 2 * REGION_BYTES {
            return Err(Unavailable::TooSmall(bytes));
        }
        Ok(Self {
            buffer,
            stubs,
            start,
            translations: Vec::new(),
            by_key: Map::default(),
            by_page: Map::default(),
            links: Vec::new(),
            sites: Vec::new(),
            wides: Vec::new(),
            atomics: Vec::new(),
            vcpus: Vec::new(),
            writes: 0,
            scratch: Scratch::default(),
            host: Host::detect(),
            stats: Stats::default(),
            compile_time: Duration::ZERO,
            watcher: None,
        })
    }

    /// Compiles a region and runs it once, by itself, whatever is at its address in memory: for
    /// tests of the generator. `slot::PC` is where it led afterwards.
    pub fn run_once(&mut self, region: &Region, env: &mut dyn Env, cpu: &mut VcpuBlock) {
        self.start(env.ram(), cpu, 0);
        let key = Key {
            at: ferrite_ram::RamOffset(region.entry),
            pc: region.entry,
            code_key: env.code_key(cpu),
        };
        let number = match self.by_key.get(&key) {
            Some(&number) => number,
            None => match self.insert(key, region.clone()) {
                Ok(number) => number,
                Err(Refused) => return,
            },
        };
        let exit = self.enter(env, cpu, 0, number) as usize;
        if let Some(link) = self.links.get(exit.wrapping_sub(1)) {
            cpu.set(slot::PC, link.exit.pc);
        }
    }

    /// Prepares a vCPU's turn.
    fn start(&mut self, ram: &GuestRam, cpu: &mut VcpuBlock, vcpu: usize) {
        if self.vcpus.len() <= vcpu {
            self.vcpus.resize_with(vcpu + 1, JumpCache::default);
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
        let place = self.place(env, cpu, vcpu, pc)?;
        let key = Key {
            at: place.at,
            pc,
            code_key: env.code_key(cpu),
        };
        if let Some(known) = self.vcpus[vcpu].region(place)
            && self.is_alive(known)
        {
            return Some(known);
        }
        self.stats.misses += 1;
        let flushes = self.stats.flushes;
        let number = match self.by_key.get(&key) {
            Some(&number) => number,
            None => self.translate(env, cpu, key)?,
        };
        if flushes == self.stats.flushes {
            self.note(vcpu, place, number);
        }
        Some(number)
    }

    /// Where the instruction at `pc` is; `None` if fetching it faulted.
    fn place(
        &mut self,
        env: &mut dyn Env,
        cpu: &mut VcpuBlock,
        vcpu: usize,
        pc: u64,
    ) -> Option<Place> {
        let high = pc >> 55 & 1 != 0;
        let cache = &mut self.vcpus[vcpu];
        if pc.is_multiple_of(4)
            && let Some(place) = cache.place(pc, env.code_generation(cpu, high))
        {
            return Some(place);
        }
        let at = env.fetch(cpu, GuestVirt(pc)).ok()?.at;
        // The generation after the fetch, which may have filled translation caches.
        let generation = env.code_generation(cpu, high);
        Some(cache.note_page(pc, generation, at, env.code_key(cpu)))
    }

    /// Lets a place lead to a translation.
    fn note(&mut self, vcpu: usize, place: Place, number: u32) {
        let entry = self.translations[number as usize].entry;
        let code = self.buffer.address(entry);
        self.vcpus[vcpu].note_region(place, number, code as usize);
    }

    fn is_alive(&self, number: u32) -> bool {
        let translation = self.translations.get(number as usize);
        translation.is_some_and(|translation| translation.alive)
    }

    fn translate(&mut self, env: &mut dyn Env, cpu: &mut VcpuBlock, key: Key) -> Option<u32> {
        // First, so that no write falls between.
        if env.ram().mark_code(key.at) {
            cpu.note_own_code();
            env.protect_code(cpu, key.at.page());
        }
        if self.buffer.left() < REGION_BYTES {
            self.flush();
        }
        for extent in [Extent::Block, Extent::Instruction, Extent::Refusal] {
            let region = env.translate(cpu, GuestVirt(key.pc), Fetched { at: key.at }, extent);
            let insns = region.insns;
            if let Ok(number) = self.insert(key, region) {
                self.stats.regions += 1;
                self.stats.insns += u64::from(insns);
                return Some(number);
            }
            self.stats.narrowed += 1;
        }
        None
    }

    /// Notes that a slice of guest time begins with a translation; where that happens often, lets a
    /// region of several blocks take its place. Returns what to run.
    fn sample(&mut self, env: &mut dyn Env, cpu: &VcpuBlock, vcpu: usize, number: u32) -> u32 {
        let translation = &mut self.translations[number as usize];
        if translation.samples >= HOT {
            return number;
        }
        translation.samples += 1;
        if translation.samples < HOT || self.buffer.left() < REGION_BYTES {
            return number;
        }
        let (key, pc) = (translation.key, GuestVirt(translation.key.pc));
        let region = env.translate(cpu, pc, Fetched { at: key.at }, Extent::Region);
        if region.blocks.len() == 1 {
            return number;
        }
        let insns = region.insns;
        self.kill(number);
        let Ok(new) = self.insert(key, region) else {
            // The old code still runs, unless it is looked for by its key.
            return number;
        };
        self.stats.regions += 1;
        self.stats.insns += u64::from(insns);
        self.translations[new as usize].samples = HOT;
        let generation = env.code_generation(cpu, key.pc >> 55 & 1 != 0);
        if let Some(place) = self.vcpus[vcpu].place(key.pc, generation) {
            self.note(vcpu, place, new);
        }
        new
    }

    /// Compiles a region.
    fn insert(&mut self, key: Key, mut region: Region) -> Result<u32, Refused> {
        if cfg!(debug_assertions) {
            verify(&region).map_err(|_| Refused)?;
        }
        let start = Instant::now();
        opt::optimise(&mut region);
        let bases = Bases {
            code: self.buffer.used() as u32,
            sites: self.sites.len() as u32,
            wides: self.wides.len() as u32,
            atomics: self.atomics.len() as u32,
            exits: self.links.len() as u32,
        };
        let output = emit::region(&region, &self.stubs, bases, self.host, &mut self.scratch)?;
        let kept = self.keep(key, bases, output);
        self.compile_time += start.elapsed();
        kept
    }

    fn keep(&mut self, key: Key, bases: Bases, output: Output) -> Result<u32, Refused> {
        let fits = self.buffer.append(&output.code);
        if fits && let Some(watcher) = &mut self.watcher {
            watcher.made(HostCode {
                engine: "x64",
                pc: key.pc,
                address: self.buffer.address(bases.code) as u64,
                bytes: &output.code,
            });
        }
        self.scratch.give_back(output.code);
        if !fits {
            return Err(Refused);
        }
        let number = self.translations.len() as u32;
        self.sites.extend(output.sites);
        self.wides.extend(output.wides);
        self.atomics.extend(output.atomics);
        let exits = output.exits.into_iter();
        self.links.extend(exits.map(|exit| Link {
            exit: exit.moved(bases.code),
            from: number,
            to: None,
            tries: 0,
        }));
        self.translations.push(Translation {
            key,
            entry: bases.code,
            bail: bases.code + output.bail,
            incoming: Vec::new(),
            samples: 0,
            alive: true,
        });
        self.by_key.insert(key, number);
        self.by_page
            .entry(key.at.page().0)
            .or_default()
            .push(number);
        Ok(number)
    }

    /// Lets an exit lead straight to a translation, where that is safe.
    fn link(&mut self, exit: u32, to: u32, generation: u64) {
        let Some(link) = self.links.get_mut(exit as usize) else {
            return;
        };
        let (place, target) = (link.exit, &self.translations[to as usize]);
        if place.pc != target.key.pc {
            return;
        }
        match place.guard {
            None => {
                if !self.translations[link.from as usize]
                    .key
                    .may_link(&target.key)
                {
                    return;
                }
            }
            Some(guard) => {
                // Patching code that runs is slow: where generations keep changing, the jump cache
                // is the better way.
                link.tries = link.tries.saturating_add(1);
                if !link.tries.is_power_of_two() {
                    return;
                }
                self.buffer
                    .patch(guard.generation, &generation.to_le_bytes());
                self.buffer.patch(guard.miss, &guard.look_up.to_le_bytes());
            }
        }
        if link.to != Some(to) {
            link.to = Some(to);
            let distance = target.entry as i32 - (place.jump as i32 + 4);
            self.buffer.patch(place.jump, &distance.to_le_bytes());
            self.translations[to as usize].incoming.push(exit);
        }
    }

    fn unlink(&mut self, exit: u32) {
        let Some(link) = self.links.get_mut(exit as usize) else {
            return;
        };
        let place = link.exit;
        link.to = None;
        if let Some(guard) = place.guard {
            let unlinked = place.unlinked + place.jump as i32 - guard.miss as i32;
            self.buffer.patch(guard.miss, &unlinked.to_le_bytes());
            self.buffer.patch(guard.generation, &[0xff; 8]);
        }
        self.buffer.patch(place.jump, &place.unlinked.to_le_bytes());
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
        let incoming = std::mem::take(&mut translation.incoming);
        translation.alive = false;
        let (key, entry, bail) = (translation.key, translation.entry, translation.bail);
        self.by_key.remove(&key);
        for exit in incoming {
            self.unlink(exit);
        }
        let [a, b, c, d] = (bail as i32 - (entry as i32 + 5)).to_le_bytes();
        self.buffer.patch(entry, &[0xe9, a, b, c, d]);
    }

    /// Runs a translation and what it leads to; returns the exit that led nowhere yet, plus 1, or 0.
    fn enter(&mut self, env: &mut dyn Env, cpu: &mut VcpuBlock, vcpu: usize, number: u32) -> u32 {
        type Enter =
            unsafe extern "sysv64" fn(*mut Context, *const u8, *mut VcpuBlock, *mut u8) -> u32;
        let code = self
            .buffer
            .address(self.translations[number as usize].entry);
        let memory = env.ram().host_base();
        let code_writes = env.ram().code_writes_counter();
        let mut context = Context {
            seen: Seen::by(env, cpu, self.vcpus[vcpu].views()),
            // SAFETY: only the lifetime of what the environment borrows is changed, and the context
            // does not outlive this call.
            env: unsafe {
                std::mem::transmute::<NonNull<dyn Env + '_>, NonNull<dyn Env + 'static>>(
                    NonNull::from(env),
                )
            },
            cpu: NonNull::from(&mut *cpu),
            sites: NonNull::from(self.sites.as_mut_slice()),
            wides: NonNull::from(self.wides.as_mut_slice()),
            atomics: NonNull::from(self.atomics.as_mut_slice()),
            pages: self.vcpus[vcpu].pages(),
            jumps: self.vcpus[vcpu].jumps(),
            views: NonNull::from(self.vcpus[vcpu].views()),
            code_writes,
        };
        let block = context.cpu.as_ptr();
        // SAFETY: the stub at that offset has this signature. Generated code touches the vCPU block,
        // guest memory at offsets that the look-aside buffer gives (which safe code fills with offsets
        // in the arena), the jump cache, and its frame; what it calls uses the references in the
        // context, which nobody else uses until it returns.
        unsafe {
            let enter =
                std::mem::transmute::<*const u8, Enter>(self.buffer.address(self.stubs.enter));
            enter(&raw mut context, code, block, memory)
        }
    }
}

/// A region has no code: it is translated again, to less.
struct Refused;

impl From<EmitError> for Refused {
    fn from(_: EmitError) -> Self {
        Self
    }
}

impl CodeEngine for Engine {
    fn name(&self) -> &'static str {
        "x64"
    }

    fn run(&mut self, env: &mut dyn Env, cpu: &mut VcpuBlock, vcpu: usize) {
        self.start(env.ram(), cpu, vcpu);
        let mut pending = 0;
        let mut first = true;
        while cpu.budget() > 0 {
            let flushes = self.stats.flushes;
            if cpu.has_stale_code(env.ram()) {
                self.drop_written(env.ram());
                cpu.set(slot::CODE_WRITES, self.writes);
            }
            let pc = cpu.get(slot::PC);
            let Some(mut number) = self.find(env, cpu, vcpu, pc) else {
                // The fetch faulted. That counts, or a fault in the fault handler would never end.
                cpu.charge(1);
                pending = 0;
                continue;
            };
            if std::mem::take(&mut first) {
                number = self.sample(env, cpu, vcpu, number);
            }
            if pending != 0 && flushes == self.stats.flushes {
                let generation = env.code_generation(cpu, pc >> 55 & 1 != 0);
                self.link(pending - 1, number, generation);
            }
            pending = self.enter(env, cpu, vcpu, number);
            if pending != 0
                && let Some(link) = self.links.get(pending as usize - 1)
            {
                cpu.set(slot::PC, link.exit.pc);
            }
        }
    }

    fn flush(&mut self) {
        self.buffer.truncate(self.start);
        self.translations.clear();
        self.by_key.clear();
        self.by_page.clear();
        self.links.clear();
        self.sites.clear();
        self.wides.clear();
        self.atomics.clear();
        for vcpu in &mut self.vcpus {
            vcpu.clear();
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
        let used = self.buffer.used();
        (used, used + self.buffer.left())
    }

    fn figures(&self) -> Vec<Figure> {
        let time = format_args!("{} us", self.compile_time.as_micros());
        vec![Figure::new("compile time", time)]
    }

    fn watch(&mut self, watcher: Box<dyn CodeWatcher>) {
        self.watcher = Some(watcher);
    }
}

/// What the emitter uses beyond the x86-64 baseline.
fn check_processor() -> Result<(), Unavailable> {
    for (present, name) in [
        (is_x86_feature_detected!("bmi1"), "BMI1"),
        (is_x86_feature_detected!("bmi2"), "BMI2"),
        (is_x86_feature_detected!("lzcnt"), "LZCNT"),
        (is_x86_feature_detected!("sse4.2"), "SSE4.2"),
    ] {
        if !present {
            return Err(Unavailable::Processor(name));
        }
    }
    Ok(())
}
