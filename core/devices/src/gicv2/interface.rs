//! GICC registers.

use super::GicV2;
use super::spec::{BPR_MASK, CpuControl, GICC_IIDR, MIN_ABPR, gicc};
use super::state::Interface;
use crate::gic::spec::{IDLE_PRIORITY, OTHER_GROUP, PRIVATE, SGIS, SPECIAL, SPURIOUS};
use crate::gic::{Pending, drop_priority, group_priority, running_priority, shared_place};
use crate::words::merge;

/// Active-priorities bit `n` stands for priority `n << 1`: 7 bits of group priority.
const ACTIVE_SHIFT: u32 = 1;

impl Interface {
    /// The group priority of an interrupt (3.3.3, 4.4.8: GICC_ABPR counts from one).
    fn group_priority(&self, pending: Pending) -> u8 {
        let point = if pending.group1 && !self.control.contains(CpuControl::CBPR) {
            u32::from(self.alias_point).saturating_sub(1)
        } else {
            u32::from(self.point)
        };
        group_priority(pending.priority, point)
    }

    pub(super) fn running_priority(&self) -> u8 {
        running_priority(&self.active, ACTIVE_SHIFT)
    }

    /// Whether an interrupt is above the priority mask and preempts what is active.
    pub(super) fn preempts(&self, pending: Pending) -> bool {
        pending.priority < self.mask && self.group_priority(pending) < self.running_priority()
    }
}

impl GicV2 {
    pub(super) fn interface_read(&mut self, cpu: usize, offset: u64) -> u32 {
        let interface = &self.state.cpus[cpu];
        match offset {
            gicc::CTLR => interface.control.bits(),
            gicc::PMR => interface.mask.into(),
            gicc::BPR => interface.point.into(),
            gicc::ABPR => interface.alias_point.into(),
            gicc::IAR => self.acknowledge(cpu, false),
            gicc::AIAR => self.acknowledge(cpu, true),
            gicc::HPPIR => self.pending_id(cpu, self.derived.cpus[cpu].best, false),
            gicc::AHPPIR => self.pending_id(cpu, self.derived.cpus[cpu].best, true),
            gicc::RPR => interface.running_priority().into(),
            gicc::APR..gicc::APR_END => interface.active[((offset - gicc::APR) / 4) as usize],
            gicc::IIDR => GICC_IIDR,
            _ => 0,
        }
    }

    pub(super) fn interface_write(&mut self, cpu: usize, offset: u64, value: u32, lanes: u32) {
        let interface = &mut self.state.cpus[cpu];
        let set = value & lanes;
        match offset {
            gicc::CTLR => {
                let control = merge(interface.control.bits(), value, lanes);
                interface.control = CpuControl::from_bits_truncate(control);
            }
            gicc::PMR => interface.mask = merge(interface.mask.into(), value, lanes) as u8,
            gicc::BPR => interface.point = (set & BPR_MASK) as u8,
            gicc::ABPR => interface.alias_point = ((set & BPR_MASK) as u8).max(MIN_ABPR),
            gicc::APR..gicc::APR_END => {
                let word = &mut interface.active[((offset - gicc::APR) / 4) as usize];
                *word = merge(*word, value, lanes);
            }
            gicc::EOIR | gicc::AEOIR => return self.end(cpu, set),
            gicc::DIR => {
                // With EOImode clear a write is UNPREDICTABLE (4.4.15): it is ignored.
                if interface.control.contains(CpuControl::EOI_MODE) {
                    self.deactivate(cpu, set);
                }
                return;
            }
            _ => return,
        }
        self.refresh(cpu);
    }

    /// What GICC_IAR or GICC_HPPIR (their aliased forms, if `alias`) call a pending interrupt: its
    /// number with an SGI's source above it (3.4.2, 4.4.4, 4.4.9).
    fn pending_id(&self, cpu: usize, pending: Option<Pending>, alias: bool) -> u32 {
        let interface = &self.state.cpus[cpu];
        match pending {
            None => SPURIOUS,
            Some(p) if alias && !p.group1 => SPURIOUS,
            Some(p) if p.group1 && !alias && !interface.control.contains(CpuControl::ACK_CTL) => {
                OTHER_GROUP
            }
            Some(p) if p.intid < SGIS => {
                let source = interface.sources[p.intid as usize].trailing_zeros();
                p.intid | (source & 7) << 10
            }
            Some(p) => p.intid,
        }
    }

    fn acknowledge(&mut self, cpu: usize, alias: bool) -> u32 {
        let interface = &self.state.cpus[cpu];
        let best = self.derived.cpus[cpu].best;
        let signalled = best.filter(|&pending| interface.preempts(pending));
        let id = self.pending_id(cpu, signalled, alias);
        let Some(pending) = signalled.filter(|_| id & 0x3ff < SPECIAL) else {
            return id;
        };
        let interface = &mut self.state.cpus[cpu];
        let level = interface.group_priority(pending) >> ACTIVE_SHIFT;
        interface.active[usize::from(level / 32)] |= 1 << (level % 32);
        match shared_place(pending.intid) {
            None => {
                interface.private.acknowledge(pending.intid);
                if let Some(&sources) = interface.sources.get(pending.intid as usize) {
                    interface.set_sources(pending.intid, sources & sources.wrapping_sub(1));
                }
                self.refresh(cpu);
            }
            Some((bank, bit)) => {
                self.state.shared[bank].acknowledge(bit);
                self.refresh_shared(cpu, pending.intid);
            }
        }
        id
    }

    /// GICC_EOIR: drops the running priority and, unless EOImode is set, deactivates (4.4.5). With
    /// nothing to end it is UNPREDICTABLE, and ignored.
    fn end(&mut self, cpu: usize, value: u32) {
        let interface = &mut self.state.cpus[cpu];
        if value & 0x3ff >= SPECIAL || interface.running_priority() == IDLE_PRIORITY {
            return;
        }
        drop_priority(&mut interface.active);
        if interface.control.contains(CpuControl::EOI_MODE) {
            self.refresh(cpu);
        } else {
            self.deactivate(cpu, value);
        }
    }

    fn deactivate(&mut self, cpu: usize, value: u32) {
        let intid = value & 0x3ff;
        match shared_place(intid) {
            None => {
                self.state.cpus[cpu].private.deactivate(intid);
                self.refresh(cpu);
            }
            Some((index, bit)) => {
                if let Some(bank) = self.state.shared.get_mut(index) {
                    bank.deactivate(bit);
                }
                self.refresh_shared(cpu, intid);
            }
        }
    }

    /// Refreshes `cpu` and every CPU that the shared interrupt targets.
    fn refresh_shared(&mut self, cpu: usize, intid: u32) {
        let targets = self.state.targets.get((intid - PRIVATE) as usize);
        self.refresh_targets(targets.copied().unwrap_or(0) | 1 << cpu);
    }
}
