//! Arguments against the schema, with QEMU's messages; and answers and events, for tests.

use serde_json::{Map, Value};

use super::{CommandDefinition, Definition, EventDefinition, Member, Shape, Type};
use crate::error::Error;

/// Checks a command's arguments; the error names the first member that is wrong.
pub fn check(
    command: &'static CommandDefinition,
    arguments: &Map<String, Value>,
) -> Result<(), Error> {
    match command.boxed {
        Some(Type::Named(definition)) => shape("", definition, arguments),
        _ if command.open => members("", &[command.arguments], arguments),
        _ => object("", &[command.arguments], arguments),
    }
}

/// Checks what a command returns; the error names the first member that is wrong.
pub fn check_answer(command: &'static CommandDefinition, answer: &Value) -> Result<(), Error> {
    match (command.returns, answer) {
        (Some(kind), _) => check_value("return", kind, answer),
        (None, Value::Object(members)) => object("return", &[], members),
        (None, _) => Err(wrong_type("return", "object")),
    }
}

/// Checks an event's data; the error names the first member that is wrong.
pub fn check_data(event: &'static EventDefinition, data: &Map<String, Value>) -> Result<(), Error> {
    object("data", &[event.data], data)
}

/// The members in all of `groups`.
fn members(path: &str, groups: &[&[Member]], given: &Map<String, Value>) -> Result<(), Error> {
    for member in groups.iter().copied().flatten() {
        let path = join(path, member.name);
        match given.get(member.name) {
            Some(value) => check_value(&path, member.kind, value)?,
            None if member.optional => {}
            None => return Err(Error::generic(format!("Parameter '{path}' is missing"))),
        }
    }
    Ok(())
}

/// The members in all of `groups` and no others.
fn object(path: &str, groups: &[&[Member]], given: &Map<String, Value>) -> Result<(), Error> {
    members(path, groups, given)?;
    let known = |name: &str| groups.iter().copied().flatten().any(|m| m.name == name);
    match given.keys().find(|name| !known(name)) {
        Some(name) => {
            let path = join(path, name);
            Err(Error::generic(format!("Parameter '{path}' is unexpected")))
        }
        None => Ok(()),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn wrong_type(path: &str, expected: &str) -> Error {
    Error::generic(format!(
        "Invalid parameter type for '{path}', expected: {expected}"
    ))
}

fn check_value(path: &str, kind: Type, value: &Value) -> Result<(), Error> {
    let (fits, expected) = match kind {
        Type::Any => return Ok(()),
        Type::Str => (value.is_string(), "string"),
        Type::Int => (value.is_i64(), "integer"),
        Type::Number => (value.is_number(), "number"),
        Type::Bool => (value.is_boolean(), "boolean"),
        Type::Null => (value.is_null(), "null"),
        Type::Uint8 => return unsigned(path, value, u8::MAX.into(), "uint8_t"),
        Type::Uint16 => return unsigned(path, value, u16::MAX.into(), "uint16_t"),
        Type::Uint32 => return unsigned(path, value, u32::MAX.into(), "uint32_t"),
        Type::Uint64 | Type::Size => return unsigned(path, value, u64::MAX, "uint64"),
        Type::Array(element) => {
            let values = value.as_array().ok_or_else(|| wrong_type(path, "array"))?;
            for (i, value) in values.iter().enumerate() {
                check_value(&format!("{path}[{i}]"), *element, value)?;
            }
            return Ok(());
        }
        Type::Named(definition) => return named(path, definition, value),
    };
    if fits {
        Ok(())
    } else {
        Err(wrong_type(path, expected))
    }
}

fn unsigned(path: &str, value: &Value, max: u64, name: &str) -> Result<(), Error> {
    let name = match (value.is_i64(), value.is_u64()) {
        (false, false) => "uint64",
        _ => name,
    };
    match value.as_u64() {
        Some(value) if value <= max => Ok(()),
        _ => Err(Error::generic(format!("Parameter '{path}' expects {name}"))),
    }
}

fn named(path: &str, definition: &'static Definition, value: &Value) -> Result<(), Error> {
    match definition.shape {
        Shape::Enum(values) => {
            let given = value.as_str().ok_or_else(|| wrong_type(path, "string"))?;
            if values.iter().any(|v| v.name == given) {
                return Ok(());
            }
            Err(Error::generic(format!(
                "Parameter '{path}' does not accept value '{given}'"
            )))
        }
        Shape::Alternate(branches) => match branches.iter().find(|b| looks_like(b.kind, value)) {
            Some(branch) => check_value(path, branch.kind, value),
            None => Err(wrong_type(path, definition.name)),
        },
        Shape::Struct(_) | Shape::Union { .. } => {
            let given = value
                .as_object()
                .ok_or_else(|| wrong_type(path, "object"))?;
            shape(path, definition, given)
        }
    }
}

/// Whether a value has the JSON type of a branch of an alternate.
fn looks_like(kind: Type, value: &Value) -> bool {
    match kind {
        Type::Any => true,
        Type::Str => value.is_string(),
        Type::Bool => value.is_boolean(),
        Type::Null => value.is_null(),
        Type::Array(_) => value.is_array(),
        Type::Named(Definition {
            shape: Shape::Enum(_),
            ..
        }) => value.is_string(),
        Type::Named(_) => value.is_object(),
        Type::Number => value.is_number(),
        _ => value.is_i64() || value.is_u64(),
    }
}

/// An object of a defined type.
fn shape(
    path: &str,
    definition: &'static Definition,
    given: &Map<String, Value>,
) -> Result<(), Error> {
    match definition.shape {
        Shape::Enum(_) | Shape::Alternate(_) => Ok(()),
        Shape::Struct(members) => object(path, &[members], given),
        Shape::Union { tag, base, cases } => {
            // The common members first: what else is wanted depends on the tag.
            members(path, &[base], given)?;
            let chosen = given.get(tag).and_then(Value::as_str);
            let case = cases.iter().find(|(name, _)| Some(*name) == chosen);
            object(path, &[base, case.map_or(&[][..], |(_, m)| m)], given)
        }
    }
}
