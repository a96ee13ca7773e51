//! What a GICv3 consists of.

use super::lpi::Lpis;
use super::spec::MIN_BPR0;
use crate::gic::spec::{BANK, SGIS};
use crate::gic::{Bank, Fixed, Views};

/// Fixed configuration.
#[derive(Clone, Debug)]
pub(super) struct Config {
    /// Aff3.Aff2.Aff1.Aff0 of each CPU, a byte each.
    pub affinities: Vec<u32>,
    /// Whether there are LPIs.
    pub lpis: bool,
}

/// What the guest sees: saved and restored as it is.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// GICD_CTLR's group enables.
    pub control: u32,
    /// Shared interrupts.
    pub shared: Vec<Bank>,
    /// GICD_IROUTERn of the shared interrupts.
    pub routes: Vec<u64>,
    /// What exists per CPU.
    pub cpus: Vec<Cpu>,
}

/// One CPU's redistributor and CPU interface.
#[derive(Clone, Debug)]
pub(super) struct Cpu {
    /// SGIs and PPIs.
    pub private: Bank,
    /// GICR_WAKER.ProcessorSleep.
    pub asleep: bool,
    /// ICC_PMR_EL1.
    pub mask: u8,
    /// ICC_BPR0_EL1 and ICC_BPR1_EL1.
    pub points: [u8; 2],
    /// ICC_CTLR_EL1's CBPR and EOImode.
    pub control: u64,
    /// ICC_IGRPEN0_EL1 and ICC_IGRPEN1_EL1.
    pub enabled: [bool; 2],
    /// ICC_AP0R0_EL1 and ICC_AP1R0_EL1.
    pub active: [u32; 2],
    /// LPIs.
    pub lpis: Lpis,
}

impl Cpu {
    pub fn new() -> Self {
        Self::with_bank(Bank::new(Fixed {
            edge: (1 << SGIS) - 1,
            ..Fixed::default()
        }))
    }

    fn with_bank(private: Bank) -> Self {
        Self {
            private,
            asleep: true,
            mask: 0,
            points: [MIN_BPR0, MIN_BPR0 + 1],
            control: 0,
            enabled: [false; 2],
            active: [0; 2],
            lpis: Lpis::default(),
        }
    }

    /// Resets all but the input lines.
    pub fn reset(&mut self) {
        let mut private = self.private.clone();
        private.reset();
        *self = Self::with_bank(private);
    }
}

/// What follows from the state, kept so that questions are answered quickly.
#[derive(Clone, Debug)]
pub(super) struct Derived {
    /// The CPU that each shared interrupt goes to, if any has the affinity that it asks for.
    pub targets: Vec<Option<usize>>,
    /// Per CPU.
    pub views: Views,
}

impl State {
    pub fn new(cpus: usize, banks: usize) -> Self {
        Self {
            control: 0,
            shared: vec![Bank::new(Fixed::default()); banks],
            routes: vec![0; banks * BANK as usize],
            cpus: (0..cpus).map(|_| Cpu::new()).collect(),
        }
    }

    pub fn reset(&mut self) {
        self.control = 0;
        self.shared.iter_mut().for_each(Bank::reset);
        self.routes.fill(0);
        self.cpus.iter_mut().for_each(Cpu::reset);
    }
}
