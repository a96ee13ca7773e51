//! Clients that ask and do not read, send what never ends, read slowly or go at once, while a guest
//! works: each costs a bounded amount of memory, others are served, and the guest notices nothing.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ferrite_e2e::{COMMAND, Guest, Kernel, Qmp, free_port};
use serde_json::json;

use super::websocket::Client;
use super::{Server, resident};

/// What is written to streams again and again.
const TEXTS: &[&str] = &[
    "{'execute':'query-qmp-schema'} ",
    "{'execute':'query-status','id':[1,2,3]}",
    "[",
    "]\n",
    "nonsense ",
    "\u{1}",
    "{'a':",
    "\"a",
];

/// Bytes that each flood sends at most.
const BYTES: usize = 96 << 20;

/// Bytes that all floods together may cost: a text has 64 MiB at most, as in QEMU.
const COST: u64 = 512 << 20;

/// How long the guest may be silent, on a machine that does other things too.
const SILENCE: f64 = 2.0;

/// Lines that the guest writes, some tenths of a second apart.
const LINES: usize = 120;

/// Writes a text until so many bytes are written or nobody takes more.
fn flood(path: &Path, text: &str) -> UnixStream {
    let mut stream = UnixStream::connect(path).unwrap();
    let patience = Duration::from_secs(1);
    stream.set_write_timeout(Some(patience)).unwrap();
    stream.write_all(b"{'execute':'qmp_capabilities'}").unwrap();
    let piece = text.repeat((64 << 10) / text.len());
    for _ in 0..BYTES / piece.len() {
        if stream.write_all(piece.as_bytes()).is_err() {
            break;
        }
    }
    stream
}

/// Frames that a WebSocket client must not send, or not so many of: bytes, and whether they are
/// repeated.
const FRAMES: &[(&[u8], bool)] = &[
    // An exbibyte is to follow.
    (
        &[0x81, 0xff, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3],
        false,
    ),
    // A thousand bytes are to follow, and do not.
    (&[0x81, 0xfe, 0x03, 0xe8, 0, 0, 0, 0, b'{'], false),
    // Half a head.
    (&[0x81], false),
    // Not masked.
    (&[0x81, 0x02, b'{', b'}'], true),
    // Reserved bits, and a reserved kind.
    (&[0xf1, 0x80, 0, 0, 0, 0], true),
    (&[0x83, 0x80, 0, 0, 0, 0], true),
    // Parts of a text that goes on for ever.
    (&[0x01, 0x84, 0, 0, 0, 0, b'[', b'[', b'[', b'['], true),
    (&[0x00, 0x84, 0, 0, 0, 0, b'[', b'[', b'[', b'['], true),
    // Pings.
    (&[0x89, 0x84, 0, 0, 0, 0, b'p', b'i', b'n', b'g'], true),
    // Not UTF-8.
    (&[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe], true),
];

/// Sends frames that are none.
fn bad_frames(port: u16, frame: &[u8], repeated: bool) -> Client {
    let mut client = Client::connect(port);
    let patience = Duration::from_secs(1);
    client.stream.set_write_timeout(Some(patience)).unwrap();
    let piece = frame.repeat(if repeated {
        (64 << 10) / frame.len()
    } else {
        1
    });
    let times = if repeated {
        (16 << 20) / piece.len()
    } else {
        1
    };
    for _ in 0..times {
        if client.stream.write_all(&piece).is_err() {
            break;
        }
    }
    client
}

/// Asks for a lot and reads a little.
fn slow_reader(path: PathBuf, end: Arc<AtomicBool>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.set_nonblocking(true).unwrap();
        // As much of it as is taken.
        let mut texts = b"{'execute':'qmp_capabilities'}".to_vec();
        texts.extend(b"{'execute':'query-qmp-schema'}".repeat(2000));
        let mut sent = 0;
        let mut byte = [0];
        while !end.load(Ordering::Relaxed) {
            sent += stream.write(&texts[sent..]).unwrap_or(0);
            let read = stream.read(&mut byte);
            drop(read);
            thread::sleep(Duration::from_millis(5));
        }
    })
}

