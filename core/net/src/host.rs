//! What the network needs of its host: clock, sockets, resolver. Nothing here blocks. A call that
//! cannot do its work yet fails with [`io::ErrorKind::WouldBlock`]; when it can, the host says so
//! by [`HostNet::take_news`] and wakes the machine.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpStatus {
    /// The peer has not answered yet.
    Connecting,
    /// Bytes can flow.
    Connected,
    /// The peer cannot be reached or does not want to talk.
    Failed,
}

/// A TCP connection of the host. Dropping it closes it in order.
pub trait HostTcp: Send {
    /// How far the connection is.
    fn status(&mut self) -> TcpStatus;
    /// Takes received bytes; 0 when the peer sends no more.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;
    /// Sends bytes and returns how many were taken.
    fn write(&mut self, data: &[u8]) -> io::Result<usize>;
    /// Tells the peer that no more bytes come.
    fn shutdown_write(&mut self) -> io::Result<()>;
    /// Makes the drop that follows reset the connection, so that the peer learns that data is lost.
    fn abort(&mut self);
}

/// A listening TCP socket of the host.
pub trait HostListener: Send {
    /// Takes the next connection and its peer's address.
    fn accept(&mut self) -> io::Result<(Box<dyn HostTcp>, SocketAddrV4)>;
}

/// A UDP socket of the host.
pub trait HostUdp: Send {
    /// Sends a datagram.
    fn send_to(&mut self, data: &[u8], to: SocketAddrV4) -> io::Result<()>;
    /// Takes a received datagram; returns its length and sender.
    fn recv_from(&mut self, buf: &mut [u8]) -> io::Result<(usize, SocketAddrV4)>;
}

/// A source of ICMP echo requests to one address. The host chooses their identifier.
pub trait HostPing: Send {
    /// Sends an echo request.
    fn send(&mut self, sequence: u16, payload: &[u8]) -> io::Result<()>;
    /// Takes an echo reply: its sequence number, and its payload in `buf` with the length.
    fn receive(&mut self, buf: &mut [u8]) -> io::Result<(u16, usize)>;
}

/// The host's network.
pub trait HostNet: Send {
    /// Milliseconds since some moment; never goes back.
    fn now_ms(&self) -> i64;
    /// Whether any socket may have become readable or writable since the last call. A host that
    /// does not know says yes.
    fn take_news(&mut self) -> bool {
        true
    }
    /// A number that peers of the guest cannot guess, for initial sequence numbers.
    fn random_seed(&mut self) -> io::Result<u64>;
    /// Starts a connection.
    fn tcp_connect(&mut self, to: SocketAddrV4) -> io::Result<Box<dyn HostTcp>>;
    /// Listens for connections.
    fn tcp_listen(&mut self, at: SocketAddrV4) -> io::Result<Box<dyn HostListener>>;
    /// Opens a UDP socket; port 0 for one that the host chooses.
    fn udp_bind(&mut self, at: SocketAddrV4) -> io::Result<Box<dyn HostUdp>>;
    /// Opens a socket for echo requests; many hosts do not allow it.
    fn ping(&mut self, to: Ipv4Addr) -> io::Result<Box<dyn HostPing>>;
    /// The name server that the host asks.
    fn resolver(&mut self) -> Option<SocketAddrV4>;
}

/// Whether an error only says "not now".
pub(crate) fn is_transient(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
