//! A CPU on its thread.

use std::sync::Arc;

use ferrite_aarch64::cpu::{Cpu, Halt};
use ferrite_aarch64::platform::{InterruptLines, Platform};
use ferrite_aarch64::timer::TimerLines;
use ferrite_ir::Accelerator;
use ferrite_machine::VirtualTime;

use super::mailbox::{Mailbox, news};
use super::shared::Shared;
use super::view::{View, ViewParts};
use crate::machine::tell_of_code;
use crate::virt::board;

/// Guest instructions of a turn: how long it takes at most until a CPU sees what it was told. Some
/// twenty microseconds of compiled code, and of interpreted code ten times that.
const COMPILED_TURN: u64 = 20_000;
const INTERPRETED_TURN: u64 = 5_000;

/// What a thread should do after a call of [`Runner::step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Call again.
    Busy,
    /// The CPU watches memory that another one may write to: call again in a moment, after letting
    /// other threads run.
    Watch,
    /// The CPU waits: sleep until [`Threads::wake`](super::Threads::wake), or until this virtual
    /// time. The machine's owner may take the runner meanwhile.
    Wait {
        /// When a timer is due.
        until: Option<VirtualTime>,
    },
    /// Give the runner back to the machine's owner.
    Halted,
}

/// A CPU with its translations and its way to the board. One thread at a time has it.
pub struct Runner {
    cpu: Cpu,
    engine: Accelerator,
    view: View,
    /// Whether the CPU has power.
    on: bool,
    /// Whether others count it as running guest code.
    running: bool,
    /// What the interrupt controller was told last.
    timers: Option<TimerLines>,
}

impl Runner {
    pub(super) fn new(
        cpu: Cpu,
        engine: Accelerator,
        parts: &ViewParts,
        shared: Arc<Shared>,
        on: bool,
    ) -> Self {
        Self {
            cpu,
            engine,
            view: View::new(parts, shared),
            on,
            running: false,
            timers: None,
        }
    }

    /// The CPU's number.
    #[must_use]
    pub fn index(&self) -> usize {
        self.cpu.index()
    }

    /// Virtual time now.
    #[must_use]
    pub fn now(&self) -> VirtualTime {
        self.view.now()
    }

    /// Whether it has anything to do at once.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.on && self.cpu.halted().is_none()
    }

    /// Its parts, with everything done that others asked for.
    pub(super) fn into_parts(mut self) -> (Cpu, Accelerator) {
        self.read_news();
        (self.cpu, self.engine)
    }

    fn mailbox(&self) -> Option<&Mailbox> {
        self.view.shared.mailbox(self.cpu.index())
    }

    fn set_running(&mut self, running: bool) {
        if self.running != running {
            self.running = running;
            if let Some(mailbox) = self.mailbox() {
                mailbox.set_running(running);
            }
        }
    }

    /// Gives the CPU a turn, if it has work.
    pub fn step(&mut self) -> Step {
        if self.view.shared.is_halting() {
            self.set_running(false);
            return Step::Halted;
        }
        // First, so that whoever counts on a look at the mailbox before guest code runs gets it.
        self.set_running(true);
        self.read_news();
        if !self.on {
            return self.wait(None);
        }
        // Deadlines count from here on: one that passes while the lines are driven is told, not lost.
        let counter = self.view.counter();
        self.drive_timers();
        self.cpu.look_for_events(&self.view);
        match self.cpu.halted() {
            None => {
                let turn = match self.engine {
                    Accelerator::Interpreter(_) => INTERPRETED_TURN,
                    Accelerator::Code(_) => COMPILED_TURN,
                };
                let before = self.view.trace().any().then(|| self.engine.stats());
                self.cpu.run(&mut self.engine, &mut self.view, turn);
                if let Some(before) = before {
                    let now = self.engine.stats();
                    tell_of_code(self.view.trace(), self.cpu.index(), &before, &now);
                }
                Step::Busy
            }
            Some(Halt::Event) if self.cpu.is_watching() => {
                self.set_running(false);
                Step::Watch
            }
            Some(Halt::Stopped) => self.wait(None),
            Some(Halt::Event | Halt::Interrupt) => {
                let deadline = self.cpu.next_timer_deadline(counter);
                self.wait(deadline.map(board::counter_to_time))
            }
        }
    }

    fn wait(&mut self, until: Option<VirtualTime>) -> Step {
        self.set_running(false);
        let news = self.mailbox().is_some_and(Mailbox::has_news);
        if news || self.view.shared.is_halting() {
            return Step::Busy;
        }
        Step::Wait { until }
    }

    /// Reads what others left in the mailbox.
    fn read_news(&mut self) {
        let index = self.cpu.index();
        let Some(mailbox) = self.view.shared.mailbox(index) else {
            return;
        };
        let news = mailbox.take();
        if news == 0 {
            return;
        }
        if news & news::MAINTENANCE != 0 {
            for maintenance in mailbox.take_maintenance() {
                self.cpu.maintenance(maintenance);
            }
        }
        if news & news::LINES != 0 {
            self.cpu.set_interrupts(mailbox.lines());
        }
        if news & news::EVENT != 0 {
            self.cpu.set_event();
        }
        if news & news::POWER != 0 {
            let start = self
                .view
                .shared
                .with_board(|board| board.start_of(index))
                .flatten();
            if let Some((entry, context)) = start {
                self.cpu.reset(entry);
                self.cpu.set_x(0, context);
                self.cpu.set_interrupts(InterruptLines::default());
                self.timers = None;
                self.on = true;
                if let Some(mailbox) = self.mailbox() {
                    let lines = mailbox.lines();
                    self.cpu.set_interrupts(lines);
                }
            }
        }
    }

    /// Drives the timers' and the performance monitor's interrupt lines.
    fn drive_timers(&mut self) {
        let lines = self.cpu.timers(self.view.counter());
        if self.timers == Some(lines) {
            return;
        }
        self.timers = Some(lines);
        let index = self.cpu.index();
        let shared = &self.view.shared;
        shared.with_board(|board| board.set_timer_lines(index, lines));
        if let Some(mailbox) = shared.mailbox(index) {
            self.cpu.set_interrupts(mailbox.lines());
        }
    }
}
