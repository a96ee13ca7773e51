//! The cable: Ethernet frames for the guest, and ARP.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use smoltcp::phy::{self, Checksum, DeviceCapabilities, Medium};
use smoltcp::time::Instant;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr, IpProtocol, Ipv4Packet,
};

use crate::address::{GATEWAY, is_guest, is_ours, mac_of};
use crate::fragment;

/// The largest IP packet in one frame.
pub const MTU: usize = 1500;
const ETHERNET_HEADER: usize = 14;
/// Offset of an IPv4 packet's destination (RFC 791, section 3.1).
const IPV4_DESTINATION: usize = 16;
/// Frames in the queue at which data stops flowing.
const QUEUE_HIGH: usize = 1024;
/// Frames in the queue at which answers, too, are dropped.
const QUEUE_LIMIT: usize = 2 * QUEUE_HIGH;
/// Stations whose Ethernet addresses are remembered.
const NEIGHBORS: usize = 16;
/// Packets that wait for a station's Ethernet address.
const HELD: usize = 64;
/// Time between two questions for an address, in milliseconds.
const ARP_INTERVAL: i64 = 1000;

/// The way to the guest.
pub struct Link {
    /// Host time in milliseconds, kept by the owner.
    pub now: i64,
    queue: VecDeque<Vec<u8>>,
    /// The latest seen last.
    neighbors: Vec<(Ipv4Addr, EthernetAddress)>,
    held: VecDeque<(Ipv4Addr, Vec<u8>)>,
    asked: Option<(Ipv4Addr, i64)>,
    identification: u16,
}

impl Link {
    pub fn new() -> Self {
        let neighbors = Vec::with_capacity(NEIGHBORS);
        Self {
            now: 0,
            queue: VecDeque::new(),
            neighbors,
            held: VecDeque::new(),
            asked: None,
            identification: 0,
        }
    }

    /// Takes the next frame for the guest.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        self.queue.pop_front()
    }

    /// Whether data may be sent; answers to the guest's own packets may be sent always.
    pub fn has_room(&self) -> bool {
        self.queue.len() < QUEUE_HIGH
    }

    fn push(&mut self, frame: Vec<u8>) {
        if self.queue.len() < QUEUE_LIMIT {
            self.queue.push_back(frame);
        }
    }

    /// Remembers a station, and sends what waited for it.
    pub fn learn(&mut self, ip: Ipv4Addr, mac: EthernetAddress) {
        if !is_guest(ip) || !mac.is_unicast() || self.neighbors.last() == Some(&(ip, mac)) {
            return;
        }
        self.neighbors.retain(|(known, _)| *known != ip);
        if self.neighbors.len() == NEIGHBORS {
            self.neighbors.remove(0);
        }
        self.neighbors.push((ip, mac));
        for (to, frame) in std::mem::take(&mut self.held) {
            if to == ip {
                self.push(addressed(frame, mac));
            } else {
                self.held.push_back((to, frame));
            }
        }
    }

    fn mac(&self, ip: Ipv4Addr) -> Option<EthernetAddress> {
        if ip.is_broadcast() {
            return Some(EthernetAddress::BROADCAST);
        }
        self.neighbors
            .iter()
            .rev()
            .find(|(known, _)| *known == ip)
            .map(|(_, mac)| *mac)
    }

    /// Answers an ARP packet of the guest. Only for our own addresses: a guest that probes for an
    /// address that it wants must not hear of another owner (RFC 5227).
    pub fn arp(&mut self, payload: &[u8]) {
        let Ok(packet) = ArpPacket::new_checked(payload) else {
            return;
        };
        let Ok(ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: mac,
            source_protocol_addr: ip,
            target_protocol_addr: target,
            ..
        }) = ArpRepr::parse(&packet)
        else {
            return;
        };
        self.learn(ip, mac);
        if operation == ArpOperation::Request && is_ours(target) && mac.is_unicast() {
            self.push_arp(ArpRepr::EthernetIpv4 {
                operation: ArpOperation::Reply,
                source_hardware_addr: mac_of(target),
                source_protocol_addr: target,
                target_hardware_addr: mac,
                target_protocol_addr: ip,
            });
        }
    }

    fn ask(&mut self, ip: Ipv4Addr) {
        let recent = |(asked, at): (Ipv4Addr, i64)| asked == ip && self.now - at < ARP_INTERVAL;
        if self.asked.is_some_and(recent) {
            return;
        }
        self.asked = Some((ip, self.now));
        self.push_arp(ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: mac_of(GATEWAY),
            source_protocol_addr: GATEWAY,
            target_hardware_addr: EthernetAddress::BROADCAST,
            target_protocol_addr: ip,
        });
    }

    fn push_arp(&mut self, repr: ArpRepr) {
        let ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr,
            target_hardware_addr,
            ..
        } = repr
        else {
            return;
        };
        let dst_addr = match operation {
            ArpOperation::Request => EthernetAddress::BROADCAST,
            _ => target_hardware_addr,
        };
        let mut frame = vec![0; ETHERNET_HEADER + repr.buffer_len()];
        let header = EthernetRepr {
            src_addr: source_hardware_addr,
            dst_addr,
            ethertype: EthernetProtocol::Arp,
        };
        header.emit(&mut EthernetFrame::new_unchecked(&mut frame[..]));
        repr.emit(&mut ArpPacket::new_unchecked(&mut frame[ETHERNET_HEADER..]));
        self.push(frame);
    }

    /// Sends a frame that holds an IPv4 packet behind room for the Ethernet header.
    fn push_ipv4(&mut self, frame: Vec<u8>) {
        let at = ETHERNET_HEADER + IPV4_DESTINATION;
        let Some(Ok(ip)) = frame.get(at..at + 4).map(<[u8; 4]>::try_from) else {
            return;
        };
        let ip = Ipv4Addr::from(ip);
        if let Some(mac) = self.mac(ip) {
            self.push(addressed(frame, mac));
        } else if is_guest(ip) {
            if self.held.len() == HELD {
                self.held.pop_front();
            }
            self.held.push_back((ip, frame));
            self.ask(ip);
        }
    }

    /// Sends an IPv4 packet, in fragments if it is long.
    pub fn send(&mut self, protocol: IpProtocol, from: Ipv4Addr, to: Ipv4Addr, payload: &[u8]) {
        self.identification = self.identification.wrapping_add(1);
        for (offset, more, piece) in fragment::split(payload) {
            let header = Ipv4Header {
                protocol,
                from,
                to,
                identification: self.identification,
                offset,
                more,
            };
            self.push_ipv4(header.frame(piece));
        }
    }

    /// Sends an IPv4 packet of at most one frame to a station that has no address yet.
    pub fn send_to_mac(
        &mut self,
        mac: EthernetAddress,
        protocol: IpProtocol,
        (from, to): (Ipv4Addr, Ipv4Addr),
        payload: &[u8],
    ) {
        let header = Ipv4Header {
            protocol,
            from,
            to,
            identification: 0,
            offset: 0,
            more: false,
        };
        self.push(addressed(header.frame(payload), mac));
    }

    /// The link as smoltcp sees it, with one packet to take in.
    pub fn device(&mut self, packet: Option<Vec<u8>>) -> Port<'_> {
        Port { link: self, packet }
    }
}

