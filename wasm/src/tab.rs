//! A machine in a worker: run in slices, so that the worker can listen in between.

use std::sync::Arc;

use ferrite_ir::Accelerator;
use ferrite_machine::backend::RandomSource;
use ferrite_machine::clock::HostClock;
use ferrite_qmp::Events;
use ferrite_vm::machine::RunState;
use ferrite_vm::{Slice, Vm};

use crate::control::{Control, Facts, announce};
use crate::monitors::Monitors;
use crate::setup::Page;
use crate::stream::PageStream;
use crate::traces::Traces;

/// What a machine needs of the page: makers of clocks and of random sources.
#[derive(Clone, Copy)]
pub struct Host {
    /// Makes a clock.
    pub clock: fn() -> Box<dyn HostClock>,
    /// Makes the clock of the event bus, which is shared.
    pub event_clock: fn() -> Arc<dyn HostClock + Sync>,
    /// Makes a source of random numbers.
    pub random: fn() -> Box<dyn RandomSource>,
    /// Makes an engine that compiles guest code, if the host has one.
    pub engine: fn() -> Option<Accelerator>,
}

/// What the worker should do after [`Tab::run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Call again as soon as other tasks had their turn.
    Busy,
    /// Call again after this many nanoseconds, or when there is news.
    Sleep(u64),
    /// Call again when there is news.
    Wait,
    /// The machine is gone.
    Ended,
}

/// Figures of a machine at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Guest instructions executed since the last reset, by all CPUs.
    pub instructions: u64,
    /// Pieces of guest code that are translated now.
    pub regions: u64,
    /// Guest instructions translated so far.
    pub translated: u64,
    /// What the machine is doing.
    pub state: RunState,
}

/// A machine and its connections to the page.
pub struct Tab {
    vm: Vm,
    facts: Facts,
    terminal: PageStream,
    /// Its folder and its network.
    pub page: Page,
    /// What its trace points tell.
    pub traces: Traces,
    events: Events,
    /// Its QMP conversations.
    pub monitors: Monitors,
    clock: Box<dyn HostClock>,
}

impl Tab {
    pub(crate) fn new(vm: Vm, facts: Facts, terminal: PageStream, page: Page, host: Host) -> Self {
        let traces = Traces::default();
        traces.listen(vm.board().trace());
        Self {
            vm,
            facts,
            terminal,
            page,
            traces,
            events: Events::new((host.event_clock)()),
            monitors: Monitors::default(),
            clock: (host.clock)(),
        }
    }

    /// Lets the guest run.
    pub(crate) fn start(&mut self) {
        // A machine that was just built can always start.
        let started = self.vm.cont();
        debug_assert!(started.is_ok());
    }

    /// The serial port's other end.
    #[must_use]
    pub fn terminal(&self) -> &PageStream {
        &self.terminal
    }

    /// Opens a QMP conversation.
    pub fn open_monitor(&mut self) -> u32 {
        self.monitors.open(&self.events)
    }

    /// Runs the guest for about `budget_ns` nanoseconds of the host's time, less if it waits, after
    /// obeying monitors and looking at what the page has for the devices.
    pub fn run(&mut self, budget_ns: u64) -> Next {
        self.events.poll();
        self.vm.poll_devices();
        self.serve();
        let start = self.clock.monotonic_ns();
        loop {
            let slice = self.vm.run_slice();
            announce(&mut self.vm, &self.events);
            match slice {
                Slice::Busy => {
                    if self.clock.monotonic_ns().wrapping_sub(start) >= budget_ns {
                        return Next::Busy;
                    }
                }
                Slice::Idle { until } => {
                    let now = self.vm.board().now();
                    let timer = until.map(|at| at.0.saturating_sub(now.0));
                    let due = [timer, self.events.next_due_ns()].into_iter().flatten();
                    return self.rest(due.min());
                }
                Slice::Stopped => return self.rest(self.events.next_due_ns()),
                Slice::Ended => return Next::Ended,
            }
        }
    }

    fn rest(&self, due: Option<u64>) -> Next {
        match due {
            _ if self.monitors.has_work() => Next::Busy,
            Some(0) => Next::Busy,
            Some(ns) => Next::Sleep(ns),
            None => Next::Wait,
        }
    }

    /// Obeys monitors.
    fn serve(&mut self) {
        if !self.monitors.has_work() {
            return;
        }
        let mut control = Control {
            vm: &mut self.vm,
            facts: &self.facts,
            events: &self.events,
        };
        self.monitors.serve(&mut control);
        announce(&mut self.vm, &self.events);
    }

    /// Figures of now.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let cpus = self.vm.cpus().iter();
        let engine = self.vm.engine();
        Figures {
            instructions: cpus.map(|cpu| cpu.instructions()).sum(),
            regions: engine.regions() as u64,
            translated: engine.stats().insns,
            state: self.vm.state(),
        }
    }
}
