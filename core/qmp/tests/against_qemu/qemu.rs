//! A QEMU that answers QMP on its standard input and output.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// The process and the ends of its pipes.
pub struct Qemu {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Qemu {
    /// Starts Debian 12's with a stopped `virt` machine and negotiates.
    pub fn start() -> Self {
        Self::start_program(Path::new("qemu-system-aarch64"))
    }

    /// The same with QEMU 10, where `cargo xtask test` has fetched it.
    pub fn start_later() -> Option<Self> {
        let program = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../target/qemu-10/qemu-system-aarch64"
        );
        let program = Path::new(program);
        program.exists().then(|| Self::start_program(program))
    }

    fn start_program(program: &Path) -> Self {
        let mut child = Command::new(program)
            .args(["-M", "virt", "-S", "-nodefaults", "-display", "none"])
            .args(["-chardev", "ringbuf,id=rb", "-qmp", "stdio"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("qemu-system-aarch64 (Debian's package qemu-system-arm) can be started");
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut qemu = Self {
            child,
            input,
            output,
        };
        qemu.line();
        qemu.ask(&json!({"execute": "qmp_capabilities"}));
        qemu
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    /// Sends a message and returns its answer; events are skipped.
    pub fn ask(&mut self, message: &Value) -> Value {
        writeln!(self.input, "{message}").unwrap();
        loop {
            let answer = self.line();
            if answer.get("event").is_none() {
                return answer;
            }
        }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
