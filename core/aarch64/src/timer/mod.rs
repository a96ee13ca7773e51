//! The generic timer: EL1's physical and virtual timers over the system counter (Arm ARM D11).

use ferrite_ir::{Global, VcpuBlock};

use crate::cpu::{CpuCore, Halt};
use crate::state;

/// CNTx_CTL_EL0 bits.
pub mod control {
    /// The timer compares.
    pub const ENABLE: u64 = 1;
    /// Its interrupt is masked.
    pub const IMASK: u64 = 1 << 1;
    /// The condition is met (read-only).
    pub const ISTATUS: u64 = 1 << 2;
}

/// CNTKCTL_EL1 bits.
pub mod kernel_control {
    /// EL0 may read the physical counter.
    pub const EL0PCTEN: u64 = 1;
    /// EL0 may read the virtual counter.
    pub const EL0VCTEN: u64 = 1 << 1;
    /// The event stream is on: the virtual counter sets the event register.
    pub const EVNTEN: u64 = 1 << 2;
    /// It is the transitions from 1 to 0 that do, instead of those from 0 to 1.
    pub const EVNTDIR: u64 = 1 << 3;
    /// Bit number of the field that says which bit of the counter does: bits 7:4.
    pub const EVNTI: u32 = 4;
    /// EL0 may use the virtual timer.
    pub const EL0VTEN: u64 = 1 << 8;
    /// EL0 may use the physical timer.
    pub const EL0PTEN: u64 = 1 << 9;
}

/// One of the timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Its control register.
    pub control: Global,
    /// Its comparison value.
    pub compare: Global,
}

/// CNTP: the EL1 physical timer.
pub const PHYSICAL: Timer = Timer {
    control: state::CNTP_CTL_EL0,
    compare: state::CNTP_CVAL_EL0,
};

/// CNTV: the virtual timer. Without EL2 the virtual counter is the physical one.
pub const VIRTUAL: Timer = Timer {
    control: state::CNTV_CTL_EL0,
    compare: state::CNTV_CVAL_EL0,
};

/// The timers' outputs to the interrupt controller, and the performance monitor's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimerLines {
    /// The EL1 physical timer (PPI 14 of the `virt` board).
    pub physical: bool,
    /// The virtual timer (PPI 11).
    pub virtual_: bool,
    /// Performance monitor overflow (PPI 7).
    pub pmu: bool,
}

impl Timer {
    /// The control register as it reads at `counter`.
    #[must_use]
    pub fn control(self, block: &VcpuBlock, counter: u64) -> u64 {
        let control = block.get(self.control.0) & (control::ENABLE | control::IMASK);
        if control & control::ENABLE != 0 && self.reached(block, counter) {
            control | control::ISTATUS
        } else {
            control
        }
    }

    /// The interrupt output at `counter`.
    #[must_use]
    pub fn line(self, block: &VcpuBlock, counter: u64) -> bool {
        let control = block.get(self.control.0);
        control & (control::ENABLE | control::IMASK) == control::ENABLE
            && self.reached(block, counter)
    }

    fn reached(self, block: &VcpuBlock, counter: u64) -> bool {
        counter >= block.get(self.compare.0)
    }

    /// TVAL: the signed distance to the comparison value.
    #[must_use]
    pub fn value(self, block: &VcpuBlock, counter: u64) -> u64 {
        u64::from(block.get(self.compare.0).wrapping_sub(counter) as u32)
    }

    /// Sets the comparison value through TVAL.
    pub fn set_value(self, block: &mut VcpuBlock, counter: u64, value: u64) {
        let distance = i64::from(value as i32) as u64;
        block.set(self.compare.0, counter.wrapping_add(distance));
    }

    /// The counter value at which the output will rise, if it is armed and still low.
    fn deadline(self, block: &VcpuBlock, counter: u64) -> Option<u64> {
        let control = block.get(self.control.0);
        let armed = control & (control::ENABLE | control::IMASK) == control::ENABLE;
        (armed && !self.reached(block, counter)).then(|| block.get(self.compare.0))
    }
}

impl CpuCore {
    /// The outputs at `counter`.
    pub fn timer_lines(&mut self, block: &VcpuBlock, counter: u64) -> TimerLines {
        self.count_events(block);
        TimerLines {
            physical: PHYSICAL.line(block, counter),
            virtual_: VIRTUAL.line(block, counter),
            pmu: self.pmu.line(),
        }
    }

    /// The next counter value after `counter` at which an output rises by itself, or a wait for an
    /// event ends.
    #[must_use]
    pub fn next_deadline(&self, block: &VcpuBlock, counter: u64) -> Option<u64> {
        let [physical, virtual_] = [PHYSICAL, VIRTUAL].map(|timer| timer.deadline(block, counter));
        let event = match self.halt {
            Some(Halt::Event) => self.event_deadline(block, counter),
            _ => None,
        };
        [physical, virtual_, event].into_iter().flatten().min()
    }
}
