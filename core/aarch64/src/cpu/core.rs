//! A CPU's state outside the vCPU block.

use ferrite_ir::{CodeKey, VcpuBlock, slot};
use ferrite_ram::RamOffset;

use super::CpuConfig;
use super::event::Watch;
use super::key;
use crate::debug::Debug;
use crate::features::Features;
use crate::log::Log;
use crate::mmu::Mmu;
use crate::mmu::regime::sctlr;
use crate::model::Model;
use crate::observer::Observer;
use crate::platform::{InterruptLines, Maintenance};
use crate::pmu::Pmu;
use crate::pstate::{Pstate, spsr};
use crate::state;
use crate::sysreg;
use crate::translate::Context;

/// Why a CPU does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// WFI.
    Interrupt,
    /// WFE.
    Event,
    /// Firmware stopped it.
    Stopped,
}

/// A CPU's state outside the vCPU block.
pub struct CpuCore {
    /// Its number, which the platform knows it by.
    pub index: usize,
    /// The number that its engine knows it by.
    pub(super) in_engine: usize,
    /// What it says that it is.
    pub model: &'static Model,
    /// Optional parts of the architecture that it has.
    pub features: Features,
    /// MPIDR_EL1.
    pub mpidr: u64,
    /// The GIC's CPU interface is there as system registers.
    pub gic_registers: bool,
    /// CNTFRQ_EL0 out of reset.
    counter_frequency: u64,
    /// RVBAR_EL1.
    pub reset_address: u64,
    /// CBAR_EL1.
    pub peripheral_base: u64,
    /// Process state without a slot.
    pub pstate: Pstate,
    /// Address translation.
    pub mmu: Mmu,
    /// Self-hosted debug.
    pub debug: Debug,
    /// The performance monitor.
    pub pmu: Pmu,
    /// The event register of WFE.
    pub event: bool,
    /// What it waits for with an exclusive monitor.
    pub(super) watch: Option<Watch>,
    /// Ticks of the event stream that were seen.
    pub(super) stream_ticks: u64,
    /// Where translations and exceptions are logged.
    pub log: Option<Log>,
    /// Who hears of exceptions.
    pub observer: Option<Observer>,
    /// Set while it waits or is stopped.
    pub halt: Option<Halt>,
    /// The code key apart from software step.
    key: CodeKey,
    /// Instructions executed before this run, and allowed for it.
    executed: u64,
    allowance: u64,
}

impl CpuCore {
    pub(super) fn new(config: &CpuConfig) -> Self {
        Self {
            index: config.index,
            in_engine: config.index,
            model: config.model,
            features: config.features,
            mpidr: config.mpidr,
            gic_registers: config.gic_registers,
            counter_frequency: config.counter_frequency,
            reset_address: config.reset_address,
            peripheral_base: config.peripheral_base,
            pstate: Pstate::reset(1),
            mmu: Mmu::new(config.model.pa_range, config.features),
            debug: Debug::default(),
            pmu: Pmu::default(),
            log: None,
            observer: None,
            event: false,
            watch: None,
            stream_ticks: 0,
            halt: None,
            key: CodeKey(0),
            executed: 0,
            allowance: 0,
        }
    }

    /// Puts everything into its state out of reset, at EL1 with interrupts masked.
    pub(super) fn reset(&mut self, block: &mut VcpuBlock, pc: u64) {
        block.slots.fill(0);
        block.set(slot::EXCLUSIVE_AT, slot::NO_EXCLUSIVE);
        sysreg::reset(block);
        block.set(state::DAIF.0, spsr::DAIF);
        block.set(state::CNTFRQ_EL0.0, self.counter_frequency);
        block.set(slot::PC, pc);
        self.pstate = Pstate::reset(1);
        self.debug = Debug::default();
        self.debug.os_lock = true;
        self.pmu = Pmu::default();
        self.event = false;
        self.watch = None;
        self.stream_ticks = 0;
        self.halt = None;
        self.executed = 0;
        self.allowance = 0;
        self.mmu.flush(block);
        self.update_debug(block);
        self.update(block);
    }

    /// Brings what is derived from registers and process state up to date: translation contexts,
    /// the code key. To be called after any change to those.
    pub fn update(&mut self, block: &mut VcpuBlock) {
        self.mmu.update(block, self.pstate.el, self.pstate.pan);
        let in_use = self.pstate.el > 0 && !self.pstate.sp_sel;
        block.set(state::SP_EL0_IN_USE.0, u64::from(in_use));
        let stepping = block.get(state::MDSCR_EL1.0) & crate::debug::mdscr::SS != 0;
        self.set_pending(block, spsr::D, stepping);
        self.key = key::pack(&self.context(block));
    }

