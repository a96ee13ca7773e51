//! The machine's thread: turns of guest execution, monitors in between, sleep when there is nothing.

use std::time::Duration;

use ferrite_qmp::schema::ShutdownCause;
use ferrite_qmp::{HostControl, VmControl};
use ferrite_vm::machine::Cause;
use ferrite_vm::{Slice, Vm};

use crate::chardev::mux::{Key, Mux};
use crate::console::ConsoleMonitor;
use crate::control::{Bare, BareControl, Control, Facts, announce};
use crate::human::HumanStream;
use crate::process::Monitors;
use crate::signals::Signals;
use crate::wake::Waker;

/// Longest sleep of an idle machine: a bound on how late a missed wake-up would be.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// How long the process waits at its end for peers to take what was sent.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How soon a human monitor whose reader is slow is looked at again.
const SLOW_READER: Duration = Duration::from_millis(10);

/// Everything that the machine's thread owns.
pub struct Host {
    /// The machine.
    pub vm: Vm,
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
    /// Runs the machine to its end, and lets its last words reach terminal and monitors. True if the
    /// program is to end with a success.
    pub fn run(mut self) -> bool {
        loop {
            if self.waker.take() || self.monitors.host.jobs().is_busy() {
                self.vm.poll_devices();
                self.serve();
            }
            // Events that were held back.
            self.monitors.events.poll();
            let slice = self.vm.run_slice();
            announce(&mut self.vm, &mut self.facts, &self.monitors.events);
            match slice {
                Slice::Busy => {}
                Slice::Idle { until } => {
                    let now = self.vm.board().now();
                    // Time that a test tool has in its hands does not go by.
                    let until = until.filter(|_| !self.vm.cpus_are_held());
                    let timer = until.map(|at| at.0.saturating_sub(now.0));
                    let due = [timer, self.monitors.events.next_due_ns()]
                        .into_iter()
                        .flatten()
                        .min();
                    let left = due.map_or(MAX_SLEEP, |ns| Duration::from_nanos(ns).min(MAX_SLEEP));
                    self.waker.wait(Some(left));
                }
                Slice::Stopped if self.monitors.host.jobs().is_busy() => {}
                Slice::Stopped => self
                    .waker
                    .wait(self.monitors.events.next_due_ns().map(Duration::from_nanos)),
                Slice::Ended => break,
            }
        }
        self.monitors.finish();
        !self.vm.failed()
    }

    /// Obeys monitors, keys and signals.
    fn serve(&mut self) {
        if self.signals.take_termination() {
            self.vm.quit(Cause::HostSignal);
        }
        let mut control = Control {
            vm: &mut self.vm,
            facts: &mut self.facts,
            host: &mut self.monitors.host,
            events: &self.monitors.events,
        };
        control.release_characters();
        self.monitors.hub.poll(&mut control);
        serve(
            &mut self.monitors.console,
            &mut self.monitors.humans,
            &mut control,
            &self.waker,
        );
        ferrite_qmp::jobs::step(&mut control);
        if let Some(qtest) = &mut self.monitors.qtest
            && qtest.serve(&mut self.vm)
        {
            self.waker.wake_in(SLOW_READER);
        }
        announce(&mut self.vm, &mut self.facts, &self.monitors.events);
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
