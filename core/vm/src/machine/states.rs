//! What a machine is doing, what happens to it and why, and what its owner wishes done then.

#[cfg(doc)]
use super::Vm;
use ferrite_machine::VirtualTime;

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

/// There is not one engine for each CPU.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("each CPU needs an engine of its own")]
pub struct EngineCount;

/// Why a request to the machine is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refused {
    /// It was powered off and has to be reset first.
    #[error("Resetting the Virtual Machine is required")]
    NeedsReset,
    /// There is nothing to wake up from.
    #[error("wake-up from suspend is not supported by this guest")]
    NotSuspended,
}
