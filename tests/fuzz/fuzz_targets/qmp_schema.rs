//! Commands that fit the schema or nearly do, in a session with a machine: every one has one answer,
//! answers and events have the schema's form, and a refusal has changed nothing.

#![no_main]

use std::sync::{Arc, Mutex, PoisonError};

use ferrite_fuzz::Input;
use ferrite_qmp::fake::{FakeClock, FakeVm};
use ferrite_qmp::random::Chooser;
use ferrite_qmp::schema::{EVENTS, RunState, check_answer, check_data, command};
use ferrite_qmp::{EventSink, Events, Session};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Most commands of one input.
const COMMANDS: usize = 64;

/// What writes as much as it is told to.
const WITHOUT: &[&str] = &["memsave", "pmemsave"];

/// What means something to the machine.
const NAMES: &[&str] = &[
    "rb",
    "null",
    "file",
    "file:core",
    "/machine",
    "info registers",
    "x /8i $pc",
    "print $x0",
    "xp /4g 0x40000000",
    "pl011_*",
    "handle_qmp_command",
    "virt-machine",
];

/// What a refused command must not have changed. (A file is there as soon as it is opened.)
fn state(vm: &FakeVm) -> (RunState, usize, bool) {
    (vm.state, vm.ring.len(), vm.quit.is_some())
}

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let events = Events::new(Arc::new(FakeClock::default()));
    let session = Arc::new(Mutex::new(Session::default()));
    let sink: Arc<dyn EventSink> = session.clone();
    events.subscribe(Arc::downgrade(&sink));
    let mut vm = FakeVm::new(events);
    let locked = || session.lock().unwrap_or_else(PoisonError::into_inner);
    locked().input(br#"{"execute": "qmp_capabilities"}"#);
    let told = || std::iter::from_fn(|| locked().output()).collect::<Vec<_>>();
    told();
    for _ in 0..COMMANDS {
        if input.is_empty() {
            return;
        }
        let mut below = |n: usize| usize::from(input.u8()) % n;
        let mut chooser = Chooser {
            below: &mut below,
            names: NAMES,
            without: WITHOUT,
        };
        let message = chooser.message();
        let before = state(&vm);
        locked().input(message.to_string().as_bytes());
        loop {
            let Some(request) = locked().take_request() else {
                break;
            };
            let response = request.execute(&mut vm);
            locked().complete(response);
        }
        let mut answers = 0;
        for line in told() {
            let line: Value = serde_json::from_str(&line).expect("JSON");
            if let Some(name) = line.get("event") {
                let row = EVENTS
                    .iter()
                    .find(|row| row.name == name)
                    .expect("an event");
                let data = line["data"].as_object().cloned().unwrap_or_default();
                check_data(row, &data).expect("data of the schema's form");
                continue;
            }
            answers += 1;
            match line.get("return") {
                Some(answer) => {
                    let row = message["execute"].as_str().and_then(command);
                    check_answer(row.expect("a command"), answer).expect("the schema's form");
                }
                None => {
                    assert!(line["error"]["desc"].is_string(), "{line}");
                    assert!(
                        state(&vm) == before,
                        "{message} was refused and had an effect"
                    );
                }
            }
        }
        assert!(answers == 1, "{message}");
    }
}

fuzz_target!(|data: &[u8]| run(data));
