//! The software step state machine (Arm ARM D2.11).
//!
//! While step is *active*, PSTATE.SS says whether the next instruction may run (active-not-pending:
//! translated alone, it ends in [`CpuCore::step_done`]) or whether the exception is due before it
//! (active-pending).

use ferrite_ir::{VcpuBlock, slot};

use super::mdscr;
use crate::cpu::CpuCore;
use crate::exception::{Exception, syndrome};
use crate::pstate::spsr;
use crate::state;

impl CpuCore {
    /// Whether software step is active in the current state.
    pub(crate) fn step_active(&self, block: &VcpuBlock) -> bool {
        block.get(state::MDSCR_EL1.0) & mdscr::SS != 0 && self.debug_exceptions(block)
    }

    /// PSTATE.SS after an exception return with `saved`: DebugExceptionReturnSS of the Arm ARM. It
    /// is copied only where the return makes step active.
    pub(crate) fn step_after_return(&self, block: &VcpuBlock, saved: u64) -> bool {
        if block.get(state::MDSCR_EL1.0) & mdscr::SS == 0 {
            return false;
        }
        let to = self
            .return_level(saved)
            .map_or(self.pstate.el, |(el, _)| el);
        !self.debug_exceptions(block)
            && self.debug_exceptions_from(block, to, saved)
            && saved & spsr::SS != 0
    }

    /// SSAdvance: an instruction that takes an exception as its effect counts as stepped.
    pub(crate) fn step_advance(&mut self, block: &VcpuBlock) {
        if self.step_active(block) {
            self.pstate.ss = false;
        }
    }

    /// Takes the software step exception if it is due before the next instruction. `exclusive` is
    /// given when an instruction has just been stepped, and says whether it was a load-exclusive.
    /// Returns whether it was taken.
    pub(crate) fn take_step(&mut self, block: &mut VcpuBlock, exclusive: Option<bool>) -> bool {
        if self.pstate.ss || !self.step_active(block) {
            return false;
        }
        let same_level = self.pstate.el == 1;
        let syndrome = syndrome::step(same_level, exclusive.is_some(), exclusive.unwrap_or(false));
        let next = block.get(slot::PC);
        self.enter(block, Exception::synchronous(syndrome, next));
        true
    }

    /// The one instruction that was allowed has completed.
    pub(crate) fn step_done(&mut self, block: &mut VcpuBlock, exclusive: bool) {
        self.step_advance(block);
        self.take_step(block, Some(exclusive));
    }
}
