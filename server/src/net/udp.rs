//! UDP sockets.

use std::io;
use std::net::{SocketAddr, SocketAddrV4};

use ferrite_net::host::HostUdp;
use mio::net::UdpSocket;

use super::reactor::Watched;

/// A socket.
pub struct Datagrams(Watched<UdpSocket>);

impl Datagrams {
    /// A bound socket.
    pub fn new(socket: Watched<UdpSocket>) -> Self {
        Self(socket)
    }
}

impl HostUdp for Datagrams {
    fn send_to(&mut self, data: &[u8], to: SocketAddrV4) -> io::Result<()> {
        // A new socket is writable before the reactor has heard of it.
        self.0.socket().send_to(data, SocketAddr::V4(to)).map(drop)
    }

    fn recv_from(&mut self, buf: &mut [u8]) -> io::Result<(usize, SocketAddrV4)> {
        match self.0.read(|socket| socket.recv_from(buf))? {
            (len, SocketAddr::V4(peer)) => Ok((len, peer)),
            (_, SocketAddr::V6(_)) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
