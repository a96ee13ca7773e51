//! The virtual machine: its run loop and its life.

use ferrite_aarch64::cpu::Cpu;
use ferrite_aarch64::log::Log;
use ferrite_aarch64::platform::Platform;
use ferrite_ir::Accelerator;
use ferrite_ir::engine::Stats;
use ferrite_machine::device::MachineRequest;
use ferrite_machine::trace::Point;
use ferrite_machine::{ResetKind, VirtualTime};

use crate::boot::BootError;
use crate::psci::Power;
use crate::virt::memory_map::ppi;
use crate::virt::{Board, BootSource, board};

/// Guest instructions that one CPU runs before the next one's turn and before timers are looked at:
/// about a tenth of a millisecond.
const SLICE: u64 = 20_000;

/// What the machine is doing, by QEMU's names (`query-status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Built with `-S`, never started.
    Prelaunch,
    /// Running.
    Running,
    /// Stopped by an operator.
    Paused,
    /// Powered off, and kept because of `-no-shutdown`.
    Shutdown,
    /// Stopped after the guest panicked.
    GuestPanicked,
}

impl RunState {
    /// The name that clients see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prelaunch => "prelaunch",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Shutdown => "shutdown",
            Self::GuestPanicked => "guest-panicked",
        }
    }
}

/// Why a machine goes down or is reset, by QEMU's names (`ShutdownCause`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// `quit` of QMP.
    HostQmpQuit,
    /// `system_reset` of QMP.
    HostQmpSystemReset,
    /// A signal to the process.
    HostSignal,
    /// The user interface was closed (Ctrl-A x).
    HostUi,
    /// The guest powered itself off.
    GuestShutdown,
    /// The guest reset itself.
    GuestReset,
    /// The guest panicked.
    GuestPanic,
}

impl Cause {
    /// The name that clients see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HostQmpQuit => "host-qmp-quit",
            Self::HostQmpSystemReset => "host-qmp-system-reset",
            Self::HostSignal => "host-signal",
            Self::HostUi => "host-ui",
            Self::GuestShutdown => "guest-shutdown",
            Self::GuestReset => "guest-reset",
            Self::GuestPanic => "guest-panic",
        }
    }

    /// Whether it came from inside the guest.
    #[must_use]
    pub const fn is_guest(self) -> bool {
        matches!(
            self,
            Self::GuestShutdown | Self::GuestReset | Self::GuestPanic
        )
    }
}

/// Something that happened to the machine, for monitors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VmEvent {
    /// It goes down.
    Shutdown(Cause),
    /// The power key was pressed.
    Powerdown,
    /// It was reset.
    Reset(Cause),
    /// It stopped.
    Stop,
    /// It goes on.
    Resume,
    /// The guest says that it panicked; what is done about it.
    Panicked(PanicResult),
    /// The guest says that its crash kernel takes over. It runs on.
    CrashLoaded,
}

/// What is done about a guest's panic, by QEMU's names (`GuestPanicAction`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PanicResult {
    /// The machine stops.
    Pause,
    /// It is powered off.
    Poweroff,
    /// It runs on.
    Run,
}

/// What to do when the guest panics, by QEMU's names (`PanicAction`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PanicAction {
    /// Stop the machine.
    Pause,
    /// Power it off, as far as the policy on that goes.
    #[default]
    Shutdown,
    /// End the program with a failure.
    ExitFailure,
    /// Nothing.
    None,
}

/// What an owner should do after a call of [`Vm::run_slice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    /// Call again: some CPU has work.
    Busy,
    /// Every CPU waits: nothing happens before this virtual time, or before the host has news.
    Idle {
        /// When a timer is due.
        until: Option<VirtualTime>,
    },
    /// The machine is stopped: wait for an operator.
    Stopped,
    /// The machine is gone: leave, with a failure if [`Vm::failed`] says so.
    Ended,
}

/// What to do when the guest ends or resets itself, or panics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `-no-reboot`: a reset powers off.
    pub no_reboot: bool,
    /// `-no-shutdown`: a power-off stops the machine and keeps it.
    pub no_shutdown: bool,
    /// `-action panic=…`.
    pub panic: PanicAction,
}

