//! The process around a machine: pid file, background, exit status.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use ferrite_qmp::Events;

use crate::chardev::connection::Connection;
use crate::chardev::mux::Mux;
use crate::chardev::socket::Address;
use crate::cli::chardev::SocketSpec;
use crate::cli::{CommandLine, MonitorMode};
use crate::clock::SystemClock;
use crate::console::ConsoleMonitor;
use crate::control::Facts;
use crate::host::HostSide;
use crate::launch::{self, Launched, MonitorEnd};
use crate::monitor::{MonitorHub, WebSocketPolicy};
use crate::run::Host;
use crate::signals::Signals;
use crate::wake::Waker;

/// Tells a background process that it is one; the value is not looked at.
const BACKGROUND: &str = "FERRITE_BACKGROUND";
/// What a background process prints once everything listens.
const READY: &str = "ready";

/// Runs the machine of a command line to its end.
pub fn run(line: &CommandLine) -> ExitCode {
    let background = std::env::var_os(BACKGROUND).is_some();
    let result = if line.daemonize && !background {
        start_background()
    } else {
        run_here(line, background)
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
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

fn run_here(line: &CommandLine, background: bool) -> Result<(), Failure> {
    if background {
        rustix::process::setsid()?;
    }
    let waker = Waker::default();
    let signals = Signals::listen(waker.clone())?;
    let launched = launch::launch(line, &waker)?;
    let mut host = host(line, launched, waker, signals)?;
    let _pidfile = line.pidfile.as_deref().map(PidFile::create).transpose()?;
    if background {
        detach()?;
    }
    if !line.stopped {
        host.vm.cont()?;
    }
    host.waker.wake();
    host.run();
    Ok(())
}

/// Starts the monitors.
fn host(
    line: &CommandLine,
    launched: Launched,
    waker: Waker,
    signals: Signals,
) -> Result<Host, Failure> {
    let Launched {
        vm,
        mux,
        characters,
        disks,
        backends,
        monitors,
    } = launched;
    let mut side = HostSide::new(characters);
    let events = Events::new(Arc::new(SystemClock::default()));
    let hub = MonitorHub::new(events.clone(), waker.function())?;
    let mut console = None;
    for (end, mode) in monitors {
        match (end, mode) {
            (MonitorEnd::Socket(spec, label), MonitorMode::Control) => {
                if let Some((local, connection)) = serve(&hub, &spec)? {
                    side.characters
                        .connected(&label, local, connection, spec.server);
                }
            }
            (MonitorEnd::Stdio, MonitorMode::Control) => hub.serve_stdio()?,
            (MonitorEnd::Mux(mux), MonitorMode::Readline) => {
                console = Some((mux, ConsoleMonitor::default()))
            }
            (MonitorEnd::Stdio, MonitorMode::Readline) => {
                let (input, output) = crate::chardev::stdio::open(waker.clone());
                console = Some((Mux::new(input, output, true), ConsoleMonitor::default()));
            }
            (MonitorEnd::Mux(_), MonitorMode::Control) => {
                return Err("QMP on a shared terminal is not supported".into());
            }
            (MonitorEnd::Socket(..), MonitorMode::Readline) => {
                return Err("a human monitor on a socket is not supported: use human-monitor-command of QMP".into());
            }
            (MonitorEnd::Stream(_), _) => {
                return Err("monitors are supported on sockets and on the terminal".into());
            }
        }
    }
    let console = console.or_else(|| mux.map(|mux| (mux, ConsoleMonitor::default())));
    let facts = Facts {
        name: line.name.clone(),
        uuid: line.machine.uuid.unwrap_or_default(),
        disks,
        backends,
    };
    Ok(Host {
        vm,
        facts,
        host: side,
        events,
        monitors: hub,
        console,
        waker,
        signals,
    })
}

/// Opens a QMP monitor's socket. Of a byte stream, tells its own address and who is connected.
fn serve(hub: &MonitorHub, spec: &SocketSpec) -> Result<Option<(String, Connection)>, Failure> {
    let failed = |error: std::io::Error| format!("-qmp {:?}: {error}", spec.address);
    Ok(match &spec.address {
        Address::Unix(_) if spec.websocket => {
            return Err("-qmp: a WebSocket needs a TCP address".into());
        }
        Address::Unix(path) => {
            let connection = if spec.server {
                hub.serve_unix(path, spec.wait)
            } else {
                UnixStream::connect(path).and_then(|socket| hub.attach(socket))
            };
            let local = format!("unix:{}", path.display());
            Some((local, connection.map_err(failed)?))
        }
        Address::Tcp(at) if !spec.server => {
            let socket = TcpStream::connect(at).map_err(failed)?;
            let connection = hub.attach_tcp(socket).map_err(failed)?;
            Some((format!("tcp:{at}"), connection))
        }
        Address::Tcp(at) => {
            let address = at
                .to_socket_addrs()
                .map_err(failed)?
                .next()
                .ok_or("-qmp: the address has no host")?;
            if spec.websocket {
                hub.serve_websocket(address, WebSocketPolicy::default())
                    .map_err(failed)?;
                None
            } else {
                let (bound, connection) = hub.serve_tcp(address, spec.wait).map_err(failed)?;
                Some((format!("tcp:{bound}"), connection))
            }
        }
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
