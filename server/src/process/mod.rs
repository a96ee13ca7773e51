//! The process around a machine: pid file, background, exit status.

mod monitors;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use ferrite_cli::CommandLine;
use ferrite_machine::backend::CharBackend;
use ferrite_machine::trace::Trace;

use crate::control::{Bare, Facts};
use crate::launch::{self, Built, Ends};
use crate::run::{self, Desk, Host};
use crate::signals::Signals;
use crate::vcpus::Crew;
use crate::wake::Waker;

pub use monitors::Monitors;

/// Tells a background process that it is one; the value is not looked at.
const BACKGROUND: &str = "FERRITE_BACKGROUND";
/// What a background process prints once everything listens.
const READY: &str = "ready";

/// Runs the machine of a command line to its end.
pub fn run(line: &CommandLine) -> ExitCode {
    let background = std::env::var_os(BACKGROUND).is_some();
    let result = if line.daemonize && !background {
        start_background().map(|()| 0)
    } else {
        run_here(line, background)
    };
    match result {
        Ok(status) => status.into(),
        Err(error) => {
            eprintln!("ferrite: {error}");
            ExitCode::FAILURE
        }
    }
}

type Failure = Box<dyn std::error::Error>;

/// Starts this program again in a session of its own, and waits until it is ready.
fn start_background() -> Result<(), Failure> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(BACKGROUND, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child
        .stdout
        .take()
        .ok_or("the background process has no output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        if line == READY {
            return Ok(());
        }
        println!("{line}");
    }
    // It ended before it was ready, and said why on the error output.
    std::process::exit(child.wait()?.code().unwrap_or(1));
}

/// Leaves the terminal of the process that started this one.
fn detach() -> Result<(), Failure> {
    println!("{READY}");
    std::io::stdout().flush()?;
    let null = fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

/// Runs the machine in this process. Returns the status that it is to end
/// with.
fn run_here(line: &CommandLine, background: bool) -> Result<u8, Failure> {
    if background {
        rustix::process::setsid()?;
    }
    let waker = Waker::default();
    let signals = Signals::listen(waker.clone())?;
    let mut ends = launch::open(line, &waker)?;
    let serial = ends.serial.take();
    if line.machine.none || line.preconfig {
        ends.characters.open_rest(line)?;
        return without_machine(line, ends, serial, waker, signals, background);
    }
    let built = launch::machine(line, serial, &mut ends.characters, &waker)?;
    if let Some(path) = &line.machine.dump_dtb {
        fs::write(path, built.vm.device_tree())
            .map_err(|error| format!("-machine dumpdtb={}: {error}", path.display()))?;
        eprintln!("ferrite: info: dtb dumped to {}. Exiting.", path.display());
        return Ok(0);
    }
    let monitors = Monitors::start(line, ends, &waker)?;
    let host = host(line, built, monitors, waker, signals)?;
    let _pidfile = line.pidfile.as_deref().map(PidFile::create).transpose()?;
    if background {
        detach()?;
    }
    run_machine(line, host)
}

/// Serves monitors until the machine may be made, if one is to be, and runs that.
fn without_machine(
    line: &CommandLine,
    ends: Ends,
    serial: Option<Box<dyn CharBackend>>,
    waker: Waker,
    signals: Signals,
    background: bool,
) -> Result<u8, Failure> {
    let monitors = Monitors::start(line, ends, &waker)?;
    let _pidfile = line.pidfile.as_deref().map(PidFile::create).transpose()?;
    if background {
        detach()?;
    }
    let bare = Bare {
        name: line.name.clone(),
        uuid: line.machine.uuid.unwrap_or_default(),
        preconfig: line.preconfig && !line.machine.none,
        running: line.machine.none && !line.stopped,
        ended: false,
        leave: false,
        trace: Trace::default(),
    };
    let Some(mut monitors) = run::without_machine(bare, monitors, &waker, &signals) else {
        return Ok(0);
    };
    let characters = &mut monitors.host.characters;
    let built = launch::machine(line, serial, characters, &waker)?;
    run_machine(line, host(line, built, monitors, waker, signals)?)
}

fn run_machine(line: &CommandLine, mut host: Host) -> Result<u8, Failure> {
    if !line.stopped {
        host.vm.cont()?;
    }
    host.desk.waker.wake();
    Ok(host.run())
}

fn host(
    line: &CommandLine,
    built: Built,
    mut monitors: Monitors,
    waker: Waker,
    signals: Signals,
) -> Result<Host, Failure> {
    let Built {
        vm,
        disks,
        backends,
        clock,
    } = built;
    if let Some(qtest) = &mut monitors.qtest {
        qtest.set_clock(clock);
    }
    if let Some(id) = &line.machine.memory_backend {
        monitors.host.hold_object(id);
    }
    let crew = match line.machine.has_threads() {
        true => Some(Crew::start(vm.cpus().len(), &waker)?),
        false => None,
    };
    let threads = match &crew {
        Some(crew) => crew.ids.clone(),
        None => vec![rustix::thread::gettid().as_raw_nonzero().get().into()],
    };
    let facts = Facts {
        name: line.name.clone(),
        uuid: line.machine.uuid.unwrap_or_default(),
        disks,
        backends,
        memory_backend: line.machine.memory_backend.clone(),
        topology: line.machine.topology,
        threads,
    };
    Ok(Host {
        vm,
        crew,
        desk: Desk {
            facts,
            monitors,
            waker,
            signals,
        },
    })
}

/// A file with the process number, removed at the end.
struct PidFile {
    path: PathBuf,
}

impl PidFile {
    fn create(path: &Path) -> Result<Self, Failure> {
        fs::write(path, format!("{}\n", std::process::id()))
            .map_err(|error| format!("-pidfile {}: {error}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
        })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Somebody may have tidied up already.
        let _ = fs::remove_file(&self.path);
    }
}
