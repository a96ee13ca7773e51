//! QEMU's qtest: a line protocol by which test tools work with devices as a guest's driver would.
//!
//! A command is a line, and so is its answer: `OK`, `OK` and a value, or `FAIL` and a reason. In
//! between come `IRQ raise` and `IRQ lower` for interrupt lines that are watched. With `-accel qtest`
//! no CPU runs, and virtual time stands still but for `clock_step` and `clock_set`.
//!
//! Source: QEMU's "QTest Device Emulation Testing Framework", and its answers.

mod access;
mod clock;
mod command;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Write;
use std::time::Instant;

use ferrite_machine::DeviceId;
use ferrite_machine::backend::CharBackend;
use ferrite_vm::Vm;
use ferrite_vm::virt::Watch;

pub use clock::SteppedClock;

/// Longest line; one that is longer is refused.
const LINE: usize = 64 << 20;

/// Where every command and answer is noted.
pub enum Log {
    /// Nowhere.
    None,
    /// On the error output.
    Stderr,
    /// In a file.
    File(File),
}

/// A test tool's connection.
pub struct Qtest {
    stream: Box<dyn CharBackend>,
    log: Log,
    start: Instant,
    /// Virtual time, where the tool has it in its hands.
    clock: Option<SteppedClock>,
    line: Vec<u8>,
    /// The line is longer than [`LINE`].
    too_long: bool,
    /// What the stream has not taken yet.
    output: Vec<u8>,
    /// The path of what is watched, and the levels told last.
    watched: Option<String>,
    levels: Vec<u32>,
}

/// What a path in a command leads to.
enum Place {
    /// The interrupt controller.
    Gic,
    /// A device of the board.
    Device(DeviceId),
}

impl Qtest {
    /// A tool at the other end of `stream`.
    #[must_use]
    pub fn new(stream: Box<dyn CharBackend>, log: Log) -> Self {
        let mut qtest = Self {
            stream,
            log,
            start: Instant::now(),
            clock: None,
            line: Vec::new(),
            too_long: false,
            output: Vec::new(),
            watched: None,
            levels: Vec::new(),
        };
        qtest.note('I', "OPENED");
        qtest
    }

    /// Puts virtual time into the tool's hands.
    pub fn set_clock(&mut self, clock: Option<SteppedClock>) {
        self.clock = clock;
    }

    /// Executes what has arrived. True if something is left to write.
    pub fn serve(&mut self, vm: &mut Vm) -> bool {
        self.tell_lines(vm);
        let mut buffer = [0; 4096];
        while self.flush() {
            let count = self.stream.read(&mut buffer);
            if count == 0 {
                return false;
            }
            for byte in &buffer[..count] {
                self.byte(*byte, vm);
            }
        }
        true
    }

    fn byte(&mut self, byte: u8, vm: &mut Vm) {
        if byte != b'\n' {
            self.too_long |= self.line.len() >= LINE;
            if !self.too_long {
                self.line.push(byte);
            }
            return;
        }
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line).trim().to_owned();
        if std::mem::take(&mut self.too_long) {
            self.answer("FAIL Line too long");
        } else if !line.is_empty() {
            self.note('R', &line);
            let answer = self.execute(&line, vm);
            // What the command causes comes before its answer.
            self.tell_lines(vm);
            self.answer(&match answer {
                Ok(None) => "OK".to_owned(),
                Ok(Some(value)) => format!("OK {value}"),
                Err(reason) => format!("FAIL {reason}"),
            });
        }
    }

    /// What a path leads to: CPUs come first on the board, then its devices, then the interrupt
    /// controller, as `qom-list` shows them.
    fn place(vm: &Vm, path: &str) -> Result<Place, String> {
        let unknown = || "Unknown device".to_owned();
        let number = path
            .strip_prefix("/machine/unattached/device[")
            .and_then(|rest| rest.strip_suffix(']'))
            .and_then(|number| number.parse::<usize>().ok())
            .and_then(|number| number.checked_sub(vm.cpus().len()))
            .ok_or_else(unknown)?;
        let devices = vm.board().devices().len();
        match number {
            _ if number < devices => Ok(Place::Device(DeviceId(number))),
            _ if number == devices => Ok(Place::Gic),
            _ => Err(unknown()),
        }
    }

    /// Tells of watched lines from now on.
    fn watch(&mut self, vm: &mut Vm, path: &str, what: Watch) -> Result<(), String> {
        match &self.watched {
            Some(watched) if watched != path => {
                return Err("IRQ intercept already enabled".to_owned());
            }
            Some(_) => {}
            None => {
                self.watched = Some(path.to_owned());
                vm.board_mut().watch_lines(what);
            }
        }
        Ok(())
    }

    /// Tells how watched lines changed.
    fn tell_lines(&mut self, vm: &mut Vm) {
        if self.watched.is_none() {
            return;
        }
        for (number, level) in vm.board_mut().take_line_changes() {
            let high = self.levels.iter().position(|&line| line == number);
            match (high, level) {
                (None, true) => {
                    self.levels.push(number);
                    self.answer(&format!("IRQ raise {number}"));
                }
                (Some(at), false) => {
                    self.levels.swap_remove(at);
                    self.answer(&format!("IRQ lower {number}"));
                }
                _ => {}
            }
        }
    }

    fn answer(&mut self, text: &str) {
        self.note('S', text);
        self.output.extend_from_slice(text.as_bytes());
        self.output.push(b'\n');
    }

    fn note(&mut self, kind: char, text: &str) {
        let at = self.start.elapsed().as_secs_f64();
        let sign = if kind == 'I' { ' ' } else { '+' };
        let line = format!("[{kind} {sign}{at:.6}] {text}\n");
        // A log that cannot be written must not end the test.
        let _ = match &mut self.log {
            Log::None => Ok(()),
            Log::Stderr => std::io::stderr().write_all(line.as_bytes()),
            Log::File(file) => file.write_all(line.as_bytes()),
        };
    }

    /// Writes what there is; whether all is written.
    fn flush(&mut self) -> bool {
        while !self.output.is_empty() {
            let count = self.stream.write(&self.output);
            if count == 0 {
                return false;
            }
            self.output.drain(..count);
        }
        true
    }
}
