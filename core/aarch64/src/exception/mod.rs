//! Taking exceptions and returning from them.
//!
//! Everything is written for a target exception level; the registers that exist per level are
//! found through [`Banked`], so that EL2 and EL3 are more rows there.

pub mod syndrome;

use ferrite_ir::{Global, VcpuBlock, slot};

use crate::cpu::CpuCore;
use crate::features::Features;
use crate::mmu::regime::sctlr;
use crate::pstate::spsr;
use crate::state;

/// Registers with an instance per exception level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Banked {
    /// SPSR_ELx.
    pub spsr: Global,
    /// ELR_ELx.
    pub elr: Global,
    /// ESR_ELx.
    pub esr: Global,
    /// FAR_ELx.
    pub far: Global,
    /// VBAR_ELx.
    pub vbar: Global,
    /// SCTLR_ELx.
    pub sctlr: Global,
}

/// The registers of exception level `el`. EL1 is the highest that is implemented.
#[must_use]
pub const fn banked(el: u8) -> Banked {
    let _ = el;
    Banked {
        spsr: state::SPSR_EL1,
        elr: state::ELR_EL1,
        esr: state::ESR_EL1,
        far: state::FAR_EL1,
        vbar: state::VBAR_EL1,
        sctlr: state::SCTLR_EL1,
    }
}

/// Highest exception level that is implemented.
pub const HIGHEST_EL: u8 = 1;

/// Which entry of a vector group an exception takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vector {
    /// Synchronous.
    Synchronous = 0x000,
    /// IRQ.
    Irq = 0x080,
    /// FIQ.
    Fiq = 0x100,
    /// SError.
    SError = 0x180,
}

/// An exception to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The level that takes it.
    pub target: u8,
    /// Its kind.
    pub vector: Vector,
    /// What goes into ESR_ELx.
    pub syndrome: Option<u32>,
    /// What goes into FAR_ELx.
    pub address: Option<u64>,
    /// What goes into ELR_ELx.
    pub return_to: u64,
}

impl Exception {
    /// A synchronous exception to EL1.
    #[must_use]
    pub const fn synchronous(syndrome: u32, return_to: u64) -> Self {
        Self {
            target: 1,
            vector: Vector::Synchronous,
            syndrome: Some(syndrome),
            address: None,
            return_to,
        }
    }

    /// The same with a fault address.
    #[must_use]
    pub const fn at(self, address: u64) -> Self {
        Self {
            address: Some(address),
            ..self
        }
    }
}

/// The stack pointers' slots while they are not in use.
const fn sp_bank(bank: u8) -> Global {
    match bank {
        0 => state::SP_EL0,
        _ => state::SP_EL1,
    }
}

impl CpuCore {
    /// PSTATE as an exception saves it.
    #[must_use]
    pub fn saved_pstate(&self, block: &VcpuBlock) -> u64 {
        self.pstate.to_spsr() | u64::from(block.nzcv()) | block.get(state::DAIF.0) & spsr::DAIF
    }

    /// Replaces EL and SPSel, swapping stack pointers.
    pub(crate) fn switch_level(&mut self, block: &mut VcpuBlock, el: u8, sp_sel: bool) {
        let before = self.pstate.sp_bank();
        self.pstate.el = el;
        self.pstate.sp_sel = sp_sel;
        let after = self.pstate.sp_bank();
        if before != after {
            block.set(sp_bank(before).0, block.get(state::SP.0));
            block.set(state::SP.0, block.get(sp_bank(after).0));
        }
    }

    /// Takes an exception: AArch64.TakeException of the Arm ARM.
    pub fn enter(&mut self, block: &mut VcpuBlock, exception: Exception) {
        let Exception { target, vector, .. } = exception;
        let registers = banked(target);
        let from = self.pstate.el;
        let saved = self.saved_pstate(block);
        let group = match (self.pstate.el == target, self.pstate.sp_sel) {
            (true, false) => 0x000,
            (true, true) => 0x200,
            (false, _) => 0x400,
        };
        self.switch_level(block, target, true);
        self.pstate.ss = false;
        self.pstate.il = false;
        self.pstate.uao = false;
        let span = block.get(registers.sctlr.0) & sctlr::SPAN != 0;
        if self.features.contains(Features::PAN) && !span {
            self.pstate.pan = true;
        }
        block.set(state::DAIF.0, spsr::DAIF);
        block.set(registers.spsr.0, saved);
        block.set(registers.elr.0, exception.return_to);
        if let Some(syndrome) = exception.syndrome {
            block.set(registers.esr.0, u64::from(syndrome));
        }
        if let Some(address) = exception.address {
            block.set(registers.far.0, address);
        }
        let base = block.get(registers.vbar.0) & !0x7ff;
        let pc = base.wrapping_add(group + vector as u64);
        block.set(slot::PC, pc);
        if let Some(log) = &self.log {
            log.taken(self.index, from, &exception, pc);
        }
        if let Some(observer) = &self.observer {
            observer.taken(self.index, from, &exception, pc);
        }
        self.update(block);
    }

