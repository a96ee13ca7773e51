//! What the server says a machine could be, against what the command line takes.

use std::path::Path;
use std::process::Command;

use ferrite_e2e::{Ferrite, Qmp, binary};
use serde_json::{Value, json};

use super::{END, Server};

/// How a machine that cannot be made says so; nothing if it was made.
fn refusal(options: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("qmp");
    let qmp = format!("unix:{},server=on,wait=off", socket.display());
    let common = ["-S", "-nodefaults", "-display", "none", "-qmp", &qmp];
    let mut process = Ferrite::start(options.split_whitespace().chain(common));
    // A machine that was made listens; one that was not ends.
    while process.runs() && !socket.exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    if socket.exists() && process.runs() {
        Qmp::unix(&socket).run("quit", json!({}));
        assert_eq!(process.end(END).code, Some(0), "{options}");
        return None;
    }
    let exit = process.end(END);
    assert_eq!(exit.code, Some(1), "{options}");
    Some(exit.stderr)
}

/// `query-gic-capabilities` lists exactly what `gic-version=` takes.
#[test]
fn gic_versions() {
    let server = Server::start("");
    let mut qmp = server.connect();
    let capabilities = qmp.run("query-gic-capabilities", json!({}));
    let capabilities = capabilities.as_array().unwrap();
    server.quit(qmp);
    let listed = |version: u64| {
        let row = capabilities.iter().find(|row| row["version"] == version);
        row.map(|row| (row["emulated"].as_bool(), row["kernel"].as_bool()))
    };
    for version in 0..=5 {
        let refused = refusal(&format!("-M virt,gic-version={version}"));
        match listed(version) {
            Some(how) => {
                assert_eq!(refused, None, "{version}");
                assert_eq!(how, (Some(true), Some(false)), "{version}");
            }
            None => assert!(refused.unwrap().contains("gic-version"), "{version}"),
        }
    }
    assert_eq!(capabilities.len(), 2);
    // The best one that there is, whatever that may be; that of the host would need KVM.
    assert_eq!(refusal("-M virt,gic-version=max"), None);
    assert!(refusal("-M virt,gic-version=host").is_some());
}

/// Properties of CPUs, and whether they are taken.
const PROPERTIES: &[(&str, bool)] = &[
    ("cortex-a57,pmu=off", true),
    ("cortex-a57,pmu=on,aarch64=on", true),
    ("cortex-a57,aarch64=off", false),
    ("cortex-a57,sve=off", false),
    ("cortex-a57,pmu", false),
    ("cortex-a57,pmu=5", false),
    ("cortex-a57,nonsense=on", false),
    ("max,sve=off,pauth=off", true),
    ("max,sve=off,sve256=off,lpa2=off", true),
    ("max,pauth=off,pauth-impdef=on", false),
];

/// The same command lines to QEMU, which refuses the same ones.
#[test]
fn cpu_properties_are_taken_as_by_qemu() {
    for (cpu, taken) in PROPERTIES {
        let ours = refusal(&format!("-M virt -cpu {cpu}"));
        assert_eq!(ours.is_none(), *taken, "{cpu}: {ours:?}");
        if *taken {
            continue;
        }
        let theirs = Command::new("/usr/bin/qemu-system-aarch64")
            .args(["-M", "virt", "-display", "none", "-S", "-cpu", cpu])
            .output()
            .unwrap();
        let theirs = String::from_utf8_lossy(&theirs.stderr);
        // Its last words say why; they are ours, too, but where there is more to say.
        let why = theirs.lines().next().unwrap().rsplit(": ").next().unwrap();
        let why = why.split(" unless KVM").next().unwrap();
        if !cpu.contains("pauth-impdef") {
            assert!(
                ours.as_ref().unwrap().contains(why),
                "{cpu}: {ours:?}: {why}"
            );
        }
    }
    // What is not implemented cannot be had.
    for cpu in [
        "max,sve=on",
        "max,pauth=on",
        "max,sme=on",
        "cortex-a57,has_el3=on",
    ] {
        let why = refusal(&format!("-M virt -cpu {cpu}")).unwrap();
        assert!(why.contains("is not implemented"), "{why}");
    }
}

/// An expansion tells what the CPU has, and properties change it as they do on the command line.
#[test]
fn cpu_model_expansion() {
    let server = Server::start("");
    let mut qmp = server.connect();
    let mut expand = |name: &str, props: Value| {
        let model = json!({"name": name, "props": props});
        qmp.answer(
            "query-cpu-model-expansion",
            json!({"type": "full", "model": model}),
        )
    };
    let answer = expand("cortex-a57", json!({"pmu": false}));
    let model = json!({"name": "cortex-a57", "props": {"aarch64": true, "pmu": false}});
    assert_eq!(answer["return"]["model"], model, "{answer}");
    let answer = expand("max", json!({"sve": false}));
    let props = &answer["return"]["model"]["props"];
    for (name, value) in [("pmu", true), ("sve", false), ("pauth", false)] {
        assert_eq!(props[name], value, "{name}: {answer}");
    }
    for (name, props) in [
        ("max", json!({"sve": true})),
        ("max", json!({"aarch64": false})),
        ("cortex-a57", json!({"sve": false})),
        ("max", json!({"nonsense": false})),
        ("max", json!({"pmu": 1})),
    ] {
        let answer = expand(name, props.clone());
        assert_eq!(
            answer["error"]["class"], "GenericError",
            "{props}: {answer}"
        );
    }
    server.quit(qmp);
}

/// Both emulators have the device at the same places of the tree of objects, the same in its kind.
#[test]
fn vmcoreinfo_is_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |program: &Path, device: &str| {
        let socket = folder.path().join(program.file_name().unwrap());
        let mut command = Command::new(program);
        command
            .args(["-M", "virt", "-cpu", "cortex-a57", "-S", "-nodefaults"])
            .args(["-display", "none", "-device", device])
            .args(["-device", "virtio-rng-pci"])
            .arg("-qmp")
            .arg(format!("unix:{},server=on,wait=off", socket.display()))
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null());
        let _process = Ferrite::spawn(&mut command);
        let mut qmp = Qmp::unix(&socket);
        let place = match device.split_once("id=") {
            Some((_, id)) => format!("/machine/peripheral/{id}"),
            None => "/machine/peripheral-anon/device[0]".into(),
        };
        let mut answers = Vec::new();
        for path in ["/machine/peripheral", "/machine/peripheral-anon", &place] {
            let mut list = qmp.run("qom-list", json!({"path": path}));
            let list = list.as_array_mut().unwrap();
            list.sort_by_key(|entry| entry["name"].to_string());
            answers.push(json!(list));
        }
        for property in [
            "type",
            "realized",
            "hotplugged",
            "hotpluggable",
            "parent_bus",
        ] {
            let arguments = json!({"path": place, "property": property});
            answers.push(qmp.answer("qom-get", arguments));
        }
        answers.push(qmp.answer("device_del", json!({"id": "notes"})));
        answers.push(qmp.answer("device_add", json!({"driver": "vmcoreinfo", "id": "v"})));
        answers
    };
    for device in ["vmcoreinfo", "vmcoreinfo,id=notes"] {
        let ours = ask(&binary(), device);
        let theirs = ask(Path::new("/usr/bin/qemu-system-aarch64"), device);
        assert_eq!(ours, theirs, "{device}");
    }
}
