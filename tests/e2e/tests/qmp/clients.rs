//! Clients that others wrote: `qmp-shell` of the Python package `qemu.qmp`, and Node's WebSocket.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use ferrite_e2e::{Qmp, Venv, binary, free_port};
use serde_json::{Value, json};

use super::Server;
use super::side_by_side::{OPTIONS, normal, start};

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

/// What Node's client asks, one after the other.
const COMMANDS: &[&str] = &[
    r#"{"execute": "query-status", "id": 1}"#,
    r#"{"execute": "query-name", "id": "\u00fc"}"#,
    r#"{"execute": "ringbuf-write", "arguments": {"device": "rb", "data": "h\u00e9llo"}}"#,
    r#"{"execute": "ringbuf-read", "arguments": {"device": "rb", "size": 64}}"#,
    r#"{"execute": "qom-get", "arguments": {"path": "/machine", "property": "nope"}}"#,
    r#"{"execute": "query-cpus-fast", "id": {"a": [null]}}"#,
    r#"{"execute": "no-such-command", "id": 7}"#,
    r#"{"execute": "stop", "arguments": {"x": 1}}"#,
];

/// Prints every answer of the address in its first argument to the commands in its second.
const NODE: &str = "
const [address, commands] = [process.argv[1], JSON.parse(process.argv[2])];
const socket = new WebSocket(address);
const left = ['{\"execute\": \"qmp_capabilities\"}', ...commands];
socket.onerror = (event) => { console.error(event.message ?? event); process.exit(1); };
socket.onmessage = async ({ data }) => {
    const text = typeof data === 'string' ? data : await data.text();
    const message = JSON.parse(text);
    if (message.event) return;
    console.log(JSON.stringify(message));
    const next = left.shift();
    if (next === undefined) socket.close(); else socket.send(next);
};
";

/// Node's WebSocket to Ferrite hears what a stream to QEMU does.
#[test]
fn nodes_websocket_sees_no_difference() {
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(&format!(
        "{OPTIONS} -qmp tcp:127.0.0.1:{port},server=on,wait=off,websocket=on"
    ));
    drop(server.connect());
    let node = Command::new("node")
        .args(["--experimental-websocket", "--no-warnings", "-e", NODE])
        .arg(format!("ws://127.0.0.1:{port}/"))
        .arg(json!(COMMANDS).to_string())
        .output();
    let Ok(output) = node else {
        eprintln!("SKIPPED: no node");
        return;
    };
    assert!(output.status.success(), "{output:?}");
    let heard = String::from_utf8(output.stdout).unwrap();
    let heard: Vec<Value> = heard
        .lines()
        // After the greeting and the negotiation.
        .skip(2)
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (_process, qmp) = start(Path::new("/usr/bin/qemu-system-aarch64"), folder.path());
    drop(qmp);
    let mut theirs = Qmp::unix(&folder.path().join("qemu-system-aarch64"));
    assert_eq!(heard.len(), COMMANDS.len(), "{heard:#?}");
    for (command, mut ours) in COMMANDS.iter().zip(heard) {
        let mut theirs = theirs.answer_to(command);
        // Types of machines have versions of their own.
        for answer in [&mut ours, &mut theirs] {
            normal(answer);
            if let Some(text) = answer["error"]["desc"].as_str() {
                let text = text.replace("virt-10.0", "virt-7.2");
                answer["error"]["desc"] = text.into();
            }
        }
        assert_eq!(ours, theirs, "{command}");
    }
}
