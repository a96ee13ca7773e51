//! `qmp-shell` of the Python package `qemu.qmp`, with the same script for QEMU and Ferrite.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use ferrite_e2e::{Venv, binary};
use serde_json::Value;

use super::side_by_side::{normal, start};

/// What is typed.
const SCRIPT: &str = "\
query-status
query-name
query-uuid
ringbuf-write device=rb data=hello
ringbuf-read device=rb size=5
ringbuf-read device=nu size=5
object-add qom-type=memory-backend-ram id=m size=4096
object-add qom-type=memory-backend-ram id=m2 size=0
object-del id=m
chardev-add id=c backend={'type':'null','data':{}}
chardev-remove id=c
human-monitor-command command-line=stop
no-such-command
memsave val=0
cont
query-status
stop
";

/// The answers of one emulator, line by line.
fn transcript(venv: &Venv, socket: &Path) -> Vec<String> {
    let mut shell = venv
        .program("qmp-shell")
        .arg(socket)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = shell.stdin.take().unwrap();
    input.write_all(SCRIPT.as_bytes()).unwrap();
    drop(input);
    let output = shell.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).replace("(QEMU) ", "\n");
    text.lines()
        .filter_map(|line| {
            let mut value: Value = serde_json::from_str(line).ok()?;
            // Events come in between at times of their own.
            if value.get("event").is_some() {
                return None;
            }
            normal(&mut value);
            Some(value.to_string())
        })
        .collect()
}

#[test]
fn qmp_shell_sees_no_difference() {
    let Some(venv) = Venv::open(&["qemu.qmp", "websockets"]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let transcripts = [binary(), "/usr/bin/qemu-system-aarch64".into()].map(|program| {
        let (process, qmp) = start(&program, folder.path());
        drop(qmp);
        let lines = transcript(&venv, &folder.path().join(program.file_name().unwrap()));
        drop(process);
        lines
    });
    assert_eq!(
        transcripts[0].len(),
        SCRIPT.lines().count(),
        "{transcripts:#?}"
    );
    assert_eq!(transcripts[0], transcripts[1]);
}
