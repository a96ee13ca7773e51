//! Descriptors, dumps, character back ends and the human monitor.

use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use ferrite_e2e::tool;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};

use super::{END, Server, text};

/// Sends bytes with a descriptor.
fn send_with(stream: &UnixStream, bytes: &[u8], file: &std::fs::File) {
    let fds = [file.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    let sent = sendmsg(
        stream,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::empty(),
    );
    assert_eq!(sent.unwrap(), bytes.len());
}

fn line(stream: &mut UnixStream) -> Value {
    let mut text = Vec::new();
    let mut byte = [0];
    while byte[0] != b'\n' {
        stream.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    serde_json::from_slice(&text).unwrap()
}

/// A descriptor that comes along is named, and a dump goes into it, which `readelf` reads.
#[test]
fn a_dump_into_a_descriptor() {
    let server = Server::start("-m 16 -smp 2");
    let path = server.path("core");
    drop(server.connect());
    let mut stream = UnixStream::connect(server.path("qmp")).unwrap();
    stream.set_read_timeout(Some(END)).unwrap();
    line(&mut stream);
    stream
        .write_all(b"{'execute':'qmp_capabilities'}\n")
        .unwrap();
    line(&mut stream);
    let file = std::fs::File::create(&path).unwrap();
    send_with(
        &stream,
        b"{'execute':'getfd','arguments':{'fdname':'out'}}\n",
        &file,
    );
    assert_eq!(line(&mut stream), json!({"return": {}}));
    send_with(
        &stream,
        b"{'execute':'add-fd','arguments':{'opaque':'x'}}\n",
        &file,
    );
    let added = line(&mut stream);
    assert_eq!(added["return"]["fdset-id"], 0, "{added}");
    stream
        .write_all(b"{'execute':'query-fdsets'}{'execute':'getfd','arguments':{'fdname':'a'}}\n")
        .unwrap();
    assert_eq!(line(&mut stream)["return"][0]["fds"][0]["opaque"], "x");
    assert_eq!(
        line(&mut stream)["error"]["desc"],
        "No file descriptor supplied via SCM_RIGHTS"
    );
    stream
        .write_all(
            b"{'execute':'dump-guest-memory','arguments':{'paging':false,'protocol':'fd:out'}}\n",
        )
        .unwrap();
    let event = line(&mut stream);
    assert_eq!(event["event"], "DUMP_COMPLETED");
    assert_eq!(event["data"]["result"]["completed"], 16 << 20);
    assert_eq!(line(&mut stream), json!({"return": {}}));
    drop(stream);
    let notes = tool("readelf", ["-nlW", &text(&path)]);
    assert_eq!(notes.matches("NT_PRSTATUS").count(), 2, "{notes}");
    assert!(
        notes.contains("0x0000000040000000 0x0000000040000000 0x1000000"),
        "{notes}"
    );
    let qmp = server.connect();
    server.quit(qmp);
}

/// The guest stands still while a dump is written in the background.
#[test]
fn a_dump_in_the_background() {
    let server = Server::with("-M virt -m 256");
    let mut qmp = server.connect();
    let path = server.path("core");
    let arguments = json!({"paging": false, "detach": true,
        "protocol": format!("file:{}", text(&path))});
    qmp.run("dump-guest-memory", arguments.clone());
    let state = qmp.run("query-dump", json!({}));
    assert_eq!(state["total"], 256 << 20);
    if state["status"] == "active" {
        assert_eq!(qmp.status(), "paused");
        let refused = qmp.answer("dump-guest-memory", arguments);
        assert_eq!(
            refused["error"]["desc"],
            "There is a dump in process, please wait."
        );
    }
    assert_eq!(qmp.event("DUMP_COMPLETED")["result"]["status"], "completed");
    qmp.event("RESUME");
    assert_eq!(qmp.status(), "running");
    assert!(path.metadata().unwrap().len() > 256 << 20);
    server.quit(qmp);
}

/// Back ends come and go, and tell who is connected.
#[test]
fn character_back_ends() {
    let server = Server::start("");
    let mut qmp = server.connect();
    let path = server.path("c0");
    let socket = |wait: bool| {
        json!({"id": "c0", "backend": {"type": "socket", "data": {"wait": wait,
            "addr": {"type": "unix", "data": {"path": text(&path)}}}}})
    };
    assert_eq!(qmp.run("chardev-add", socket(false)), json!({}));
    let filename = |qmp: &mut ferrite_e2e::Qmp| -> String {
        let all = qmp.run("query-chardev", json!({}));
        let mine = all.as_array().unwrap().iter().find(|c| c["label"] == "c0");
        mine.unwrap()["filename"].as_str().unwrap().to_owned()
    };
    let expected = format!("unix:{},server=on", text(&path));
    assert_eq!(filename(&mut qmp), format!("disconnected:{expected}"));
    let peer = UnixStream::connect(&path).unwrap();
    let connected = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        filename(&mut qmp) == expected
    });
    assert!(connected);
    // A connection that hangs is cut.
    let yank = json!({"instances": [{"type": "chardev", "id": "c0"}]});
    qmp.run("yank", yank);
    peer.set_read_timeout(Some(END)).unwrap();
    assert_eq!((&peer).read(&mut [0]).unwrap(), 0);
    drop(peer);
    qmp.run("chardev-remove", json!({"id": "c0"}));
    assert!(!path.exists());
    qmp.run("chardev-add", socket(false));
    qmp.run(
        "chardev-change",
        json!({"id": "c0", "backend": {"type": "ringbuf", "data": {"size": 16}}}),
    );
    qmp.run("ringbuf-write", json!({"device": "c0", "data": "abc"}));
    assert_eq!(
        qmp.run("ringbuf-read", json!({"device": "c0", "size": 9})),
        "abc"
    );
    server.quit(qmp);
}

/// A human monitor on a socket greets, prompts and answers.
#[test]
fn a_human_monitor_on_a_socket() {
    let server = Server::start("-name human -monitor unix:{dir}/hmp,server=on,wait=off");
    let qmp = server.connect();
    let mut stream = UnixStream::connect(server.path("hmp")).unwrap();
    stream.set_read_timeout(Some(END)).unwrap();
    let until_prompt = |stream: &mut UnixStream| {
        let mut text = String::new();
        let mut byte = [0];
        while !text.ends_with("(qemu) ") {
            stream.read_exact(&mut byte).unwrap();
            text.push(char::from(byte[0]));
        }
        text
    };
    assert!(until_prompt(&mut stream).contains("monitor"));
    for (command, expected) in [
        ("info name\n", "human"),
        ("info status\r\n", "VM status: paused (prelaunch)"),
        ("info qtree\n", "dev: pl011"),
        ("info mtree\n", "mach-virt.ram"),
        ("info registers\n", "PSTATE="),
        ("info trace-events gic*\n", "gic_set_irq : state 0"),
        ("info memory_size_summary\n", "base memory: 134217728"),
        ("print 6*7\n", "0x2a"),
        ("gpa2hva 0x40000000\n", "Error: "),
        ("nonsense\n", "unknown command: 'nonsense'"),
    ] {
        stream.write_all(command.as_bytes()).unwrap();
        let answer = until_prompt(&mut stream);
        assert!(answer.contains(expected), "{command}: {answer}");
    }
    server.quit(qmp);
}