fn addressed(mut frame: Vec<u8>, mac: EthernetAddress) -> Vec<u8> {
    let header = EthernetRepr {
        src_addr: mac_of(GATEWAY),
        dst_addr: mac,
        ethertype: EthernetProtocol::Ipv4,
    };
    header.emit(&mut EthernetFrame::new_unchecked(&mut frame[..]));
    frame
}

struct Ipv4Header {
    protocol: IpProtocol,
    from: Ipv4Addr,
    to: Ipv4Addr,
    identification: u16,
    offset: u16,
    more: bool,
}

impl Ipv4Header {
    /// A frame with the header and `payload`, the Ethernet header still zeros.
    fn frame(&self, payload: &[u8]) -> Vec<u8> {
        let len = fragment::IPV4_HEADER + payload.len();
        let mut frame = vec![0; ETHERNET_HEADER + len];
        let mut packet = Ipv4Packet::new_unchecked(&mut frame[ETHERNET_HEADER..]);
        packet.set_version(4);
        packet.set_header_len(fragment::IPV4_HEADER as u8);
        packet.set_total_len(u16::try_from(len).unwrap_or(u16::MAX));
        packet.set_ident(self.identification);
        packet.set_more_frags(self.more);
        packet.set_frag_offset(self.offset);
        packet.set_hop_limit(64);
        packet.set_next_header(self.protocol);
        packet.set_src_addr(self.from);
        packet.set_dst_addr(self.to);
        packet.payload_mut().copy_from_slice(payload);
        packet.fill_checksum();
        frame
    }
}

/// The link as a device of smoltcp that moves IP packets.
pub struct Port<'a> {
    link: &'a mut Link,
    packet: Option<Vec<u8>>,
}

impl phy::Device for Port<'_> {
    type RxToken<'b>
        = Received
    where
        Self: 'b;
    type TxToken<'b>
        = Sender<'b>
    where
        Self: 'b;

    fn receive(&mut self, _: Instant) -> Option<(Received, Sender<'_>)> {
        let packet = self.packet.take()?;
        Some((Received(packet), Sender(self.link)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sender<'_>> {
        self.link.has_room().then_some(Sender(self.link))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        // Nothing is damaged between the guest's memory and ours.
        capabilities.checksum.tcp = Checksum::Tx;
        capabilities
    }
}

/// A packet of the guest.
pub struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// Room for a packet to the guest.
pub struct Sender<'a>(&'a mut Link);

impl phy::TxToken for Sender<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; ETHERNET_HEADER + len];
        let result = f(&mut frame[ETHERNET_HEADER..]);
        self.0.push_ipv4(frame);
        result
    }
}
