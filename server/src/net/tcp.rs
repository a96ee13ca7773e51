//! TCP sockets.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use ferrite_net::host::{HostListener, HostTcp, TcpStatus};
use mio::net::{TcpListener, TcpStream};
use socket2::SockRef;

use super::reactor::{Reactor, Watched};

/// A connection.
pub struct Connection {
    stream: Watched<TcpStream>,
    connected: bool,
}

impl Connection {
    /// A connection that has been started or accepted.
    pub fn new(stream: Watched<TcpStream>) -> Self {
        Self {
            stream,
            connected: false,
        }
    }
}

impl HostTcp for Connection {
    fn status(&mut self) -> TcpStatus {
        if self.connected {
            return TcpStatus::Connected;
        }
        if !self.stream.has_been_writable() {
            return TcpStatus::Connecting;
        }
        let socket = self.stream.socket();
        if !matches!(socket.take_error(), Ok(None)) {
            return TcpStatus::Failed;
        }
        match socket.peer_addr() {
            Ok(_) => {
                // The guest's own TCP has decided when to send; a refusal costs only time.
                let _slower = socket.set_nodelay(true);
                self.connected = true;
                TcpStatus::Connected
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => TcpStatus::Connecting,
            Err(_) => TcpStatus::Failed,
        }
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.read(|stream| stream.read(buf))
    }

    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.stream.write(|stream| stream.write(data))
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream.socket().shutdown(Shutdown::Write)
    }

    fn abort(&mut self) {
        // Where it fails, the peer sees an orderly end instead.
        let _orderly = SockRef::from(self.stream.socket()).set_linger(Some(Duration::ZERO));
    }
}

/// A listening socket.
pub struct Listener {
    listener: Watched<TcpListener>,
    reactor: Arc<Reactor>,
}

impl Listener {
    /// Connections accepted are watched by the reactor.
    pub fn new(listener: Watched<TcpListener>, reactor: Arc<Reactor>) -> Self {
        Self { listener, reactor }
    }
}

impl HostListener for Listener {
    fn accept(&mut self) -> io::Result<(Box<dyn HostTcp>, SocketAddrV4)> {
        let (stream, peer) = self.listener.read(|listener| listener.accept())?;
        let SocketAddr::V4(peer) = peer else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let _slower = stream.set_nodelay(true);
        Ok((Box::new(Connection::new(self.reactor.watch(stream)?)), peer))
    }
}
