//! The protocol itself.

use super::Context;
use crate::error::Error;
use crate::schema::{
    COMMANDS, CommandInfo, ControlCommands, EVENTS, EventInfo, ShutdownCause, VersionInfo,
    VersionTriple,
};

/// The version of QEMU whose protocol this is, and our own.
#[must_use]
pub fn version() -> VersionInfo {
    VersionInfo {
        qemu: VersionTriple {
            major: 10,
            minor: 0,
            micro: 0,
        },
        package: concat!("Ferrite ", env!("CARGO_PKG_VERSION")).into(),
    }
}

impl ControlCommands for Context<'_> {
    fn query_version(&mut self) -> Result<VersionInfo, Error> {
        Ok(version())
    }

    fn query_commands(&mut self) -> Result<Vec<CommandInfo>, Error> {
        let name = |name: &str| CommandInfo { name: name.into() };
        Ok(COMMANDS.iter().map(|row| name(row.name)).collect())
    }

    fn query_events(&mut self) -> Result<Vec<EventInfo>, Error> {
        let name = |name: &str| EventInfo { name: name.into() };
        Ok(EVENTS.iter().map(|row| name(row.name)).collect())
    }

    fn quit(&mut self) -> Result<(), Error> {
        self.vm.quit(ShutdownCause::HostQmpQuit);
        Ok(())
    }
}
