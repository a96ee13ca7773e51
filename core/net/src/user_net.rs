//! The network as a back end of a network device.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use ferrite_machine::backend::NetBackend;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, Icmpv4DstUnreachable, IpProtocol, Ipv4Packet,
};

use crate::address::{FIRST_GUEST, is_guest};
use crate::dhcp::Dhcp;
use crate::fragment::Reassembly;
use crate::host::HostNet;
use crate::icmp::{self, Icmp};
use crate::link::Link;
use crate::tcp::TcpNat;
use crate::udp::UdpNat;
use crate::udp_packet::Datagram;

/// What a network is like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The guest reaches nothing outside; forwarded ports work all the same.
    pub restrict: bool,
    /// Ports of the host that lead into the guest.
    pub forwards: Vec<Forward>,
    /// The name that DHCP tells the guest.
    pub host_name: Option<String>,
}

/// A port of the host that leads into the guest (`hostfwd`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// UDP instead of TCP.
    pub udp: bool,
    /// Where the host listens.
    pub host: SocketAddrV4,
    /// Address of the guest; `None` for the first that DHCP gives.
    pub guest: Option<Ipv4Addr>,
    /// Port of the guest.
    pub guest_port: u16,
}

/// The largest datagram, and so the largest buffer.
const MAX_DATAGRAM: usize = 0xffff;
/// How often timers are looked at while sockets are open, in milliseconds.
const TIMER_INTERVAL: i64 = 1000;

/// A user-mode network: the guest's packets become calls of the host's sockets.
pub struct UserNet {
    host: Box<dyn HostNet>,
    link: Link,
    reassembly: Reassembly,
    dhcp: Dhcp,
    icmp: Icmp,
    udp: UdpNat,
    tcp: TcpNat,
    /// The guest has sent something, or the last poll could not finish.
    dirty: bool,
    /// When timers run out.
    next_timer: Option<i64>,
    buffer: Vec<u8>,
}

impl UserNet {
    /// Sets a network up. Fails if a forwarded port cannot be listened on, or without random numbers.
    pub fn new(mut host: Box<dyn HostNet>, options: &Options) -> io::Result<Self> {
        let mut tcp = TcpNat::new(options.restrict, host.random_seed()?);
        let mut udp = UdpNat::new(options.restrict);
        for forward in &options.forwards {
            let guest = SocketAddrV4::new(forward.guest.unwrap_or(FIRST_GUEST), forward.guest_port);
            let at = forward.host;
            let failed = |e: io::Error| io::Error::new(e.kind(), format!("hostfwd {at}: {e}"));
            if forward.udp {
                udp.forward(host.udp_bind(at).map_err(failed)?, guest);
            } else {
                tcp.forward(host.tcp_listen(at).map_err(failed)?, guest);
            }
        }
        Ok(Self {
            host,
            link: Link::new(),
            reassembly: Reassembly::default(),
            dhcp: Dhcp::new(options.host_name.clone()),
            icmp: Icmp::new(options.restrict),
            udp,
            tcp,
            dirty: true,
            next_timer: None,
            buffer: vec![0; MAX_DATAGRAM],
        })
    }

    /// Whether timers run, so that [`NetBackend::receive`] has to be called now and then without
    /// other news (every 100 ms is enough).
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.next_timer.is_some()
    }

    /// When [`NetBackend::receive`] has to be called without other news, by the host's clock in
    /// milliseconds.
    #[must_use]
    pub fn next_timer_ms(&self) -> Option<i64> {
        self.next_timer
    }

    fn ipv4(&mut self, payload: &[u8], frame: &EthernetFrame<&[u8]>) {
        let Ok(packet) = Ipv4Packet::new_checked(payload) else {
            return;
        };
        if packet.version() != 4 || !packet.verify_checksum() {
            return;
        }
        let from = packet.src_addr();
        // A client without an address may only ask for one.
        if !is_guest(from) && !from.is_unspecified() {
            return;
        }
        self.link.learn(from, frame.src_addr());
        let Some(whole) = self.reassembly.take(&packet, self.link.now) else {
            return;
        };
        let Ok(packet) = Ipv4Packet::new_checked(&whole[..]) else {
            return;
        };
        match packet.next_header() {
            IpProtocol::Udp => self.datagram(&packet),
            IpProtocol::Icmp if is_guest(from) => {
                self.icmp.receive(&packet, &mut self.link, &mut *self.host)
            }
            IpProtocol::Tcp if is_guest(from) => {
                self.tcp.receive(&whole, &mut self.link, &mut *self.host)
            }
            _ => {}
        }
    }

    fn datagram(&mut self, packet: &Ipv4Packet<&[u8]>) {
        let Some(datagram) = Datagram::parse(packet) else {
            return;
        };
        if Dhcp::concerns(&datagram) {
            self.dhcp.receive(&datagram, &mut self.link);
        } else if is_guest(*datagram.from.ip()) {
            let sent = self.udp.send(&datagram, &mut *self.host, self.link.now);
            if let Some(reason) = sent.err().and_then(|error| unreachable_reason(&error)) {
                icmp::unreachable(&mut self.link, packet, reason);
            }
        }
    }

    fn is_due(&mut self) -> bool {
        let news = self.host.take_news();
        news || self.dirty || self.next_timer.is_some_and(|at| at <= self.link.now)
    }

    fn poll(&mut self) {
        self.dirty = false;
        let tcp_timer = self.tcp.poll(&mut self.link);
        self.udp.poll(&mut self.link, &mut self.buffer);
        self.icmp.poll(&mut self.link, &mut self.buffer);
        let idle_timer =
            (self.udp.is_active() || self.icmp.is_active()).then(|| self.link.now + TIMER_INTERVAL);
        self.next_timer = tcp_timer.into_iter().chain(idle_timer).min();
        // What found no room is to be taken up again once there is.
        self.dirty |= !self.link.has_room();
    }
}

/// What the guest is told of a datagram that could not be sent; nothing where it is merely lost.
fn unreachable_reason(error: &io::Error) -> Option<Icmpv4DstUnreachable> {
    match error.kind() {
        io::ErrorKind::NetworkUnreachable => Some(Icmpv4DstUnreachable::NetUnreachable),
        io::ErrorKind::HostUnreachable => Some(Icmpv4DstUnreachable::HostUnreachable),
        _ => None,
    }
}

impl NetBackend for UserNet {
    fn send(&mut self, frame: &[u8]) {
        let Ok(frame) = EthernetFrame::new_checked(frame) else {
            return;
        };
        self.link.now = self.host.now_ms();
        self.dirty = true;
        match frame.ethertype() {
            EthernetProtocol::Arp => self.link.arp(frame.payload()),
            EthernetProtocol::Ipv4 => self.ipv4(frame.payload(), &frame),
            _ => {}
        }
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        if let Some(frame) = self.link.pop() {
            return Some(frame);
        }
        self.link.now = self.host.now_ms();
        if !self.is_due() {
            return None;
        }
        self.poll();
        self.link.pop()
    }
}
