//! Character back ends: which there are, who uses them, and opening them.

use std::io;
use std::time::Duration;

use ferrite_machine::backend::CharBackend;

use super::LaunchError;
use crate::chardev::file::FileOutput;
use crate::chardev::mux::Mux;
use crate::chardev::queue::ByteQueue;
use crate::chardev::ringbuf::RingBuf;
use crate::chardev::socket::{Address, Socket};
use crate::chardev::stdio::{self, RawMode};
use crate::chardev::{Null, Stream, pty};
use crate::cli::chardev::{CharTarget, ChardevKind, ChardevSpec, SocketSpec};
use crate::cli::{CommandLine, MonitorMode};
use crate::wake::Waker;

/// What `query-chardev` tells of a back end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CharFacts {
    /// Its name.
    pub label: String,
    /// What it is connected to, as QEMU writes it.
    pub filename: String,
    /// Whether a device or monitor uses it.
    pub frontend_open: bool,
}

/// Where a monitor is reached.
pub enum MonitorEnd {
    /// A socket, which the monitor's own transport opens.
    Socket(SocketSpec),
    /// The terminal, for itself.
    Stdio,
    /// The terminal, shared with the serial port.
    Mux(Mux),
    /// Any other stream.
    Stream(Box<dyn CharBackend>),
}

/// The serial port's other end.
#[derive(Default)]
pub(super) struct SerialEnd {
    /// What the port is connected to, if anything.
    pub backend: Option<Box<dyn CharBackend>>,
    /// The terminal, if the port shares it with a monitor.
    pub mux: Option<Mux>,
}

impl SerialEnd {
    fn alone(backend: Box<dyn CharBackend>) -> Self {
        Self {
            backend: Some(backend),
            mux: None,
        }
    }

    fn shared(mux: Mux) -> Self {
        Self {
            backend: Some(mux.serial()),
            mux: Some(mux),
        }
    }
}

/// The back ends of a machine.
pub struct Characters {
    specs: Vec<ChardevSpec>,
    facts: Vec<CharFacts>,
    rings: Vec<(String, RingBuf)>,
    used: Vec<String>,
    raw_mode: Option<RawMode>,
    terminal_output: Option<ByteQueue>,
    waker: Waker,
}

impl Characters {
    pub(super) fn new(specs: &[ChardevSpec], waker: Waker) -> Self {
        Self {
            specs: specs.to_vec(),
            facts: Vec::new(),
            rings: Vec::new(),
            used: Vec::new(),
            raw_mode: None,
            terminal_output: None,
            waker,
        }
    }

    /// What there is.
    #[must_use]
    pub fn facts(&self) -> &[CharFacts] {
        &self.facts
    }

    /// Lets what was written reach the terminal, at most for `limit`.
    pub fn drain(&self, limit: Duration) {
        if let Some(output) = &self.terminal_output {
            output.drain(limit);
        }
    }

    /// The ring buffer of this name.
    #[must_use]
    pub fn ring(&self, id: &str) -> Option<&RingBuf> {
        self.rings
            .iter()
            .find(|(name, _)| name == id)
            .map(|(_, ring)| ring)
    }

    /// The serial port's other end, and the terminal if it shares that with a monitor.
    pub(super) fn serial(&mut self, line: &CommandLine) -> Result<SerialEnd, LaunchError> {
        let given = || line.nth_given(&["serial"], 0);
        self.serial_end(line).map_err(|error| error.given(given()))
    }

    fn serial_end(&mut self, line: &CommandLine) -> Result<SerialEnd, LaunchError> {
        let target = match line.serials.split_first() {
            Some((first, rest)) => {
                if rest.iter().any(|t| *t != CharTarget::None) {
                    return Err(LaunchError::Conflict(
                        "the virt board has one serial port".into(),
                    ));
                }
                first.clone()
            }
            None if line.nodefaults || line.daemonize => CharTarget::None,
            None if self.terminal_is_wanted(line) => CharTarget::New(ChardevKind::Null),
            None => CharTarget::MonStdio,
        };
        match target {
            CharTarget::None => Ok(SerialEnd::default()),
            CharTarget::MonStdio => {
                let mux = self.terminal_mux()?;
                self.note("serial0", "mux".into());
                Ok(SerialEnd::shared(mux))
            }
            CharTarget::New(kind) => Ok(SerialEnd::alone(self.open("serial0", &kind)?)),
            CharTarget::Existing(id) => {
                let spec = self.take_spec(&id)?;
                if spec.mux && matches!(spec.kind, ChardevKind::Stdio { .. }) {
                    let mux = self.terminal_mux()?;
                    self.note(&id, "mux".into());
                    return Ok(SerialEnd::shared(mux));
                }
                Ok(SerialEnd::alone(self.open(&id, &spec.kind)?))
            }
        }
    }

