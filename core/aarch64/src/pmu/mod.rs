//! The performance monitor, PMUv3 (Arm ARM D11): a cycle counter and six event counters.
//!
//! A cycle is an instruction: the only measure of work that is the same on every host and in every
//! replay. Counts are brought up to date whenever a register is accessed, the exception level
//! changes or the board asks for the interrupt line.

#[cfg(test)]
mod tests;

use ferrite_ir::VcpuBlock;

use crate::cpu::CpuCore;

/// Event counters beside the cycle counter (PMCR_EL0.N).
pub const EVENT_COUNTERS: usize = 6;
/// The cycle counter's bit in the set and clear registers, and its number.
pub const CYCLE_COUNTER: usize = 31;
/// Bits of the counters that exist.
pub const COUNTERS: u64 = 1 << CYCLE_COUNTER | ((1 << EVENT_COUNTERS) - 1);

/// Events that are counted, by their number.
pub mod event {
    /// Software increment.
    pub const SW_INCR: u64 = 0x00;
    /// Instructions executed.
    pub const INST_RETIRED: u64 = 0x08;
    /// Cycles.
    pub const CPU_CYCLES: u64 = 0x11;
}

/// PMCR_EL0 bits.
pub mod control {
    /// Counting is on.
    pub const E: u64 = 1;
    /// Resets the event counters (write only).
    pub const P: u64 = 1 << 1;
    /// Resets the cycle counter (write only).
    pub const C: u64 = 1 << 2;
    /// The cycle counter counts every 64th cycle.
    pub const D: u64 = 1 << 3;
    /// The cycle counter overflows at 64 bits instead of 32.
    pub const LC: u64 = 1 << 6;
    /// Bits that hold what is written.
    pub const WRITABLE: u64 = E | D | 1 << 4 | 1 << 5 | LC;
}

/// PMEVTYPERn_EL0 and PMCCFILTR_EL0 bits.
mod filter {
    pub const NOT_EL1: u64 = 1 << 31;
    pub const NOT_EL0: u64 = 1 << 30;
    pub const WRITABLE: u64 = 0xfc00_0000;
}

/// The performance monitor's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pmu {
    /// PMCR_EL0's writable bits.
    pub control: u64,
    /// PMCNTENSET_EL0.
    pub enabled: u64,
    /// PMINTENSET_EL1.
    pub interrupts: u64,
    /// PMOVSSET_EL0.
    pub overflown: u64,
    cycles: u64,
    cycle_filter: u64,
    /// Cycles not yet counted while PMCR_EL0.D divides by 64.
    remainder: u64,
    events: [u64; EVENT_COUNTERS],
    types: [u64; EVENT_COUNTERS],
    /// Instructions executed when the counts were last brought up to date.
    seen: u64,
}

impl Pmu {
    /// The interrupt output.
    #[must_use]
    pub const fn line(&self) -> bool {
        self.control & control::E != 0 && self.overflown & self.interrupts != 0
    }

    /// Counts up to `instructions` executed in all, the last of them at `el`.
    pub fn count(&mut self, instructions: u64, el: u8) {
        let passed = instructions.wrapping_sub(self.seen);
        self.seen = instructions;
        if passed == 0 || self.control & control::E == 0 || self.enabled == 0 {
            return;
        }
        if self.counts(CYCLE_COUNTER, self.cycle_filter, el) {
            self.count_cycles(passed);
        }
        for n in 0..EVENT_COUNTERS {
            let kind = self.types[n];
            let counted = matches!(kind & 0xffff, event::INST_RETIRED | event::CPU_CYCLES);
            if counted && self.counts(n, kind, el) {
                self.add(n, passed);
            }
        }
    }

    const fn counts(&self, counter: usize, filter: u64, el: u8) -> bool {
        let excluded = if el == 0 {
            filter & filter::NOT_EL0 != 0
        } else {
            filter & filter::NOT_EL1 != 0
        };
        self.enabled >> counter & 1 != 0 && !excluded
    }

    fn count_cycles(&mut self, passed: u64) {
        let mut by = passed;
        if self.control & control::D != 0 {
            let all = self.remainder + passed;
            (by, self.remainder) = (all / 64, all % 64);
        }
        let (next, carry) = self.cycles.overflowing_add(by);
        let carry32 =
            (self.cycles & 0xffff_ffff) + (by & 0xffff_ffff) > 0xffff_ffff || by > 0xffff_ffff;
        let wide = self.control & control::LC != 0;
        if if wide { carry } else { carry32 } {
            self.overflown |= 1 << CYCLE_COUNTER;
        }
        self.cycles = next;
    }

    fn add(&mut self, n: usize, by: u64) {
        let next = self.events[n].wrapping_add(by);
        if next > 0xffff_ffff {
            self.overflown |= 1 << n;
        }
        self.events[n] = next & 0xffff_ffff;
    }

    /// PMSWINC_EL0.
    pub fn software_increment(&mut self, mask: u64, el: u8) {
        if self.control & control::E == 0 {
            return;
        }
        for n in 0..EVENT_COUNTERS {
            let kind = self.types[n];
            let ours = mask >> n & 1 != 0 && kind & 0xffff == event::SW_INCR;
            if ours && self.counts(n, kind, el) {
                self.add(n, 1);
            }
        }
    }

    /// Writes PMCR_EL0.
    pub fn set_control(&mut self, value: u64) {
        if value & control::P != 0 {
            self.events = [0; EVENT_COUNTERS];
        }
        if value & control::C != 0 {
            self.cycles = 0;
            self.remainder = 0;
        }
        self.control = value & control::WRITABLE;
    }

    /// The value of counter `n`; zero for one that does not exist.
    #[must_use]
    pub fn counter(&self, n: usize) -> u64 {
        match n {
            CYCLE_COUNTER => self.cycles,
            _ => self.events.get(n).copied().unwrap_or(0),
        }
    }

    /// Sets counter `n`.
    pub fn set_counter(&mut self, n: usize, value: u64) {
        match n {
            CYCLE_COUNTER => self.cycles = value,
            _ => {
                if let Some(event) = self.events.get_mut(n) {
                    *event = value & 0xffff_ffff;
                }
            }
        }
    }

    /// The event type or filter of counter `n`.
    #[must_use]
    pub fn kind(&self, n: usize) -> u64 {
        match n {
            CYCLE_COUNTER => self.cycle_filter,
            _ => self.types.get(n).copied().unwrap_or(0),
        }
    }

    /// Sets it.
    pub fn set_kind(&mut self, n: usize, value: u64) {
        match n {
            CYCLE_COUNTER => self.cycle_filter = value & filter::WRITABLE,
            _ => {
                if let Some(kind) = self.types.get_mut(n) {
                    *kind = value & (filter::WRITABLE | 0xffff);
                }
            }
        }
    }
}

impl CpuCore {
    /// Brings the counts up to date.
    pub(crate) fn count_events(&mut self, block: &VcpuBlock) {
        let now = self.instructions(block);
        self.pmu.count(now, self.pstate.el);
    }
}
