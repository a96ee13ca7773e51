//! Character back ends: which there are, who uses them, and opening them.

use std::io;
use std::path::Path;
use std::time::Duration;

use ferrite_machine::backend::CharBackend;
use ferrite_qmp::error::Error;

use super::LaunchError;
use crate::chardev::connection::Connection;
use crate::chardev::file::FileOutput;
use crate::chardev::inherited;
use crate::chardev::mux::Mux;
use crate::chardev::queue::ByteQueue;
use crate::chardev::ringbuf::RingBuf;
use crate::chardev::shared::Shared;
use crate::chardev::socket::{Address, Socket};
use crate::chardev::stdio::{self, RawMode};
use crate::chardev::testdev::{TestDevice, Verdict};
use crate::chardev::{Null, Stream, pty};
use crate::cli::chardev::{CharTarget, ChardevKind, ChardevSpec, SocketSpec};
use crate::cli::descriptor::{self, DescriptorSpec};
use crate::cli::{CommandLine, MonitorMode};
use crate::tls::Registry;
use crate::wake::Waker;

/// What `query-chardev` tells of a back end.
#[derive(Clone)]
pub struct CharFacts {
    /// Its name.
    pub label: String,
    /// What it is connected to, as QEMU writes it; for a socket, its own address.
    pub filename: String,
    /// Whether a device or monitor uses it.
    pub frontend_open: bool,
    /// For a socket: who is connected, and whether it is a server's.
    connection: Option<(Connection, bool)>,
    /// The back end, where it is not the monitors'.
    backend: Option<Shared>,
}

impl CharFacts {
    /// What it is connected to now, as QEMU writes it.
    #[must_use]
    pub fn filename(&self) -> String {
        match &self.connection {
            Some((connection, server)) => connection.describe(&self.filename, *server),
            None => self.filename.clone(),
        }
    }
}

/// Where a monitor is reached.
pub enum MonitorEnd {
    /// A socket, which the monitor's own transport opens, and the back end's name.
    Socket(SocketSpec, String),
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
    /// What sockets speak TLS with.
    credentials: Registry,
    /// What files of descriptor sets are.
    descriptors: Vec<DescriptorSpec>,
    /// What the guest asks the process to end with.
    verdict: Verdict,
    waker: Waker,
}

impl Characters {
    pub(super) fn new(line: &CommandLine, credentials: Registry, waker: Waker) -> Self {
        Self {
            specs: line.chardevs.clone(),
            descriptors: line.descriptors.clone(),
            facts: Vec::new(),
            rings: Vec::new(),
            used: Vec::new(),
            raw_mode: None,
            terminal_output: None,
            credentials,
            verdict: Verdict::new(waker.clone()),
            waker,
        }
    }

    /// What sockets speak TLS with.
    #[must_use]
    pub fn credentials(&self) -> &Registry {
        &self.credentials
    }

    /// What the guest asks the process to end with, through a `testdev`.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
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

    /// The stream that a test tool is at.
    pub(super) fn qtest(
        &mut self,
        line: &CommandLine,
    ) -> Result<Option<Box<dyn CharBackend>>, LaunchError> {
        let stream = match &line.qtest {
            None | Some(CharTarget::None) => return Ok(None),
            Some(CharTarget::New(kind)) => self.open("qtest", kind),
            Some(CharTarget::Existing(id)) => {
                let spec = self.take_spec(id)?;
                self.open(id, &spec.kind)
            }
            Some(CharTarget::MonStdio) => Err(LaunchError::Conflict(
                "a test tool needs a stream of its own".into(),
            )),
        };
        stream
            .map(Some)
            .map_err(|error| error.given(line.last_given("qtest")))
    }

