//! A WebSocket client of the simplest kind (RFC 6455).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::END;

/// A client with short text frames and an all-zero mask.
pub struct Client {
    /// Its connection.
    pub stream: TcpStream,
}

impl Client {
    /// Connects, as soon as somebody listens, and negotiates.
    pub fn connect(port: u16) -> Self {
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

    /// The same connection once more, to read and to write apart.
    pub fn try_clone(&self) -> Self {
        Self {
            stream: self.stream.try_clone().unwrap(),
        }
    }

    /// Sends a text in a frame of its own.
    pub fn send(&mut self, text: &str) {
        let len = u8::try_from(text.len()).unwrap();
        assert!(len < 126);
        let mut frame = vec![0x81, 0x80 | len, 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        self.stream.write_all(&frame).unwrap();
    }

    /// The next text.
    pub fn receive(&mut self) -> Value {
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
