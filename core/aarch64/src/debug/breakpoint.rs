//! Hardware breakpoints (Arm ARM D2.8).

use ferrite_ir::{VcpuBlock, slot};

use super::{FIRST_CONTEXT_BREAKPOINT, level_matches};
use crate::cpu::CpuCore;
use crate::exception::{Exception, syndrome};
use crate::state;

/// Breakpoints there are.
pub const BREAKPOINTS: usize = 6;

/// A DBGBCRn_EL1 value taken apart.
struct Control {
    enabled: bool,
    privilege: u64,
    higher_mode: bool,
    security: u64,
    linked: usize,
    kind: u64,
}

impl Control {
    fn new(bits: u64) -> Self {
        Self {
            enabled: bits & 1 != 0,
            privilege: bits >> 1 & 3,
            higher_mode: bits >> 13 & 1 != 0,
            security: bits >> 14 & 3,
            linked: (bits >> 16 & 15) as usize,
            kind: bits >> 20 & 15,
        }
    }
}

/// BT: what a breakpoint compares.
mod kind {
    pub const ADDRESS: u64 = 0;
    pub const ADDRESS_LINKED: u64 = 1;
    pub const CONTEXT: u64 = 2;
    pub const CONTEXT_LINKED: u64 = 3;
}

impl CpuCore {
    fn breakpoint_registers(block: &VcpuBlock, n: usize) -> (u64, Control) {
        let n = n as u16;
        (
            block.get(state::DBGBVR0_EL1.0 + n),
            Control::new(block.get(state::DBGBCR0_EL1.0 + n)),
        )
    }

    fn context_matches(&self, block: &VcpuBlock, value: u64) -> bool {
        block.get(state::CONTEXTIDR_EL1.0) as u32 == value as u32
    }

    /// Whether breakpoint `n`, which another links to, is a linked context match that holds.
    pub(super) fn link_matches(&self, block: &VcpuBlock, n: usize) -> bool {
        if !(FIRST_CONTEXT_BREAKPOINT..BREAKPOINTS).contains(&n) {
            return false;
        }
        let (value, control) = Self::breakpoint_registers(block, n);
        control.enabled
            && control.kind == kind::CONTEXT_LINKED
            && self.context_matches(block, value)
    }

    fn breakpoint_matches(&self, block: &VcpuBlock, n: usize, pc: u64) -> bool {
        let (value, control) = Self::breakpoint_registers(block, n);
        let level = level_matches(
            control.higher_mode,
            control.security,
            control.privilege,
            self.pstate.el,
        );
        if !control.enabled || !level {
            return false;
        }
        // The VA is compared from bit 2; those above its 48 bits are copies of the sign.
        let address = ((value << 15) as i64 >> 15) as u64 & !3;
        match control.kind {
            kind::ADDRESS => address == pc,
            kind::ADDRESS_LINKED => address == pc && self.link_matches(block, control.linked),
            kind::CONTEXT if n >= FIRST_CONTEXT_BREAKPOINT => self.context_matches(block, value),
            _ => false,
        }
    }

    /// Takes the breakpoint exception if a breakpoint matches the instruction at the program
    /// counter. Returns whether one did.
    pub(crate) fn check_breakpoints(&mut self, block: &mut VcpuBlock) -> bool {
        let pc = block.get(slot::PC);
        if !self.debug_exceptions(block)
            || !(0..BREAKPOINTS).any(|n| self.breakpoint_matches(block, n, pc))
        {
            return false;
        }
        let syndrome = syndrome::breakpoint(self.pstate.el == 1);
        self.enter(block, Exception::synchronous(syndrome, pc));
        true
    }
}
