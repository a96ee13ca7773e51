//! Running a translation and what it leads to.

use ferrite_ir::interp::{self, BlockEnd, Lowered};
use ferrite_ir::{Env, VcpuBlock, slot};
use ferrite_ram::PAGE_SIZE;

use super::{Engine, Host, Pending, Tier};

impl<H: Host> Engine<H> {
    pub(super) fn enter(
        &mut self,
        env: &mut dyn Env,
        cpu: &mut VcpuBlock,
        vcpu: usize,
        slot: u32,
    ) -> Pending {
        self.entered += 1;
        match self.contexts[vcpu]
            .enter(slot, env, cpu, &mut self.tables)
            .checked_sub(1)
        {
            Some(exit) if self.exit(exit).is_some() => Pending::Compiled(exit),
            _ => Pending::None,
        }
    }

    /// Runs a translation and what it leads to; it is come to as a head, or not.
    #[inline(never)]
    pub(super) fn step(
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
                    if let Pending::Compiled(number) = exit
                        && let Some((exit, _)) = self.exit(number)
                    {
                        cpu.set(slot::PC, exit.pc);
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
            let end = interpret(&translation.lowered, env, cpu);
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
    pub(super) fn is_head(&self, exit: Pending, pc: u64) -> bool {
        let Pending::Interpreted { from, .. } = exit else {
            return true;
        };
        let from = self.translations.get(from as usize).map(|from| from.key.pc);
        from.is_none_or(|from| pc <= from || pc / PAGE_SIZE != from / PAGE_SIZE)
    }
}

/// Runs the interpreted form of a translation. Engines for WebAssembly take their time to optimise a
/// function and stay with what they began with until it returns: it is one of its own.
#[inline(never)]
fn interpret(lowered: &Lowered, env: &mut dyn Env, cpu: &mut VcpuBlock) -> BlockEnd {
    interp::run(lowered, env, cpu)
}

/// A count that goes down by one for each guest instruction.
fn done(cpu: &VcpuBlock) -> i64 {
    cpu.budget().wrapping_add(cpu.get(slot::DEFERRED) as i64)
}
