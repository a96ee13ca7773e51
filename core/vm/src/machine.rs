//! The virtual machine: its run loop and its life.

mod states;

use std::sync::Arc;

use ferrite_aarch64::cpu::Cpu;
use ferrite_aarch64::log::Log;
use ferrite_aarch64::platform::Platform;
use ferrite_ir::Accelerator;
use ferrite_ir::engine::Stats;
use ferrite_machine::ResetKind;
use ferrite_machine::device::MachineRequest;
use ferrite_machine::trace::{Point, Trace};

pub use states::{
    Cause, EngineCount, PanicAction, PanicResult, Policy, Refused, RunState, Slice, VmEvent,
};

use crate::boot::BootError;
use crate::psci::Power;
use crate::virt::tracing::Exceptions;
use crate::virt::{Board, BootSource, board};

/// Guest instructions that one CPU runs before the next one's turn and before timers are looked at:
/// about a tenth of a millisecond.
const SLICE: u64 = 20_000;

/// A virtual machine. One thread owns it and calls [`Self::run_slice`] again and again, or takes it
/// apart for CPUs to run at the same time ([`Self::split`]).
pub struct Vm {
    cpus: Vec<Cpu>,
    /// One for all CPUs, or one for each. Never empty.
    engines: Vec<Accelerator>,
    board: Board,
    rest: Rest,
}

/// What of a machine is its owner's, whoever runs its CPUs.
pub(crate) struct Rest {
    boot: BootSource,
    state: RunState,
    policy: Policy,
    ended: bool,
    failed: bool,
    /// No CPU runs: test tools work with the devices.
    held: bool,
    device_tree: Vec<u8>,
    events: Vec<VmEvent>,
}

impl Vm {
    /// A machine from its parts, in the state after power-on, stopped.
    pub(crate) fn assemble(
        cpus: Vec<Cpu>,
        board: Board,
        boot: BootSource,
    ) -> Result<Self, BootError> {
        let mut vm = Self {
            cpus,
            engines: vec![Accelerator::default()],
            board,
            rest: Rest {
                boot,
                state: RunState::Prelaunch,
                policy: Policy::default(),
                ended: false,
                failed: false,
                held: false,
                device_tree: Vec::new(),
                events: Vec::new(),
            },
        };
        vm.set_trace(Trace::default());
        vm.reset_all(ResetKind::Cold)?;
        Ok(vm)
    }

    /// Tells what happens there from now on: for a machine that has not run, whose host side has the
    /// same trace points.
    pub fn set_trace(&mut self, trace: Trace) {
        let observer = Arc::new(Exceptions(trace.clone()));
        for cpu in &mut self.cpus {
            cpu.set_observer(observer.clone());
        }
        self.board.set_trace(trace);
    }

    /// Sets what happens when the guest ends or resets itself.
    pub fn set_policy(&mut self, policy: Policy) {
        self.rest.policy = policy;
    }

