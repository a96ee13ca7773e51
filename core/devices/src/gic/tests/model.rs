//! The model.

use super::CPUS;
use crate::gic::Outputs;

/// Something software or a device does.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// CPU acknowledges: of group 1 by the register for it, or of group 0.
    Acknowledge(usize, bool),
    /// CPU ends whatever runs; stands for [`Op::End`] or nothing.
    EndRunning(usize),
    /// CPU ends this interrupt of group 1 or 0.
    End(usize, u32, bool),
    Deactivate(usize, u32),
    Line(usize, u32, bool),
    Enable(usize, u32, bool),
    Group(usize, u32, bool),
    Priority(usize, u32, u8),
    Edge(usize, u32, bool),
    Pend(usize, u32, bool),
    Activate(usize, u32, bool),
    Target(u32, usize),
    /// From CPU, number, target list, group 1.
    Sgi(usize, u32, u8, bool),
    Mask(usize, u8),
    /// CPU, group 1, value.
    BinaryPoint(usize, bool, u8),
    CommonBinaryPoint(usize, bool),
    EoiMode(usize, bool),
    DistributorGroups(bool, bool),
    CpuGroups(usize, bool, bool),
}

/// Where the versions differ.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Bits of priority that the CPU interface looks at.
    pub priority_mask: u8,
    /// Least binary points.
    pub least_points: [u8; 2],
    /// SGIs are told apart by their sender.
    pub sgi_sources: bool,
    /// SGIs are always enabled.
    pub sgis_enabled: bool,
    /// An SGI is sent to a group.
    pub sgi_groups: bool,
}

#[derive(Clone, Copy, Default)]
struct Interrupt {
    group1: bool,
    enabled: bool,
    edge: bool,
    line: bool,
    latched: bool,
    active: bool,
    priority: u8,
    sources: u8,
    target: Option<usize>,
}

impl Interrupt {
    fn pending(&self) -> bool {
        self.latched || self.sources != 0 || (self.line && !self.edge)
    }
}

#[derive(Clone)]
struct Cpu {
    private: [Interrupt; 32],
    mask: u8,
    points: [u8; 2],
    common: bool,
    eoi_mode: bool,
    groups: [bool; 2],
    /// Active interrupts, the running one last: INTID, group priority, group 1.
    stack: Vec<(u32, u8, bool)>,
}

pub struct Model {
    rules: Rules,
    groups: [bool; 2],
    shared: Vec<Interrupt>,
    cpus: Vec<Cpu>,
}

impl Model {
    pub fn new(rules: Rules) -> Self {
        let mut private = [Interrupt::default(); 32];
        for sgi in &mut private[..16] {
            sgi.edge = true;
            sgi.enabled = rules.sgis_enabled;
        }
        let cpu = Cpu {
            private,
            mask: 0,
            points: rules.least_points,
            common: false,
            eoi_mode: false,
            groups: [false; 2],
            stack: Vec::new(),
        };
        let mut shared = vec![Interrupt::default(); 256];
        // The ports send every shared interrupt to CPU 0 first.
        for interrupt in &mut shared {
            interrupt.target = Some(0);
        }
        Self {
            rules,
            groups: [false; 2],
            shared,
            cpus: vec![cpu; CPUS],
        }
    }

    fn get(&mut self, cpu: usize, intid: u32) -> &mut Interrupt {
        match intid {
            0..32 => &mut self.cpus[cpu].private[intid as usize],
            _ => &mut self.shared[intid as usize - 32],
        }
    }

    pub fn running(&self, cpu: usize) -> Option<(u32, bool)> {
        let &(intid, _, group1) = self.cpus[cpu].stack.last()?;
        Some((intid, group1))
    }

    pub fn pending_active(&self, cpu: usize, intid: u32) -> (bool, bool) {
        let interrupt = match intid {
            0..32 => &self.cpus[cpu].private[intid as usize],
            _ => &self.shared[intid as usize - 32],
        };
        (interrupt.pending(), interrupt.active)
    }

    /// The deliverable interrupt of the highest priority.
    fn best(&self, cpu: usize) -> Option<(u32, Interrupt)> {
        let private = self.cpus[cpu].private.iter();
        let all = (0..).zip(private.chain(&self.shared));
        all.filter(|&(intid, interrupt)| {
            let group = usize::from(interrupt.group1);
            (intid < 32 || interrupt.target == Some(cpu))
                && interrupt.pending()
                && interrupt.enabled
                && !interrupt.active
                && self.groups[group]
                && self.cpus[cpu].groups[group]
        })
        .map(|(intid, interrupt)| (intid, *interrupt))
        .min_by_key(|(intid, interrupt)| (interrupt.priority, *intid))
    }

    /// How many low bits of the priority do not count for preemption, per the manuals' tables: one
    /// more than the binary point for group 0, as many as it for group 1's own.
    fn group_priority(&self, cpu: usize, interrupt: &Interrupt) -> u8 {
        let cpu = &self.cpus[cpu];
        let dropped = if interrupt.group1 && !cpu.common {
            u32::from(cpu.points[1])
        } else {
            u32::from(cpu.points[0]) + 1
        };
        let value = u32::from(interrupt.priority & self.rules.priority_mask);
        (value / (1 << dropped) * (1 << dropped)) as u8
    }