    /// Whether an explicit monitor or chardev takes the terminal.
    fn terminal_is_wanted(&self, line: &CommandLine) -> bool {
        let stdio = |kind: &ChardevKind| matches!(kind, ChardevKind::Stdio { .. });
        line.monitors
            .iter()
            .any(|(target, _)| matches!(target, CharTarget::New(kind) if stdio(kind)))
            || matches!(&line.qtest, Some(CharTarget::New(kind)) if stdio(kind))
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
            let end = self.monitor_end(n, target, *mode, mux);
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
        mode: MonitorMode,
        mux: Option<&Mux>,
    ) -> Result<Option<MonitorEnd>, LaunchError> {
        Ok(Some(match target {
            CharTarget::None => return Ok(None),
            CharTarget::MonStdio => MonitorEnd::Mux(self.shared(mux)?),
            CharTarget::New(kind) => self.monitor(&format!("compat_monitor{n}"), kind, mode)?,
            CharTarget::Existing(id) => {
                let spec = self.specs.iter().find(|s| s.id == *id && s.mux);
                match (spec, mux) {
                    (Some(_), Some(mux)) => MonitorEnd::Mux(mux.clone()),
                    _ => {
                        let spec = self.take_spec(id)?;
                        self.monitor(id, &spec.kind, mode)?
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

    fn monitor(
        &mut self,
        label: &str,
        kind: &ChardevKind,
        mode: MonitorMode,
    ) -> Result<MonitorEnd, LaunchError> {
        match kind {
            ChardevKind::Socket(spec) if mode == MonitorMode::Control => {
                self.note(label, describe(spec));
                Ok(MonitorEnd::Socket(spec.clone(), label.to_owned()))
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
        // One that is open already, and free: made by a monitor, or released by a device.
        let open = self.facts.iter_mut().find(|facts| facts.label == id);
        if let Some(facts) = open.filter(|facts| !facts.frontend_open)
            && let Some(backend) = &facts.backend
        {
            facts.frontend_open = true;
            return Ok(Box::new(backend.clone()));
        }
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
    pub fn open_rest(&mut self, line: &CommandLine) -> Result<(), LaunchError> {
        for (n, spec) in self.specs.clone().into_iter().enumerate() {
            let needed = !self.used.contains(&spec.id)
                && !self.exists(&spec.id)
                && !matches!(spec.kind, ChardevKind::Stdio { .. });
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
            connection: None,
            backend: None,
        });
    }

    /// A monitor's socket is served: who is connected is told by `connection`.
    pub fn connected(&mut self, label: &str, local: String, connection: Connection, server: bool) {
        if let Some(facts) = self.facts.iter_mut().find(|facts| facts.label == label) {
            facts.filename = local;
            facts.connection = Some((connection, server));
        }
    }

    /// The sockets, with who is connected.
    pub fn sockets(&self) -> impl Iterator<Item = (String, &Connection)> {
        self.facts.iter().filter_map(|facts| {
            let (connection, _) = facts.connection.as_ref()?;
            Some((facts.label.clone(), connection))
        })
    }

    /// Whether there is a back end of this name.
    #[must_use]
    pub fn exists(&self, label: &str) -> bool {
        self.facts.iter().any(|facts| facts.label == label)
    }

    /// Makes a back end that nothing uses yet, and returns what it is connected to.
    pub fn add(&mut self, label: &str, kind: &ChardevKind) -> Result<String, String> {
        self.open(label, kind).map_err(|error| plain(&error))?;
        let facts = self.facts.last_mut().ok_or("it is gone")?;
        facts.frontend_open = false;
        Ok(facts.filename.clone())
    }

    /// Exchanges a back end under whatever uses it.
    pub fn change(&mut self, label: &str, kind: &ChardevKind) -> Result<String, String> {
        let at = self.facts.iter().position(|facts| facts.label == label);
        let at = at.ok_or("it is gone")?;
        let Some(shared) = self.facts[at].backend.clone() else {
            return Err("a monitor uses it".into());
        };
        // A ring of the same name is found by it, so the old one goes first.
        let old_ring = self.rings.iter().position(|(name, _)| name == label);
        let old_ring = old_ring.map(|at| self.rings.remove(at));
        let (backend, filename, connection) = match self.make(label, kind) {
            Ok(made) => made,
            Err(error) => {
                self.rings.extend(old_ring);
                return Err(plain(&error));
            }
        };
        shared.replace(backend);
        let facts = &mut self.facts[at];
        facts.filename.clone_from(&filename);
        facts.connection = connection;
        Ok(filename)
    }

    /// Deletes a back end that nothing uses.
    pub fn remove(&mut self, label: &str) -> Result<(), Error> {
        let at = self.facts.iter().position(|facts| facts.label == label);
        let at = at.ok_or_else(|| Error::generic(format!("Chardev '{label}' not found")))?;
        if self.facts[at].frontend_open {
            return Err(Error::generic(format!("Chardev '{label}' is busy")));
        }
        self.facts.remove(at);
        self.rings.retain(|(name, _)| name != label);
        self.specs.retain(|spec| spec.id != label);
        Ok(())
    }

    /// A device no longer uses the back end of this name.
    pub fn release(&mut self, label: &str) {
        self.used.retain(|used| used != label);
        if let Some(facts) = self.facts.iter_mut().find(|facts| facts.label == label) {
            facts.frontend_open = false;
        }
    }

    fn open(
        &mut self,
        label: &str,
        kind: &ChardevKind,
    ) -> Result<Box<dyn CharBackend>, LaunchError> {
        let (backend, filename, connection) = self.make(label, kind)?;
        if let ChardevKind::Pty = kind {
            let name = filename.trim_start_matches("pty:");
            println!("char device redirected to {name} (label {label})");
        }
        let backend = Shared::new(backend);
        self.note(label, filename);
        if let Some(facts) = self.facts.last_mut() {
            facts.connection = connection;
            facts.backend = Some(backend.clone());
        }
        Ok(Box::new(backend))
    }

    /// A file for output, perhaps one of a set of descriptors.
    fn file(&self, path: &Path, append: bool) -> io::Result<FileOutput> {
        let set = descriptor::set_of(path);
        match self.descriptors.iter().find(|spec| Some(spec.set) == set) {
            None => FileOutput::open(path, append),
            Some(spec) => Ok(FileOutput::on(inherited::descriptor(spec.fd)?.into())),
        }
    }

    fn make(&mut self, label: &str, kind: &ChardevKind) -> Result<Made, LaunchError> {
        let host = |error: io::Error| LaunchError::Host {
            what: format!("chardev {label}"),
            error,
        };
        let mut connection = None;
        let (backend, filename): (Box<dyn CharBackend>, String) = match kind {
            ChardevKind::Null => (Box::new(Null), "null".into()),
            ChardevKind::Stdio { signal } => {
                let (input, output) = self.terminal(*signal)?;
                (Box::new(Stream { input, output }), "stdio".into())
            }
            ChardevKind::File { path, append } => {
                let file = self
                    .file(path, *append)
                    .map_err(|error| LaunchError::Host {
                        what: format!("chardev {label} at {}", path.display()),
                        error,
                    })?;
                (Box::new(file), "file".into())
            }
            ChardevKind::Pty => {
                let (stream, name) = pty::open(self.waker.clone()).map_err(host)?;
                (Box::new(stream), format!("pty:{name}"))
            }
            ChardevKind::RingBuf { size } => {
                let ring = RingBuf::new(*size);
                self.rings.push((label.to_owned(), ring.clone()));
                (Box::new(ring), "ringbuf".into())
            }
            ChardevKind::TestDevice => {
                let device = TestDevice::new(self.verdict.clone());
                (Box::new(device), "testdev".into())
            }
            ChardevKind::Socket(spec) if spec.websocket => {
                return Err(LaunchError::Conflict(format!(
                    "chardev {label}: websocket=on is supported for QMP monitors, not for devices"
                )));
            }
            ChardevKind::Socket(spec) => {
                let what = || format!("chardev {label} at {}", describe(spec));
                let waker = self.waker.clone();
                let tls = self.credentials.of(spec.tls.as_deref(), spec.server);
                let socket = tls.and_then(|tls| match spec.server {
                    true => Socket::listen(&spec.address, spec.wait, tls, waker),
                    false => Socket::connect(&spec.address, tls, waker),
                });
                let socket = socket.map_err(|error| LaunchError::Host {
                    what: what(),
                    error,
                })?;
                let (local, peer) = socket.ends();
                connection = Some((peer, spec.server));
                (Box::new(socket), local)
            }
        };
        Ok((backend, filename, connection))
    }
}

/// A back end, what it is connected to, and for a socket who is and whether it is a server's.
type Made = (Box<dyn CharBackend>, String, Option<(Connection, bool)>);

/// An error of the host, without what it was about.
fn plain(error: &LaunchError) -> String {
    let text = match error {
        LaunchError::Host { error, .. } => error.to_string(),
        other => other.to_string(),
    };
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// A socket as `query-chardev` writes it.
fn describe(spec: &SocketSpec) -> String {
    let server = if spec.server { ",server=on" } else { "" };
    match &spec.address {
        Address::Tcp(at) if spec.websocket => format!("disconnected:websocket:{at}{server}"),
        Address::Tcp(at) => format!("disconnected:tcp:{at}{server}"),
        Address::Unix(path) => format!("disconnected:unix:{}{server}", path.display()),
        Address::Descriptor(number) => format!("disconnected:fd:{number}{server}"),
    }
}
