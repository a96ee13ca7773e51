//! A conversation over a byte stream: wait for a text, type an answer.

use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// Longest time that a boot may take: generous, for a slow machine that does other things too.
pub const BOOT: Duration = Duration::from_secs(400);
/// Longest time that a command in the guest may take.
pub const COMMAND: Duration = Duration::from_secs(120);
/// How the shell of the initramfs asks for a command.
pub const PROMPT: &str = "ferrite:";

/// How much of a conversation a failure shows.
const TAIL: usize = 4000;

#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    ended: bool,
}

#[derive(Default)]
struct Shared {
    heard: Mutex<Heard>,
    news: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
    }
}

/// One end of a byte stream whose other end a guest (or a monitor) speaks on.
pub struct Console {
    shared: Arc<Shared>,
    input: Option<Box<dyn Write + Send>>,
    /// Where the unread part begins.
    cursor: usize,
    /// Numbers the commands, so that each one's end is told from every other's.
    commands: u32,
}

impl Console {
    /// A conversation; a thread of its own reads `output` to its end.
    pub fn new(mut output: impl Read + Send + 'static, input: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let heard = shared.clone();
        thread::spawn(move || {
            let mut buf = [0; 4096];
            // An error is how a pseudo-terminal ends.
            while let Ok(count @ 1..) = output.read(&mut buf) {
                heard.lock().bytes.extend_from_slice(&buf[..count]);
                heard.news.notify_all();
            }
            heard.lock().ended = true;
            heard.news.notify_all();
        });
        Self {
            shared,
            input: Some(Box::new(input)),
            cursor: 0,
            commands: 0,
        }
    }

    /// Everything heard so far.
    #[must_use]
    pub fn transcript(&self) -> String {
        String::from_utf8_lossy(&self.shared.lock().bytes).into_owned()
    }

    /// Waits until `text` comes, and returns what came before it; both are then read.
    #[track_caller]
    pub fn expect_within(&mut self, text: &str, limit: Duration) -> String {
        match self.wait(text, limit) {
            Some(before) => before,
            None => self.fail(&format!("did not hear {text:?} within {limit:?}")),
        }
    }

    /// The same, with the time that a command may take.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        self.expect_within(text, COMMAND)
    }

    /// The same, where not hearing it is an answer, too.
    pub fn wait(&mut self, text: &str, limit: Duration) -> Option<String> {
        let end = Instant::now() + limit;
        let mut heard = self.shared.lock();
        loop {
            let unread = &heard.bytes[self.cursor..];
            if let Some(at) = find(unread, text.as_bytes()) {
                let before = String::from_utf8_lossy(&unread[..at]).into_owned();
                self.cursor += at + text.len();
                return Some(before);
            }
            let left = end.saturating_duration_since(Instant::now());
            if heard.ended || left.is_zero() {
                return None;
            }
            heard = match self.shared.news.wait_timeout(heard, left) {
                Ok((heard, _)) => heard,
                Err(poison) => poison.into_inner().0,
            };
        }
    }

    /// Types keys as they are.
    #[track_caller]
    pub fn type_keys(&mut self, keys: &str) {
        let input = self.input.as_mut().expect("the console takes input");
        let sent = input
            .write_all(keys.as_bytes())
            .and_then(|()| input.flush());
        if let Err(error) = sent {
            self.fail(&format!("typing {keys:?}: {error}"));
        }
    }

    /// Types a line.
    #[track_caller]
    pub fn type_line(&mut self, line: &str) {
        self.type_keys(&format!("{line}\r"));
    }

    /// Runs a shell command; returns its exit status and output (without carriage returns).
    #[track_caller]
    pub fn status_within(&mut self, command: &str, limit: Duration) -> (i32, String) {
        self.commands += 1;
        let n = self.commands;
        // The quotes keep the echo of the typed line from looking like the marks.
        self.type_line(&format!("echo '<'{n}'>'; {command}; echo '</'{n} $?'>'"));
        // A terminal may add another carriage return on the way.
        self.expect_within(&format!("<{n}>\r"), limit);
        self.expect_within("\n", limit);
        let output = self.expect_within(&format!("</{n} "), limit);
        let status = self.expect_within(">", limit);
        let status = status
            .parse()
            .unwrap_or_else(|_| self.fail("no exit status"));
        (status, output.replace('\r', ""))
    }

    /// The same, with the usual time limit.
    #[track_caller]
    pub fn status(&mut self, command: &str) -> (i32, String) {
        self.status_within(command, COMMAND)
    }

    /// Runs a shell command that has to succeed; returns its output without the last line's end.
    #[track_caller]
    pub fn run(&mut self, command: &str) -> String {
        let (status, output) = self.status(command);
        if status != 0 {
            self.fail(&format!(
                "{command:?} ended with status {status}:\n{output}"
            ));
        }
        output.trim_end_matches('\n').to_owned()
    }

    /// Panics with the last part of the conversation.
    #[track_caller]
    pub fn fail(&self, problem: &str) -> ! {
        let heard = self.shared.lock();
        let tail = &heard.bytes[heard.bytes.len().saturating_sub(TAIL)..];
        let ended = if heard.ended { " (it ended)" } else { "" };
        let tail = String::from_utf8_lossy(tail).into_owned();
        drop(heard);
        panic!("{problem}\n--- the console's last words{ended} ---\n{tail}\n---");
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}
