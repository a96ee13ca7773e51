//! One CPU: its state, and running it.

mod core;
mod env;
mod event;
mod helpers;
mod inspect;
mod key;
mod memory;

#[cfg(test)]
pub(crate) mod tests;

pub use self::core::{CpuCore, Halt};
pub use env::{CpuEnv, context_changed};

use ferrite_ir::{Accelerator, VcpuBlock, slot};

use crate::features::Features;
use crate::log::Log;
use crate::model::Model;
use crate::observer::Observer;
use crate::platform::{InterruptLines, Maintenance, Platform};
use crate::pstate::spsr;
use crate::state;
use crate::timer::TimerLines;

/// What a CPU is made from.
#[derive(Clone, Copy, Debug)]
pub struct CpuConfig {
    /// Its number, which the platform and the engine know it by.
    pub index: usize,
    /// The model.
    pub model: &'static Model,
    /// Optional features: the model's, or fewer.
    pub features: Features,
    /// MPIDR_EL1.
    pub mpidr: u64,
    /// The GIC's CPU interface is there as system registers (GICv3).
    pub gic_registers: bool,
    /// RVBAR_EL1: where execution starts out of reset, for what reads it; [`Cpu::reset`] is told.
    pub reset_address: u64,
    /// CBAR_EL1 of the Cortex cores: where the board has the GIC.
    pub peripheral_base: u64,
    /// CNTFRQ_EL0 out of reset, as firmware leaves it: ticks a second of the system counter.
    pub counter_frequency: u64,
}

/// Where the `virt` board has the GIC.
const PERIPHERAL_BASE: u64 = 0x0800_0000;
/// The system counter's frequency on QEMU's `virt` board.
const COUNTER_FREQUENCY: u64 = 62_500_000;

