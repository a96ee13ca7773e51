//! Many monitors at once, over WebSockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use ferrite_e2e::{BOOT, Kernel, free_port};
use serde_json::{Value, json};

use super::{END, Server};

const MONITORS: usize = 500;
const COMMANDS: usize = 5000;
const PER_SECOND: u64 = 1000;

/// A WebSocket client of the simplest kind (RFC 6455): short text frames, an all-zero mask.
struct Client {
    stream: TcpStream,
}

impl Client {
    fn connect(port: u16) -> Self {
        let deadline = Instant::now() + END;
        let mut stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => panic!("{error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        stream.set_read_timeout(Some(END)).unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
             Sec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{head:?}");
        let mut client = Self { stream };
        assert!(client.receive()["QMP"].is_object());
        client.send(r#"{"execute":"qmp_capabilities"}"#);
        assert_eq!(client.receive(), json!({"return": {}}));
        client
    }

    fn send(&mut self, text: &str) {
        let len = u8::try_from(text.len()).unwrap();
        assert!(len < 126);
        let mut frame = vec![0x81, 0x80 | len, 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        self.stream.write_all(&frame).unwrap();
    }

    fn receive(&mut self) -> Value {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        assert_eq!(head[0], 0x81, "a whole text");
        let len = match head[1] {
            126 => {
                let mut len = [0; 2];
                self.stream.read_exact(&mut len).unwrap();
                usize::from(u16::from_be_bytes(len))
            }
            len => usize::from(len),
        };
        let mut text = vec![0; len];
        self.stream.read_exact(&mut text).unwrap();
        serde_json::from_slice(&text).unwrap()
    }
}

/// Memory that a process has, in KiB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap()
}

/// A guest boots meanwhile: nothing is lost or out of order, everybody hears of events, memory
/// stays, and the guest comes up.
#[test]
fn five_hundred_monitors() {
    let port = free_port();
    let kernel = Kernel::Cloud61;
    let server = Server::start(&format!(
        "-cpu cortex-a57 -m 256 -kernel {} -initrd {} -append console=ttyAMA0 \
         -serial file:{{dir}}/serial -qmp tcp:127.0.0.1:{port},server=on,wait=off,websocket=on",
        kernel.image().display(),
        kernel.initrd().display()
    ));
    let mut qmp = server.connect();
    let mut clients: Vec<Client> = (0..MONITORS).map(|_| Client::connect(port)).collect();
    qmp.run("cont", json!({}));
    for client in &mut clients {
        assert_eq!(client.receive()["event"], "RESUME");
    }
    let before = resident(server.process.id());
    let start = Instant::now();
    for n in 0..COMMANDS {
        let due = start + Duration::from_micros(n as u64 * 1_000_000 / PER_SECOND);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        clients[n % MONITORS].send(&format!(r#"{{"execute":"query-status","id":{n}}}"#));
    }
    for n in 0..COMMANDS {
        let answer = clients[n % MONITORS].receive();
        assert_eq!(answer["id"], n, "{answer}");
        assert_eq!(answer["return"]["status"], "running");
    }
    let took = start.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    qmp.run("stop", json!({}));
    for client in &mut clients {
        assert_eq!(client.receive()["event"], "STOP");
    }
    qmp.run("cont", json!({}));
    // Some that stop in the middle of everything, and some that send nonsense.
    for (n, client) in clients.iter_mut().enumerate().take(100) {
        match n % 3 {
            0 => client.stream.shutdown(std::net::Shutdown::Both).unwrap(),
            1 => client.send(r#"{"execute":"query-sta"#),
            _ => client.send("]]]"),
        }
    }
    drop(clients);
    assert_eq!(qmp.status(), "running");
    let serial = server.path("serial");
    let deadline = Instant::now() + BOOT;
    loop {
        let said = std::fs::read(&serial).unwrap_or_default();
        if String::from_utf8_lossy(&said).contains("guest ready") {
            break;
        }
        assert!(Instant::now() < deadline, "the guest did not come up");
        std::thread::sleep(Duration::from_millis(100));
    }
    // The guest's memory, what is made of its code, and little for the monitors.
    let grown = resident(server.process.id()).saturating_sub(before);
    assert!(grown < (256 + 192) << 10, "{grown} KiB more");
    server.quit(qmp);
}

/// What is written again and again.
const FLOODS: &[&str] = &[
    "{'execute':'query-qmp-schema'} ",
    "{'execute':'query-status','id':[1,2,3]}",
    "[",
    "]\n",
    "nonsense ",
    "\u{1}",
    "{'a':",
    "\"a",
];

/// Writes a text until so many bytes are written or nobody takes more.
fn flood(path: &Path, text: &str, bytes: usize) -> UnixStream {
    let mut stream = UnixStream::connect(path).unwrap();
    let patience = Duration::from_secs(1);
    stream.set_write_timeout(Some(patience)).unwrap();
    stream.write_all(b"{'execute':'qmp_capabilities'}").unwrap();
    let piece = text.repeat((64 << 10) / text.len());
    for _ in 0..bytes / piece.len() {
        if stream.write_all(piece.as_bytes()).is_err() {
            break;
        }
    }
    stream
}

/// Clients that ask and do not read, or send what never ends: each costs a bounded amount of memory,
/// and others are served.
#[test]
fn floods_are_bounded() {
    let monitors: Vec<String> = (0..FLOODS.len())
        .map(|n| format!("-qmp unix:{{dir}}/{n},server=on,wait=off"))
        .collect();
    let server = Server::start(&format!("-m 16 {}", monitors.join(" ")));
    let mut qmp = server.connect();
    let before = resident(server.process.id());
    let floods: Vec<UnixStream> = FLOODS
        .iter()
        .enumerate()
        .map(|(n, text)| flood(&server.path(&n.to_string()), text, 96 << 20))
        .collect();
    for _ in 0..500 {
        qmp.run("cont", json!({}));
        qmp.run("stop", json!({}));
    }
    assert_eq!(qmp.status(), "paused");
    let grown = resident(server.process.id()).saturating_sub(before);
    assert!(grown < 512 << 10, "{grown} KiB more");
    drop(floods);
    for n in 0..500 {
        let path = server.path(&(n % FLOODS.len()).to_string());
        // Somebody who goes at once, and somebody who goes in the middle of a text.
        drop(UnixStream::connect(&path).unwrap());
        let mut stream = UnixStream::connect(&path).unwrap();
        stream
            .write_all(b"{'execute':'qmp_capabilities'}{'exec")
            .unwrap();
    }
    assert_eq!(qmp.status(), "paused");
    server.quit(qmp);
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
