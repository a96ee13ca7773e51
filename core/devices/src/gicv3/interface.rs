//! The CPU interface: ICC system registers.

use super::GicV3;
use super::spec::{
    CTLR_CBPR, CTLR_EOI_MODE, CTLR_FIXED, LPI_FIRST, MIN_BPR0, PRIORITY_BITS, PRIORITY_MASK,
    SRE_VALUE, icc,
};
use super::state::Cpu;
use crate::gic::spec::{BANK, SPECIAL, SPURIOUS};
use crate::gic::{Pending, drop_priority, group_priority, running_priority, shared_place};

/// Active-priorities bit `n` stands for priority `n << 3`.
const ACTIVE_SHIFT: u32 = 8 - PRIORITY_BITS;
/// INTIDs have 24 bits in the system registers.
const INTID: u64 = 0xff_ffff;

impl Cpu {
    /// The group priority of an interrupt. ICC_BPR1_EL1 counts from one, as in the Non-secure
    /// state, where a system without EL3 is (section 4.8.2).
    fn group_priority(&self, pending: Pending) -> u8 {
        let point = if pending.group1 && self.control & CTLR_CBPR == 0 {
            u32::from(self.points[1]).saturating_sub(1)
        } else {
            u32::from(self.points[0])
        };
        group_priority(pending.priority & PRIORITY_MASK, point)
    }

    fn running_priority(&self) -> u8 {
        running_priority(&[self.active[0] | self.active[1]], ACTIVE_SHIFT)
    }

    /// The group of the interrupt that runs: that of the highest active priority.
    fn running_group(&self) -> Option<usize> {
        let [zero, one] = self.active.map(u32::trailing_zeros);
        (zero.min(one) < u32::BITS).then_some(usize::from(one < zero))
    }

    /// Whether an interrupt is above the priority mask and preempts what is active.
    pub(super) fn preempts(&self, pending: Pending) -> bool {
        pending.priority & PRIORITY_MASK < self.mask
            && self.group_priority(pending) < self.running_priority()
    }

    fn binary_point(&self, group: usize) -> u8 {
        if group == 1 && self.control & CTLR_CBPR != 0 {
            (self.points[0] + 1).min(7)
        } else {
            self.points[group]
        }
    }

    fn set_binary_point(&mut self, group: usize, value: u64) {
        if group == 1 && self.control & CTLR_CBPR != 0 {
            return;
        }
        self.points[group] = ((value & 7) as u8).max(MIN_BPR0 + group as u8);
    }
}

impl Cpu {
    /// Writes a register that just holds a value. `None`: there is no such one.
    fn set(&mut self, register: u32, value: u64) -> Option<()> {
        match register {
            icc::PMR => self.mask = value as u8 & PRIORITY_MASK,
            icc::BPR0 => self.set_binary_point(0, value),
            icc::BPR1 => self.set_binary_point(1, value),
            icc::AP0R0 => self.active[0] = value as u32,
            icc::AP1R0 => self.active[1] = value as u32,
            icc::CTLR => self.control = value & (CTLR_CBPR | CTLR_EOI_MODE),
            icc::SRE => {}
            icc::IGRPEN0 => self.enabled[0] = value & 1 != 0,
            icc::IGRPEN1 => self.enabled[1] = value & 1 != 0,
            _ => return None,
        }
        Some(())
    }
}

impl GicV3 {
    /// See [`crate::gic::Gic::sysreg_read`].
    pub fn sysreg_read(&mut self, cpu: usize, register: u32) -> Option<u64> {
        let state = self.state.cpus.get(cpu)?;
        Some(match register {
            icc::IAR1 => self.acknowledge(cpu, 1).into(),
            icc::IAR0 => self.acknowledge(cpu, 0).into(),
            icc::HPPIR0 => self.pending_id(cpu, 0).into(),
            icc::HPPIR1 => self.pending_id(cpu, 1).into(),
            icc::PMR => state.mask.into(),
            icc::RPR => state.running_priority().into(),
            icc::BPR0 => state.binary_point(0).into(),
            icc::BPR1 => state.binary_point(1).into(),
            icc::AP0R0 => state.active[0].into(),
            icc::AP1R0 => state.active[1].into(),
            icc::CTLR => CTLR_FIXED | state.control,
            icc::SRE => SRE_VALUE,
            icc::IGRPEN0 => state.enabled[0].into(),
            icc::IGRPEN1 => state.enabled[1].into(),
            _ => return None,
        })
    }

    /// See [`crate::gic::Gic::sysreg_write`].
    pub fn sysreg_write(&mut self, cpu: usize, register: u32, value: u64) -> Option<()> {
        let state = self.state.cpus.get_mut(cpu)?;
        match register {
            icc::EOIR1 => self.end(cpu, value, 1),
            icc::EOIR0 => self.end(cpu, value, 0),
            // With EOImode clear a write is ignored.
            icc::DIR if state.control & CTLR_EOI_MODE == 0 => {}
            icc::DIR => self.deactivate(cpu, value),
            icc::SGI1R => self.send_sgi(cpu, value, true),
            // With a single security state, "the other state's group 1" is group 0.
            icc::SGI0R | icc::ASGI1R => self.send_sgi(cpu, value, false),
            _ => {
                state.set(register, value)?;
                self.refresh(cpu);
            }
        }
        Some(())
    }

    /// ICC_HPPIRn_EL1: what would be acknowledged if nothing masked it.
    fn pending_id(&self, cpu: usize, group: usize) -> u32 {
        let best = self.derived.views.cpus[cpu].best;
        best.filter(|best| usize::from(best.group1) == group)
            .map_or(SPURIOUS, |best| best.intid)
    }

    /// ICC_IARn_EL1.
    fn acknowledge(&mut self, cpu: usize, group: usize) -> u32 {
        let state = &mut self.state.cpus[cpu];
        let best = self.derived.views.cpus[cpu].best;
        let own = best.filter(|best| usize::from(best.group1) == group);
        let Some(pending) = own.filter(|&best| state.preempts(best)) else {
            return SPURIOUS;
        };
        state.active[group] |= 1 << (state.group_priority(pending) >> ACTIVE_SHIFT);
        match shared_place(pending.intid) {
            // LPIs have no active state.
            _ if pending.intid >= LPI_FIRST => {
                state.lpis.clear(pending.intid);
            }
            None => state.private.acknowledge(pending.intid),
            Some((bank, bit)) => self.state.shared[bank].acknowledge(bit),
        }
        self.refresh(cpu);
        pending.intid
    }

    /// ICC_EOIRn_EL1: drops the running priority if the interrupt that runs is of this group and,
    /// unless EOImode is set, deactivates.
    fn end(&mut self, cpu: usize, value: u64, group: usize) {
        let state = &mut self.state.cpus[cpu];
        let special = u64::from(SPECIAL)..=u64::from(SPURIOUS);
        if special.contains(&(value & INTID)) || state.running_group() != Some(group) {
            return;
        }
        drop_priority(&mut state.active[group..=group]);
        if state.control & CTLR_EOI_MODE == 0 {
            self.deactivate(cpu, value);
        }
        self.refresh(cpu);
    }

    fn deactivate(&mut self, cpu: usize, value: u64) {
        let intid = (value & INTID) as u32;
        match shared_place(intid) {
            None => {
                self.state.cpus[cpu].private.deactivate(intid);
                self.refresh(cpu);
            }
            Some((index, bit)) => {
                let Some(bank) = self.state.shared.get_mut(index) else {
                    return;
                };
                bank.deactivate(bit);
                self.refresh_shared(index as u32 * BANK + bit);
            }
        }
    }
}