    /// What happens when the guest ends or resets itself.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.rest.policy
    }

    /// Lets every CPU log from now on.
    pub fn set_log(&mut self, log: &Log) {
        for cpu in &mut self.cpus {
            cpu.set_log(log.clone());
        }
    }

    /// Whether the program is to end with a failure once the machine is gone.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.rest.failed
    }

    /// What the machine is doing.
    #[must_use]
    pub fn state(&self) -> RunState {
        self.rest.state
    }

    /// The CPUs.
    #[must_use]
    pub fn cpus(&self) -> &[Cpu] {
        &self.cpus
    }

    /// CPU `index`, with the board that it looks at memory through.
    pub fn cpu_and_board(&mut self, index: usize) -> Option<(&mut Cpu, &mut Board)> {
        Some((self.cpus.get_mut(index)?, &mut self.board))
    }

    /// The board.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The board, for an operator's changes between slices of guest execution.
    pub fn board_mut(&mut self) -> &mut Board {
        &mut self.board
    }

    /// The execution engine of the first CPU, or of all.
    #[must_use]
    pub fn engine(&self) -> &Accelerator {
        &self.engines[0]
    }

    /// What all engines did.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.engines.iter().map(Accelerator::stats).sum()
    }

    /// The execution engines: one, or one for each CPU.
    #[must_use]
    pub fn engines(&self) -> &[Accelerator] {
        &self.engines
    }

    /// Lets another engine run the guest from now on. What the present one has translated is lost.
    pub fn set_engine(&mut self, engine: Accelerator) {
        self.engines = vec![engine];
        for cpu in &mut self.cpus {
            cpu.set_number_in_engine(cpu.index());
        }
    }

    /// Gives each CPU an engine of its own; there must be one for each.
    pub fn set_engines(&mut self, engines: Vec<Accelerator>) -> Result<(), EngineCount> {
        if engines.len() != self.cpus.len() || engines.is_empty() {
            return Err(EngineCount);
        }
        self.engines = engines;
        for cpu in &mut self.cpus {
            cpu.set_number_in_engine(0);
        }
        Ok(())
    }

    /// The device tree as it was given to the guest at the last reset.
    #[must_use]
    pub fn device_tree(&self) -> &[u8] {
        &self.rest.device_tree
    }

    /// Never lets a CPU run from now on: devices work, for who drives them from outside.
    pub fn hold_cpus(&mut self) {
        self.rest.held = true;
    }

    /// Whether no CPU ever runs.
    #[must_use]
    pub fn cpus_are_held(&self) -> bool {
        self.rest.held
    }

    /// Takes what happened since the last call.
    pub fn take_events(&mut self) -> Vec<VmEvent> {
        std::mem::take(&mut self.rest.events)
    }

    /// Stops the CPUs and virtual time.
    pub fn stop(&mut self) {
        match self.rest.state {
            RunState::Running => {
                self.halt(RunState::Paused);
            }
            RunState::Prelaunch
            | RunState::Paused
            | RunState::Shutdown
            | RunState::GuestPanicked => {}
        }
    }

    /// Starts, or goes on.
    pub fn cont(&mut self) -> Result<(), Refused> {
        match self.rest.state {
            RunState::Running => Ok(()),
            RunState::Shutdown => Err(Refused::NeedsReset),
            RunState::Prelaunch | RunState::Paused | RunState::GuestPanicked => {
                self.board.clock.start();
                self.rest.state = RunState::Running;
                self.board
                    .trace()
                    .tell(Point::VmStateNotify, || "running 1 reason running".into());
                self.rest.events.push(VmEvent::Resume);
                Ok(())
            }
        }
    }

    /// Resets the machine; whether it runs does not change, and one that does not is as before its
    /// first start.
    pub fn reset(&mut self, cause: Cause) -> Result<(), BootError> {
        self.reset_all(ResetKind::Warm)?;
        if self.rest.state != RunState::Running {
            self.rest.state = RunState::Prelaunch;
        }
        self.board
            .trace()
            .tell(Point::SystemReset, || format!("reason {}", cause.name()));
        self.rest.events.push(VmEvent::Reset(cause));
        Ok(())
    }

    /// Presses the power key.
    pub fn powerdown(&mut self) {
        self.rest.events.push(VmEvent::Powerdown);
        self.board.press_power_key();
    }

    /// Wakes a suspended machine.
    pub fn wakeup(&mut self) -> Result<(), Refused> {
        Err(Refused::NotSuspended)
    }

    /// Powers off for good, whatever the policy.
    pub fn quit(&mut self, cause: Cause) {
        if !self.rest.ended {
            self.rest.ended = true;
            self.rest.events.push(VmEvent::Shutdown(cause));
        }
    }

    /// Looks for news from the host's side of the devices.
    pub fn poll_devices(&mut self) {
        self.board.poll_devices();
    }

    fn halt(&mut self, state: RunState) {
        self.board.clock.stop();
        self.rest.state = state;
        self.board.trace().tell(Point::VmStateNotify, || {
            format!("running 0 reason {}", state.name())
        });
        self.rest.events.push(VmEvent::Stop);
    }

    fn reset_all(&mut self, kind: ResetKind) -> Result<(), BootError> {
        self.board.reset(kind);
        for engine in &mut self.engines {
            engine.flush();
        }
        let (start, device_tree) = self.rest.boot.load(&self.board, kind)?;
        self.rest.device_tree = device_tree;
        for cpu in &mut self.cpus {
            cpu.reset(0);
        }
        if let Some(first) = self.cpus.first_mut() {
            first.reset(start.entry);
            first.set_x(0, start.x0);
        }
        Ok(())
    }

    /// Whether it goes on: what [`Self::run_slice`] would return without running anything, if it
    /// would run nothing.
    #[must_use]
    pub fn standing(&self) -> Option<Slice> {
        if self.rest.ended {
            return Some(Slice::Ended);
        }
        (self.rest.state != RunState::Running).then_some(Slice::Stopped)
    }

    /// Gives each CPU that has work a turn.
    pub fn run_slice(&mut self) -> Slice {
        if let Some(slice) = self.standing() {
            return slice;
        }
        // Deadlines count from here on: one that passes while the lines are driven is told, not lost.
        let counter = self.board.counter();
        let mut until = self.board.run_timers();
        if self.rest.held {
            self.obey_requests();
            return Slice::Idle { until };
        }
        let mut busy = false;
        for index in 0..self.cpus.len() {
            self.update_inputs(index);
            busy |= self.run_cpu(index);
            self.obey_requests();
            if self.rest.ended || self.rest.state != RunState::Running {
                return Slice::Busy;
            }
            self.share(index);
        }
        if busy {
            return Slice::Busy;
        }
        for cpu in &self.cpus {
            let timer = cpu.next_timer_deadline(counter).map(board::counter_to_time);
            until = [until, timer].into_iter().flatten().min();
        }
        Slice::Idle { until }
    }

    /// Drives a CPU's timer interrupts and its interrupt inputs.
    pub(crate) fn update_inputs(&mut self, index: usize) {
        let cpu = &mut self.cpus[index];
        let lines = cpu.timers(self.board.counter());
        self.board.set_timer_lines(index, lines);
        cpu.set_interrupts(self.board.lines(index));
        cpu.look_for_events(&self.board);
    }

    /// Runs one CPU if it has power and work; tells whether it ran.
    fn run_cpu(&mut self, index: usize) -> bool {
        if !self.power_up(index) {
            return false;
        }
        let cpu = &mut self.cpus[index];
        if cpu.halted().is_some() {
            return false;
        }
        let number = index.min(self.engines.len() - 1);
        let engine = &mut self.engines[number];
        let before = self.board.trace().any().then(|| engine.stats());
        cpu.run(engine, &mut self.board, SLICE);
        if let Some(before) = before {
            tell_of_code(self.board.trace(), index, &before, &engine.stats());
        }
        true
    }

    /// Starts a CPU that firmware was asked to turn on. Whether it has power.
    pub(crate) fn power_up(&mut self, index: usize) -> bool {
        if let Some((entry, context)) = self.board.start_of(index) {
            let cpu = &mut self.cpus[index];
            cpu.reset(entry);
            cpu.set_x(0, context);
        }
        self.board.psci.power[index] == Power::On
    }

    /// Whether each CPU can have a thread of its own now.
    pub(crate) fn can_split(&self) -> bool {
        self.standing().is_none() && !self.rest.held && self.engines.len() == self.cpus.len()
    }

    pub(crate) fn into_parts(self) -> (Rest, Board, Vec<Cpu>, Vec<Accelerator>) {
        let Self {
            cpus,
            engines,
            board,
            rest,
        } = self;
        (rest, board, cpus, engines)
    }

    /// The whole of a running machine that was taken apart; what its guest asked of it is done.
    pub(crate) fn from_parts(
        rest: Rest,
        board: Board,
        cpus: Vec<Cpu>,
        engines: Vec<Accelerator>,
    ) -> Self {
        let mut vm = Self {
            cpus,
            engines,
            board,
            rest,
        };
        vm.obey_requests();
        vm
    }

    /// Passes on what a CPU's turn means for the others.
    fn share(&mut self, index: usize) {
        for (from, maintenance) in self.board.take_maintenance() {
            for (other, cpu) in self.cpus.iter_mut().enumerate() {
                if other != from {
                    cpu.maintenance(maintenance);
                }
            }
        }
        if self.board.take_event() {
            for (other, cpu) in self.cpus.iter_mut().enumerate() {
                if other != index {
                    cpu.set_event();
                }
            }
        }
    }

    fn obey_requests(&mut self) {
        for request in self.board.take_requests() {
            match request {
                MachineRequest::Reset if self.rest.policy.no_reboot => {
                    self.power_off(Cause::GuestReset)
                }
                MachineRequest::Shutdown => self.power_off(Cause::GuestShutdown),
                MachineRequest::Panicked => self.panicked(),
                MachineRequest::CrashLoaded => self.rest.events.push(VmEvent::CrashLoaded),
                MachineRequest::Reset => {
                    // The boot files were loadable at the start and have not changed since.
                    if self.reset(Cause::GuestReset).is_err() {
                        self.power_off(Cause::GuestReset);
                    }
                }
            }
        }
    }

    /// The guest says that it panicked.
    fn panicked(&mut self) {
        let Policy {
            panic, no_shutdown, ..
        } = self.rest.policy;
        let pause = panic == PanicAction::Shutdown && no_shutdown;
        let result = match panic {
            PanicAction::None => PanicResult::Run,
            PanicAction::Pause => PanicResult::Pause,
            PanicAction::Shutdown if pause => PanicResult::Pause,
            PanicAction::Shutdown | PanicAction::ExitFailure => PanicResult::Poweroff,
        };
        self.rest.events.push(VmEvent::Panicked(result));
        if result != PanicResult::Run {
            self.halt(RunState::GuestPanicked);
        }
        if result == PanicResult::Poweroff {
            self.rest.failed = panic == PanicAction::ExitFailure;
            self.rest.events.push(VmEvent::Shutdown(Cause::GuestPanic));
            self.rest.ended = true;
        }
    }

    fn power_off(&mut self, cause: Cause) {
        self.rest.events.push(VmEvent::Shutdown(cause));
        if self.rest.policy.no_shutdown {
            self.halt(RunState::Shutdown);
        } else {
            self.rest.ended = true;
        }
    }
}

/// Tells what became of translated code during a CPU's turn.
pub(crate) fn tell_of_code(trace: &Trace, index: usize, before: &Stats, now: &Stats) {
    for (point, count, was) in [
        (Point::TranslateBlock, now.regions, before.regions),
        (Point::TbFlush, now.flushes, before.flushes),
        (Point::TbInvalidate, now.invalidations, before.invalidations),
    ] {
        if count > was {
            trace.tell(point, || format!("cpu {index} count {}", count - was));
        }
    }
}
