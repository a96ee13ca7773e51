//! ICMP (RFC 792). Echo: our own addresses answer, others are asked by the host where it may.

use std::net::Ipv4Addr;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Packet, Ipv4Repr,
};

use crate::address::{GATEWAY, is_ours, is_outside};
use crate::host::{HostNet, HostPing};
use crate::link::Link;

/// Ping programs of the guest that are served at the same time.
pub const MAX_SOCKETS: usize = 16;
/// How long an unused socket stays, in milliseconds.
const IDLE: i64 = 30_000;
/// Bytes of a packet's payload that a report of its failure quotes.
const QUOTED: usize = 8;

/// One ping program of the guest.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Pinger {
    guest: Ipv4Addr,
    target: Ipv4Addr,
    identifier: u16,
}

struct Socket {
    pinger: Pinger,
    host: Box<dyn HostPing>,
    last_used: i64,
}

/// All ICMP traffic.
pub struct Icmp {
    restrict: bool,
    sockets: Vec<Socket>,
}

impl Icmp {
    /// With `restrict`, only our own addresses answer.
    pub fn new(restrict: bool) -> Self {
        Self {
            restrict,
            sockets: Vec::new(),
        }
    }

    /// Whether sockets are open that a timer may close.
    pub fn is_active(&self) -> bool {
        !self.sockets.is_empty()
    }

    /// Takes a packet of the guest.
    pub fn receive(&mut self, packet: &Ipv4Packet<&[u8]>, link: &mut Link, host: &mut dyn HostNet) {
        let Ok(icmp) = Icmpv4Packet::new_checked(packet.payload()) else {
            return;
        };
        let Ok(Icmpv4Repr::EchoRequest {
            ident,
            seq_no,
            data,
        }) = Icmpv4Repr::parse(&icmp, &ChecksumCapabilities::default())
        else {
            return;
        };
        let pinger = Pinger {
            guest: packet.src_addr(),
            target: packet.dst_addr(),
            identifier: ident,
        };
        if is_ours(pinger.target) {
            reply(link, pinger, seq_no, data);
        } else if is_outside(pinger.target) && !self.restrict {
            self.ask(pinger, seq_no, data, host, link.now);
        }
    }

    fn ask(
        &mut self,
        pinger: Pinger,
        sequence: u16,
        data: &[u8],
        host: &mut dyn HostNet,
        now: i64,
    ) {
        let known = self
            .sockets
            .iter()
            .position(|socket| socket.pinger == pinger);
        let mut socket = match known {
            Some(place) => self.sockets.remove(place),
            None => {
                let Ok(host) = host.ping(pinger.target) else {
                    return;
                };
                if self.sockets.len() == MAX_SOCKETS {
                    self.sockets.remove(0);
                }
                Socket {
                    pinger,
                    host,
                    last_used: now,
                }
            }
        };
        socket.last_used = now;
        let _lost = socket.host.send(sequence, data);
        self.sockets.push(socket);
    }

    /// Brings answers to the guest.
    pub fn poll(&mut self, link: &mut Link, buffer: &mut [u8]) {
        for socket in &mut self.sockets {
            while link.has_room() {
                let Ok((sequence, len)) = socket.host.receive(buffer) else {
                    break;
                };
                if let Some(data) = buffer.get(..len) {
                    reply(link, socket.pinger, sequence, data);
                }
            }
        }
        let now = link.now;
        self.sockets.retain(|socket| now - socket.last_used < IDLE);
    }
}

/// Tells the guest that a packet of it leads nowhere: the packet's header and its first bytes.
pub fn unreachable(link: &mut Link, packet: &Ipv4Packet<&[u8]>, reason: Icmpv4DstUnreachable) {
    let payload = packet.payload();
    let header = Ipv4Repr {
        src_addr: packet.src_addr(),
        dst_addr: packet.dst_addr(),
        next_header: packet.next_header(),
        payload_len: payload.len(),
        hop_limit: packet.hop_limit(),
    };
    let data = &payload[..payload.len().min(QUOTED)];
    let repr = Icmpv4Repr::DstUnreachable {
        reason,
        header,
        data,
    };
    let mut bytes = vec![0; repr.buffer_len()];
    repr.emit(
        &mut Icmpv4Packet::new_unchecked(&mut bytes[..]),
        &ChecksumCapabilities::default(),
    );
    link.send(IpProtocol::Icmp, GATEWAY, packet.src_addr(), &bytes);
}

fn reply(link: &mut Link, pinger: Pinger, seq_no: u16, data: &[u8]) {
    let repr = Icmpv4Repr::EchoReply {
        ident: pinger.identifier,
        seq_no,
        data,
    };
    let mut bytes = vec![0; repr.buffer_len()];
    repr.emit(
        &mut Icmpv4Packet::new_unchecked(&mut bytes[..]),
        &ChecksumCapabilities::default(),
    );
    link.send(IpProtocol::Icmp, pinger.target, pinger.guest, &bytes);
}
