use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use super::frames::{self, BINARY, CLOSE, CONTINUATION, PING, PONG, Raw, TEXT};
use super::{EVENT, Machine};
use crate::monitor::WebSocketPolicy;

const HOST: &str = "Host: localhost\r\n";

fn serve() -> (Machine, SocketAddr) {
    Machine::start(|hub| {
        let policy = WebSocketPolicy {
            origins: vec!["https://example.org".into()],
            hosts: vec!["vm.example.org".into()],
        };
        hub.serve_websocket(([127, 0, 0, 1], 0).into(), policy, None)
            .unwrap()
    })
}

impl Raw {
    fn text(&mut self) -> Value {
        let (kind, payload) = self.receive();
        assert_eq!(kind, TEXT);
        assert!(!payload.ends_with(b"\n"));
        serde_json::from_slice(&payload).unwrap()
    }

    /// Takes the greeting and negotiates.
    fn negotiated(mut self) -> Self {
        assert!(self.text()["QMP"].is_object());
        self.send(TEXT, true, b"{'execute':'qmp_capabilities'}");
        assert_eq!(self.text(), json!({"return": {}}));
        self
    }
}

#[test]
fn a_conversation_with_a_library() {
    let (machine, address) = serve();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await.unwrap();
        let url = format!("ws://{address}/");
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        // The negotiation may come before the greeting was read.
        let negotiation = "{\"execute\": \"qmp_capabilities\"}";
        socket.send(Message::text(negotiation)).await.unwrap();
        let mut next = async || -> Value {
            let message = socket.next().await.unwrap().unwrap();
            serde_json::from_str(message.to_text().unwrap()).unwrap()
        };
        assert!(next().await["QMP"].is_object());
        assert_eq!(next().await, json!({"return": {}}));
        machine.events.emit(&EVENT);
        assert_eq!(next().await["event"], "POWERDOWN");
        socket
            .send(Message::text("{'execute':'quit'}"))
            .await
            .unwrap();
        let kinds: Vec<Message> = socket.map(|m| m.unwrap()).collect().await;
        // The event, the answer and a proper end.
        assert_eq!(kinds.len(), 3);
        assert!(kinds[2].is_close());
    });
    machine.join();
}

#[test]
fn several_clients_each_with_its_own_session() {
    let (machine, address) = serve();
    let mut first = frames::open(address, "/", HOST).unwrap().negotiated();
    let mut second = frames::open(address, "/", HOST).unwrap().negotiated();
    let mut third = frames::open(address, "/", HOST).unwrap();
    assert!(third.text()["QMP"].is_object());
    machine.events.emit(&EVENT);
    assert_eq!(first.text()["event"], "POWERDOWN");
    assert_eq!(second.text()["event"], "POWERDOWN");
    third.send(TEXT, true, b"{'execute':'stop'}");
    assert_eq!(third.text()["error"]["class"], "CommandNotFound");
}

#[test]
fn messages_cut_and_joined_over_frames() {
    let (_machine, address) = serve();
    let mut client = frames::open(address, "/", HOST).unwrap().negotiated();
    // Two frames of one message, a ping between them, in the middle of a string.
    client.send(BINARY, false, b"{'execute':'query-");
    client.send(PING, true, b"hello");
    client.send(CONTINUATION, true, b"name','id':");
    // The rest in messages of their own, the last with two requests more.
    client.send(BINARY, true, b"1");
    client.send(
        BINARY,
        true,
        b"}{'execute':'query-name','id':2}{'execute':'query-name','id':3",
    );
    client.send(BINARY, true, b"}");
    assert_eq!(client.receive(), (PONG, b"hello".to_vec()));
    for id in 1..=3 {
        assert_eq!(client.text()["id"], id);
    }
    // A text message may be cut over frames as well, but holds its text to the end.
    client.send(TEXT, false, b"{'execute':'query-");
    client.send(CONTINUATION, true, b"name','id':4}");
    assert_eq!(client.text()["id"], 4);
    client.send(TEXT, true, b"{'execute':'query-");
    assert_eq!(client.text()["error"]["class"], "GenericError");
    // A character cut by the frame's end is refused in text, but not in binary.
    client.send(BINARY, true, b"{'execute':'query-name','id':'\xc3");
    client.send(BINARY, true, b"\xa9'}");
    assert_eq!(client.text()["id"], "é");
}

