//! A machine in a worker: run in slices, so that the worker can listen in between.

use std::sync::Arc;
use std::time::Duration;

use ferrite_ir::Accelerator;
use ferrite_machine::backend::RandomSource;
use ferrite_machine::clock::HostClock;
use ferrite_qmp::Events;
use ferrite_vm::machine::RunState;
use ferrite_vm::smp::Split;
use ferrite_vm::{Slice, Vm};

use crate::bell;
use crate::control::{Control, Facts, announce};
use crate::cpus::Crew;
use crate::monitors::Monitors;
use crate::net::timed::Timer;
use crate::setup::Page;
use crate::stream::PageStream;
use crate::traces::Traces;

const NS_PER_MS: u64 = 1_000_000;

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
    /// Whether the host gives each CPU a thread that calls [`crate::cpus::work`].
    pub threads: bool,
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
    /// A CPU's thread broke, and the machine with it.
    Broken,
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
    /// Accesses of guest code that missed the TLB so far.
    pub tlb_misses: u64,
    /// What the machine is doing.
    pub state: RunState,
}

/// A machine, whole or at work.
enum Form {
    Whole(Box<Vm>),
    /// Its CPUs run on their threads.
    Split(Box<Split>),
    /// A thread broke.
    Broken,
}

/// A machine and its connections to the page.
pub struct Tab {
    form: Form,
    /// The threads of its CPUs, if they have any.
    crew: Option<Crew>,
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
    figures: Figures,
}

impl Tab {
    pub(crate) fn new(
        vm: Vm,
        crew: Option<Crew>,
        facts: Facts,
        terminal: PageStream,
        page: Page,
        host: Host,
    ) -> Self {
        let traces = Traces::default();
        traces.listen(vm.board().trace());
        let figures = figures(&vm);
        Self {
            form: Form::Whole(Box::new(vm)),
            crew,
            facts,
            terminal,
            page,
            traces,
            events: Events::new((host.event_clock)()),
            monitors: Monitors::default(),
            clock: (host.clock)(),
            figures,
        }
    }

    /// Lets the guest run.
    pub(crate) fn start(&mut self) {
        if let Form::Whole(vm) = &mut self.form {
            // A machine that was just built can always start.
            let started = vm.cont();
            debug_assert!(started.is_ok());
        }
    }

    /// How many threads its CPUs want.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.crew.as_ref().map_or(0, Crew::cpus)
    }

    /// For how long those threads have been at work so far, all taken together.
    #[must_use]
    pub fn threads_worked(&self) -> Duration {
        self.crew.as_ref().map(Crew::worked).unwrap_or_default()
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
    /// obeying monitors and looking at what the page has for the devices. CPUs with threads of their
    /// own run on when this returns.
    pub fn run(&mut self, budget_ns: u64) -> Next {
        bell::answer();
        self.events.poll();
        if self.monitors.has_work() {
            self.gather();
        }
        match &mut self.form {
            Form::Whole(vm) => vm.poll_devices(),
            Form::Split(split) => split.poll_devices(),
            Form::Broken => return Next::Broken,
        }
        self.serve();
        match &self.crew {
            None => self.run_in_turns(budget_ns),
            Some(_) => self.run_at_once(budget_ns),
        }
    }

    /// Gives the CPUs turns on this thread.
    fn run_in_turns(&mut self, budget_ns: u64) -> Next {
        let Form::Whole(vm) = &mut self.form else {
            return Next::Broken;
        };
        let start = self.clock.monotonic_ns();
        loop {
            let slice = vm.run_slice();
            announce(vm, &self.events);
            match slice {
                Slice::Busy => {
                    if self.clock.monotonic_ns().wrapping_sub(start) >= budget_ns {
                        return Next::Busy;
                    }
                }
                Slice::Idle { until } => {
                    let now = vm.board().now();
                    let timer = until.map(|at| at.0.saturating_sub(now.0));
                    let due = [timer, self.net_due_ns(), self.events.next_due_ns()];
                    return self.rest(due.into_iter().flatten().min());
                }
                Slice::Stopped => return self.rest(self.events.next_due_ns()),
                Slice::Ended => return Next::Ended,
            }
        }
    }

    /// Lets the CPUs run on their threads, and looks after devices and timers.
    fn run_at_once(&mut self, budget_ns: u64) -> Next {
        loop {
            match std::mem::replace(&mut self.form, Form::Broken) {
                Form::Broken => return Next::Broken,
                Form::Whole(mut vm) => {
                    announce(&mut vm, &self.events);
                    match (vm.standing(), &self.crew) {
                        (None, Some(crew)) => match crew.run(*vm) {
                            Ok(split) => self.form = Form::Split(Box::new(split)),
                            Err(whole) => {
                                self.form = Form::Whole(whole);
                                return self.run_in_turns(budget_ns);
                            }
                        },
                        (standing, _) => {
                            self.form = Form::Whole(vm);
                            return match standing {
                                Some(Slice::Ended) => Next::Ended,
                                _ => self.rest(self.events.next_due_ns()),
                            };
                        }
                    }
                }
                Form::Split(split) => {
                    let (until, whole) = split.run_timers();
                    let now = split.now();
                    self.form = Form::Split(split);
                    if whole {
                        self.gather();
                        continue;
                    }
                    let timer = until.map(|at| at.0.saturating_sub(now.0));
                    let due = [timer, self.net_due_ns(), self.events.next_due_ns()];
                    return self.rest(due.into_iter().flatten().min());
                }
            }
        }
    }

    /// Puts the machine together, if its CPUs are at work.
    fn gather(&mut self) {
        self.form = match std::mem::replace(&mut self.form, Form::Broken) {
            Form::Split(split) => {
                let vm = self.crew.as_ref().and_then(|crew| crew.stop(*split));
                vm.map_or(Form::Broken, |vm| Form::Whole(Box::new(vm)))
            }
            other => other,
        };
    }

    /// In how many nanoseconds a network wants to be looked at.
    fn net_due_ns(&self) -> Option<u64> {
        let due = self.page.timers.iter().filter_map(Timer::due_ms).min()?;
        let due = u64::try_from(due).unwrap_or(0).saturating_mul(NS_PER_MS);
        let left = due.saturating_sub(self.clock.monotonic_ns());
        // Not at once again: its clock ticks in milliseconds.
        Some(left.max(NS_PER_MS))
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
        let Form::Whole(vm) = &mut self.form else {
            return;
        };
        if !self.monitors.has_work() {
            return;
        }
        let mut control = Control {
            vm,
            facts: &self.facts,
            events: &self.events,
        };
        self.monitors.serve(&mut control);
        announce(vm, &self.events);
    }

    /// Takes figures. The machine has to be run again afterwards.
    pub fn sample(&mut self) {
        self.gather();
        if let Form::Whole(vm) = &mut self.form {
            self.figures = figures(vm);
        }
    }

    /// Figures of now, or of the last sample if CPUs are at work on their threads.
    #[must_use]
    pub fn figures(&self) -> Figures {
        match &self.form {
            Form::Whole(vm) => figures(vm),
            Form::Split(_) | Form::Broken => self.figures,
        }
    }
}

fn figures(vm: &Vm) -> Figures {
    Figures {
        instructions: vm.cpus().iter().map(|cpu| cpu.instructions()).sum(),
        regions: vm
            .engines()
            .iter()
            .map(|engine| engine.regions() as u64)
            .sum(),
        translated: vm.stats().insns,
        tlb_misses: vm.cpus().iter().map(|cpu| cpu.tlb_misses()).sum(),
        state: vm.state(),
    }
}
