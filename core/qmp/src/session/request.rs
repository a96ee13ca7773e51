//! A client's message, and a command on its way through the machine.

use ferrite_machine::trace::Point;
use serde_json::{Map, Value};

use super::Monitor;
use crate::commands;
use crate::control::VmControl;
use crate::error::Error;
use crate::schema::CommandDefinition;

/// A message whose form is right.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) id: Option<Value>,
    pub(super) command: String,
    pub(super) arguments: Map<String, Value>,
    /// Whether it is to be executed out of band.
    pub(super) oob: bool,
}

/// A message that is answered by an error, in its turn unless it is out of band.
#[derive(Debug)]
pub(super) struct Rejected {
    pub(super) id: Option<Value>,
    pub(super) error: Error,
    pub(super) oob: bool,
}

/// Takes a message apart.
pub(super) fn parse(value: Value, oob_enabled: bool) -> Result<Message, Rejected> {
    let Value::Object(mut members) = value else {
        return Err(Rejected {
            id: None,
            error: Error::generic("QMP input must be a JSON object"),
            oob: false,
        });
    };
    let id = members.remove("id");
    let oob = members.contains_key("exec-oob") && !members.contains_key("execute");
    match parts(members, oob_enabled) {
        Ok((command, arguments)) => Ok(Message {
            id,
            command,
            arguments,
            oob,
        }),
        Err(text) => Err(Rejected {
            id,
            error: Error::generic(text),
            oob,
        }),
    }
}

fn parts(
    members: Map<String, Value>,
    oob_enabled: bool,
) -> Result<(String, Map<String, Value>), String> {
    let mut command: Option<(String, String)> = None;
    let mut arguments = Map::new();
    for (name, value) in members {
        match (name.as_str(), value) {
            ("exec-oob", _) if !oob_enabled => return Err(unexpected(&name)),
            ("execute" | "exec-oob", Value::String(given)) => {
                if let Some((other, _)) = command {
                    return Err(format!("QMP input member '{name}' clashes with '{other}'"));
                }
                command = Some((name, given));
            }
            ("execute" | "exec-oob", _) => {
                return Err(format!("QMP input member '{name}' must be a string"));
            }
            ("arguments", Value::Object(given)) => arguments = given,
            ("arguments", _) => return Err("QMP input member 'arguments' must be an object".into()),
            _ => return Err(unexpected(&name)),
        }
    }
    match command {
        Some((_, command)) => Ok((command, arguments)),
        None => Err("QMP input lacks member 'execute'".into()),
    }
}

fn unexpected(name: &str) -> String {
    format!("QMP input member '{name}' is unexpected")
}

/// A command that a session hands out for execution; its arguments fit the schema.
#[derive(Debug)]
pub struct Request {
    pub(super) id: Option<Value>,
    pub(super) definition: &'static CommandDefinition,
    pub(super) arguments: Value,
    pub(super) monitor: Monitor,
    pub(super) oob: bool,
}

/// A command's answer on its way back to its session.
#[derive(Debug)]
pub struct Response {
    pub(super) id: Option<Value>,
    pub(super) result: Result<Value, Error>,
    pub(super) monitor: Monitor,
    pub(super) oob: bool,
}

impl Request {
    /// The command's name.
    #[must_use]
    pub fn command(&self) -> &'static str {
        self.definition.name
    }

    /// Executes the command on `vm`.
    pub fn execute(self, vm: &mut dyn VmControl) -> Response {
        let Self {
            id,
            definition,
            arguments,
            mut monitor,
            oob,
        } = self;
        if let Some(trace) = vm.trace() {
            trace.tell(Point::HandleQmpCommand, || {
                format!("req: {} {arguments}", definition.name)
            });
        }
        let result = commands::run(definition.name, arguments, vm, &mut monitor);
        vm.announce();
        if let Some(trace) = vm.trace() {
            trace.tell(Point::MonitorQmpRespond, || match &result {
                Ok(value) => format!("resp: {value}"),
                Err(error) => format!("error: {error}"),
            });
        }
        Response {
            id,
            result,
            monitor,
            oob,
        }
    }
}
