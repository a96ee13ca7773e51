//! What each command does. A module of the schema is a file here.

mod acpi;
pub mod base64;
mod block_core;
mod char;
mod control;
mod dump;
mod introspect;
mod job;
mod machine;
mod migration;
mod misc;
mod net;
mod pci;
mod qdev;
mod qom;
mod qom_object;
mod replay;
mod run_state;
#[cfg(test)]
mod tests;
mod tpm;
mod trace;
mod ui;
mod yank;

use serde_json::Value;

use crate::control::{HostControl, VmControl};
use crate::devices::DeviceControl;
use crate::error::Error;
use crate::schema;
use crate::session::Monitor;

pub use control::version;
pub(crate) use machine::{MemorySpace, save_memory, uuid_text};
pub(crate) use qom_object::is_identifier;

/// What a command works on: the machine, and what its monitor remembers.
pub(crate) struct Context<'a> {
    pub(crate) vm: &'a mut dyn VmControl,
    pub(crate) monitor: &'a mut Monitor,
}

impl<'a> Context<'a> {
    /// The host's side.
    fn host(&mut self) -> Result<&mut dyn HostControl, Error> {
        self.vm.host().ok_or_else(Error::unsupported)
    }

    /// The machine's devices.
    fn devices(&mut self) -> Result<&mut dyn DeviceControl, Error> {
        self.vm.devices().ok_or_else(Error::unsupported)
    }
}

/// Executes a command whose arguments the schema has accepted.
pub(crate) fn run(
    command: &str,
    arguments: Value,
    vm: &mut dyn VmControl,
    monitor: &mut Monitor,
) -> Result<Value, Error> {
    if vm.preconfig() && !schema::command(command).is_some_and(|row| row.preconfig) {
        return Err(Error::generic(format!(
            "The command '{command}' is permitted only after machine initialization has completed"
        )));
    }
    schema::dispatch(&mut Context { vm, monitor }, command, arguments)
}
