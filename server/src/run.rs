//! The machine's thread: turns of guest execution, monitors in between, sleep when there is nothing.
//!
//! Where CPUs have threads of their own, it looks after devices and timers while they run, and stops
//! them whenever a monitor or the guest wants something of the whole machine.

use std::time::Duration;

use ferrite_qmp::schema::ShutdownCause;
use ferrite_qmp::{HostControl, VmControl};
use ferrite_vm::machine::Cause;
use ferrite_vm::smp::Split;
use ferrite_vm::{Slice, Vm};

use crate::chardev::mux::{Key, Mux};
use crate::console::ConsoleMonitor;
use crate::control::{Bare, BareControl, Control, Facts, announce};
use crate::human::HumanStream;
use crate::process::Monitors;
use crate::signals::Signals;
use crate::vcpus::Crew;
use crate::wake::Waker;

/// Longest sleep of an idle machine: a bound on how late a missed wake-up would be.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// How long the process waits at its end for peers to take what was sent.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How soon a human monitor whose reader is slow is looked at again.
const SLOW_READER: Duration = Duration::from_millis(10);

/// How long CPUs run before the next step of a job, while there is one.
const JOB_PAUSE: Duration = Duration::from_micros(200);

/// Everything that the machine's thread owns.
pub struct Host {
    /// The machine.
    pub vm: Vm,
    /// The threads of its CPUs, if they have any of their own.
    pub crew: Option<Crew>,
    /// Those who speak with it.
    pub desk: Desk,
}

/// Where a machine is told what to do, and what tells of it.
pub struct Desk {
    /// Facts for monitors.
    pub facts: Facts,
    /// Its monitors.
    pub monitors: Monitors,
    /// Wakes this thread.
    pub waker: Waker,
    /// Signals to the process.
    pub signals: Signals,
}

impl Host {
    /// Runs the machine to its end, and lets its last words reach terminal and monitors. Returns the
    /// status that the program is to end with.
    pub fn run(self) -> u8 {
        let Self { vm, crew, mut desk } = self;
        let vm = match crew {
            None => Some(desk.run_in_turns(vm)),
            Some(crew) => desk.run_at_once(vm, &crew),
        };
        let verdict = desk.monitors.host.characters.verdict().status();
        desk.monitors.finish();
        let failed = vm.is_none_or(|vm| vm.failed());
        verdict.unwrap_or(failed.into())
    }
}

impl Desk {
    /// Gives the CPUs turns on this thread, to the end.
    fn run_in_turns(&mut self, mut vm: Vm) -> Vm {
        loop {
            if self.waker.take() || self.monitors.host.jobs().is_busy() {
                vm.poll_devices();
                self.serve(&mut vm);
            }
            // Events that were held back.
            self.monitors.events.poll();
            let slice = vm.run_slice();
            self.announce(&mut vm);
            match slice {
                Slice::Busy => {}
                Slice::Idle { until } => {
                    let now = vm.board().now();
                    // Time that a test tool has in its hands does not go by.
                    let until = until.filter(|_| !vm.cpus_are_held());
                    self.sleep(until.map(|at| at.0.saturating_sub(now.0)));
                }
                Slice::Stopped => self.wait_stopped(),
                Slice::Ended => break,
            }
        }
        vm
    }

    /// Lets the CPUs run on their threads, and stops them for what takes the whole machine. `None` if
    /// the machine does not come back.
    fn run_at_once(&mut self, mut vm: Vm, crew: &Crew) -> Option<Vm> {
        let mut news = false;
        loop {
            // What was seen while the CPUs ran is still to be done.
            if news | self.waker.take() || self.monitors.host.jobs().is_busy() {
                vm.poll_devices();
                self.serve(&mut vm);
            }
            self.monitors.events.poll();
            self.announce(&mut vm);
            match vm.standing() {
                Some(Slice::Ended) => return Some(vm),
                Some(_) => {
                    news = false;
                    self.wait_stopped();
                }
                None => {
                    let split = match crew.run(vm) {
                        Ok(split) => split,
                        Err(whole) => return Some(self.run_in_turns(*whole)),
                    };
                    self.watch(&split);
                    news = true;
                    vm = crew.stop(split)?;
                }
            }
        }
    }

    /// Looks after devices and timers until somebody wants something of the whole machine.
    fn watch(&mut self, split: &Split) {
        loop {
            if self.waker.take() {
                split.poll_devices();
                if self.is_wanted() {
                    return;
                }
            }
            self.monitors.events.poll();
            let (until, whole) = split.run_timers();
            if whole {
                return;
            }
            if self.monitors.host.jobs().is_busy() {
                self.waker.wait(Some(JOB_PAUSE));
                return;
            }
            let now = split.now();
            self.sleep(until.map(|at| at.0.saturating_sub(now.0)));
        }
    }

