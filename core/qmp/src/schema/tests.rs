use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::{COMMANDS, EVENTS, Event, Rate, ShutdownCause, check, command, introspect};

fn fault(name: &str, arguments: &Value) -> Option<String> {
    let row = command(name).unwrap();
    check(row, arguments.as_object().unwrap())
        .err()
        .map(|error| error.message)
}

#[test]
fn commands_are_found_by_name() {
    for row in COMMANDS {
        assert_eq!(command(row.name).unwrap().name, row.name);
    }
    assert!(command("nope").is_none());
}

/// Arguments with the errors that QEMU is seen to answer them with.
#[test]
fn argument_errors_are_those_of_qemu() {
    let cases = [
        (
            "memsave",
            json!({"size": 16, "bogus": 1, "filename": "f"}),
            "Parameter 'val' is missing",
        ),
        (
            "memsave",
            json!({"val": 0, "size": 16, "bogus": 1, "filename": "f"}),
            "Parameter 'bogus' is unexpected",
        ),
        (
            "memsave",
            json!({"val": "x", "size": 16, "filename": "f"}),
            "Invalid parameter type for 'val', expected: integer",
        ),
        (
            "memsave",
            json!({"val": 1.0, "size": 16, "filename": "f"}),
            "Invalid parameter type for 'val', expected: integer",
        ),
        (
            "memsave",
            json!({"val": u64::MAX, "size": 16, "filename": "f"}),
            "Invalid parameter type for 'val', expected: integer",
        ),
        (
            "memsave",
            json!({"val": 0, "size": 16, "filename": null}),
            "Invalid parameter type for 'filename', expected: string",
        ),
        (
            "ringbuf-write",
            json!({"device": "x", "data": "", "format": "base65"}),
            "Parameter 'format' does not accept value 'base65'",
        ),
        (
            "ringbuf-write",
            json!({"device": "x", "data": "", "format": 1}),
            "Invalid parameter type for 'format', expected: string",
        ),
        (
            "yank",
            json!({"instances": {}}),
            "Invalid parameter type for 'instances', expected: array",
        ),
        (
            "yank",
            json!({"instances": [{"type": "migration"}, {"type": "chardev"}]}),
            "Parameter 'instances[1].id' is missing",
        ),
        (
            "yank",
            json!({"instances": [{"type": "chardev", "id": "a", "x": 1}, 3]}),
            "Parameter 'instances[0].x' is unexpected",
        ),
        (
            "yank",
            json!({"instances": [{}]}),
            "Parameter 'instances[0].type' is missing",
        ),
        (
            "yank",
            json!({"instances": [{"type": "foo"}]}),
            "Parameter 'instances[0].type' does not accept value 'foo'",
        ),
        (
            "yank",
            json!({"instances": [3]}),
            "Invalid parameter type for 'instances[0]', expected: object",
        ),
    ];
    for (name, arguments, message) in cases {
        assert_eq!(
            fault(name, &arguments).as_deref(),
            Some(message),
            "{arguments}"
        );
    }
    let good =
        json!({"instances": [{"type": "block-node", "node-name": "n"}, {"type": "migration"}]});
    assert_eq!(fault("yank", &good), None);
}

#[test]
fn events_are_rows_too() {
    let event = Event::Shutdown {
        guest: true,
        reason: ShutdownCause::GuestShutdown,
    };
    assert_eq!(event.definition().name, "SHUTDOWN");
    let data = json!({"guest": true, "reason": "guest-shutdown"});
    assert_eq!(event.data().map(Value::from), Some(data));
    assert_eq!(Event::Stop.data(), None);
    let limited: Vec<_> = EVENTS
        .iter()
        .filter(|row| row.rate != Rate::Unlimited)
        .map(|row| row.name)
        .collect();
    assert_eq!(limited, ["VSERPORT_CHANGE", "BALLOON_CHANGE", "WATCHDOG"]);
}

/// What clients do with the schema: find a command, follow its types to built-in ones.
#[test]
fn introspection_is_closed_and_complete() {
    let entities = serde_json::to_value(introspect()).unwrap();
    let entities = entities.as_array().unwrap();
    let mut by_name: HashMap<&str, &Value> = HashMap::new();
    for entity in entities {
        let name = entity["name"].as_str().unwrap();
        assert!(
            by_name.insert(name, entity).is_none(),
            "{name} is there twice"
        );
    }
    let mut reached = HashSet::new();
    let mut open = Vec::new();
    for row in COMMANDS {
        let entity = by_name[row.name];
        assert_eq!(entity["meta-type"], "command");
        assert_eq!(entity.get("allow-oob").is_some(), row.oob);
        open.extend([&entity["arg-type"], &entity["ret-type"]]);
    }
    for row in EVENTS {
        assert_eq!(by_name[row.name]["meta-type"], "event");
        open.push(&by_name[row.name]["arg-type"]);
    }
    while let Some(name) = open.pop() {
        let name = name.as_str().unwrap();
        if !reached.insert(name) {
            continue;
        }
        let entity = by_name[name];
        match entity["meta-type"].as_str().unwrap() {
            "builtin" => assert!(entity["json-type"].is_string()),
            "enum" => assert_eq!(
                entity["members"].as_array().unwrap().len(),
                entity["values"].as_array().unwrap().len()
            ),
            "array" => {
                let element = &entity["element-type"];
                assert_eq!(name, format!("[{}]", element.as_str().unwrap()));
                open.push(element);
            }
            "object" => {
                let members = entity["members"].as_array().unwrap();
                let variants = entity.get("variants").and_then(Value::as_array);
                let all = members.iter().chain(variants.into_iter().flatten());
                open.extend(all.map(|member| &member["type"]));
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(
        reached.len() + COMMANDS.len() + EVENTS.len(),
        entities.len()
    );
    // An optional member, as clients look for it.
    let memsave = by_name[by_name["memsave"]["arg-type"].as_str().unwrap()];
    let members = memsave["members"].as_array().unwrap();
    let index = members.iter().find(|m| m["name"] == "cpu-index").unwrap();
    assert_eq!(
        index,
        &json!({"name": "cpu-index", "type": "int", "default": null})
    );
    assert_eq!(by_name["cpu"]["features"], json!(["deprecated"]));
}
