//! The machine's thread: turns of guest execution, monitors in between, sleep when there is nothing.

use std::time::Duration;

use ferrite_qmp::{Events, HostControl, VmControl};
use ferrite_vm::machine::Cause;
use ferrite_vm::{Slice, Vm};

use crate::chardev::mux::{Key, Mux};
use crate::console::ConsoleMonitor;
use crate::control::{Control, Facts, announce};
use crate::host::HostSide;
use crate::monitor::MonitorHub;
use crate::signals::Signals;
use crate::wake::Waker;

/// Longest sleep of an idle machine: a bound on how late a missed wake-up would be.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// How long the process waits at its end for peers to take what was sent.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Everything that the machine's thread owns.
pub struct Host {
    /// The machine.
    pub vm: Vm,
    /// Facts for monitors.
    pub facts: Facts,
    /// What belongs to the process.
    pub host: HostSide,
    /// The event bus.
    pub events: Events,
    /// QMP sessions.
    pub monitors: MonitorHub,
    /// The terminal that serial port and human monitor share.
    pub console: Option<(Mux, ConsoleMonitor)>,
    /// Wakes this thread.
    pub waker: Waker,
    /// Signals to the process.
    pub signals: Signals,
}

impl Host {
    /// Runs the machine to its end, and lets its last words reach terminal and monitors.
    pub fn run(mut self) {
        loop {
            if self.waker.take() || self.host.dump().is_active() {
                self.vm.poll_devices();
                self.serve();
            }
            // Events that were held back.
            self.events.poll();
            let slice = self.vm.run_slice();
            announce(&mut self.vm, &self.events);
            match slice {
                Slice::Busy => {}
                Slice::Idle { until } => {
                    let now = self.vm.board().now();
                    let timer = until.map(|at| at.0.saturating_sub(now.0));
                    let due = [timer, self.events.next_due_ns()]
                        .into_iter()
                        .flatten()
                        .min();
                    let left = due.map_or(MAX_SLEEP, |ns| Duration::from_nanos(ns).min(MAX_SLEEP));
                    self.waker.wait(Some(left));
                }
                Slice::Stopped if self.host.dump().is_active() => {}
                Slice::Stopped => self
                    .waker
                    .wait(self.events.next_due_ns().map(Duration::from_nanos)),
                Slice::Ended => break,
            }
        }
        self.monitors.finish(LAST_WORDS);
        self.host.characters.drain(LAST_WORDS);
    }

    /// Obeys monitors, keys and signals.
    fn serve(&mut self) {
        if self.signals.take_termination() {
            self.vm.quit(Cause::HostSignal);
        }
        let mut control = Control {
            vm: &mut self.vm,
            facts: &self.facts,
            host: &mut self.host,
            events: &self.events,
        };
        self.monitors.poll(&mut control);
        // A dump in the background; its failure is told by its event.
        let _ = ferrite_qmp::dump::step(&mut control);
        if let Some((mux, monitor)) = &mut self.console {
            for key in mux.take_keys() {
                match key {
                    Key::Quit => control.quit(ferrite_qmp::schema::ShutdownCause::HostUi),
                    Key::Monitor(focus) => monitor.focus(mux, focus),
                }
            }
            monitor.input(mux, &mut control);
        }
        announce(&mut self.vm, &self.events);
    }
}