/// Why a request to the machine is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refused {
    /// It was powered off and has to be reset first.
    #[error("Resetting the Virtual Machine is required")]
    NeedsReset,
    /// There is nothing to wake up from.
    #[error("Unable to wake up: guest is not in suspended state")]
    NotSuspended,
}

/// A virtual machine. One thread owns it and calls [`Self::run_slice`] again and again.
pub struct Vm {
    cpus: Vec<Cpu>,
    engine: Accelerator,
    board: Board,
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
            engine: Accelerator::default(),
            board,
            boot,
            state: RunState::Prelaunch,
            policy: Policy::default(),
            ended: false,
            failed: false,
            held: false,
            device_tree: Vec::new(),
            events: Vec::new(),
        };
        vm.reset_all(ResetKind::Cold)?;
        Ok(vm)
    }

    /// Sets what happens when the guest ends or resets itself.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// What happens when the guest ends or resets itself.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
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
        self.failed
    }

    /// What the machine is doing.
    #[must_use]
    pub fn state(&self) -> RunState {
        self.state
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

    /// The execution engine, for its figures.
    #[must_use]
    pub fn engine(&self) -> &Accelerator {
        &self.engine
    }

    /// Lets another engine run the guest from now on. What the present one has translated is lost.
    pub fn set_engine(&mut self, engine: Accelerator) {
        self.engine = engine;
    }

    /// The device tree as it was given to the guest at the last reset.
    #[must_use]
    pub fn device_tree(&self) -> &[u8] {
        &self.device_tree
    }

    /// Never lets a CPU run from now on: devices work, for who drives them from outside.
    pub fn hold_cpus(&mut self) {
        self.held = true;
    }

    /// Whether no CPU ever runs.
    #[must_use]
    pub fn cpus_are_held(&self) -> bool {
        self.held
    }

    /// Takes what happened since the last call.
    pub fn take_events(&mut self) -> Vec<VmEvent> {
        std::mem::take(&mut self.events)
    }

    /// Stops the CPUs and virtual time.
    pub fn stop(&mut self) {
        match self.state {
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
        match self.state {
            RunState::Running => Ok(()),
            RunState::Shutdown => Err(Refused::NeedsReset),
            RunState::Prelaunch | RunState::Paused | RunState::GuestPanicked => {
                self.board.clock.start();
                self.state = RunState::Running;
                self.board
                    .trace()
                    .tell(Point::VmStateNotify, || "running 1 reason running".into());
                self.events.push(VmEvent::Resume);
                Ok(())
            }
        }
    }

    /// Resets the machine; whether it runs does not change, but one that was powered off is paused.
    pub fn reset(&mut self, cause: Cause) -> Result<(), BootError> {
        self.reset_all(ResetKind::Warm)?;
        if matches!(self.state, RunState::Shutdown | RunState::GuestPanicked) {
            self.state = RunState::Paused;
        }
        self.board
            .trace()
            .tell(Point::SystemReset, || format!("reason {}", cause.name()));
        self.events.push(VmEvent::Reset(cause));
        Ok(())
    }

    /// Presses the power key.
    pub fn powerdown(&mut self) {
        self.events.push(VmEvent::Powerdown);
        self.board.press_power_key();
    }

    /// Wakes a suspended machine.
    pub fn wakeup(&mut self) -> Result<(), Refused> {
        Err(Refused::NotSuspended)
    }

    /// Powers off for good, whatever the policy.
    pub fn quit(&mut self, cause: Cause) {
        if !self.ended {
            self.ended = true;
            self.events.push(VmEvent::Shutdown(cause));
        }
    }

    /// Looks for news from the host's side of the devices.
    pub fn poll_devices(&mut self) {
        self.board.poll_devices();
    }

    fn halt(&mut self, state: RunState) {
        self.board.clock.stop();
        self.state = state;
        self.board.trace().tell(Point::VmStateNotify, || {
            format!("running 0 reason {}", state.name())
        });
        self.events.push(VmEvent::Stop);
    }

    fn reset_all(&mut self, kind: ResetKind) -> Result<(), BootError> {
        self.board.reset(kind);
        self.engine.flush();
        let (start, device_tree) = self.boot.load(&self.board, kind)?;
        self.device_tree = device_tree;
        for cpu in &mut self.cpus {
            cpu.reset(0);
        }
        if let Some(first) = self.cpus.first_mut() {
            first.reset(start.entry);
            first.set_x(0, start.x0);
        }
        Ok(())
    }

    /// Gives each CPU that has work a turn.
    pub fn run_slice(&mut self) -> Slice {
        if self.ended {
            return Slice::Ended;
        }
        if self.state != RunState::Running {
            return Slice::Stopped;
        }
        let mut until = self.board.run_timers();
        if self.held {
            self.obey_requests();
            return Slice::Idle { until };
        }
        let mut busy = false;
        for index in 0..self.cpus.len() {
            self.update_inputs(index);
            busy |= self.run_cpu(index);
            self.obey_requests();
            if self.ended || self.state != RunState::Running {
                return Slice::Busy;
            }
            self.share(index);
        }
        if busy {
            return Slice::Busy;
        }
        let counter = self.board.counter();
        for cpu in &self.cpus {
            let timer = cpu.next_timer_deadline(counter).map(board::counter_to_time);
            until = [until, timer].into_iter().flatten().min();
        }
        Slice::Idle { until }
    }

    /// Drives a CPU's timer interrupts and its interrupt inputs.
    fn update_inputs(&mut self, index: usize) {
        let cpu = &mut self.cpus[index];
        let lines = cpu.timers(self.board.counter());
        self.board.set_ppi(index, ppi::TIMER_PHYS, lines.physical);
        self.board.set_ppi(index, ppi::TIMER_VIRT, lines.virtual_);
        self.board.set_ppi(index, ppi::PMU, lines.pmu);
        cpu.set_interrupts(self.board.lines(index));
        cpu.look_for_events(&self.board);
    }

    /// Runs one CPU if it has power and work; tells whether it ran.
    fn run_cpu(&mut self, index: usize) -> bool {
        let cpu = &mut self.cpus[index];
        match self.board.psci.power[index] {
            Power::Off => return false,
            Power::Pending { entry, context } => {
                self.board.trace().tell(Point::GuestCpuReset, || {
                    format!("cpu {index} entry {entry:#x}")
                });
                cpu.reset(entry);
                cpu.set_x(0, context);
                self.board.psci.power[index] = Power::On;
            }
            Power::On => {}
        }
        if cpu.halted().is_some() {
            return false;
        }
        let before = self.board.trace().any().then(|| self.engine.stats());
        cpu.run(&mut self.engine, &mut self.board, SLICE);
        if let Some(before) = before {
            self.tell_of_code(index, &before);
        }
        true
    }

    /// Tells what became of translated code during a CPU's turn.
    fn tell_of_code(&self, index: usize, before: &Stats) {
        let (trace, now) = (self.board.trace(), self.engine.stats());
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
                MachineRequest::Reset if self.policy.no_reboot => self.power_off(Cause::GuestReset),
                MachineRequest::Shutdown => self.power_off(Cause::GuestShutdown),
                MachineRequest::Panicked => self.panicked(),
                MachineRequest::CrashLoaded => self.events.push(VmEvent::CrashLoaded),
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
        } = self.policy;
        let pause = panic == PanicAction::Shutdown && no_shutdown;
        let result = match panic {
            PanicAction::None => PanicResult::Run,
            PanicAction::Pause => PanicResult::Pause,
            PanicAction::Shutdown if pause => PanicResult::Pause,
            PanicAction::Shutdown | PanicAction::ExitFailure => PanicResult::Poweroff,
        };
        self.events.push(VmEvent::Panicked(result));
        if result != PanicResult::Run {
            self.halt(RunState::GuestPanicked);
        }
        if result == PanicResult::Poweroff {
            self.failed = panic == PanicAction::ExitFailure;
            self.events.push(VmEvent::Shutdown(Cause::GuestPanic));
            self.ended = true;
        }
    }

    fn power_off(&mut self, cause: Cause) {
        self.events.push(VmEvent::Shutdown(cause));
        if self.policy.no_shutdown {
            self.halt(RunState::Shutdown);
        } else {
            self.ended = true;
        }
    }
}
