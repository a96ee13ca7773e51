//! The host's network for the core.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Instant;

use ferrite_machine::backend::RandomSource;
use ferrite_net::host::{HostListener, HostNet, HostPing, HostTcp, HostUdp};
use mio::net::{TcpListener, TcpStream, UdpSocket};

use super::ping::Ping;
use super::reactor::Reactor;
use super::resolver::Resolver;
use super::tcp::{Connection, Listener};
use super::udp::Datagrams;
use crate::backend::random::RandomFile;

/// The operating system's sockets.
pub struct NativeHost {
    reactor: Arc<Reactor>,
    start: Instant,
    resolver: Resolver,
}

impl NativeHost {
    /// Sockets that the reactor watches.
    pub fn new(reactor: Arc<Reactor>) -> Self {
        Self {
            reactor,
            start: Instant::now(),
            resolver: Resolver::default(),
        }
    }
}

impl HostNet for NativeHost {
    fn now_ms(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn take_news(&mut self) -> bool {
        self.reactor.take_news()
    }

    fn random_seed(&mut self) -> io::Result<u64> {
        let mut seed = [0; 8];
        RandomFile::system()?.fill(&mut seed)?;
        Ok(u64::from_le_bytes(seed))
    }

    fn tcp_connect(&mut self, to: SocketAddrV4) -> io::Result<Box<dyn HostTcp>> {
        let stream = TcpStream::connect(SocketAddr::V4(to))?;
        Ok(Box::new(Connection::new(self.reactor.watch(stream)?)))
    }

    fn tcp_listen(&mut self, at: SocketAddrV4) -> io::Result<Box<dyn HostListener>> {
        let listener = TcpListener::bind(SocketAddr::V4(at))?;
        let listener = self.reactor.watch(listener)?;
        Ok(Box::new(Listener::new(listener, Arc::clone(&self.reactor))))
    }

    fn udp_bind(&mut self, at: SocketAddrV4) -> io::Result<Box<dyn HostUdp>> {
        let socket = UdpSocket::bind(SocketAddr::V4(at))?;
        Ok(Box::new(Datagrams::new(self.reactor.watch(socket)?)))
    }

    fn ping(&mut self, to: Ipv4Addr) -> io::Result<Box<dyn HostPing>> {
        Ok(Box::new(Ping::new(self.reactor.watch(Ping::open(to)?)?)))
    }

    fn resolver(&mut self) -> Option<SocketAddrV4> {
        self.resolver.address(self.start.elapsed())
    }
}
