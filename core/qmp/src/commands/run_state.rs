//! Whether the guest runs.

use super::Context;
use crate::error::Error;
use crate::schema::{
    RunState, RunStateCommands, SetActionArguments, ShutdownCause, StatusInfo,
    WatchdogSetActionArguments,
};

impl RunStateCommands for Context<'_> {
    fn query_status(&mut self) -> Result<StatusInfo, Error> {
        let status = self.vm.run_state();
        Ok(StatusInfo {
            running: status == RunState::Running,
            status,
        })
    }

    fn stop(&mut self) -> Result<(), Error> {
        self.vm.stop()
    }

    fn cont(&mut self) -> Result<(), Error> {
        self.vm.cont()
    }

    fn set_action(&mut self, arguments: SetActionArguments) -> Result<(), Error> {
        self.vm.set_action(arguments)
    }

    fn watchdog_set_action(&mut self, arguments: WatchdogSetActionArguments) -> Result<(), Error> {
        self.vm.set_action(SetActionArguments {
            reboot: None,
            shutdown: None,
            panic: None,
            watchdog: Some(arguments.action),
        })
    }

    fn system_reset(&mut self) -> Result<(), Error> {
        self.vm.reset(ShutdownCause::HostQmpSystemReset)
    }

    fn system_powerdown(&mut self) -> Result<(), Error> {
        self.vm.powerdown()
    }

    fn system_wakeup(&mut self) -> Result<(), Error> {
        self.vm.wakeup()
    }
}
