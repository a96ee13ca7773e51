//! Wrong arguments, answered by both.

use std::sync::Arc;

use ferrite_qmp::fake::{FakeClock, FakeVm};
use ferrite_qmp::{Events, Session};
use serde_json::{Value, json};

use crate::qemu::Qemu;

/// A session with a machine that is never there.
pub fn ferrite() -> impl FnMut(&Value) -> Value {
    let mut session = Session::default();
    let mut vm = FakeVm::new(Events::new(Arc::new(FakeClock::default())));
    session.output();
    let mut ask = move |message: &Value| {
        session.input(format!("{message}\n").as_bytes());
        while let Some(request) = session.take_request() {
            let response = request.execute(&mut vm);
            session.complete(response);
        }
        serde_json::from_str(&session.output().unwrap()).unwrap()
    };
    ask(&json!({"execute": "qmp_capabilities"}));
    ask
}

/// Messages that both refuse, each for a reason of its own.
fn messages() -> Vec<Value> {
    let command = |name: &str, arguments: Value| json!({"execute": name, "arguments": arguments});
    vec![
        command("query-status", json!({"x": 1})),
        command("no-such-command", json!({})),
        command("memsave", json!({})),
        command("memsave", json!({"val": true, "size": 1, "filename": "f"})),
        command("memsave", json!({"val": 1.5, "size": 1, "filename": "f"})),
        command("memsave", json!({"val": 0, "size": 1, "filename": 1})),
        command(
            "memsave",
            json!({"val": 0, "size": 1, "filename": "f", "cpu-index": null}),
        ),
        command(
            "memsave",
            json!({"val": 0, "size": 1, "filename": "f", "more": 0}),
        ),
        command(
            "pmemsave",
            json!({"val": u64::MAX, "size": 1, "filename": "f"}),
        ),
        command("ringbuf-read", json!({"device": "rb", "size": -1})),
        command("ringbuf-read", json!({"device": "no", "size": 1})),
        command(
            "ringbuf-read",
            json!({"device": "rb", "size": 1, "format": "hex"}),
        ),
        command("yank", json!({"instances": [{"type": "chardev"}]})),
        command("yank", json!({"instances": [{"type": "x"}]})),
        command(
            "yank",
            json!({"instances": [{"type": "chardev", "id": []}]}),
        ),
        command(
            "yank",
            json!({"instances": [{"type": "chardev", "id": "a", "b": 1}]}),
        ),
        command("yank", json!({"instances": [[]]})),
        command("human-monitor-command", json!({"command-line": 1})),
        command(
            "human-monitor-command",
            json!({"command-line": "", "cpu-index": "0"}),
        ),
        json!({"execute": "query-name", "arguments": []}),
        json!({"execute": 1}),
        json!({"exec-oob": "yank"}),
        json!({"execute": "query-name", "control": {}}),
        json!({"arguments": {}}),
        json!([]),
    ]
}

/// Of values outside an enumeration, QEMU names the member without its path.
pub fn last_name(mut answer: Value) -> Value {
    if let Some(Value::String(desc)) = answer.pointer_mut("/error/desc")
        && desc.contains("does not accept value")
        && let Some((_, name)) = desc.split_once('.')
    {
        *desc = format!("Parameter '{name}");
    }
    answer
}

#[test]
fn wrong_arguments_are_answered_as_by_qemu() {
    let mut qemu = Qemu::start();
    let mut ours = ferrite();
    for message in messages() {
        assert_eq!(last_name(ours(&message)), qemu.ask(&message), "{message}");
    }
}
