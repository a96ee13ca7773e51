//! UDP: a host socket for each endpoint of the guest, and one for each forwarded port.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use crate::address::{from_host, to_host};
use crate::host::{HostNet, HostUdp};
use crate::link::Link;
use crate::udp_packet::{self, Datagram, MAX_PAYLOAD};

/// Endpoints of the guest that have a socket; the one longest unused makes room.
pub const MAX_SOCKETS: usize = 256;
/// Peers that a socket knows by another address than their own.
const MAX_PEERS: usize = 64;
/// How long an unused socket stays, in milliseconds.
const IDLE: i64 = 240_000;

/// Peers of a socket whose address on the host is not the one that the guest sees.
#[derive(Default)]
struct Peers {
    /// On the host, in the guest; the latest used last.
    pairs: Vec<(SocketAddrV4, SocketAddrV4)>,
}

impl Peers {
    fn remember(&mut self, host: SocketAddrV4, guest: SocketAddrV4) {
        if self.pairs.last() == Some(&(host, guest)) {
            return;
        }
        self.pairs.retain(|pair| *pair != (host, guest));
        if self.pairs.len() == MAX_PEERS {
            self.pairs.remove(0);
        }
        self.pairs.push((host, guest));
    }

    /// How the guest sees a peer.
    fn seen_as(&self, host: SocketAddrV4) -> Option<SocketAddrV4> {
        self.pairs
            .iter()
            .rev()
            .find(|pair| pair.0 == host)
            .map(|pair| pair.1)
    }

    /// Which peer the guest means.
    fn meant_by(&self, guest: SocketAddrV4) -> Option<SocketAddrV4> {
        self.pairs
            .iter()
            .rev()
            .find(|pair| pair.1 == guest)
            .map(|pair| pair.0)
    }

    /// How the guest sees a peer that has sent something.
    fn admit(&mut self, host: SocketAddrV4) -> Option<SocketAddrV4> {
        let known = self.seen_as(host);
        let guest = known.or_else(|| from_host(host, |view| self.meant_by(view).is_some()))?;
        self.remember(host, guest);
        Some(guest)
    }
}

struct Socket {
    host: Box<dyn HostUdp>,
    peers: Peers,
    last_used: i64,
}

struct Forward {
    host: Box<dyn HostUdp>,
    guest: SocketAddrV4,
    peers: Peers,
}

/// All UDP traffic but DHCP.
#[derive(Default)]
pub struct UdpNat {
    restrict: bool,
    sockets: BTreeMap<SocketAddrV4, Socket>,
    forwards: Vec<Forward>,
}

impl UdpNat {
    /// With `restrict`, only forwarded ports work.
    pub fn new(restrict: bool) -> Self {
        Self {
            restrict,
            ..Self::default()
        }
    }

    /// Leads a port of the host to an endpoint of the guest.
    pub fn forward(&mut self, host: Box<dyn HostUdp>, guest: SocketAddrV4) {
        self.forwards.push(Forward {
            host,
            guest,
            peers: Peers::default(),
        });
    }

    /// Whether sockets are open that a timer may close.
    pub fn is_active(&self) -> bool {
        !self.sockets.is_empty()
    }

    /// Takes a datagram of the guest out. An error says that the host could not send it.
    pub fn send(
        &mut self,
        datagram: &Datagram<'_>,
        host: &mut dyn HostNet,
        now: i64,
    ) -> io::Result<()> {
        for forward in self
            .forwards
            .iter_mut()
            .filter(|forward| forward.guest == datagram.from)
        {
            if let Some(peer) = forward.peers.meant_by(datagram.to) {
                return forward.host.send_to(datagram.payload, peer);
            }
        }
        if self.restrict || datagram.to.port() == 0 {
            return Ok(());
        }
        let Some(to) = to_host(datagram.to, host.resolver()) else {
            return Ok(());
        };
        let socket = self.socket(datagram.from, host, now)?;
        socket.last_used = now;
        if to != datagram.to {
            socket.peers.remember(to, datagram.to);
        }
        socket.host.send_to(datagram.payload, to)
    }

    fn socket(
        &mut self,
        guest: SocketAddrV4,
        host: &mut dyn HostNet,
        now: i64,
    ) -> io::Result<&mut Socket> {
        if !self.sockets.contains_key(&guest) && self.sockets.len() >= MAX_SOCKETS {
            let oldest = self
                .sockets
                .iter()
                .min_by_key(|(_, socket)| socket.last_used)
                .map(|(guest, _)| *guest);
            oldest.and_then(|guest| self.sockets.remove(&guest));
        }
        match self.sockets.entry(guest) {
            std::collections::btree_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let host = host.udp_bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))?;
                Ok(entry.insert(Socket {
                    host,
                    peers: Peers::default(),
                    last_used: now,
                }))
            }
        }
    }

    /// Brings what has come to the guest.
    pub fn poll(&mut self, link: &mut Link, buffer: &mut [u8]) {
        let now = link.now;
        for (guest, socket) in &mut self.sockets {
            drain(&mut *socket.host, link, buffer, |peer, payload, link| {
                socket.last_used = now;
                let seen = socket
                    .peers
                    .seen_as(peer)
                    .or_else(|| from_host(peer, |_| false));
                if let Some(seen) = seen {
                    udp_packet::send(link, seen, *guest, payload);
                }
            });
        }
        self.sockets
            .retain(|_, socket| now - socket.last_used < IDLE);
        for forward in &mut self.forwards {
            drain(&mut *forward.host, link, buffer, |peer, payload, link| {
                if let Some(seen) = forward.peers.admit(peer) {
                    udp_packet::send(link, seen, forward.guest, payload);
                }
            });
        }
    }
}

/// Takes datagrams from a socket as long as the guest has room for them.
fn drain(
    socket: &mut dyn HostUdp,
    link: &mut Link,
    buffer: &mut [u8],
    mut deliver: impl FnMut(SocketAddrV4, &[u8], &mut Link),
) {
    while link.has_room() {
        match socket.recv_from(buffer) {
            Ok((len, peer)) => {
                if let Some(payload) = buffer.get(..len.min(MAX_PAYLOAD)) {
                    deliver(peer, payload, link);
                }
            }
            // What became of an earlier datagram; the next may be there all the same.
            Err(error) if is_refusal(&error) => {}
            Err(_) => return,
        }
    }
}

/// Whether an error says that nobody takes a datagram: Windows calls that a reset.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
    )
}
