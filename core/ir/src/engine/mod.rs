//! The loop around translated code: look-up, translation, chaining, invalidation.
//!
//! ```text
//!             ┌── linked exit, same page ───────────────┐
//!             v                                         │
//!  PC ──> jump cache ──hit──> run a translation ──> how it ended
//!           │ miss                  ^                   │ computed address, other page, Exit
//!           v                       │                   v
//!   Env::fetch ──> cache ──miss──> translate            PC
//! ```
//!
//! - A translation is known by the arena offset and the virtual address that it starts at and by the
//!   [`CodeKey`](crate::CodeKey) it was made under: translated code has virtual addresses in it.
//! - A *link* from an exit straight to a translation is made within a virtual page only. Whoever runs
//!   in a page has had its mapping checked under the current key, and everything that could change
//!   mapping or key ends its region with [`Terminator::Exit`](crate::Terminator::Exit), which goes
//!   through the full look-up. Across pages the jump cache decides, whose entries hold for one
//!   [code generation](Env::code_generation).
//! - Nothing is unlinked when a translation dies: its serial number goes, and with it every link and
//!   jump cache entry that names it.

mod accelerator;
mod cache;
mod jump_cache;
pub mod key;
mod watch;

pub use accelerator::{Accelerator, CodeEngine};
pub use jump_cache::JumpCache;
pub use watch::{CodeWatcher, Figure, HostCode};

use ferrite_ram::{GuestRam, GuestVirt, PAGE_SIZE, WrittenCode};

use crate::env::{Env, Extent, Fetched};
use crate::interp::{self, BlockEnd, Lowered};
use crate::op::Region;
use crate::opt;
use crate::state::{VcpuBlock, slot};
use crate::verify::verify;

use cache::{Cache, Id};
use key::Key;

/// What an engine did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Regions translated.
    pub regions: u64,
    /// Guest instructions translated.
    pub insns: u64,
    /// Passes through the jump cache.
    pub lookups: u64,
    /// Of these, those that it did not answer.
    pub misses: u64,
    /// Translations dropped because their code was written to.
    pub invalidations: u64,
    /// Translations that were made again, of less code, because what they had become could not be
    /// run. Anything but 0 is a fault of the front end or of the lowering.
    pub narrowed: u64,
    /// Times that every translation was dropped: the cache was full, or somebody asked.
    pub flushes: u64,
}

impl std::iter::Sum for Stats {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, stats| {
            let Self {
                regions,
                insns,
                lookups,
                misses,
                invalidations,
                narrowed,
                flushes,
            } = stats;
            Self {
                regions: sum.regions + regions,
                insns: sum.insns + insns,
                lookups: sum.lookups + lookups,
                misses: sum.misses + misses,
                invalidations: sum.invalidations + invalidations,
                narrowed: sum.narrowed + narrowed,
                flushes: sum.flushes + flushes,
            }
        })
    }
}

/// How much an engine may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Translations.
    pub regions: usize,
    /// Host bytes of translations, about.
    pub bytes: usize,
}

impl Default for Limits {
    /// Enough for a desktop's working set: a boot translates some 65,000 regions.
    fn default() -> Self {
        Self {
            regions: 256 << 10,
            bytes: 128 << 20,
        }
    }
}

/// Runs guest code, translating as it goes. One engine serves any number of vCPUs that take turns.
#[derive(Default)]
pub struct Engine {
    cache: Cache,
    /// The jump cache of each vCPU.
    jumps: Vec<JumpCache<Id>>,
    /// Writes to code that were dealt with: see [`GuestRam::code_written_since`].
    writes: u64,
    limits: Limits,
    stats: Stats,
}

/// An exit on its way to where it leads: it is linked if that turns out to be allowed.
#[derive(Clone, Copy)]
struct Pending {
    from: Id,
    exit: u16,
}

impl Engine {
    /// An engine with nothing translated.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// What it did so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Translations alive.
    #[must_use]
    pub fn regions(&self) -> usize {
        self.cache.len()
    }

    /// Drops every translation: breakpoints changed, a snapshot was loaded.
    pub fn flush(&mut self) {
        self.cache.clear();
        self.stats.flushes += 1;
    }

