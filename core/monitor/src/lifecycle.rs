//! The machine's states, causes and events in the schema's words.

use ferrite_qmp::Event;
use ferrite_qmp::schema::{
    GuestPanicAction, PanicAction, RebootAction, RunState, SetActionArguments, ShutdownAction,
    ShutdownCause,
};
use ferrite_vm::Vm;
use ferrite_vm::machine::{self, Cause, PanicResult, VmEvent};

/// A cause in the schema's words.
#[must_use]
pub fn shutdown_cause(cause: Cause) -> ShutdownCause {
    match cause {
        Cause::HostQmpQuit => ShutdownCause::HostQmpQuit,
        Cause::HostQmpSystemReset => ShutdownCause::HostQmpSystemReset,
        Cause::HostSignal => ShutdownCause::HostSignal,
        Cause::HostUi => ShutdownCause::HostUi,
        Cause::GuestShutdown => ShutdownCause::GuestShutdown,
        Cause::GuestReset => ShutdownCause::GuestReset,
        Cause::GuestPanic => ShutdownCause::GuestPanic,
    }
}

/// What the machine is to do when it would end or start anew. There is no watchdog: that choice
/// changes nothing.
pub fn set_action(vm: &mut Vm, actions: &SetActionArguments) {
    let mut policy = vm.policy();
    if let Some(reboot) = actions.reboot {
        policy.no_reboot = reboot == RebootAction::Shutdown;
    }
    if let Some(shutdown) = actions.shutdown {
        policy.no_shutdown = shutdown == ShutdownAction::Pause;
    }
    if let Some(panic) = actions.panic {
        policy.panic = match panic {
            PanicAction::Pause => machine::PanicAction::Pause,
            PanicAction::Shutdown => machine::PanicAction::Shutdown,
            PanicAction::ExitFailure => machine::PanicAction::ExitFailure,
            PanicAction::None => machine::PanicAction::None,
        };
    }
    vm.set_policy(policy);
}

/// What a monitor's command is the cause of.
#[must_use]
pub fn cause(cause: ShutdownCause) -> Cause {
    match cause {
        ShutdownCause::HostQmpSystemReset => Cause::HostQmpSystemReset,
        ShutdownCause::HostSignal => Cause::HostSignal,
        ShutdownCause::HostUi => Cause::HostUi,
        _ => Cause::HostQmpQuit,
    }
}

/// What a machine is doing, in the schema's words.
#[must_use]
pub fn run_state(state: machine::RunState) -> RunState {
    match state {
        machine::RunState::Prelaunch => RunState::Prelaunch,
        machine::RunState::Running => RunState::Running,
        machine::RunState::Paused => RunState::Paused,
        machine::RunState::Shutdown => RunState::Shutdown,
        machine::RunState::GuestPanicked => RunState::GuestPanicked,
    }
}

/// The event that tells monitors of what happened.
#[must_use]
pub fn event(event: VmEvent) -> Event {
    match event {
        VmEvent::Shutdown(cause) => Event::Shutdown {
            guest: cause.is_guest(),
            reason: shutdown_cause(cause),
        },
        VmEvent::Powerdown => Event::Powerdown,
        VmEvent::Reset(cause) => Event::Reset {
            guest: cause.is_guest(),
            reason: shutdown_cause(cause),
        },
        VmEvent::Stop => Event::Stop,
        VmEvent::Resume => Event::Resume,
        VmEvent::Panicked(result) => Event::GuestPanicked {
            action: match result {
                PanicResult::Pause => GuestPanicAction::Pause,
                PanicResult::Poweroff => GuestPanicAction::Poweroff,
                PanicResult::Run => GuestPanicAction::Run,
            },
            info: None,
        },
        VmEvent::CrashLoaded => Event::GuestCrashloaded {
            action: GuestPanicAction::Run,
            info: None,
        },
    }
}