    /// Whether [`Self::serve`] has anything to do.
    fn is_wanted(&self) -> bool {
        // What was typed into the others is seen by reading it.
        !self.monitors.humans.is_empty()
            || self.monitors.hub.has_requests()
            || self.signals.has_termination()
            || self.has_verdict()
            || (self.monitors.console.as_ref()).is_some_and(|(mux, _)| mux.has_news())
    }

    /// Whether the guest asks for the end of the process.
    fn has_verdict(&self) -> bool {
        self.monitors.host.characters.verdict().status().is_some()
    }

    /// Sleeps until there is news, at most for this many nanoseconds of the guest's time.
    fn sleep(&self, timer: Option<u64>) {
        let events = self.monitors.events.next_due_ns();
        let due = [timer, events].into_iter().flatten().min();
        let left = due.map_or(MAX_SLEEP, |ns| Duration::from_nanos(ns).min(MAX_SLEEP));
        self.waker.wait(Some(left));
    }

    /// Sleeps until there is news for a machine that does not run.
    fn wait_stopped(&mut self) {
        if !self.monitors.host.jobs().is_busy() {
            let events = self.monitors.events.next_due_ns();
            self.waker.wait(events.map(Duration::from_nanos));
        }
    }

    fn announce(&mut self, vm: &mut Vm) {
        announce(vm, &mut self.facts, &self.monitors.events);
    }

    /// Obeys monitors, keys and signals.
    fn serve(&mut self, vm: &mut Vm) {
        if self.signals.take_termination() {
            vm.quit(Cause::HostSignal);
        }
        if self.has_verdict() {
            vm.quit(Cause::GuestShutdown);
        }
        let mut control = Control {
            vm,
            facts: &mut self.facts,
            host: &mut self.monitors.host,
            events: &self.monitors.events,
        };
        control.release_characters();
        self.monitors.hub.poll(&mut control);
        if self.monitors.hub.has_requests() {
            // More than are served at once: nobody else would say that they are there.
            self.waker.wake();
        }
        serve(
            &mut self.monitors.console,
            &mut self.monitors.humans,
            &mut control,
            &self.waker,
        );
        ferrite_qmp::jobs::step(&mut control);
        if let Some(qtest) = &mut self.monitors.qtest
            && qtest.serve(vm)
        {
            self.waker.wake_in(SLOW_READER);
        }
        self.announce(vm);
    }
}

impl Monitors {
    /// Lets last words reach monitors and the terminal.
    fn finish(self) {
        self.hub.finish(LAST_WORDS);
        self.host.characters.drain(LAST_WORDS);
    }
}

/// Obeys keys and human monitors.
fn serve(
    console: &mut Option<(Mux, ConsoleMonitor)>,
    humans: &mut [HumanStream],
    control: &mut dyn VmControl,
    waker: &Waker,
) {
    if let Some((mux, monitor)) = console {
        for key in mux.take_keys() {
            match key {
                Key::Quit => control.quit(ShutdownCause::HostUi),
                Key::Monitor(focus) => monitor.focus(mux, focus),
            }
        }
        monitor.input(mux, control);
    }
    let mut slow = false;
    for human in humans {
        slow |= human.serve(control);
    }
    if slow {
        waker.wake_in(SLOW_READER);
    }
}

/// Serves monitors without a machine until the process is to end, or the machine is to be made:
/// then the monitors are handed back.
pub fn without_machine(
    mut bare: Bare,
    mut monitors: Monitors,
    waker: &Waker,
    signals: &Signals,
) -> Option<Monitors> {
    waker.wake();
    loop {
        let due = monitors.events.next_due_ns().map(Duration::from_nanos);
        waker.wait(due);
        let _ = waker.take();
        monitors.events.poll();
        let mut control = BareControl {
            bare: &mut bare,
            host: &mut monitors.host,
            events: &monitors.events,
        };
        if signals.take_termination() {
            control.quit(ShutdownCause::HostSignal);
        }
        // One at a time: what follows on x-exit-preconfig is for the machine.
        monitors.hub.poll_one(&mut control);
        let humans = &mut monitors.humans;
        serve(&mut monitors.console, humans, &mut control, waker);
        if monitors.hub.has_requests() {
            waker.wake();
        }
        if bare.ended {
            monitors.finish();
            return None;
        }
        if bare.leave {
            return Some(monitors);
        }
    }
}