    /// Runs vCPU number `vcpu` from the address in `slot::PC` until its budget is used up
    /// ([`slot::BUDGET`] at 0 or less) at a region boundary. On return `slot::PC` is where to go on,
    /// and the budget has gone down by exactly the number of instructions run (an instruction that
    /// raised an exception counts), [`slot::DEFERRED`] considered.
    pub fn run<E: Env + ?Sized>(&mut self, env: &mut E, cpu: &mut VcpuBlock, vcpu: usize) {
        if self.jumps.len() <= vcpu {
            self.jumps.resize_with(vcpu + 1, JumpCache::default);
        }
        cpu.follow_code(env.ram());
        cpu.set(slot::CODE_WRITES, self.writes);
        let mut pending: Option<Pending> = None;
        while cpu.budget() > 0 {
            if cpu.has_stale_code(env.ram()) {
                self.drop_written(env.ram());
                cpu.set(slot::CODE_WRITES, self.writes);
            }
            let pc = cpu.get(slot::PC);
            let Some(mut id) = self.find(env, cpu, vcpu, pc) else {
                // The fetch faulted. That counts, or a fault in the fault handler would never end.
                cpu.charge(1);
                pending = None;
                continue;
            };
            if let Some(Pending { from, exit }) = pending.take() {
                self.cache.link(from, exit, id);
            }
            let Some(mut translation) = self.cache.get(id) else {
                continue;
            };
            while let BlockEnd::Direct(exit) = interp::run(&translation.code, env, cpu) {
                if cpu.budget() > 0 && !cpu.has_stale_code(env.ram()) {
                    let next = translation.link(exit);
                    if let Some(linked) = self.cache.get(next) {
                        (id, translation) = (next, linked);
                        continue;
                    }
                }
                if let Some(exit) = translation.code.exits().get(usize::from(exit)) {
                    cpu.set(slot::PC, exit.pc);
                }
                pending = Some(Pending { from: id, exit });
                break;
            }
        }
    }

    /// Drops translations of pages that were written to.
    #[cold]
    fn drop_written(&mut self, ram: &GuestRam) {
        match ram.code_written_since(&mut self.writes) {
            WrittenCode::Pages(pages) => {
                for page in pages {
                    self.stats.invalidations += self.cache.drop_page(page) as u64;
                }
            }
            WrittenCode::Any => self.flush(),
        }
    }

    /// The translation for `pc`; `None` if fetching it faulted.
    #[inline(always)]
    fn find<E: Env + ?Sized>(
        &mut self,
        env: &mut E,
        cpu: &mut VcpuBlock,
        vcpu: usize,
        pc: u64,
    ) -> Option<Id> {
        self.stats.lookups += 1;
        let generation = env.code_generation(cpu, pc >> 55 & 1 != 0);
        if let Some(id) = self.jumps[vcpu].get(pc, generation)
            && self.cache.is_alive(id)
        {
            return Some(id);
        }
        self.find_fully(env, cpu, vcpu, pc)
    }

    #[cold]
    #[inline(never)]
    fn find_fully<E: Env + ?Sized>(
        &mut self,
        env: &mut E,
        cpu: &mut VcpuBlock,
        vcpu: usize,
        pc: u64,
    ) -> Option<Id> {
        self.stats.misses += 1;
        let fetched = env.fetch(cpu, GuestVirt(pc)).ok()?;
        let key = Key {
            at: fetched.at,
            pc,
            code_key: env.code_key(cpu),
        };
        let id = match self.cache.find(&key) {
            Some(id) => id,
            None => {
                // First, so that no write falls between.
                if env.ram().mark_code(key.at) {
                    cpu.note_own_code();
                    env.protect_code(cpu, key.at.page());
                }
                let code = self.prepare(env, cpu, &key, fetched)?;
                self.insert(key, code)
            }
        };
        // The generation after the fetch, which may have filled translation caches.
        let generation = env.code_generation(cpu, pc >> 55 & 1 != 0);
        self.jumps[vcpu].set(pc, generation, id);
        Some(id)
    }

    /// Translates what is at `key`: if that comes to nothing that can be run, one instruction of
    /// it, and if even that does not, as an instruction that the guest's CPU does not know.
    fn prepare<E: Env + ?Sized>(
        &mut self,
        env: &mut E,
        cpu: &VcpuBlock,
        key: &Key,
        fetched: Fetched,
    ) -> Option<Lowered> {
        for extent in [Extent::Block, Extent::Instruction, Extent::Refusal] {
            let region = env.translate(cpu, GuestVirt(key.pc), fetched, extent);
            debug_assert!(
                u64::from(region.bytes) <= PAGE_SIZE - key.at.in_page() || region.insns <= 1,
                "a region of {} bytes leaves its page",
                region.bytes
            );
            let insns = region.insns;
            if let Some(code) = lowered(region) {
                self.stats.regions += 1;
                self.stats.insns += u64::from(insns);
                return Some(code);
            }
            self.stats.narrowed += 1;
        }
        None
    }

    fn insert(&mut self, key: Key, code: Lowered) -> Id {
        if self.cache.is_out_of_names() {
            self.cache.restart();
            self.jumps.fill_with(JumpCache::default);
            self.stats.flushes += 1;
        }
        if self.cache.len() >= self.limits.regions || self.cache.bytes() >= self.limits.bytes {
            self.flush();
        }
        self.cache.insert(key, code)
    }
}

/// The form of a region that runs, if it has one.
fn lowered(mut region: Region) -> Option<Lowered> {
    if cfg!(debug_assertions) {
        verify(&region).ok()?;
    }
    opt::optimise(&mut region);
    interp::lower(&region).ok()
}

#[cfg(test)]
mod tests;
