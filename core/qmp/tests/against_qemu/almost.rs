//! Every command with arguments that are right but for one thing, answered by both.

use ferrite_qmp::schema::{COMMANDS, Definition, Member, Shape, Type};
use serde_json::{Map, Value, json};

use crate::arguments::{ferrite, last_name};
use crate::qemu::Qemu;

/// How deep objects are filled; recursive types end there.
const DEPTH: usize = 5;

/// Values of a type that the schema accepts, one for each case of a union.
fn samples(kind: Type, depth: usize) -> Vec<Value> {
    match kind {
        Type::Str | Type::Any => vec![json!("text")],
        Type::Bool => vec![json!(true)],
        Type::Null => vec![Value::Null],
        Type::Number
        | Type::Int
        | Type::Uint8
        | Type::Uint16
        | Type::Uint32
        | Type::Uint64
        | Type::Size => vec![json!(1)],
        Type::Array(element) => samples(*element, depth)
            .into_iter()
            .map(|value| json!([value]))
            .collect(),
        Type::Named(definition) => defined(definition, depth),
    }
}

fn defined(definition: &Definition, depth: usize) -> Vec<Value> {
    match definition.shape {
        Shape::Enum(values) => values.first().map(|v| json!(v.name)).into_iter().collect(),
        Shape::Alternate(branches) => branches
            .iter()
            .flat_map(|branch| samples(branch.kind, depth))
            .collect(),
        Shape::Struct(members) => vec![filled(members, depth).into()],
        Shape::Union { tag, base, cases } => cases
            .iter()
            .map(|(case, members)| {
                let mut all = filled(base, depth);
                all.extend(filled(members, depth));
                all.insert(tag.into(), json!(case));
                all.into()
            })
            .collect(),
    }
}

/// All members, as deep as they go.
fn filled(members: &[Member], depth: usize) -> Map<String, Value> {
    if depth == 0 {
        return Map::new();
    }
    let entry = |member: &Member| {
        let value = samples(member.kind, depth - 1).into_iter().next()?;
        Some((member.name.to_owned(), value))
    };
    members.iter().filter_map(entry).collect()
}

/// The value with one thing wrong in it, for each thing that can be.
fn spoilt(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(members) => {
            let mut out = vec![json!(1)];
            let with = |name: &str, value: Option<Value>| {
                let mut copy = members.clone();
                copy.remove(name);
                copy.extend(value.map(|value| (name.to_owned(), value)));
                Value::from(copy)
            };
            out.push(with("no-such-member", Some(json!(1))));
            for (name, member) in members {
                out.push(with(name, None));
                out.extend(spoilt(member).into_iter().map(|bad| with(name, Some(bad))));
            }
            out
        }
        Value::Array(items) => {
            let mut out = vec![json!({})];
            out.extend(items.iter().flat_map(spoilt).map(|bad| json!([bad])));
            out
        }
        Value::String(_) => vec![json!([]), json!("no-such-value")],
        Value::Bool(_) => vec![json!("x")],
        Value::Number(_) => vec![json!("x"), json!(1.5), json!(true)],
        Value::Null => vec![json!(1)],
    }
}

/// Whether an answer finds fault with the form of arguments.
fn is_refusal(answer: &Value) -> bool {
    let desc = answer["error"]["desc"].as_str().unwrap_or_default();
    [
        "is missing",
        "is unexpected",
        "does not accept value",
        "Invalid parameter type",
    ]
    .iter()
    .any(|words| desc.contains(words))
}

#[test]
fn what_is_almost_right_is_refused_as_by_qemu() {
    let mut qemu = Qemu::start();
    let known = qemu.ask(&json!({"execute": "query-commands"}));
    let known = known["return"].as_array().unwrap().clone();
    let mut ours = ferrite();
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for row in COMMANDS
        .iter()
        .filter(|row| !row.open && row.name != "qmp_capabilities")
    {
        if !known.iter().any(|command| command["name"] == row.name) {
            continue;
        }
        let bases: Vec<Value> = match row.boxed {
            Some(kind) => samples(kind, DEPTH),
            None => vec![filled(row.arguments, DEPTH).into()],
        };
        for arguments in bases.iter().flat_map(spoilt).filter(Value::is_object) {
            let message = json!({"execute": row.name, "arguments": arguments});
            let our = last_name(ours(&message));
            if !is_refusal(&our) {
                // A text may be any text, and what may be left out was.
                continue;
            }
            let their = qemu.ask(&message);
            let unknown = their["error"]["desc"]
                .as_str()
                .is_some_and(|desc| desc.contains("is unexpected"));
            if our != their && !unknown {
                wrong.push(format!("{message}\n  ours   {our}\n  theirs {their}"));
            }
            compared += 1;
        }
    }
    assert!(compared > 300, "{compared}");
    assert!(
        wrong.is_empty(),
        "{} of {compared}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