    /// Whether CPACR_EL1.FPEN makes floating-point instructions trap at this exception level.
    pub(super) fn traps_float(&self, block: &VcpuBlock) -> bool {
        let fpen = block.get(state::CPACR_EL1.0) >> 20 & 3;
        fpen & 1 == 0 || fpen == 1 && self.pstate.el == 0
    }

    /// What translations depend on, apart from software step.
    fn context(&self, block: &VcpuBlock) -> Context {
        let control = block.get(state::SCTLR_EL1.0);
        let set = |bit| control & bit != 0;
        let user = self.pstate.el == 0;
        Context {
            el: self.pstate.el,
            features: self.features,
            fp_trap: self.traps_float(block).then_some(1),
            // With translation off every access is to Device memory, which faults unaligned.
            align_check: set(sctlr::A) || !set(sctlr::M),
            sp_check: set(if user { sctlr::SA0 } else { sctlr::SA }),
            big_endian: set(if user { sctlr::E0E } else { sctlr::EE }),
            plain_unprivileged: user || self.pstate.uao,
            single_step: false,
            breakpoints: self.breakpoints_enabled(),
        }
    }

    /// The key of translations now.
    pub(super) fn code_key(&self, block: &VcpuBlock) -> CodeKey {
        let stepping = block.get(state::PENDING.0) & spsr::D != 0 && self.step_active(block);
        key::with_step(self.key, stepping)
    }

    /// See [`Env::code_generation`](ferrite_ir::Env::code_generation).
    pub(super) fn code_generation(&self, block: &VcpuBlock, high: bool) -> u64 {
        let context = if high {
            slot::CONTEXT_HIGH
        } else {
            slot::CONTEXT_LOW
        };
        self.mmu.changes() << 24
            | (self.code_key(block).0 & key::SPECIALISATION) << 12
            | block.get(context)
    }

    /// TLB maintenance, this CPU's own or another's.
    pub fn maintain(&mut self, block: &mut VcpuBlock, maintenance: Maintenance) {
        self.mmu.maintain(block, maintenance);
        self.update(block);
    }

    pub(crate) fn set_sp_sel(&mut self, block: &mut VcpuBlock, sp_sel: bool) {
        self.switch_level(block, self.pstate.el, sp_sel);
        self.update(block);
    }

    pub(crate) fn set_pan(&mut self, block: &mut VcpuBlock, pan: bool) {
        self.pstate.pan = pan;
        self.update(block);
    }

    pub(crate) fn set_uao(&mut self, block: &mut VcpuBlock, uao: bool) {
        self.pstate.uao = uao;
        self.update(block);
    }

    /// Sets the levels of the interrupt inputs.
    pub(crate) fn set_lines(&mut self, block: &mut VcpuBlock, lines: InterruptLines) {
        self.set_pending(block, spsr::I, lines.irq);
        self.set_pending(block, spsr::F, lines.fiq);
    }

    /// Whether an interrupt is pending and not masked: what ends WFE.
    pub(crate) fn interrupt_open(block: &VcpuBlock) -> bool {
        let open = block.get(state::PENDING.0) & !block.get(state::DAIF.0);
        open & (spsr::A | spsr::I | spsr::F) != 0
    }

    /// Whether an interrupt is pending, masked or not: what ends WFI.
    pub(crate) fn interrupt_pending(block: &VcpuBlock) -> bool {
        block.get(state::PENDING.0) & (spsr::A | spsr::I | spsr::F) != 0
    }

    /// Keeps stores away from a page that code was taken from.
    pub(super) fn protect_code(&self, block: &mut VcpuBlock, at: RamOffset) {
        self.mmu.drop_writes(block, at.page());
    }

    pub(super) fn start_run(&mut self, allowance: u64) {
        self.allowance = allowance;
    }

    pub(super) fn end_run(&mut self, executed: u64) {
        self.executed += executed;
        self.allowance = 0;
    }

    /// Instructions executed since reset, including those of the run that goes on.
    #[must_use]
    pub fn instructions(&self, block: &VcpuBlock) -> u64 {
        if self.allowance == 0 {
            return self.executed;
        }
        let left = block
            .get(slot::BUDGET)
            .wrapping_add(block.get(slot::DEFERRED));
        self.executed
            .wrapping_add(self.allowance.wrapping_sub(left))
    }
}
