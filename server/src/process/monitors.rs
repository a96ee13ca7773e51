//! Starting the monitors of a command line.

use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use ferrite_cli::chardev::SocketSpec;
use ferrite_cli::{CommandLine, MonitorMode};
use ferrite_qmp::Events;

use super::Failure;
use crate::chardev::connection::Connection;
use crate::chardev::inherited;
use crate::chardev::mux::Mux;
use crate::chardev::socket::Address;
use crate::clock::SystemClock;
use crate::console::ConsoleMonitor;
use crate::host::HostSide;
use crate::human::HumanStream;
use crate::launch::{Ends, MonitorEnd};
use crate::monitor::{MonitorHub, WebSocketPolicy};
use crate::qtest::Qtest;
use crate::tls::{self, Credentials};
use crate::wake::Waker;

/// Everything through which the process is controlled.
pub struct Monitors {
    /// The event bus.
    pub events: Events,
    /// QMP sessions.
    pub hub: MonitorHub,
    /// The terminal that serial port and human monitor share.
    pub console: Option<(Mux, ConsoleMonitor)>,
    /// Human monitors elsewhere.
    pub humans: Vec<HumanStream>,
    /// What belongs to the process.
    pub host: HostSide,
    /// A test tool.
    pub qtest: Option<Qtest>,
}

impl Monitors {
    /// Starts those that `ends` tells of.
    pub fn start(line: &CommandLine, ends: Ends, waker: &Waker) -> Result<Self, Failure> {
        let Ends {
            characters,
            monitors,
            mux,
            qtest,
            serial: _,
        } = ends;
        let events = Events::new(Arc::new(SystemClock::default()));
        let mut all = Self {
            hub: MonitorHub::new(events.clone(), waker.function())?,
            events,
            console: None,
            humans: Vec::new(),
            host: HostSide::new(characters),
            qtest,
        };
        all.host.make_objects(line)?;
        for (end, mode) in monitors {
            all.add(end, mode, waker)?;
        }
        if all.console.is_none() {
            all.console = mux.map(|mux| (mux, ConsoleMonitor::default()));
        }
        Ok(all)
    }

    fn add(&mut self, end: MonitorEnd, mode: MonitorMode, waker: &Waker) -> Result<(), Failure> {
        match (end, mode) {
            (MonitorEnd::Socket(spec, label), _) => {
                let tls = self.host.characters.credentials();
                let tls = tls.of(spec.tls.as_deref(), spec.server)?;
                if let Some((local, connection)) = serve(&self.hub, &spec, tls)? {
                    self.host
                        .characters
                        .connected(&label, local, connection, spec.server);
                }
            }
            (MonitorEnd::Stdio, MonitorMode::Control) => self.hub.serve_stdio()?,
            (MonitorEnd::Mux(mux), MonitorMode::Readline) => {
                self.console = Some((mux, ConsoleMonitor::default()));
            }
            (MonitorEnd::Stdio, MonitorMode::Readline) => {
                let (input, output) = crate::chardev::stdio::open(waker.clone());
                let mux = Mux::new(input, output, true);
                self.console = Some((mux, ConsoleMonitor::default()));
            }
            (MonitorEnd::Stream(stream), MonitorMode::Readline) => {
                self.humans.push(HumanStream::new(stream));
            }
            (MonitorEnd::Mux(_), MonitorMode::Control) => {
                return Err("QMP on a shared terminal is not supported".into());
            }
            (MonitorEnd::Stream(_), MonitorMode::Control) => {
                return Err("QMP is supported on sockets and on the terminal".into());
            }
        }
        Ok(())
    }
}

/// Opens a QMP monitor's socket. Of a byte stream, tells its own address and who is connected.
fn serve(
    hub: &MonitorHub,
    spec: &SocketSpec,
    tls: Option<Credentials>,
) -> Result<Option<(String, Connection)>, Failure> {
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
        Address::Descriptor(_) if spec.websocket => {
            return Err("-qmp: a WebSocket needs a TCP address".into());
        }
        Address::Descriptor(number) if spec.server => {
            let listener = inherited::listener(*number).map_err(failed)?;
            let local = inherited::local(&listener);
            let connection = match listener {
                inherited::Listener::Unix(unix) => hub.serve_unix_listener(unix, spec.wait),
                inherited::Listener::Tcp(tcp) => hub.serve_tcp_listener(tcp, spec.wait, None),
            };
            Some((local, connection.map_err(failed)?))
        }
        Address::Descriptor(number) => {
            let connection = match inherited::stream(*number).map_err(failed)? {
                inherited::Stream::Unix(unix) => hub.attach(unix),
                inherited::Stream::Tcp(tcp) => hub.attach_tcp(tcp, None, ""),
            };
            Some((format!("fd:{number}"), connection.map_err(failed)?))
        }
        Address::Tcp(at) if !spec.server => {
            let socket = TcpStream::connect(at).map_err(failed)?;
            let connection = hub
                .attach_tcp(socket, tls.as_ref(), tls::host(at))
                .map_err(failed)?;
            Some((format!("tcp:{at}"), connection))
        }
        Address::Tcp(at) => {
            let address = at
                .to_socket_addrs()
                .map_err(failed)?
                .next()
                .ok_or("-qmp: the address has no host")?;
            if spec.websocket {
                hub.serve_websocket(address, WebSocketPolicy::default(), tls)
                    .map_err(failed)?;
                None
            } else {
                let (bound, connection) = hub.serve_tcp(address, spec.wait, tls).map_err(failed)?;
                Some((format!("tcp:{bound}"), connection))
            }
        }
    })
}
