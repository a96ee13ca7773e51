//! Self-hosted debug: breakpoints, watchpoints, software step (Arm ARM D2).

mod breakpoint;
mod step;
mod watchpoint;

pub use breakpoint::BREAKPOINTS;
pub use watchpoint::WATCHPOINTS;

use ferrite_ir::VcpuBlock;

use crate::cpu::CpuCore;
use crate::pstate::spsr;
use crate::state;

/// MDSCR_EL1 bits.
pub mod mdscr {
    /// Software step.
    pub const SS: u64 = 1;
    /// EL0's accesses to the debug communication channel trap.
    pub const TDCC: u64 = 1 << 12;
    /// Debug exceptions from EL1 itself.
    pub const KDE: u64 = 1 << 13;
    /// Breakpoints and watchpoints.
    pub const MDE: u64 = 1 << 15;
}

/// Breakpoints from this one on can compare CONTEXTIDR_EL1.
pub const FIRST_CONTEXT_BREAKPOINT: usize = BREAKPOINTS - CONTEXT_BREAKPOINTS;
/// How many there are.
pub const CONTEXT_BREAKPOINTS: usize = 2;

/// What of debug is not in a register slot, or is derived from those.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Debug {
    /// OSLSR_EL1.OSLK.
    pub os_lock: bool,
    /// Some watchpoint is enabled: pages that it touches stay out of the TLB.
    watching: bool,
    /// Some breakpoint is enabled.
    breaking: bool,
}

impl CpuCore {
    /// AArch64.GenerateDebugExceptionsFrom: whether debug exceptions from `el` with PSTATE.D in
    /// `daif` are enabled. They are taken to EL1.
    pub(crate) fn debug_exceptions_from(&self, block: &VcpuBlock, el: u8, daif: u64) -> bool {
        let kernel = block.get(state::MDSCR_EL1.0) & mdscr::KDE != 0 && daif & spsr::D == 0;
        !self.debug.os_lock && (el == 0 || kernel)
    }

    /// The same from the current state.
    pub(crate) fn debug_exceptions(&self, block: &VcpuBlock) -> bool {
        self.debug_exceptions_from(block, self.pstate.el, block.get(state::DAIF.0))
    }

    /// Brings what is derived from the debug registers up to date. Returns whether watchpoints
    /// changed, so that the TLB has to be flushed.
    pub(crate) fn update_debug(&mut self, block: &VcpuBlock) -> bool {
        let enabled = block.get(state::MDSCR_EL1.0) & mdscr::MDE != 0 && !self.debug.os_lock;
        let any =
            |first: u16, count: usize| (0..count as u16).any(|n| block.get(first + n) & 1 != 0);
        let watched = self.debug.watching;
        self.debug.watching = enabled && any(state::DBGWCR0_EL1.0, WATCHPOINTS);
        self.debug.breaking = enabled && any(state::DBGBCR0_EL1.0, BREAKPOINTS);
        watched || self.debug.watching
    }

    /// Whether translations have to check for breakpoints.
    pub(crate) fn breakpoints_enabled(&self) -> bool {
        self.debug.breaking
    }
}

/// Whether a comparison of the current exception level with HMC, SSC and PAC/PMC of a control
/// register allows a match, of a CPU without EL2, EL3 and Secure state (Arm ARM table D2-12).
const fn level_matches(hmc: bool, ssc: u64, privilege: u64, el: u8) -> bool {
    // SSC = 0b10 asks for Secure state only.
    if hmc || ssc == 2 {
        return false;
    }
    match privilege {
        // EL1 only, EL0 only, both; 0b00 is User, System and Supervisor modes of AArch32.
        1 => el == 1,
        2 => el == 0,
        3 => el <= 1,
        _ => false,
    }
}