    /// What the CPU is interrupted by.
    fn signalled(&self, cpu: usize) -> Option<(u32, Interrupt)> {
        let (intid, interrupt) = self.best(cpu)?;
        let running = self.cpus[cpu].stack.last();
        let preempts =
            running.is_none_or(|&(_, priority, _)| self.group_priority(cpu, &interrupt) < priority);
        let unmasked = interrupt.priority & self.rules.priority_mask < self.cpus[cpu].mask;
        // A group priority of 0xff, which only arises with all priority bits, preempts nothing.
        let idle = self.group_priority(cpu, &interrupt) != 0xff;
        (preempts && unmasked && idle).then_some((intid, interrupt))
    }

    pub fn outputs(&self, cpu: usize) -> Outputs {
        let signalled = self.signalled(cpu);
        Outputs {
            irq: signalled.is_some_and(|(_, interrupt)| interrupt.group1),
            fiq: signalled.is_some_and(|(_, interrupt)| !interrupt.group1),
        }
    }

    fn acknowledge(&mut self, cpu: usize, group1: bool) -> u32 {
        let Some((intid, interrupt)) = self.signalled(cpu) else {
            return 1023;
        };
        if interrupt.group1 != group1 {
            return if self.rules.sgi_sources && interrupt.group1 {
                1022
            } else {
                1023
            };
        }
        let priority = self.group_priority(cpu, &interrupt);
        self.cpus[cpu].stack.push((intid, priority, group1));
        let interrupt = self.get(cpu, intid);
        interrupt.active = true;
        interrupt.latched = false;
        if interrupt.sources == 0 {
            return intid;
        }
        let source = (0..8).find(|n| interrupt.sources & 1 << n != 0).unwrap();
        interrupt.sources &= !(1 << source);
        intid | source << 10
    }

    /// Does it; the answer is what an acknowledgement returns.
    pub fn apply(&mut self, op: Op) -> Option<u32> {
        match op {
            Op::Acknowledge(cpu, group1) => return Some(self.acknowledge(cpu, group1)),
            Op::EndRunning(_) => {}
            Op::End(cpu, intid, _) => {
                self.cpus[cpu].stack.pop();
                if !self.cpus[cpu].eoi_mode {
                    self.get(cpu, intid).active = false;
                }
            }
            Op::Deactivate(cpu, intid) => {
                if self.cpus[cpu].eoi_mode {
                    self.get(cpu, intid).active = false;
                }
            }
            Op::Line(cpu, intid, level) => {
                let interrupt = self.get(cpu, intid);
                interrupt.latched |= interrupt.edge && level && !interrupt.line;
                interrupt.line = level;
            }
            Op::Enable(cpu, intid, on) => {
                let fixed = self.rules.sgis_enabled && intid < 16;
                self.get(cpu, intid).enabled = on || fixed;
            }
            Op::Group(cpu, intid, group1) => self.get(cpu, intid).group1 = group1,
            Op::Priority(cpu, intid, priority) => self.get(cpu, intid).priority = priority,
            Op::Edge(cpu, intid, edge) => self.get(cpu, intid).edge = edge,
            Op::Pend(cpu, intid, on) => self.get(cpu, intid).latched = on,
            Op::Activate(cpu, intid, on) => self.get(cpu, intid).active = on,
            Op::Target(intid, cpu) => self.get(0, intid).target = Some(cpu),
            Op::Sgi(from, sgi, targets, group1) => self.sgi(from, sgi, targets, group1),
            Op::Mask(cpu, mask) => self.cpus[cpu].mask = mask & self.rules.priority_mask,
            Op::BinaryPoint(cpu, group1, value) => {
                let group = usize::from(group1);
                let least = self.rules.least_points[group];
                // GICv3 ignores group 1's while group 0's governs both.
                if !(group1 && self.cpus[cpu].common && !self.rules.sgi_sources) {
                    self.cpus[cpu].points[group] = value.max(least);
                }
            }
            Op::CommonBinaryPoint(cpu, on) => self.cpus[cpu].common = on,
            Op::EoiMode(cpu, on) => self.cpus[cpu].eoi_mode = on,
            Op::DistributorGroups(zero, one) => self.groups = [zero, one],
            Op::CpuGroups(cpu, zero, one) => self.cpus[cpu].groups = [zero, one],
        }
        None
    }

    fn sgi(&mut self, from: usize, sgi: u32, targets: u8, group1: bool) {
        for cpu in (0..CPUS).filter(|cpu| targets & 1 << cpu != 0) {
            let by_source = self.rules.sgi_sources;
            let by_group = self.rules.sgi_groups;
            let interrupt = self.get(cpu, sgi);
            if by_source {
                interrupt.sources |= 1 << from;
            } else if !by_group || interrupt.group1 == group1 {
                interrupt.latched = true;
            }
        }
    }
}
