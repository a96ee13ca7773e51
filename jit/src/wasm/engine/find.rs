//! From guest addresses to translations.

use ferrite_ir::engine::key::Key;
use ferrite_ir::env::{Extent, Fetched};
use ferrite_ir::interp::{self, Lowered};
use ferrite_ir::{CodeEngine, Env, VcpuBlock, opt, verify};
use ferrite_ram::GuestVirt;

use super::heat::HOT;
use super::{Engine, Host, Tier, Translation};
use crate::lookup::Place;

/// Translations kept, compiled or not, and host bytes of their interpreted form.
const REGIONS: usize = 256 << 10;
const BYTES: usize = 128 << 20;

impl<H: Host> Engine<H> {
    /// The translation for `pc`; `None` if fetching it faulted.
    #[inline(never)]
    pub(super) fn find(
        &mut self,
        env: &mut dyn Env,
        cpu: &mut VcpuBlock,
        vcpu: usize,
        pc: u64,
    ) -> Option<u32> {
        self.stats.lookups += 1;
        let place = self.place(env, cpu, vcpu, pc)?;
        if let Some(known) = self.contexts[vcpu].cache().region(place)
            && self.tier(known) != Tier::Dead
        {
            self.note(vcpu, place, known);
            return Some(known);
        }
        self.stats.misses += 1;
        let key = Key {
            at: place.at,
            pc,
            code_key: env.code_key(cpu),
        };
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
    pub(super) fn place(
        &mut self,
        env: &mut dyn Env,
        cpu: &mut VcpuBlock,
        vcpu: usize,
        pc: u64,
    ) -> Option<Place> {
        let high = pc >> 55 & 1 != 0;
        let cache = self.contexts[vcpu].cache();
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

    pub(super) fn tier(&self, number: u32) -> Tier {
        let translation = self.translations.get(number as usize);
        translation.map_or(Tier::Dead, |translation| translation.tier)
    }

    /// Lets a place lead to a translation.
    pub(super) fn note(&mut self, vcpu: usize, place: Place, number: u32) {
        let code = match self.tier(number) {
            Tier::Compiled(slot) => slot as usize,
            _ => 0,
        };
        self.contexts[vcpu].cache().note_region(place, number, code);
    }

    #[inline(never)]
    pub(super) fn translate(
        &mut self,
        env: &mut dyn Env,
        cpu: &mut VcpuBlock,
        key: Key,
    ) -> Option<u32> {
        // First, so that no write falls between.
        if env.ram().mark_code(key.at) {
            cpu.note_own_code();
            env.protect_code(cpu, key.at.page());
        }
        if self.translations.len() >= REGIONS || self.bytes >= BYTES {
            self.flush();
        }
        let fetched = Fetched { at: key.at };
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

    pub(super) fn insert(&mut self, key: Key, lowered: Lowered, insns: u32, whole: bool) -> u32 {
        let number = self.translations.len() as u32;
        self.bytes += lowered.bytes();
        self.translations.push(Translation {
            key,
            tier: if whole {
                Tier::Cold(HOT.saturating_mul(self.host.slowness()))
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
}
