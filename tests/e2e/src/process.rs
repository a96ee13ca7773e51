//! The `ferrite` process: starting it, its end.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The top of the work tree.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The folder that `cargo xtask guests` fills.
#[must_use]
pub fn guests() -> PathBuf {
    root().join("target/guests")
}

/// The binary under test.
#[must_use]
pub fn binary() -> PathBuf {
    let path = match std::env::var_os("FERRITE") {
        Some(path) => PathBuf::from(path),
        None => root().join("target/release/ferrite"),
    };
    assert!(
        path.exists(),
        "{} is not there: cargo build --release -p ferrite",
        path.display()
    );
    path
}

/// How a process ended.
#[derive(Debug)]
pub struct Exit {
    /// Its exit status; `None` after a signal.
    pub code: Option<i32>,
    /// What it wrote on its standard output.
    pub stdout: String,
    /// What it wrote on its error output.
    pub stderr: String,
    /// How long it ran.
    pub took: Duration,
}

/// A running `ferrite`, killed when dropped.
pub struct Ferrite {
    child: Child,
    stderr: Option<JoinHandle<String>>,
    started: Instant,
}

impl Ferrite {
    /// Starts the binary, its standard streams piped.
    #[track_caller]
    pub fn start<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        Self::spawn(
            Command::new(binary())
                .args(args)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped()),
        )
    }

    /// Starts a command that is already set up, its error output apart.
    #[track_caller]
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let stderr = child
            .stderr
            .take()
            .map(|pipe| thread::spawn(move || text(pipe)));
        Self {
            child,
            stderr,
            started: Instant::now(),
        }
    }

    /// Its standard streams, once.
    #[track_caller]
    pub fn streams(&mut self) -> (ChildStdout, ChildStdin) {
        let output = self.child.stdout.take().expect("standard output is piped");
        (
            output,
            self.child.stdin.take().expect("standard input is piped"),
        )
    }

    /// Its process number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still there.
    #[track_caller]
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("waiting works").is_none()
    }

    /// Waits for its end; one that does not come in time is an error.
    #[track_caller]
    pub fn end(mut self, limit: Duration) -> Exit {
        let end = Instant::now() + limit;
        let status = loop {
            match self.child.try_wait().expect("waiting works") {
                Some(status) => break status,
                None if Instant::now() > end => panic!("still running after {limit:?}"),
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        self.exit(status)
    }

    fn exit(&mut self, status: ExitStatus) -> Exit {
        let took = self.started.elapsed();
        let stderr = self
            .stderr
            .take()
            .map(|reader| reader.join().unwrap_or_default());
        Exit {
            code: status.code(),
            stdout: self.child.stdout.take().map(text).unwrap_or_default(),
            stderr: stderr.unwrap_or_default(),
            took,
        }
    }
}

impl Drop for Ferrite {
    fn drop(&mut self) {
        // It has usually ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    // What was read before an error still helps.
    let _ = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
