//! The same commands to QEMU and to Ferrite; the answers are the same but for what is listed.

use std::path::Path;
use std::process::{Command, Stdio};

use ferrite_e2e::{Ferrite, Qmp, binary};
use serde_json::{Value, json};

/// Options of both.
pub const OPTIONS: &str = "-M virt -cpu cortex-a57 -smp 2 -m 64 -name twin -S -nodefaults -display none \
    -uuid 00112233-4455-6677-8899-aabbccddeeff -chardev ringbuf,id=rb,size=64 -chardev null,id=nu";

pub fn start(program: &Path, folder: &Path) -> (Ferrite, Qmp) {
    let socket = folder.join(program.file_name().unwrap());
    let mut command = Command::new(program);
    command
        .args(OPTIONS.split_whitespace())
        .arg("-qmp")
        .arg(format!("unix:{},server=on,wait=off", socket.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let process = Ferrite::spawn(&mut command);
    let qmp = Qmp::unix(&socket);
    (process, qmp)
}

/// Members whose values differ by nature.
const BLANKED: &[&str] = &[
    "thread-id",
    "timestamp",
    "qom-path",
    "fd",
    "wr_highest_offset",
];

/// Blanks what differs by nature, and puts lists of named things in order.
pub fn normal(value: &mut Value) {
    match value {
        Value::Object(members) => {
            // Gone since QEMU 9.0.
            members.remove("singlestep");
            for (name, member) in members {
                if BLANKED.contains(&name.as_str()) {
                    *member = Value::Null;
                } else {
                    normal(member);
                }
            }
        }
        Value::Array(items) => {
            items.iter_mut().for_each(normal);
            items.sort_by_key(ToString::to_string);
        }
        _ => {}
    }
}

fn script() -> Vec<(&'static str, Value)> {
    let nothing = || json!({"type": "null", "data": {}});
    let random = json!({"qom-type": "rng-random", "id": "r0"});
    vec![
        ("query-name", json!({})),
        ("query-uuid", json!({})),
        ("query-kvm", json!({})),
        ("query-target", json!({})),
        ("query-gic-capabilities", json!({})),
        ("query-cpus-fast", json!({})),
        ("query-memory-size-summary", json!({})),
        ("query-memdev", json!({})),
        ("query-memory-devices", json!({})),
        ("query-acpi-ospm-status", json!({})),
        ("query-current-machine", json!({})),
        ("query-iothreads", json!({})),
        ("query-mice", json!({})),
        ("query-balloon", json!({})),
        ("balloon", json!({"value": 1})),
        ("query-replay", json!({})),
        ("query-jobs", json!({})),
        ("job-pause", json!({"id": "x"})),
        ("job-complete", json!({"id": "x"})),
        ("query-blockstats", json!({})),
        ("query-block", json!({})),
        ("query-named-block-nodes", json!({})),
        ("query-migrate", json!({})),
        ("query-dump", json!({})),
        ("set-action", json!({"reboot": "shutdown", "panic": "none"})),
        ("set-action", json!({"reboot": "explode"})),
        ("watchdog-set-action", json!({"action": "pause"})),
        ("query-yank", json!({})),
        ("ringbuf-write", json!({"device": "rb", "data": "hello"})),
        ("ringbuf-read", json!({"device": "rb", "size": 3})),
        (
            "ringbuf-read",
            json!({"device": "rb", "size": 64, "format": "base64"}),
        ),
        ("ringbuf-read", json!({"device": "nu", "size": 1})),
        ("chardev-add", json!({"id": "rb", "backend": nothing()})),
        ("chardev-add", json!({"id": "n2", "backend": nothing()})),
        (
            "chardev-add",
            json!({"id": "r3", "backend": {"type": "ringbuf", "data": {"size": 3}}}),
        ),
        (
            "chardev-add",
            json!({"id": "r3", "backend": {"type": "ringbuf", "data": {"x": 3}}}),
        ),
        (
            "chardev-add",
            json!({"id": "r3", "backend": {"type": "ringbuf"}}),
        ),
        ("chardev-remove", json!({"id": "n2"})),
        ("chardev-remove", json!({"id": "n2"})),
        ("chardev-change", json!({"id": "zz", "backend": nothing()})),
        ("chardev-change", json!({"id": "nu", "backend": nothing()})),
        ("chardev-send-break", json!({"id": "zz"})),
        ("chardev-send-break", json!({"id": "nu"})),
        ("object-add", random.clone()),
        ("object-add", random),
        (
            "object-add",
            json!({"qom-type": "memory-backend-ram", "id": "m", "size": 0}),
        ),
        (
            "object-add",
            json!({"qom-type": "memory-backend-ram", "id": "m"}),
        ),
        (
            "object-add",
            json!({"qom-type": "memory-backend-ram", "id": "m", "size": "1"}),
        ),
        (
            "object-add",
            json!({"qom-type": "memory-backend-ram", "id": "1m", "size": 4096}),
        ),
        (
            "object-add",
            json!({"qom-type": "memory-backend-ram", "id": "m", "size": 4096}),
        ),
        ("object-add", json!({"qom-type": "secret", "id": "s"})),
        (
            "object-add",
            json!({"qom-type": "secret", "id": "s", "data": "a", "file": "b"}),
        ),
        ("object-add", json!({"qom-type": "nonsense", "id": "s"})),
        ("object-add", json!({"id": "s"})),
        ("object-add", json!({"qom-type": "iothread"})),
        (
            "object-add",
            json!({"qom-type": "iothread", "id": "t", "poll-max-ns": 5}),
        ),
        ("query-iothreads", json!({})),
        ("query-memdev", json!({})),
        ("object-del", json!({"id": "r0"})),
        ("object-del", json!({"id": "r0"})),
        ("getfd", json!({"fdname": "x"})),
        ("closefd", json!({"fdname": "x"})),
        ("add-fd", json!({})),
        ("remove-fd", json!({"fdset-id": 3})),
        ("remove-fd", json!({"fdset-id": 3, "fd": 1})),
        ("query-fdsets", json!({})),
        ("query-command-line-options", json!({"option": "smp-opts"})),
        ("query-command-line-options", json!({"option": "nonsense"})),
        ("trace-event-get-state", json!({"name": "nonsense"})),
        (
            "trace-event-set-state",
            json!({"name": "nonsense*", "enable": true}),
        ),
        (
            "query-cpu-model-expansion",
            json!({"type": "full", "model": {"name": "cortex-a57"}}),
        ),
        (
            "query-cpu-model-expansion",
            json!({"type": "static", "model": {"name": "max"}}),
        ),
        (
            "query-cpu-model-expansion",
            json!({"type": "full", "model": {"name": "nonsense"}}),
        ),
        ("x-exit-preconfig", json!({})),
        (
            "dump-guest-memory",
            json!({"paging": false, "protocol": "file:f", "begin": 0}),
        ),
        (
            "dump-guest-memory",
            json!({"paging": false, "protocol": "x:f"}),
        ),
        (
            "dump-guest-memory",
            json!({"paging": false, "protocol": "fd:f"}),
        ),
        ("dump-guest-memory", json!({"protocol": "fd:f"})),
        ("inject-nmi", json!({})),
        ("cont", json!({})),
        ("query-migrate", json!({"x": 1})),
        ("stop", json!({})),
        ("query-qmp-schema", json!({"x": 1})),
    ]
}

/// Answers that differ, and why.
fn meant(command: &str, ours: &Value, theirs: &Value) -> bool {
    let desc = |answer: &Value| answer["error"]["desc"].as_str().map(str::to_owned);
    match (desc(ours), desc(theirs)) {
        // Values outside an enumeration: ours names the member by its whole path.
        (Some(ours), Some(theirs)) if theirs.contains("does not accept value") => {
            ours.split_once('.').map(|(_, name)| name) == theirs.strip_prefix("Parameter '")
        }
        // A later QEMU's words.
        (Some(_), Some(_)) => command == "inject-nmi",
        _ => false,
    }
}

#[test]
fn answers_are_those_of_qemu() {
    let folder = tempfile::tempdir().unwrap();
    let (_one, mut ours) = start(&binary(), folder.path());
    let (_two, mut theirs) = start(Path::new("/usr/bin/qemu-system-aarch64"), folder.path());
    let mut wrong = Vec::new();
    for (command, arguments) in script() {
        let mut our = ours.answer(command, arguments.clone());
        let mut their = theirs.answer(command, arguments.clone());
        normal(&mut our);
        normal(&mut their);
        if our != their && !meant(command, &our, &their) {
            wrong.push(format!(
                "{command} {arguments}\n  ours   {our}\n  theirs {their}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
