//! What each command does. A module of the schema is a file here.

mod base64;
mod block_core;
mod char;
mod control;
mod introspect;
mod machine;
mod run_state;
#[cfg(test)]
mod tests;
mod yank;

use serde_json::Value;

use crate::control::VmControl;
use crate::error::Error;
use crate::schema;
use crate::session::Monitor;

pub use control::version;
pub(crate) use machine::{MemorySpace, save_memory, uuid_text};

/// What a command works on: the machine, and what its monitor remembers.
pub(crate) struct Context<'a> {
    pub(crate) vm: &'a mut dyn VmControl,
    pub(crate) monitor: &'a mut Monitor,
}

/// Executes a command whose arguments the schema has accepted.
pub(crate) fn run(
    command: &str,
    arguments: Value,
    vm: &mut dyn VmControl,
    monitor: &mut Monitor,
) -> Result<Value, Error> {
    schema::dispatch(&mut Context { vm, monitor }, command, arguments)
}