    /// Whether an explicit monitor or chardev takes the terminal.
    fn terminal_is_wanted(&self, line: &CommandLine) -> bool {
        let stdio = |kind: &ChardevKind| matches!(kind, ChardevKind::Stdio { .. });
        line.monitors
            .iter()
            .any(|(target, _)| matches!(target, CharTarget::New(kind) if stdio(kind)))
            || self.specs.iter().any(|spec| stdio(&spec.kind))
    }

    fn terminal_mux(&mut self) -> Result<Mux, LaunchError> {
        let (input, output) = self.terminal(false)?;
        Ok(Mux::new(input, output, false))
    }

    fn terminal(&mut self, signals: bool) -> Result<(ByteQueue, ByteQueue), LaunchError> {
        if self.raw_mode.is_some() {
            return Err(LaunchError::Conflict(
                "cannot use stdio by multiple character devices".into(),
            ));
        }
        self.raw_mode = Some(RawMode::enter(signals));
        let (input, output) = stdio::open(self.waker.clone());
        self.terminal_output = Some(output.clone());
        Ok((input, output))
    }

    /// Where each monitor is reached.
    pub(super) fn monitors(
        &mut self,
        line: &CommandLine,
        mux: Option<&Mux>,
    ) -> Result<Vec<(MonitorEnd, MonitorMode)>, LaunchError> {
        let mut monitors = Vec::new();
        for (n, (target, mode)) in line.monitors.iter().enumerate() {
            let given = || line.nth_given(&["monitor", "qmp", "mon"], n);
            let end = self.monitor_end(n, target, mux);
            if let Some(end) = end.map_err(|error| error.given(given()))? {
                monitors.push((end, *mode));
            }
        }
        let has_readline = line
            .monitors
            .iter()
            .any(|(_, mode)| *mode == MonitorMode::Readline);
        if let Some(mux) = mux
            && !has_readline
            && !line.nodefaults
        {
            monitors.push((MonitorEnd::Mux(mux.clone()), MonitorMode::Readline));
        }
        Ok(monitors)
    }

    /// Where monitor number `n` is reached, if anywhere.
    fn monitor_end(
        &mut self,
        n: usize,
        target: &CharTarget,
        mux: Option<&Mux>,
    ) -> Result<Option<MonitorEnd>, LaunchError> {
        Ok(Some(match target {
            CharTarget::None => return Ok(None),
            CharTarget::MonStdio => MonitorEnd::Mux(self.shared(mux)?),
            CharTarget::New(kind) => self.monitor(&format!("compat_monitor{n}"), kind)?,
            CharTarget::Existing(id) => {
                let spec = self.specs.iter().find(|s| s.id == *id && s.mux);
                match (spec, mux) {
                    (Some(_), Some(mux)) => MonitorEnd::Mux(mux.clone()),
                    _ => {
                        let spec = self.take_spec(id)?;
                        self.monitor(id, &spec.kind)?
                    }
                }
            }
        }))
    }

    fn shared(&self, mux: Option<&Mux>) -> Result<Mux, LaunchError> {
        mux.cloned().ok_or_else(|| {
            LaunchError::Conflict("mon:stdio needs the serial port on mon:stdio too".into())
        })
    }

    fn monitor(&mut self, label: &str, kind: &ChardevKind) -> Result<MonitorEnd, LaunchError> {
        match kind {
            ChardevKind::Socket(spec) => {
                self.note(label, describe(spec));
                Ok(MonitorEnd::Socket(spec.clone()))
            }
            ChardevKind::Stdio { .. } => {
                if self.raw_mode.is_some() {
                    return Err(LaunchError::Conflict(
                        "cannot use stdio by multiple character devices".into(),
                    ));
                }
                self.note(label, "stdio".into());
                Ok(MonitorEnd::Stdio)
            }
            other => Ok(MonitorEnd::Stream(self.open(label, other)?)),
        }
    }

