//! A QMP client of the simplest kind: one JSON text per line over a stream.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Longest time that an answer or an event may take.
const ANSWER: Duration = Duration::from_secs(60);

/// A session in command mode.
pub struct Qmp {
    reader: BufReader<Box<dyn Read + Send>>,
    writer: Box<dyn Write + Send>,
    /// The server's greeting.
    pub greeting: Value,
    events: VecDeque<Value>,
}

impl Qmp {
    /// Connects to a socket, as soon as it is there, and negotiates.
    #[track_caller]
    pub fn unix(path: &Path) -> Self {
        let stream = retry(|| UnixStream::connect(path));
        stream
            .set_read_timeout(Some(ANSWER))
            .expect("a socket has time limits");
        let writer = stream.try_clone().expect("a socket has two ends");
        Self::negotiate(Box::new(stream), Box::new(writer))
    }

    /// The same over TCP, to a port of this host.
    #[track_caller]
    pub fn tcp(port: u16) -> Self {
        let stream = retry(|| TcpStream::connect(("127.0.0.1", port)));
        stream
            .set_read_timeout(Some(ANSWER))
            .expect("a socket has time limits");
        let writer = stream.try_clone().expect("a socket has two ends");
        Self::negotiate(Box::new(stream), Box::new(writer))
    }

    #[track_caller]
    fn negotiate(reader: Box<dyn Read + Send>, writer: Box<dyn Write + Send>) -> Self {
        let mut qmp = Self {
            reader: BufReader::new(reader),
            writer,
            greeting: Value::Null,
            events: VecDeque::new(),
        };
        qmp.greeting = qmp.receive();
        assert!(
            qmp.greeting["QMP"]["version"].is_object(),
            "{}",
            qmp.greeting
        );
        qmp.run("qmp_capabilities", json!({}));
        qmp
    }

    /// The next text; `Null` at the session's end.
    #[track_caller]
    pub fn receive(&mut self) -> Value {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => Value::Null,
            Ok(_) => serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}")),
            Err(error) => panic!("waiting for a QMP text: {error}"),
        }
    }

    /// Sends a command and returns its whole answer; events are kept for [`Self::event`].
    #[track_caller]
    pub fn answer(&mut self, command: &str, arguments: Value) -> Value {
        let text = json!({"execute": command, "arguments": arguments, "id": command});
        // In one piece: a command runs at its closing brace, and `quit` ends the other side before
        // a line end on its own could follow.
        self.answer_to(&text.to_string())
    }

    /// Sends a command as it is written, and returns its whole answer; events are kept for
    /// [`Self::event`].
    #[track_caller]
    pub fn answer_to(&mut self, command: &str) -> Value {
        let text = format!("{command}\n");
        self.writer
            .write_all(text.as_bytes())
            .unwrap_or_else(|e| panic!("{command}: {e}"));
        loop {
            let text = self.receive();
            assert!(
                !text.is_null(),
                "the session ended before {command} was answered"
            );
            if text.get("event").is_some() {
                self.events.push_back(text);
                continue;
            }
            return text;
        }
    }

    /// Sends a command that has to succeed and returns what it returns.
    #[track_caller]
    pub fn run(&mut self, command: &str, arguments: Value) -> Value {
        let mut answer = self.answer(command, arguments);
        assert!(answer.get("return").is_some(), "{command}: {answer}");
        answer["return"].take()
    }

    /// Waits for an event of this name and returns its data; others before it are dropped.
    #[track_caller]
    pub fn event(&mut self, name: &str) -> Value {
        loop {
            let mut event = match self.events.pop_front() {
                Some(event) => event,
                None => self.receive(),
            };
            assert!(!event.is_null(), "the session ended before {name}");
            if event["event"] == name {
                return event["data"].take();
            }
        }
    }

    /// The events that came before answers and were not asked for.
    pub fn events(&mut self) -> Vec<Value> {
        self.events.drain(..).collect()
    }

    /// `query-status`'s state.
    #[track_caller]
    pub fn status(&mut self) -> String {
        let status = self.run("query-status", json!({}));
        status["status"].as_str().unwrap_or_default().to_owned()
    }
}

#[track_caller]
fn retry<T>(mut connect: impl FnMut() -> std::io::Result<T>) -> T {
    let end = Instant::now() + ANSWER;
    loop {
        match connect() {
            Ok(stream) => return stream,
            Err(error) if Instant::now() > end => panic!("connecting: {error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
