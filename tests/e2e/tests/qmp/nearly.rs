//! Commands that fit the schema or do but for one thing, many of them, to the program: it goes on,
//! every answer has the schema's form, and what was refused has changed nothing.

use std::path::Path;
use std::process::{Command, Stdio};

use ferrite_e2e::{Ferrite, Qmp, binary};
use ferrite_qmp::random::Chooser;
use ferrite_qmp::schema::{EVENTS, check_answer, check_data, command};
use serde_json::{Value, json};

/// How many are sent.
const MESSAGES: usize = 3000;

/// The machine that they are sent to.
const MACHINE: &str = "-M virt -cpu cortex-a57 -smp 2 -m 16 -S -nodefaults -display none \
    -chardev ringbuf,id=rb,size=64 -chardev null,id=nu \
    -device pcie-root-port,id=rp1,chassis=1 -device pcie-root-port,id=rp2,chassis=2 \
    -netdev user,id=net0 -device virtio-net-pci,netdev=net0,id=nic0 \
    -object iothread,id=io1 -qmp unix:qmp,server=on,wait=off";

/// What means something to it.
const NAMES: &[&str] = &[
    "rb",
    "nu",
    "net0",
    "nic0",
    "io1",
    "rp1",
    "rp2",
    "pcie.0",
    "a",
    "b",
    "c",
    "e1000",
    "e1000e",
    "virtio-net-pci",
    "virtio-rng-pci",
    "virtio-serial-pci",
    "virtio-blk-pci",
    "pcie-root-port",
    "pvpanic-pci",
    "pl011",
    "iothread",
    "max",
    "cortex-a57",
    "/machine",
    "/objects",
    "/objects/io1",
    "/machine/peripheral/nic0",
    "/machine/peripheral/a",
    "netdev",
    "mac",
    "addr",
    "chassis",
    "size",
    "poll-max-ns",
    "type",
    "drive",
    "bus",
    "info qtree",
    "info registers",
    "x /4i 0",
    "xp /8x 0x40000000",
    "print 1/0",
    "stop",
    "file:core",
    "fd:a",
    "file",
    "pl011_*",
    "memory",
];

/// What ends it, or waits for somebody who never comes, or makes files of any size.
const WITHOUT: &[&str] = &[
    "quit",
    "memsave",
    "pmemsave",
    "dumpdtb",
    "dump-guest-memory",
];

/// Whether the machine could wait for ever, or for the net, as QEMU's would.
fn waits(message: &Value) -> bool {
    let backend = &message["arguments"]["backend"];
    matches!(
        backend["type"].as_str(),
        Some("socket" | "stdio" | "udp" | "file" | "pipe")
    ) || message["arguments"]["mem-path"].is_string()
        || message["arguments"]["prealloc"] == true
}

/// What a refused command must not have changed.
fn state(qmp: &mut Qmp) -> Vec<Value> {
    let mut state: Vec<Value> = [
        "query-status",
        "query-chardev",
        "query-iothreads",
        "query-memdev",
        "query-pci",
        "query-block",
        "query-fdsets",
        "query-jobs",
        "query-dump",
    ]
    .into_iter()
    .map(|command| qmp.run(command, json!({})))
    .collect();
    for path in [
        "/objects",
        "/machine/peripheral",
        "/machine/peripheral-anon",
        "/chardevs",
    ] {
        state.push(qmp.answer("qom-list", json!({"path": path})));
    }
    let network = json!({"command-line": "info network"});
    state.push(qmp.run("human-monitor-command", network));
    state
}

fn start(folder: &Path) -> (Ferrite, Qmp) {
    let mut command = Command::new(std::fs::canonicalize(binary()).unwrap());
    command
        .args(MACHINE.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let process = Ferrite::spawn(&mut command);
    let qmp = Qmp::unix(&folder.join("qmp"));
    (process, qmp)
}

#[test]
fn a_refused_command_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, mut qmp) = start(folder.path());
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |n: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 11) as usize % n
    };
    let mut before = state(&mut qmp);
    let mut done = 0;
    for _ in 0..MESSAGES {
        let mut chooser = Chooser {
            below: &mut below,
            names: NAMES,
            without: WITHOUT,
        };
        let message = chooser.message();
        if waits(&message) {
            continue;
        }
        let answer = qmp.answer_to(&message.to_string());
        assert!(process.runs(), "{message} ended it");
        if let Some(returned) = answer.get("return") {
            let row = command(message["execute"].as_str().unwrap()).unwrap();
            if let Err(error) = check_answer(row, returned) {
                panic!("{message}\n{error}: {answer}");
            }
            done += 1;
            before = state(&mut qmp);
            continue;
        }
        let class = answer["error"]["class"].as_str();
        assert!(
            class.is_some() && answer["error"]["desc"].is_string(),
            "{message}\n{answer}"
        );
        let after = state(&mut qmp);
        assert_eq!(before, after, "{message}\n{answer}");
    }
    assert!(done > MESSAGES / 10, "{done} succeeded");
    for event in qmp.events() {
        let row = EVENTS.iter().find(|row| row.name == event["event"]);
        let data = event["data"].as_object().cloned().unwrap_or_default();
        if let Err(error) = check_data(row.expect("an event of the schema"), &data) {
            panic!("{error}: {event}");
        }
    }
}