/// Connects and goes, at once or in the middle of a text.
fn sudden_closes(path: PathBuf, port: u16, end: Arc<AtomicBool>) -> JoinHandle<()> {
    thread::spawn(move || {
        while !end.load(Ordering::Relaxed) {
            drop(UnixStream::connect(&path).unwrap());
            let mut stream = UnixStream::connect(&path).unwrap();
            stream
                .write_all(b"{'execute':'qmp_capabilities'}{'exec")
                .unwrap();
            drop(Client::connect(port));
            thread::sleep(Duration::from_millis(5));
        }
    })
}

/// The guest says what time it is, again and again, and that it is done.
fn clock() -> String {
    format!(
        "for n in $(seq {LINES}); do cut -d' ' -f1 /proc/uptime; sleep 0.1; done; echo clock en''ded"
    )
}

/// What the guest said of its time.
fn times(said: &str) -> Vec<f64> {
    said.lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect()
}

#[test]
fn a_guest_works_through_floods() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let port = free_port();
    let monitors: Vec<String> = (0..TEXTS.len() + 2)
        .map(|n| at(&n.to_string()).display().to_string())
        .chain([at("qmp").display().to_string()])
        .map(|path| format!("-qmp unix:{path},server=on,wait=off"))
        .collect();
    let args = format!(
        "-m 256 -smp 2 {} -qmp tcp:127.0.0.1:{port},server=on,wait=off,websocket=on",
        monitors.join(" ")
    );
    let mut guest = Guest::boot(Kernel::Cloud61, &args);
    let mut qmp = Qmp::unix(&at("qmp"));
    guest.type_line(&clock());
    let before = resident(guest.ferrite.id());
    let end = Arc::new(AtomicBool::new(false));
    let [slow, sudden] = [TEXTS.len(), TEXTS.len() + 1].map(|n| at(&n.to_string()));
    let busy = [
        slow_reader(slow, Arc::clone(&end)),
        sudden_closes(sudden, port, Arc::clone(&end)),
    ];
    let mut streams = Vec::new();
    let mut frames = Vec::new();
    let mut longest = Duration::ZERO;
    let mut most = 0;
    for n in 0..TEXTS.len().max(FRAMES.len()) {
        if let Some(text) = TEXTS.get(n) {
            streams.push(flood(&at(&n.to_string()), text));
        }
        if let Some((frame, repeated)) = FRAMES.get(n) {
            frames.push(bad_frames(port, frame, *repeated));
        }
        // Somebody who behaves is served all the while.
        let asked = Instant::now();
        assert_eq!(qmp.status(), "running");
        longest = longest.max(asked.elapsed());
        most = most.max(resident(guest.ferrite.id()));
    }
    let said = guest.expect_within("clock ended", COMMAND);
    end.store(true, Ordering::Relaxed);
    for thread in busy {
        thread.join().unwrap();
    }
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    let times = times(&said);
    assert_eq!(times.len(), LINES, "{said}");
    for pair in times.windows(2) {
        let silence = pair[1] - pair[0];
        assert!(
            (0.0..SILENCE).contains(&silence),
            "{silence} s of silence: {said}"
        );
    }
    let grown = most.saturating_sub(before) << 10;
    assert!(grown < COST, "{} MiB more", grown >> 20);
    drop((streams, frames));
    assert_eq!(qmp.status(), "running");
    guest.run("true");
    qmp.run("quit", json!({}));
}

/// A text frame holds whole texts; half a text is refused, and the next one is whole again.
#[test]
fn half_a_text_is_refused() {
    let port = free_port();
    let server = Server::start(&format!(
        "-qmp tcp:127.0.0.1:{port},server=on,wait=off,websocket=on"
    ));
    let mut client = Client::connect(port);
    client.send(r#"{"execute":"query-"#);
    assert_eq!(client.receive()["error"]["class"], "GenericError");
    client.send(r#"{"execute":"query-status"} {"execute":"query-name"}"#);
    assert_eq!(client.receive()["return"]["running"], false);
    assert_eq!(client.receive(), json!({"return": {}}));
    let qmp = server.connect();
    server.quit(qmp);
}