    /// Opens the chardev of this name for a device.
    pub(super) fn take(&mut self, id: &str) -> Result<Box<dyn CharBackend>, LaunchError> {
        let spec = self.take_spec(id)?;
        self.open(id, &spec.kind)
    }

    fn take_spec(&mut self, id: &str) -> Result<ChardevSpec, LaunchError> {
        let reference = |problem| LaunchError::Reference {
            what: "chardev",
            id: id.to_owned(),
            problem,
        };
        let spec = self.specs.iter().find(|spec| spec.id == id).cloned();
        let spec = spec.ok_or_else(|| reference("is not defined"))?;
        if self.used.iter().any(|used| used == id) {
            return Err(reference("is already in use"));
        }
        self.used.push(id.to_owned());
        Ok(spec)
    }

    /// Opens what nobody uses, so that peers can connect and files exist, as with QEMU.
    pub(super) fn open_rest(&mut self, line: &CommandLine) -> Result<(), LaunchError> {
        for (n, spec) in self.specs.clone().into_iter().enumerate() {
            let needed =
                !self.used.contains(&spec.id) && !matches!(spec.kind, ChardevKind::Stdio { .. });
            if needed {
                let given = || line.nth_given(&["chardev"], n);
                self.open(&spec.id, &spec.kind)
                    .map_err(|error| error.given(given()))?;
                if let Some(facts) = self.facts.last_mut() {
                    facts.frontend_open = false;
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, label: &str, filename: String) {
        self.facts.push(CharFacts {
            label: label.to_owned(),
            filename,
            frontend_open: true,
        });
    }

    fn open(
        &mut self,
        label: &str,
        kind: &ChardevKind,
    ) -> Result<Box<dyn CharBackend>, LaunchError> {
        let host = |error: io::Error| LaunchError::Host {
            what: format!("chardev {label}"),
            error,
        };
        let (backend, filename): (Box<dyn CharBackend>, String) = match kind {
            ChardevKind::Null => (Box::new(Null), "null".into()),
            ChardevKind::Stdio { signal } => {
                let (input, output) = self.terminal(*signal)?;
                (Box::new(Stream { input, output }), "stdio".into())
            }
            ChardevKind::File { path, append } => (
                Box::new(
                    FileOutput::open(path, *append).map_err(|error| LaunchError::Host {
                        what: format!("chardev {label} at {}", path.display()),
                        error,
                    })?,
                ),
                "file".into(),
            ),
            ChardevKind::Pty => {
                let (stream, name) = pty::open(self.waker.clone()).map_err(host)?;
                println!("char device redirected to {name} (label {label})");
                (Box::new(stream), format!("pty:{name}"))
            }
            ChardevKind::RingBuf { size } => {
                let ring = RingBuf::new(*size);
                self.rings.push((label.to_owned(), ring.clone()));
                (Box::new(ring), "ringbuf".into())
            }
            ChardevKind::Socket(spec) if spec.websocket => {
                return Err(LaunchError::Conflict(format!(
                    "chardev {label}: websocket=on is supported for QMP monitors, not for devices"
                )));
            }
            ChardevKind::Socket(spec) => {
                let what = || format!("chardev {label} at {}", describe(spec));
                let socket = match spec.server {
                    true => Socket::listen(&spec.address, spec.wait, self.waker.clone()),
                    false => Socket::connect(&spec.address, self.waker.clone()),
                };
                (
                    Box::new(socket.map_err(|error| LaunchError::Host {
                        what: what(),
                        error,
                    })?),
                    describe(spec),
                )
            }
        };
        self.note(label, filename);
        Ok(backend)
    }
}

/// A socket as `query-chardev` writes it.
fn describe(spec: &SocketSpec) -> String {
    let server = if spec.server { ",server=on" } else { "" };
    match &spec.address {
        Address::Tcp(at) if spec.websocket => format!("disconnected:websocket:{at}{server}"),
        Address::Tcp(at) => format!("disconnected:tcp:{at}{server}"),
        Address::Unix(path) => format!("disconnected:unix:{}{server}", path.display()),
    }
}
