//! GICv3 with affinity routing and a single security state, as `virt` with `gic-version=3` has it:
//! up to 512 CPUs, 224 shared interrupts, 5 bits of priority in the CPU interfaces. LPIs are an
//! option; the service that delivers them is [`crate::its`].

mod distributor;
mod interface;
mod lpi;
mod redistributor;
mod routing;
mod sgi;
pub mod spec;
mod state;
#[cfg(test)]
mod tests;

use ferrite_machine::BusError;

use self::spec::{control, gicd, gicr};
use self::state::{Config, Derived, State};
use crate::gic::spec::BANK;
use crate::gic::{
    CpuSet, Frame, Groups, MAX_CPUS, Outputs, VIRT_SPIS, Views, highest, set_shared_line,
};
use crate::words;

/// The controller.
#[derive(Clone, Debug)]
pub struct GicV3 {
    config: Config,
    state: State,
    derived: Derived,
}

impl GicV3 {
    /// A controller after power-on for CPUs with these affinities: Aff3 in bits 31:24, Aff2 in
    /// 23:16, Aff1 in 15:8, Aff0 in 7:0. Of more than 512, the first 512 count.
    #[must_use]
    pub fn new(affinities: &[u32]) -> Self {
        let affinities: Vec<u32> = affinities.iter().copied().take(MAX_CPUS).collect();
        let cpus = affinities.len();
        let banks = (VIRT_SPIS / BANK) as usize;
        let mut gic = Self {
            config: Config {
                affinities,
                lpis: false,
            },
            state: State::new(cpus, banks),
            derived: Derived {
                targets: vec![None; VIRT_SPIS as usize],
                views: Views::new(cpus, banks),
            },
        };
        gic.derive();
        gic
    }

    /// How many CPUs it serves.
    #[must_use]
    pub fn cpus(&self) -> usize {
        self.config.affinities.len()
    }

    /// See [`crate::gic::Gic::reset`].
    pub fn reset(&mut self) {
        self.state.reset();
        self.derive();
    }

    /// See [`crate::gic::Gic::set_spi`].
    pub fn set_spi(&mut self, spi: u32, level: bool) {
        if set_shared_line(&mut self.state.shared, spi, level) {
            self.refresh_shared(spi);
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
        self.derived.views.outputs(cpu)
    }

    pub(crate) fn changed(&self) -> &CpuSet {
        &self.derived.views.changed
    }

    pub(crate) fn changed_mut(&mut self) -> &mut CpuSet {
        &mut self.derived.views.changed
    }

    /// See [`crate::gic::Gic::read`].
    pub fn read(
        &mut self,
        cpu: usize,
        frame: Frame,
        offset: u64,
        bytes: u64,
    ) -> Result<u64, BusError> {
        if cpu >= self.cpus() {
            return Err(BusError);
        }
        match frame {
            Frame::Distributor if offset < gicd::SIZE => {
                words::read(offset, bytes, |at| self.distributor_read(at))
            }
            Frame::Redistributors => {
                let (owner, offset) = self.redistributor(offset)?;
                words::read(offset, bytes, |at| self.redistributor_read(owner, at))
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
        if cpu >= self.cpus() {
            return Err(BusError);
        }
        match frame {
            Frame::Distributor if offset < gicd::SIZE => {
                words::write(offset, bytes, value, |at, word, lanes| {
                    self.distributor_write(at, word, lanes);
                })
            }
            Frame::Redistributors => {
                let (owner, offset) = self.redistributor(offset)?;
                words::write(offset, bytes, value, |at, word, lanes| {
                    self.redistributor_write(owner, at, word, lanes);
                })
            }
            _ => Err(BusError),
        }
    }

    /// The CPU whose redistributor an offset lies in, and the offset there.
    fn redistributor(&self, offset: u64) -> Result<(usize, u64), BusError> {
        let owner = usize::try_from(offset / gicr::STRIDE).map_err(|_| BusError)?;
        if owner >= self.cpus() {
            return Err(BusError);
        }
        Ok((owner, offset % gicr::STRIDE))
    }

    /// Recomputes the outputs of every CPU.
    fn refresh_all(&mut self) {
        (0..self.cpus()).for_each(|cpu| self.refresh(cpu));
    }

    /// Recomputes the outputs of the CPU that a shared interrupt goes to.
    fn refresh_shared(&mut self, spi: u32) {
        if let Some(&Some(cpu)) = self.derived.targets.get(spi as usize) {
            self.refresh(cpu);
        }
    }

    /// Recomputes what a CPU would acknowledge, and its outputs. A sleeping redistributor forwards
    /// nothing by the book; like QEMU's, this one does, for software that never wakes it.
    fn refresh(&mut self, cpu: usize) {
        let state = &self.state.cpus[cpu];
        let groups = Groups {
            group0: self.state.control & control::ENABLE_GROUP0 != 0 && state.enabled[0],
            group1: self.state.control & control::ENABLE_GROUP1 != 0 && state.enabled[1],
        };
        let view = &self.derived.views.cpus[cpu];
        let best = highest(&state.private, &self.state.shared, &view.targeted, groups);
        let lpi = state.lpis.first().filter(|_| groups.group1);
        // Of equal priorities, the lowest number is first, which no LPI has.
        let best = match (best, lpi) {
            (Some(best), Some(lpi)) if lpi.priority < best.priority => Some(lpi),
            (None, lpi) => lpi,
            (best, _) => best,
        };
        let outputs = match best.filter(|&best| state.preempts(best)) {
            None => Outputs::default(),
            Some(best) => Outputs {
                irq: best.group1,
                fiq: !best.group1,
            },
        };
        self.derived.views.set(cpu, best, outputs);
    }
}
