//! `ferrite --sandbox …`: the machine of a command line inside WebAssembly, for guests that nobody
//! vouches for. The process around it keeps what a guest must not have: files, sockets, the terminal.
//!
//! - [`options`]: the limits, and where the core is;
//! - [`line`]: the command line, cut into the machine's part and the process's;
//! - [`disks`]: the images, each worked on by a thread of its own;
//! - [`monitors`]: QMP on sockets and on the terminal, a conversation per client.

pub mod disks;
pub mod line;
pub mod monitors;
pub mod options;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ferrite_machine::backend::CharBackend;
use ferrite_machine::clock::HostClock;
use ferrite_sandbox::{Machine, Next};

use self::disks::Disks;
use self::monitors::Monitors;
use self::options::SandboxOptions;
use crate::chardev::mux::{Key, Mux};
use crate::cli::{self, CommandLine, Invocation};
use crate::clock::SystemClock;
use crate::launch::{self, Ends};
use crate::signals::Signals;
use crate::wake::Waker;

/// How long the guest runs between looks at the world.
const SLICE: Duration = Duration::from_millis(10);
/// Longest sleep of an idle machine.
const MAX_SLEEP: Duration = Duration::from_secs(1);
/// How long the process waits at its end for the terminal to take what was said.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Largest kernel or initial RAM disk.
const MAX_FILE: u64 = 1 << 30;

type Failure = Box<dyn std::error::Error>;

/// Runs the machine of `args` in a sandbox; `options` is what follows `--sandbox=`.
pub fn run(options: &str, args: Vec<String>) -> ExitCode {
    match try_run(options, args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ferrite: {error}");
            ExitCode::FAILURE
        }
    }
}

fn try_run(options: &str, args: Vec<String>) -> Result<(), Failure> {
    let options = SandboxOptions::parse(options)?;
    let line = match cli::parse(args, SystemClock::default().wall_ns())? {
        Invocation::Run(line) => line,
        Invocation::Print(text) => {
            print!("{text}");
            return Ok(());
        }
    };
    let core = options.core()?;
    let core = fs::read(&core).map_err(|error| format!("{}: {error}", core.display()))?;
    let waker = Waker::default();
    let signals = Signals::listen(waker.clone())?;
    let mut ends = launch::open(&line, &waker)?;
    let serial = ends.serial.take();
    let machine = Machine::new(&core, options.limits(line.machine.ram))?;
    let (machine, disks) = build(machine, &line, serial.is_some(), &waker)?;
    let Ends {
        characters,
        monitors,
        mux,
        ..
    } = ends;
    let process = Process {
        machine,
        disks,
        monitors: Monitors::open(monitors, &waker)?,
        serial,
        unsent: Vec::new(),
        mux,
        waker,
        signals,
    };
    let result = process.run();
    characters.drain(LAST_WORDS);
    result
}

/// Gives the machine what its command line names.
fn build(
    mut machine: Machine,
    line: &CommandLine,
    serial: bool,
    waker: &Waker,
) -> Result<(Machine, Disks), Failure> {
    let needs = machine.setup(&line::of_the_machine(line, serial))?;
    let mut disks = Disks::default();
    for need in needs {
        let name = need.path.display().to_string();
        if need.disk {
            let (size, read_only) = disks.open(&need.path, need.read_only, waker)?;
            machine.disk(&name, size, read_only)?;
        } else {
            machine.file(&name, &read(&need.path, &need.option)?)?;
        }
    }
    machine.build()?;
    Ok((machine, disks))
}

fn read(path: &Path, option: &str) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| format!("-{option} {}: {error}", path.display());
    if fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
        return Err(format!("-{option} {}: the file is too large", path.display()).into());
    }
    Ok(fs::read(path).map_err(failed)?)
}

/// Everything that the machine's thread owns.
struct Process {
    machine: Machine,
    disks: Disks,
    monitors: Monitors,
    serial: Option<Box<dyn CharBackend>>,
    /// What the serial port's other end has not taken yet.
    unsent: Vec<u8>,
    mux: Option<Mux>,
    waker: Waker,
    signals: Signals,
}

impl Process {
    /// Runs the machine to its end.
    fn run(mut self) -> Result<(), Failure> {
        loop {
            let _ = self.waker.take();
            self.listen()?;
            let next = self.machine.run(SLICE)?;
            self.tell()?;
            match next {
                // What does not fit into the terminal is tried again soon.
                Next::Sleep(_) | Next::Wait if !self.unsent.is_empty() => {
                    self.waker.wait(Some(SLICE));
                }
                Next::Busy => {}
                Next::Sleep(time) => self.waker.wait(Some(time.min(MAX_SLEEP))),
                Next::Wait => self.waker.wait(Some(MAX_SLEEP)),
                Next::Ended => return Ok(()),
            }
        }
    }

    /// Passes on what has come in.
    fn listen(&mut self) -> Result<(), Failure> {
        let mut quit = self.signals.take_termination();
        if let Some(mux) = &self.mux {
            quit |= mux.take_keys().contains(&Key::Quit);
        }
        if quit {
            self.monitors.quit(&mut self.machine)?;
        }
        let mut buffer = [0; 4096];
        if let Some(serial) = &mut self.serial {
            let count = serial.read(&mut buffer);
            if count > 0 {
                self.machine.serial_input(&buffer[..count])?;
                self.waker.wake();
            }
        }
        self.monitors.listen(&mut self.machine)?;
        self.disks.finish(&mut self.machine)?;
        Ok(())
    }

    /// Passes on what the machine says.
    fn tell(&mut self) -> Result<(), Failure> {
        match &mut self.serial {
            Some(serial) => {
                if self.unsent.is_empty() {
                    self.unsent = self.machine.serial_output()?;
                }
                let count = serial.write(&self.unsent);
                self.unsent.drain(..count);
            }
            None => drop(self.machine.serial_output()?),
        }
        self.monitors.tell(&mut self.machine)?;
        self.disks.begin(&mut self.machine)?;
        Ok(())
    }
}