#[test]
fn subprotocols() {
    let (_machine, address) = serve();
    let open = |offer: &str| {
        let headers = format!("{HOST}Sec-WebSocket-Protocol: {offer}\r\n");
        frames::open(address, "/", &headers).unwrap()
    };
    let mut binary = open("binary");
    assert_eq!(binary.protocol.as_deref(), Some("binary"));
    let (kind, greeting) = binary.receive();
    assert_eq!(kind, BINARY);
    assert!(greeting.ends_with(b"\r\n"));
    binary.send(BINARY, true, b"{'execute':'qmp_capabilities'}");
    assert_eq!(binary.receive(), (BINARY, b"{\"return\": {}}\r\n".to_vec()));
    assert_eq!(open("chat, qmp").protocol.as_deref(), Some("qmp"));
    let mut unknown = open("chat");
    assert_eq!(unknown.protocol, None);
    assert!(unknown.text()["QMP"].is_object());
}

#[test]
fn who_may_connect() {
    let (_machine, address) = serve();
    let status = |path: &str, headers: &str| match frames::open(address, path, headers) {
        Ok(_) => 101,
        Err(line) => line.split(' ').nth(1).unwrap().parse().unwrap(),
    };
    assert_eq!(status("/", HOST), 101);
    assert_eq!(status("/other", HOST), 404);
    assert_eq!(status("/", ""), 403);
    assert_eq!(status("/", "Host: evil.net\r\n"), 403);
    assert_eq!(status("/", "Host: vm.example.org:80\r\n"), 101);
    let origin = |origin: &str| status("/", &format!("{HOST}Origin: {origin}\r\n"));
    assert_eq!(origin("http://127.0.0.1:8000"), 101);
    assert_eq!(origin("https://example.org"), 101);
    assert_eq!(origin("https://evil.net"), 403);
    assert_eq!(origin("null"), 403);
    let two = format!("{HOST}Origin: http://localhost\r\nOrigin: https://evil.net\r\n");
    assert_eq!(status("/", &two), 403);
}

#[test]
fn frames_that_break_the_protocol_end_the_connection() {
    let (_machine, address) = serve();
    let open = || frames::open(address, "/", HOST).unwrap();
    let broken: &[&[u8]] = &[
        b"\x81\x02{}",                                       // not masked
        b"\x83\x80\0\0\0\0",                                 // an unknown kind
        b"\xc1\x80\0\0\0\0",                                 // a reserved bit
        b"\x80\x80\0\0\0\0",                                 // a continuation of nothing
        b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", // too long by far
        b"\x81\x81\0\0\0\0\xff",                             // text that is no UTF-8
    ];
    for bytes in broken {
        let mut client = open();
        client.send_bytes(bytes);
        assert!(client.ends(), "{bytes:?}");
    }
    let mut client = open();
    client.send(CLOSE, true, &[]);
    assert!(client.ends());
    open().negotiated();
}

#[test]
fn large_answers_and_slow_readers() {
    let (_machine, address) = serve();
    let mut slow = frames::open(address, "/", HOST).unwrap().negotiated();
    for _ in 0..200 {
        slow.send(TEXT, true, b"{'execute':'query-qmp-schema'}");
    }
    let mut other = frames::open(address, "/", HOST).unwrap().negotiated();
    other.send(TEXT, true, b"{'execute':'query-name','id':1}");
    assert_eq!(other.text()["id"], 1);
    for _ in 0..200 {
        assert!(slow.text()["return"].is_array());
    }
}

#[test]
fn a_round_trip_waits_for_no_timer() {
    let (_machine, address) = serve();
    let mut client = frames::open(address, "/", HOST).unwrap().negotiated();
    let mut times: Vec<Duration> = (0..300)
        .map(|_| {
            let start = Instant::now();
            client.send(TEXT, true, b"{'execute':'query-status'}");
            client.text();
            start.elapsed()
        })
        .collect();
    times.sort();
    let median = times[times.len() / 2];
    println!("median round trip: {median:?}, fastest {:?}", times[0]);
    assert!(median < Duration::from_millis(5), "{median:?}");
}
