//! Taking a machine apart, and putting it together.

use std::sync::Arc;

use ferrite_machine::VirtualTime;

use super::runner::Runner;
use super::shared::Shared;
use super::{Step, Threads};
use crate::machine::{Rest, Vm};

/// A machine without its CPUs, which are with their threads.
pub struct Split {
    rest: Rest,
    shared: Arc<Shared>,
}

impl Vm {
    /// Takes the running machine apart: a runner for each CPU, by number, and the rest. Each CPU
    /// needs an engine of its own ([`Vm::set_engines`]); the machine comes back if one has none, or
    /// if it does not run.
    pub fn split(mut self, threads: Arc<dyn Threads>) -> Result<(Split, Vec<Runner>), Box<Self>> {
        if !self.can_split() {
            return Err(Box::new(self));
        }
        let on: Vec<bool> = (0..self.cpus().len()).map(|n| self.power_up(n)).collect();
        for index in 0..on.len() {
            self.update_inputs(index);
        }
        let (rest, board, cpus, engines) = self.into_parts();
        let parts = board.view_parts();
        let lines: Vec<_> = (0..cpus.len()).map(|n| board.lines(n)).collect();
        let shared = Arc::new(Shared::new(board, cpus.len(), threads));
        for (n, lines) in lines.into_iter().enumerate() {
            if let Some(mailbox) = shared.mailbox(n) {
                mailbox.set_lines(lines);
            }
        }
        let runners = cpus.into_iter().zip(engines).zip(on);
        let runners = runners
            .map(|((cpu, engine), on)| Runner::new(cpu, engine, &parts, Arc::clone(&shared), on))
            .collect();
        Ok((Split { rest, shared }, runners))
    }
}

impl Split {
    /// Lets every device look at its host side.
    pub fn poll_devices(&self) {
        self.shared.with_board(|board| board.poll_devices());
    }

    /// Calls the devices whose time has come. Returns the next time that one asks for, and whether
    /// the whole machine is needed: the guest asked for a reset, or something is to be announced.
    pub fn run_timers(&self) -> (Option<VirtualTime>, bool) {
        let timers = self.shared.with_board(|board| {
            let until = board.run_timers();
            (until, board.needs_owner())
        });
        timers.unwrap_or_default()
    }

    /// Virtual time now.
    #[must_use]
    pub fn now(&self) -> VirtualTime {
        let now = self.shared.with_board(|board| board.now());
        now.unwrap_or_default()
    }

    /// Asks for the runners: [`Runner::step`] returns [`Step::Halted`] from now on.
    pub fn halt(&self) {
        self.shared.halt();
    }

    /// Puts the machine together again from all of its runners, in any order. `None` if the board
    /// is gone, which only a second call could bring about.
    #[must_use]
    pub fn join(self, mut runners: Vec<Runner>) -> Option<Vm> {
        debug_assert!(self.shared.is_halting(), "{:?} comes first", Step::Halted);
        runners.sort_by_key(Runner::index);
        let (cpus, engines) = runners.into_iter().map(Runner::into_parts).unzip();
        let board = self.shared.take_board()?;
        Some(Vm::from_parts(self.rest, board, cpus, engines))
    }
}
