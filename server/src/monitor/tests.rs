//! Monitors over real sockets, with a machine that has no guest.

mod frames;
mod streams;
mod websockets;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ferrite_qmp::fake::FakeVm;
use ferrite_qmp::{Event, Events};
use serde_json::Value;

use super::MonitorHub;
use crate::clock::SystemClock;

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A machine on a thread of its own, until a monitor says `quit` or the test ends.
struct Machine {
    events: Events,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Machine {
    /// Starts it with the monitors that `serve` adds.
    fn start<T>(serve: impl FnOnce(&MonitorHub) -> T) -> (Self, T) {
        let events = Events::new(Arc::new(SystemClock::default()));
        let mut hub = MonitorHub::new(events.clone(), Arc::new(|| {})).unwrap();
        let served = serve(&hub);
        let end = Arc::new(AtomicBool::new(false));
        let (ended, bus) = (Arc::clone(&end), events.clone());
        let thread = thread::spawn(move || {
            let mut vm = FakeVm::new(bus);
            while vm.quit.is_none() && !ended.load(Ordering::SeqCst) {
                let due = hub.poll(&mut vm);
                let most = Duration::from_millis(200);
                hub.wait(due.map_or(most, |due| due.min(most)));
            }
            hub.finish(Duration::from_secs(2));
        });
        let machine = Self {
            events,
            end,
            thread: Some(thread),
        };
        (machine, served)
    }

    /// Waits for its end, which a monitor has asked for.
    fn join(mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.end.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// A client of a byte stream.
struct Client<S> {
    lines: BufReader<S>,
}

impl<S: Read + Write> Client<S> {
    /// Takes the greeting.
    fn new(stream: S) -> Self {
        let mut client = Self {
            lines: BufReader::new(stream),
        };
        assert!(client.read()["QMP"].is_object());
        client
    }

    fn negotiated(stream: S) -> Self {
        let mut client = Self::new(stream);
        client.write("{'execute':'qmp_capabilities','arguments':{'enable':['oob']}}");
        assert!(client.read()["return"].is_object());
        client
    }

    fn write(&mut self, text: &str) {
        self.lines.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        assert!(line.ends_with("\r\n"), "{line:?}");
        serde_json::from_str(&line).unwrap()
    }

    /// Sends a command and takes its answer, past events.
    fn ask(&mut self, text: &str) -> Value {
        self.write(text);
        loop {
            let message = self.read();
            if message.get("event").is_none() {
                return message;
            }
        }
    }

    /// Whether the server has closed the connection.
    fn at_end(&mut self) -> bool {
        self.lines.fill_buf().is_ok_and(<[u8]>::is_empty)
    }
}

/// A path for a socket of this test.
fn socket_path() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    std::env::temp_dir().join(format!("ferrite-monitor-{}-{number}", std::process::id()))
}

/// A machine with a monitor on a unix socket.
fn on_unix() -> (Machine, PathBuf) {
    let path = socket_path();
    let (machine, ()) = Machine::start(|hub| drop(hub.serve_unix(&path, false).unwrap()));
    (machine, path)
}

fn connect(path: &PathBuf) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The event that tests send.
const EVENT: Event = Event::Powerdown;
