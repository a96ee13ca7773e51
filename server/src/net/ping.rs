//! ICMP echo by datagram sockets, which Linux allows to the groups of
//! `net.ipv4.ping_group_range` and macOS to everybody.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use ferrite_net::host::HostPing;
use mio::net::UdpSocket;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, Ipv4Packet};
use socket2::{Domain, Protocol, Socket, Type};

use super::reactor::Watched;

/// The longest packet.
const MAX_PACKET: usize = 0xffff;

/// A socket that asks one address.
pub struct Ping {
    socket: Watched<UdpSocket>,
    packet: Vec<u8>,
}

impl Ping {
    /// Opens a socket, as one of the kind that datagrams have.
    pub fn open(to: Ipv4Addr) -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4))?;
        socket.set_nonblocking(true)?;
        socket.connect(&SocketAddrV4::new(to, 0).into())?;
        Ok(UdpSocket::from_std(socket.into()))
    }

    /// The opened socket, watched.
    pub fn new(socket: Watched<UdpSocket>) -> Self {
        Self {
            socket,
            packet: vec![0; MAX_PACKET],
        }
    }
}

impl HostPing for Ping {
    fn send(&mut self, seq_no: u16, data: &[u8]) -> io::Result<()> {
        let repr = Icmpv4Repr::EchoRequest {
            ident: 0,
            seq_no,
            data,
        };
        let mut packet = vec![0; repr.buffer_len()];
        repr.emit(
            &mut Icmpv4Packet::new_unchecked(&mut packet[..]),
            &ChecksumCapabilities::default(),
        );
        self.socket.socket().send(&packet).map(drop)
    }

    fn receive(&mut self, buf: &mut [u8]) -> io::Result<(u16, usize)> {
        let packet = &mut self.packet;
        loop {
            let len = self.socket.read(|socket| socket.recv(packet))?;
            if let Some((sequence, data)) = packet.get(..len).and_then(echo_reply) {
                let len = data.len().min(buf.len());
                buf[..len].copy_from_slice(&data[..len]);
                return Ok((sequence, len));
            }
        }
    }
}

/// The sequence number and payload of a reply. macOS puts the IP header before it.
fn echo_reply(packet: &[u8]) -> Option<(u16, &[u8])> {
    let icmp = match packet.first()? >> 4 {
        4 => Ipv4Packet::new_checked(packet)
            .map_or_else(|_| packet.get(20..), |ip| Some(ip.payload()))?,
        _ => packet,
    };
    let icmp = Icmpv4Packet::new_checked(icmp).ok()?;
    match Icmpv4Repr::parse(&icmp, &ChecksumCapabilities::ignored()).ok()? {
        Icmpv4Repr::EchoReply { seq_no, data, .. } => Some((seq_no, data)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_with_and_without_ip_header() {
        let reply = [0, 0, 0, 0, 0x12, 0x34, 0x00, 0x07, b'h', b'i'];
        assert_eq!(echo_reply(&reply), Some((7, &b"hi"[..])));
        let mut with_header = vec![0x45, 0, 0, 30];
        with_header.resize(20, 0);
        with_header.extend(reply);
        assert_eq!(echo_reply(&with_header), Some((7, &b"hi"[..])));
        assert_eq!(echo_reply(&[8, 0, 0, 0, 0, 0, 0, 1]), None, "a request");
        assert_eq!(echo_reply(&[]), None);
    }
}
