//! What runs often is compiled, in batches.

use ferrite_ir::engine::key::Key;
use ferrite_ir::env::{Extent, Fetched};
use ferrite_ir::{CodeEngine, Env, Region, VcpuBlock, opt};
use ferrite_ram::{GuestVirt, RamOffset};

use super::{Engine, Host, Tier};
use crate::wasm::cfg::block_address;
use crate::wasm::emit;
use crate::wasm::module::module;

/// Guest instructions that a translation runs in the interpreter before it is to be compiled.
pub(super) const HOT: u32 = 2_000;
/// The same for a block that a compiled region has as well.
const COVERED: u32 = 16_000;
/// The same before it is compiled at once, with whatever waits.
const URGENT: u32 = 20_000;
/// Translations compiled together.
const BATCH: usize = 48;

impl<H: Host> Engine<H> {
    /// Has a translation that has run long enough wait to be compiled, or compiles it now.
    #[inline(never)]
    pub(super) fn warm(&mut self, env: &mut dyn Env, cpu: &VcpuBlock, number: u32) {
        let urgent = URGENT.saturating_mul(self.host.slowness());
        let translation = &mut self.translations[number as usize];
        match translation.tier {
            Tier::Cold(_) if translation.whole => {
                translation.tier = Tier::Waiting(urgent);
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
    pub(super) fn cover(&mut self, key: &Key, region: &Region) {
        let covered = COVERED.saturating_mul(self.host.slowness());
        for pc in region.blocks.iter().skip(1).filter_map(block_address) {
            let at = RamOffset(key.at.0.wrapping_add(pc.wrapping_sub(key.pc)));
            if let Some(&number) = self.by_key.get(&Key { at, pc, ..*key })
                && let Tier::Cold(rest) = &mut self.translations[number as usize].tier
            {
                *rest = covered;
            }
        }
    }

    /// Compiles what waits.
    #[inline(never)]
    pub(super) fn compile(&mut self) {
        let queue = std::mem::take(&mut self.queue);
        let exits: usize = queue
            .iter()
            .map(|(_, region)| 2 * region.blocks.len())
            .sum();
        if !self.make_room(queue.len(), exits) {
            return self.flush();
        }
        let first = self.next_slot();
        let (mut outputs, mut numbers) = (Vec::new(), Vec::new());
        for (number, region) in queue {
            if self.translations[number as usize].tier == Tier::Dead {
                continue;
            }
            let first_exit = self.next_exit();
            match emit::region(&region, &self.layout, &mut self.tables, first_exit) {
                Ok(output) => {
                    let exits = output.exits.iter().map(|&exit| (exit, number));
                    self.halves[self.filling].exits.extend(exits);
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
            let half = &mut self.halves[self.filling];
            half.translations.extend(&numbers);
            half.modules += 1;
            half.code_bytes += bytes.len();
        }
        for (slot, number) in (first..).zip(numbers) {
            self.translations[number as usize].tier = if installed {
                Tier::Compiled(slot)
            } else {
                Tier::Interpreted
            };
        }
    }
}
