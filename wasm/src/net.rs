//! The network of a page: it has no sockets, so the guest gets an address and nothing further.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use ferrite_machine::backend::RandomSource;
use ferrite_machine::clock::HostClock;
use ferrite_net::host::{HostListener, HostNet, HostPing, HostTcp, HostUdp};

const NS_PER_MS: u64 = 1_000_000;

/// The host's side of a page's network.
pub struct PageNet {
    clock: Box<dyn HostClock>,
    random: Box<dyn RandomSource>,
}

impl PageNet {
    /// A network that keeps time by `clock`.
    #[must_use]
    pub fn new(clock: Box<dyn HostClock>, random: Box<dyn RandomSource>) -> Self {
        Self { clock, random }
    }
}

fn no_sockets<T>() -> io::Result<T> {
    Err(io::ErrorKind::ConnectionRefused.into())
}

impl HostNet for PageNet {
    fn now_ms(&self) -> i64 {
        (self.clock.monotonic_ns() / NS_PER_MS) as i64
    }

    fn random_seed(&mut self) -> io::Result<u64> {
        let mut seed = [0; 8];
        self.random.fill(&mut seed)?;
        Ok(u64::from_le_bytes(seed))
    }

    fn tcp_connect(&mut self, _to: SocketAddrV4) -> io::Result<Box<dyn HostTcp>> {
        no_sockets()
    }

    fn tcp_listen(&mut self, _at: SocketAddrV4) -> io::Result<Box<dyn HostListener>> {
        no_sockets()
    }

    fn udp_bind(&mut self, _at: SocketAddrV4) -> io::Result<Box<dyn HostUdp>> {
        no_sockets()
    }

    fn ping(&mut self, _to: Ipv4Addr) -> io::Result<Box<dyn HostPing>> {
        no_sockets()
    }

    fn resolver(&mut self) -> Option<SocketAddrV4> {
        None
    }
}
