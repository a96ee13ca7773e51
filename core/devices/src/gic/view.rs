//! What follows from a controller's state, kept so that questions are answered quickly.

use super::{CpuSet, Outputs, Pending};

/// What follows for one CPU.
#[derive(Clone, Debug)]
pub struct View {
    /// Shared interrupts that go to it, a mask per bank.
    pub targeted: Vec<u32>,
    /// The interrupt that it would acknowledge next, masks and running priority aside.
    pub best: Option<Pending>,
    outputs: Outputs,
}

/// What follows for every CPU.
#[derive(Clone, Debug)]
pub struct Views {
    /// Each CPU's.
    pub cpus: Vec<View>,
    /// CPUs whose outputs changed since the board asked.
    pub changed: CpuSet,
}

impl Views {
    /// Nothing is pending for any of `cpus` CPUs, among that many banks of shared interrupts.
    pub fn new(cpus: usize, banks: usize) -> Self {
        let view = View {
            targeted: vec![0; banks],
            best: None,
            outputs: Outputs::default(),
        };
        Self {
            cpus: vec![view; cpus],
            changed: CpuSet::default(),
        }
    }

    /// A CPU's outputs; low where there is no such CPU.
    pub fn outputs(&self, cpu: usize) -> Outputs {
        let view = self.cpus.get(cpu);
        view.map_or(Outputs::default(), |view| view.outputs)
    }

    /// Notes what a CPU would acknowledge, and what its outputs become because of it.
    pub fn set(&mut self, cpu: usize, best: Option<Pending>, outputs: Outputs) {
        let view = &mut self.cpus[cpu];
        view.best = best;
        if outputs != view.outputs {
            view.outputs = outputs;
            self.changed.insert(cpu);
        }
    }
}
