//! Every example of the commands, as it is written, to Ferrite and to QEMU.

use std::path::Path;
use std::process::{Command, Stdio};

use ferrite_e2e::{Ferrite, Qmp, binary};
use ferrite_qmp::documents::examples;
use ferrite_qmp::schema::{EVENTS, check_answer, check_data, command};
use serde_json::Value;

/// The machine that the examples speak of.
const MACHINE: &str = "-M virt -cpu cortex-a57 -smp 2 -m 64 -name twin -S -nodefaults \
    -display none -chardev ringbuf,id=rb,size=64 -chardev null,id=nu \
    -device pcie-root-port,id=rp1,chassis=1 -device pcie-root-port,id=rp2,chassis=2 \
    -drive if=none,id=disk0,file={dir}/disk,format=raw -device virtio-blk-pci,drive=disk0 \
    -netdev user,id=net0 -device virtio-net-pci,netdev=net0,id=nic0,romfile= \
    -device virtio-balloon-pci,id=balloon0";

/// The machine in one of the emulators, in a folder of its own.
struct Machine {
    _process: Ferrite,
    qmp: Qmp,
    folder: tempfile::TempDir,
}

impl Machine {
    fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().display().to_string();
        std::fs::write(folder.path().join("disk"), vec![0; 1 << 20]).unwrap();
        let options = MACHINE.replace("{dir}", &dir);
        let mut command = Command::new(program);
        command
            .args(options.split_whitespace())
            .args(["-qmp", &format!("unix:{dir}/qmp,server=on,wait=off")])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let process = Ferrite::spawn(&mut command);
        let qmp = Qmp::unix(&folder.path().join("qmp"));
        Self {
            _process: process,
            qmp,
            folder,
        }
    }

    fn ask(&mut self, message: &Value) -> Value {
        self.qmp.answer_to(&message.to_string())
    }
}

/// An answer as far as both emulators have to agree: success, or an error's class and words.
fn meaning(answer: &Value, folder: &str) -> String {
    match answer.get("error") {
        None => "success".into(),
        Some(error) => error.to_string().replace(folder, "{dir}"),
    }
}

#[test]
fn every_example_is_answered_as_it_says() {
    let mut ours = Machine::start(&binary());
    let mut theirs = Machine::start(Path::new("/usr/bin/qemu-system-aarch64"));
    let mut wrong = Vec::new();
    for example in examples() {
        let [our_folder, their_folder] =
            [&ours, &theirs].map(|machine| machine.folder.path().display().to_string());
        let message = example.message(&our_folder).unwrap();
        let our = ours.ask(&message);
        let class = our.pointer("/error/class").and_then(Value::as_str);
        if class != example.refused {
            wrong.push(format!("{message}\n  {our}"));
            continue;
        }
        if let Some(answer) = our.get("return")
            && let Err(error) = check_answer(command(example.command).unwrap(), answer)
        {
            wrong.push(format!("{message}\n  {error}: {our}"));
        }
        let their = theirs.ask(&example.message(&their_folder).unwrap());
        let (our, their) = (meaning(&our, &our_folder), meaning(&their, &their_folder));
        if our != their && example.differs.is_none() {
            wrong.push(format!("{message}\n  ours   {our}\n  theirs {their}"));
        }
    }
    // What was told meanwhile has the form that the schema says.
    for event in ours.qmp.events() {
        let row = EVENTS.iter().find(|row| row.name == event["event"]);
        let data = event["data"].as_object().cloned().unwrap_or_default();
        let checked = check_data(row.expect("an event of the schema"), &data);
        if let Err(error) = checked {
            wrong.push(format!("{error}: {event}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What cannot be done is not there, rather than answered by something made up.
#[test]
fn what_is_not_there_is_not_in_the_schema() {
    let mut ours = Machine::start(&binary());
    for name in [
        "migrate-set-cache-size",
        "x-colo-lost-heartbeat",
        "xen-load-devices-state",
        "xen-save-devices-state",
        "blockdev-mirror",
        "blockdev-add",
        "x-blockdev-change",
    ] {
        assert!(command(name).is_none(), "{name} has no example yet");
        let answer = ours.ask(&serde_json::json!({"execute": name}));
        assert_eq!(answer["error"]["class"], "CommandNotFound", "{answer}");
    }
}
