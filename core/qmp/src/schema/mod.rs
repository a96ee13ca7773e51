//! The protocol's schema: types, commands and events, generated from `schema/*.schema`.
//!
//! The same rows give the Rust types here, the argument checks ([`check`]), the handler traits that
//! [`crate::commands`] implements and the answer of `query-qmp-schema` ([`introspect`]).

mod introspect;
mod old_forms;
#[cfg(test)]
mod tests;
mod validate;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Error;

pub use introspect::introspect;
pub(crate) use old_forms::old_forms;
pub use validate::{check, check_answer, check_data};

/// The type of a member, argument or answer.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// A string.
    Str,
    /// A signed 64-bit integer.
    Int,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// Nothing.
    Null,
    /// Any JSON value.
    Any,
    /// An integer up to 255.
    Uint8,
    /// An integer up to 65,535.
    Uint16,
    /// An unsigned 32-bit integer.
    Uint32,
    /// An unsigned 64-bit integer.
    Uint64,
    /// A number of bytes.
    Size,
    /// A list.
    Array(&'static Type),
    /// A type that the schema defines.
    Named(&'static Definition),
}

/// A type that the schema defines.
#[derive(Debug)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// `deprecated`, `unstable` and the like.
    pub features: &'static [&'static str],
    /// How it looks.
    pub shape: Shape,
}

/// How a type looks.
#[derive(Debug)]
pub enum Shape {
    /// One of these strings.
    Enum(&'static [EnumValue]),
    /// An object.
    Struct(&'static [Member]),
    /// One of these types, told apart by their JSON type.
    Alternate(&'static [Member]),
    /// An object whose members depend on one of them.
    Union {
        /// The member that decides.
        tag: &'static str,
        /// Members that are always there, the tag among them.
        base: &'static [Member],
        /// Further members by the tag's value.
        cases: &'static [(&'static str, &'static [Member])],
    },
}

/// A value of an enumeration.
#[derive(Debug)]
pub struct EnumValue {
    /// The value.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// `deprecated`, `unstable` and the like.
    pub features: &'static [&'static str],
}

/// A member of an object, or an argument.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// Its type.
    pub kind: Type,
    /// Whether it may be left out.
    pub optional: bool,
    /// `deprecated`, `unstable` and the like.
    pub features: &'static [&'static str],
}

/// A command.
#[derive(Debug)]
pub struct CommandDefinition {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// `deprecated`, `unstable` and the like.
    pub features: &'static [&'static str],
    /// Whether it may run out of band.
    pub oob: bool,
    /// Whether it may run before the machine is made (`-preconfig`).
    pub preconfig: bool,
    /// Whether it takes members beyond its arguments.
    pub open: bool,
    /// Its arguments.
    pub arguments: &'static [Member],
    /// The type that holds its arguments, where they are not listed.
    pub boxed: Option<Type>,
    /// What it answers; an empty object if nothing.
    pub returns: Option<Type>,
}

/// How often an event is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// As often as it happens.
    Unlimited,
    /// Once a second at most, the latest kept.
    PerSecond {
        /// The member whose values are told apart.
        key: Option<&'static str>,
    },
}

/// An event.
#[derive(Debug)]
pub struct EventDefinition {
    /// Its name.
    pub name: &'static str,
    /// When it is sent.
    pub doc: &'static str,
    /// `deprecated`, `unstable` and the like.
    pub features: &'static [&'static str],
    /// How often it is sent.
    pub rate: Rate,
    /// Its data.
    pub data: &'static [Member],
}

/// The command of this name.
#[must_use]
pub fn command(name: &str) -> Option<&'static CommandDefinition> {
    let row = COMMANDS.binary_search_by(|row| row.name.cmp(name)).ok()?;
    Some(&COMMANDS[row])
}

/// Arguments as the handler wants them.
fn typed<T: for<'a> Deserialize<'a>>(arguments: Value) -> Result<T, Error> {
    serde_json::from_value(arguments).map_err(|error| Error::generic(error.to_string()))
}

/// A handler's answer as JSON.
fn answer<T: Serialize>(result: T) -> Result<Value, Error> {
    serde_json::to_value(result).map_err(|error| Error::generic(error.to_string()))
}

/// The answer of commands that have none.
fn nothing() -> Value {
    Value::Object(Map::new())
}

/// Adds a member to an event's data unless it is absent.
fn insert<T: Serialize>(data: &mut Map<String, Value>, name: &str, value: &T) {
    match serde_json::to_value(value) {
        Ok(Value::Null) | Err(_) => {}
        Ok(value) => {
            data.insert(name.into(), value);
        }
    }
}

include!(concat!(env!("OUT_DIR"), "/schema.rs"));