    /// Returns from the current exception level: AArch64.ExceptionReturn. The Illegal Execution
    /// state exception that an illegal return leads to is the caller's to take: see
    /// [`Pstate::il`](crate::pstate::Pstate::il).
    pub fn exception_return(&mut self, block: &mut VcpuBlock) {
        let from = self.pstate.el;
        let registers = banked(from);
        let saved = block.get(registers.spsr.0);
        let target = block.get(registers.elr.0);
        let ss = self.step_after_return(block, saved);
        match self.return_level(saved) {
            Some((el, sp_sel)) => {
                self.switch_level(block, el, sp_sel);
                self.pstate.il = saved & spsr::IL != 0;
            }
            None => self.pstate.il = true,
        }
        self.pstate.ss = ss;
        self.pstate.pan = self.features.contains(Features::PAN) && saved & spsr::PAN != 0;
        self.pstate.uao = self.features.contains(Features::UAO) && saved & spsr::UAO != 0;
        block.set_nzcv(saved as u32 & spsr::NZCV as u32);
        block.set(state::DAIF.0, saved & spsr::DAIF);
        block.set(slot::EXCLUSIVE_AT, slot::NO_EXCLUSIVE);
        block.set(slot::PC, self.branch_address(target));
        self.event = true;
        if let Some(observer) = &self.observer {
            let pc = block.get(slot::PC);
            observer.returned(self.index, from, self.pstate.el, pc);
        }
        self.update(block);
    }

    /// The level and SPSel that a saved PSTATE returns to; `None` if the return is illegal.
    pub(crate) fn return_level(&self, saved: u64) -> Option<(u8, bool)> {
        let el = (saved >> 2 & 3) as u8;
        let sp_sel = saved & 1 != 0;
        let legal = saved & spsr::AARCH32 == 0
            && saved & 2 == 0
            && el <= self.pstate.el
            && el <= HIGHEST_EL
            && !(el == 0 && sp_sel);
        legal.then_some((el, sp_sel))
    }

    /// A branch target with the tag byte replaced where the regime ignores it (AArch64.BranchAddr).
    pub(crate) fn branch_address(&self, target: u64) -> u64 {
        let half = &self.mmu.regime().halves[(target >> 55 & 1) as usize];
        if half.top_byte_ignored {
            ((target << 8) as i64 >> 8) as u64
        } else {
            target
        }
    }

    /// The highest-priority interrupt that is pending and not masked, taken to `return_to`. Returns
    /// whether there was one.
    pub fn take_interrupt(&mut self, block: &mut VcpuBlock, return_to: u64) -> bool {
        let open = block.get(state::PENDING.0) & !block.get(state::DAIF.0);
        let vector = if open & spsr::F != 0 {
            Vector::Fiq
        } else if open & spsr::I != 0 {
            Vector::Irq
        } else if open & spsr::A != 0 {
            Vector::SError
        } else {
            return false;
        };
        let mut syndrome = None;
        if vector == Vector::SError {
            syndrome = Some(syndrome::syndrome(syndrome::class::SERROR, 0));
            self.set_pending(block, spsr::A, false);
        }
        self.enter(
            block,
            Exception {
                target: 1,
                vector,
                syndrome,
                address: None,
                return_to,
            },
        );
        true
    }

    /// Notes that an interrupt (one of the bits of DAIF) is or is no longer pending.
    pub(crate) fn set_pending(&mut self, block: &mut VcpuBlock, which: u64, pending: bool) {
        let now = block.get(state::PENDING.0);
        let next = if pending { now | which } else { now & !which };
        block.set(state::PENDING.0, next);
    }
}
