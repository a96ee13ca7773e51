//! What libvirt asks an emulator before it uses it, in its way.

use std::collections::BTreeSet;

use ferrite_e2e::{Ferrite, Qmp};
use serde_json::{Value, json};

use super::END;

/// Commands that it sends where the schema has them, and what it does with errors is to go on.
const ASKED: &[(&str, &str)] = &[
    ("query-target", "{}"),
    ("query-kvm", "{}"),
    ("query-machines", "{}"),
    ("query-cpu-definitions", "{}"),
    ("query-tpm-models", "{}"),
    ("query-tpm-types", "{}"),
    ("query-command-line-options", "{}"),
    ("query-gic-capabilities", "{}"),
    ("qom-list-types", "{}"),
    (
        "query-cpu-model-expansion",
        r#"{"type": "full", "model": {"name": "max"}}"#,
    ),
];

#[test]
fn the_probing_dialogue_of_libvirt() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, pidfile) = (
        folder.path().join("qmp.monitor"),
        folder.path().join("qmp.pid"),
    );
    let qmp = format!("unix:{},server=on,wait=off", socket.display());
    let pid = pidfile.display().to_string();
    let start = Ferrite::start([
        "-S",
        "-no-user-config",
        "-nodefaults",
        "-nographic",
        "-machine",
        "none,accel=kvm:tcg",
        "-qmp",
        &qmp,
        "-pidfile",
        &pid,
        "-daemonize",
    ]);
    // The socket listens and the number is written before the parent ends.
    let exit = start.end(END);
    assert_eq!(exit.code, Some(0), "{}{}", exit.stdout, exit.stderr);
    let number: u32 = std::fs::read_to_string(&pidfile)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(std::path::Path::new(&format!("/proc/{number}")).exists());
    assert!(socket.exists());
    let mut qmp = Qmp::unix(&socket);
    let version = &qmp.greeting["QMP"]["version"]["qemu"];
    assert!(version["major"].as_u64().unwrap() >= 7, "{version}");
    assert_eq!(qmp.run("query-version", json!({}))["qemu"]["major"], 10);
    let schema = qmp.run("query-qmp-schema", json!({}));
    let known: BTreeSet<&str> = schema
        .as_array()
        .unwrap()
        .iter()
        .filter(|entity| entity["meta-type"] == "command")
        .map(|entity| entity["name"].as_str().unwrap())
        .collect();
    let listed = qmp.run("query-commands", json!({}));
    let listed: BTreeSet<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|command| command["name"].as_str().unwrap())
        .collect();
    assert_eq!(known, listed);
    for (command, arguments) in ASKED.iter().filter(|(name, _)| known.contains(name)) {
        let arguments: Value = serde_json::from_str(arguments).unwrap();
        let answer = qmp.run(command, arguments);
        match *command {
            "query-target" => assert_eq!(answer["arch"], "aarch64"),
            "query-kvm" => assert_eq!(answer["enabled"], false),
            "query-machines" => {
                let names: Vec<_> = answer
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|m| &m["name"])
                    .collect();
                assert!(names.contains(&&json!("virt")) && names.contains(&&json!("none")));
            }
            "query-cpu-definitions" => assert!(answer.as_array().unwrap().len() >= 4),
            _ => {}
        }
    }
    // Features that it finds by following the schema.
    for name in [
        "object-add",
        "chardev-add",
        "getfd",
        "query-named-block-nodes",
        "set-action",
    ] {
        assert!(known.contains(name), "{name}");
    }
    qmp.run("quit", json!({}));
}
