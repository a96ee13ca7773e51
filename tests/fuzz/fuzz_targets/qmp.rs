//! Bytes of a client into QMP sessions with a machine: no panic, and every line of output is JSON.
//!
//! The first byte says how input is cut; the text follows.

#![no_main]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferrite_fuzz::Input;
use ferrite_qmp::fake::{FakeClock, FakeVm};
use ferrite_qmp::{EventSink, Events, Session};
use libfuzzer_sys::fuzz_target;

/// Executes what the session asks for and reads its answers; false when there was neither.
fn exchange<'a>(locked: &impl Fn() -> MutexGuard<'a, Session>, vm: &mut FakeVm) -> bool {
    let mut any = false;
    loop {
        let Some(request) = locked().take_request() else {
            break;
        };
        let response = request.execute(vm);
        locked().complete(response);
        any = true;
    }
    vm.events.poll();
    loop {
        let Some(line) = locked().output() else {
            break;
        };
        assert!(line.is_ascii() && line.ends_with("\r\n"), "{line:?}");
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert!(value.is_object(), "{line}");
        any = true;
    }
    any
}

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let chunk = usize::from(input.u8()).max(1);
    let events = Events::new(Arc::new(FakeClock::default()));
    let session = Arc::new(Mutex::new(Session::default()));
    let sink: Arc<dyn EventSink> = session.clone();
    events.subscribe(Arc::downgrade(&sink));
    let mut vm = FakeVm::new(events);
    let locked = || session.lock().unwrap_or_else(PoisonError::into_inner);
    for bytes in input.rest().chunks(chunk) {
        locked().input(bytes);
        // Requests wait for the client to read its answers, and input for requests.
        while exchange(&locked, &mut vm) {}
    }
    let session = locked();
    assert!(
        session.wants_input() || session.overrun(),
        "the session is stuck"
    );
}

fuzz_target!(|data: &[u8]| run(data));
