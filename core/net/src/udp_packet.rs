//! UDP packets as bytes (RFC 768).

use std::net::{Ipv4Addr, SocketAddrV4};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpProtocol, Ipv4Packet, UDP_HEADER_LEN, UdpPacket, UdpRepr};

use crate::link::Link;

/// The longest payload.
pub const MAX_PAYLOAD: usize = 0xffff - crate::fragment::IPV4_HEADER - UDP_HEADER_LEN;

/// A datagram of the guest.
pub struct Datagram<'a> {
    /// Its sender.
    pub from: SocketAddrV4,
    /// Where it goes.
    pub to: SocketAddrV4,
    /// What it carries.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Takes a packet apart; `None` if it is damaged.
    pub fn parse(packet: &Ipv4Packet<&'a [u8]>) -> Option<Self> {
        let (from, to) = (packet.src_addr(), packet.dst_addr());
        let udp = UdpPacket::new_checked(packet.payload()).ok()?;
        let checksums = ChecksumCapabilities::default();
        let repr = UdpRepr::parse(&udp, &from.into(), &to.into(), &checksums).ok()?;
        Some(Self {
            from: SocketAddrV4::new(from, repr.src_port),
            to: SocketAddrV4::new(to, repr.dst_port),
            payload: udp.payload(),
        })
    }
}

/// A datagram's UDP header and payload.
pub fn build(from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let payload = &payload[..payload.len().min(MAX_PAYLOAD)];
    let mut bytes = vec![0; UDP_HEADER_LEN + payload.len()];
    UdpRepr {
        src_port: from.port(),
        dst_port: to.port(),
    }
    .emit(
        &mut UdpPacket::new_unchecked(&mut bytes[..]),
        &Ipv4Addr::into(*from.ip()),
        &Ipv4Addr::into(*to.ip()),
        payload.len(),
        |room| room.copy_from_slice(payload),
        &ChecksumCapabilities::default(),
    );
    bytes
}

/// Sends a datagram to the guest.
pub fn send(link: &mut Link, from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) {
    link.send(
        IpProtocol::Udp,
        *from.ip(),
        *to.ip(),
        &build(from, to, payload),
    );
}
