//! GICv2 without the Security Extensions, as `virt` with `gic-version=2` has it: up to eight CPUs,
//! 256 shared interrupts, 8 bits of priority with 128 preemption levels.

mod distributor;
mod interface;
pub mod spec;
mod state;
#[cfg(test)]
mod tests;

use ferrite_machine::BusError;

use self::spec::{CpuControl, gicc, gicd};
use self::state::{Config, State};
use crate::gic::spec::BANK;
use crate::gic::{CpuSet, Frame, Groups, Outputs, VIRT_SPIS, Views, highest, set_shared_line};
use crate::words;

/// The controller.
#[derive(Clone, Debug)]
pub struct GicV2 {
    config: Config,
    state: State,
    derived: Views,
}

impl GicV2 {
    /// A controller for `cpus` CPUs (brought into the range 1 to 8) after power-on.
    #[must_use]
    pub fn new(cpus: usize) -> Self {
        let cpus = cpus.clamp(1, spec::MAX_CPUS);
        let banks = (VIRT_SPIS / BANK) as usize;
        let mut gic = Self {
            config: Config { cpus },
            state: State::new(cpus, banks),
            derived: Views::new(cpus, banks),
        };
        gic.derive();
        gic
    }

    /// How many CPUs it serves.
    #[must_use]
    pub fn cpus(&self) -> usize {
        self.config.cpus
    }

    /// See [`crate::gic::Gic::reset`].
    pub fn reset(&mut self) {
        self.state.reset();
        self.derive();
    }

    /// See [`crate::gic::Gic::set_spi`].
    pub fn set_spi(&mut self, spi: u32, level: bool) {
        if set_shared_line(&mut self.state.shared, spi, level) {
            self.refresh_targets(self.state.targets[spi as usize]);
        }
    }

    /// See [`crate::gic::Gic::set_ppi`].
    pub fn set_ppi(&mut self, cpu: usize, ppi: u32, level: bool) {
        let cpus = &mut self.state.cpus;
        if cpus
            .get_mut(cpu)
            .is_some_and(|cpu| cpu.private.set_private_line(ppi, level))
        {
            self.refresh(cpu);
        }
    }

    /// See [`crate::gic::Gic::outputs`].
    #[must_use]
    pub fn outputs(&self, cpu: usize) -> Outputs {
        self.derived.outputs(cpu)
    }

    pub(crate) fn changed(&self) -> &CpuSet {
        &self.derived.changed
    }

    pub(crate) fn changed_mut(&mut self) -> &mut CpuSet {
        &mut self.derived.changed
    }

    /// See [`crate::gic::Gic::read`].
    pub fn read(
        &mut self,
        cpu: usize,
        frame: Frame,
        offset: u64,
        bytes: u64,
    ) -> Result<u64, BusError> {
        if cpu >= self.config.cpus {
            return Err(BusError);
        }
        match frame {
            Frame::Distributor if offset < gicd::SIZE => {
                words::read(offset, bytes, |at| self.distributor_read(cpu, at))
            }
            Frame::CpuInterface if offset < gicc::SIZE => {
                words::read(offset, bytes, |at| self.interface_read(cpu, at))
            }
            _ => Err(BusError),
        }
    }

    /// See [`crate::gic::Gic::write`].
    pub fn write(
        &mut self,
        cpu: usize,
        frame: Frame,
        offset: u64,
        bytes: u64,
        value: u64,
    ) -> Result<(), BusError> {
        if cpu >= self.config.cpus {
            return Err(BusError);
        }
        match frame {
            Frame::Distributor if offset < gicd::SIZE => {
                words::write(offset, bytes, value, |at, word, lanes| {
                    self.distributor_write(cpu, at, word, lanes);
                })
            }
            Frame::CpuInterface if offset < gicc::SIZE => {
                words::write(offset, bytes, value, |at, word, lanes| {
                    self.interface_write(cpu, at, word, lanes);
                })
            }
            _ => Err(BusError),
        }
    }

    /// Recomputes everything that follows from the state.
    fn derive(&mut self) {
        for (cpu, view) in self.derived.cpus.iter_mut().enumerate() {
            let targets = self.state.targets.as_chunks::<{ BANK as usize }>().0;
            for (mask, targets) in view.targeted.iter_mut().zip(targets) {
                *mask = (0..BANK).fold(0, |mask, bit| {
                    mask | u32::from(targets[bit as usize] >> cpu & 1) << bit
                });
            }
        }
        self.refresh_targets(u8::MAX);
    }

    /// Recomputes the outputs of the CPUs in `targets`.
    fn refresh_targets(&mut self, targets: u8) {
        for cpu in (0..self.config.cpus).filter(|cpu| targets >> cpu & 1 != 0) {
            self.refresh(cpu);
        }
    }

    /// Recomputes what a CPU would acknowledge, and its outputs.
    fn refresh(&mut self, cpu: usize) {
        let interface = &self.state.cpus[cpu];
        let groups = Groups {
            group0: self.state.control & 1 != 0
                && interface.control.contains(CpuControl::ENABLE_GROUP0),
            group1: self.state.control & 2 != 0
                && interface.control.contains(CpuControl::ENABLE_GROUP1),
        };
        let view = &self.derived.cpus[cpu];
        let best = highest(
            &interface.private,
            &self.state.shared,
            &view.targeted,
            groups,
        );
        let outputs = match best.filter(|&best| interface.preempts(best)) {
            None => Outputs::default(),
            Some(best) => {
                let fiq = !best.group1 && interface.control.contains(CpuControl::FIQ_EN);
                Outputs { irq: !fiq, fiq }
            }
        };
        self.derived.set(cpu, best, outputs);
    }
}