impl CpuConfig {
    /// CPU `index` of a model, with all of the model's features, in clusters of `cluster` CPUs
    /// (Aff1:Aff0 of MPIDR_EL1).
    #[must_use]
    pub fn new(index: usize, model: &'static Model, cluster: usize, gic_registers: bool) -> Self {
        let cluster = cluster.max(1);
        let affinity = ((index / cluster) as u64) << 8 | (index % cluster) as u64;
        Self {
            index,
            model,
            features: model.features,
            mpidr: 1 << 31 | affinity,
            gic_registers,
            reset_address: 0,
            peripheral_base: PERIPHERAL_BASE,
            counter_frequency: COUNTER_FREQUENCY,
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It can go on: the budget is used up, or the board should look at timers and interrupts.
    Running,
    /// It waits for an interrupt (WFI).
    WaitForInterrupt,
    /// It waits for an event (WFE) or an interrupt.
    WaitForEvent,
    /// Firmware stopped it: it runs again after [`Cpu::reset`] or [`Cpu::resume`].
    Stopped,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOutcome {
    /// Instructions executed.
    pub executed: u64,
    /// How it ended.
    pub state: RunState,
}

/// A CPU.
pub struct Cpu {
    block: Box<VcpuBlock>,
    core: CpuCore,
}

impl Cpu {
    /// A CPU out of reset, at EL1, with execution to start at address 0.
    #[must_use]
    pub fn new(config: CpuConfig) -> Self {
        let mut cpu = Self {
            block: VcpuBlock::new(),
            core: CpuCore::new(&config),
        };
        cpu.reset(0);
        cpu
    }

    /// Its number.
    #[must_use]
    pub fn index(&self) -> usize {
        self.core.index
    }

    /// Sets the number that its engine knows it by from the next run on: its own number by default,
    /// and any if the engine serves no other CPU.
    pub fn set_number_in_engine(&mut self, number: usize) {
        self.core.in_engine = number;
    }

    /// Puts everything into its state out of reset, to start at `pc` at EL1 with interrupts
    /// masked and translation off. Interrupt lines count as low until they are set.
    pub fn reset(&mut self, pc: u64) {
        self.core.reset(&mut self.block, pc);
    }

    /// Lets a CPU that waits or was stopped go on.
    pub fn resume(&mut self) {
        self.core.halt = None;
        self.core.watch = None;
    }

    /// Stops it until [`Self::reset`] or [`Self::resume`]: a secondary CPU that is off.
    pub fn stop(&mut self) {
        self.core.halt = Some(Halt::Stopped);
    }

    /// Why it would not run now. [`Self::look_for_events`] may end a wait for an event.
    #[must_use]
    pub fn halted(&self) -> Option<Halt> {
        match self.core.halt {
            Some(Halt::Interrupt) if CpuCore::interrupt_pending(&self.block) => None,
            Some(Halt::Event) if self.core.event || CpuCore::interrupt_open(&self.block) => None,
            halt => halt,
        }
    }

    /// Runs for at most about `budget` instructions (to the end of a region beyond). Returns early
    /// when the CPU waits, when an interrupt became due, and after a write to a timer.
    pub fn run(
        &mut self,
        engine: &mut Accelerator,
        platform: &mut dyn Platform,
        budget: u64,
    ) -> RunOutcome {
        if let Some(halt) = self.halted() {
            return RunOutcome {
                executed: 0,
                state: halt.into(),
            };
        }
        if self.core.halt == Some(Halt::Event) {
            self.core.event = false;
        }
        self.resume();
        let Self { block, core } = self;
        let budget = budget.clamp(1, i64::MAX as u64);
        block.set(slot::BUDGET, budget);
        block.set(slot::DEFERRED, 0);
        core.start_run(budget);
        let in_engine = core.in_engine;
        // What the firmware of a real machine leaves in the register before anything else runs.
        block.set(state::CNTFRQ_EL0.0, platform.counter_frequency());
        if core.mmu.follow_map(block, platform) {
            core.update(block);
        }
        let pc = block.get(slot::PC);
        if !core.take_interrupt(block, pc) {
            core.take_step(block, None);
        }
        let mut env = CpuEnv::new(core, platform);
        engine.run(&mut env, block, in_engine);
        let left = block
            .get(slot::BUDGET)
            .wrapping_add(block.get(slot::DEFERRED));
        let executed = budget.wrapping_sub(left);
        core.end_run(executed);
        let state = match core.halt {
            None => RunState::Running,
            Some(halt) => halt.into(),
        };
        RunOutcome { executed, state }
    }

    /// Sets the level of the IRQ input.
    pub fn set_irq(&mut self, level: bool) {
        self.core.set_pending(&mut self.block, spsr::I, level);
    }

    /// Sets the level of the FIQ input.
    pub fn set_fiq(&mut self, level: bool) {
        self.core.set_pending(&mut self.block, spsr::F, level);
    }

    /// Sets both.
    pub fn set_interrupts(&mut self, lines: InterruptLines) {
        self.core.set_lines(&mut self.block, lines);
    }

    /// Makes an SError interrupt pending. It goes once taken.
    pub fn set_serror(&mut self) {
        self.core.set_pending(&mut self.block, spsr::A, true);
    }

    /// Logs translations and exceptions from now on.
    pub fn set_log(&mut self, log: Log) {
        self.core.log = Some(log);
    }

    /// Lets somebody hear of its exceptions from now on.
    pub fn set_observer(&mut self, observer: Observer) {
        self.core.observer = Some(observer);
    }

    /// Sets the event register if the event stream of its counter or another CPU's store to what its
    /// exclusive monitor reserves asks for it. To be called now and then, above all before
    /// [`Self::halted`].
    pub fn look_for_events(&mut self, platform: &dyn Platform) {
        self.core.look_for_events(&self.block, platform);
    }

    /// Whether it waits for a store to what its exclusive monitor reserves, of which nobody tells.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        self.core.watch.is_some()
    }

    /// Sets the event register: another CPU executed SEV.
    pub fn set_event(&mut self) {
        self.core.event = true;
    }

    /// Carries out another CPU's maintenance.
    pub fn maintenance(&mut self, maintenance: Maintenance) {
        self.core.maintain(&mut self.block, maintenance);
    }

    /// The timers' and the performance monitor's interrupt outputs at `counter`.
    pub fn timers(&mut self, counter: u64) -> TimerLines {
        self.core.timer_lines(&self.block, counter)
    }

    /// The first counter value after `counter` at which a timer output rises or a wait for an event
    /// ends. Whoever sleeps until then must give no later value than [`Self::timers`] had, or misses
    /// what happened in between.
    #[must_use]
    pub fn next_timer_deadline(&self, counter: u64) -> Option<u64> {
        self.core.next_deadline(&self.block, counter)
    }

    /// Accesses to memory that missed the TLB and then found their page, since the CPU was made.
    #[must_use]
    pub fn tlb_misses(&self) -> u64 {
        self.core.mmu.fills()
    }

    /// Instructions executed since reset.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.core.instructions(&self.block)
    }
}

impl From<Halt> for RunState {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Interrupt => Self::WaitForInterrupt,
            Halt::Event => Self::WaitForEvent,
            Halt::Stopped => Self::Stopped,
        }
    }
}
