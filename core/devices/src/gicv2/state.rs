//! What a GICv2 consists of.

use super::spec::{CpuControl, MIN_ABPR};
use crate::gic::spec::{BANK, SGIS};
use crate::gic::{Bank, Fixed};

const SGI_MASK: u32 = (1 << SGIS) - 1;

/// Fixed configuration.
#[derive(Clone, Debug)]
pub(super) struct Config {
    /// CPUs, 1 to 8.
    pub cpus: usize,
}

/// What the guest sees: saved and restored as it is.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// GICD_CTLR.
    pub control: u32,
    /// Shared interrupts.
    pub shared: Vec<Bank>,
    /// GICD_ITARGETSRn of the shared interrupts.
    pub targets: Vec<u8>,
    /// What exists per CPU.
    pub cpus: Vec<Interface>,
}

/// One CPU's private interrupts and interface.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    /// SGIs and PPIs. A pending SGI is latched here as long as it has a source.
    pub private: Bank,
    /// The CPUs that each pending SGI came from.
    pub sources: [u8; SGIS as usize],
    pub control: CpuControl,
    /// GICC_PMR.
    pub mask: u8,
    /// GICC_BPR.
    pub point: u8,
    /// GICC_ABPR.
    pub alias_point: u8,
    /// GICC_APRn.
    pub active: [u32; 4],
}

impl Interface {
    pub fn new() -> Self {
        Self::with_bank(Bank::new(Fixed {
            enabled: SGI_MASK,
            pending: SGI_MASK,
            edge: SGI_MASK,
        }))
    }

    fn with_bank(private: Bank) -> Self {
        Self {
            private,
            sources: [0; SGIS as usize],
            control: CpuControl::empty(),
            mask: 0,
            point: 0,
            alias_point: MIN_ABPR,
            active: [0; 4],
        }
    }

    /// Resets all but the input lines.
    pub fn reset(&mut self) {
        let mut private = self.private.clone();
        private.reset();
        *self = Self::with_bank(private);
    }

    /// Sets the sources of an SGI; it is pending while it has any.
    pub fn set_sources(&mut self, sgi: u32, sources: u8) {
        self.sources[sgi as usize] = sources;
        let bit = 1 << sgi;
        self.private.latched = if sources == 0 {
            self.private.latched & !bit
        } else {
            self.private.latched | bit
        };
    }
}

impl State {
    pub fn new(cpus: usize, banks: usize) -> Self {
        Self {
            control: 0,
            shared: vec![Bank::new(Fixed::default()); banks],
            // A single CPU is every interrupt's target; there are no target registers then.
            targets: vec![u8::from(cpus == 1); banks * BANK as usize],
            cpus: (0..cpus).map(|_| Interface::new()).collect(),
        }
    }

    pub fn reset(&mut self) {
        self.control = 0;
        self.shared.iter_mut().for_each(Bank::reset);
        self.targets.fill(u8::from(self.cpus.len() == 1));
        self.cpus.iter_mut().for_each(Interface::reset);
    }
}
