//! TCP: each connection of the guest ends in a smoltcp socket, whose bytes are those of a host
//! connection. The guest's SYN is held until the host is connected, so that the guest sees a
//! connection accepted or refused as it is.

mod flow;

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr, Ipv4Packet, TcpPacket};

use crate::address::{GATEWAY, from_host, to_host};
use crate::host::{HostListener, HostNet, HostTcp, TcpStatus};
use crate::link::Link;
use flow::{End, Flow, Stage};

/// Connections at the same time; the one longest idle makes room.
pub const MAX_FLOWS: usize = 512;
/// Connections accepted at once: more than wait at any listener.
const MAX_ACCEPTS: usize = 4096;
/// Bytes on their way to the host, which is also the window that the guest sees.
const TO_HOST: usize = 64 << 10;
/// Bytes on their way to the guest.
const TO_GUEST: usize = 128 << 10;

/// Both ends of a connection, as the guest sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ends {
    guest: SocketAddrV4,
    remote: SocketAddrV4,
}

struct Forward {
    listener: Box<dyn HostListener>,
    guest: SocketAddrV4,
}

/// All TCP traffic.
pub struct TcpNat {
    restrict: bool,
    interface: Interface,
    sockets: SocketSet<'static>,
    flows: BTreeMap<Ends, Flow>,
    forwards: Vec<Forward>,
}

impl TcpNat {
    /// With `restrict`, only forwarded connections work. `seed` is for initial sequence numbers.
    pub fn new(restrict: bool, seed: u64) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut Link::new().device(None), Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            // The list has room for more than one.
            let _full = addresses.push(IpCidr::new(GATEWAY.into(), 24));
        });
        interface.set_any_ip(true);
        let (sockets, flows) = (SocketSet::new(Vec::new()), BTreeMap::new());
        Self {
            restrict,
            interface,
            sockets,
            flows,
            forwards: Vec::new(),
        }
    }

    /// Leads a port of the host to an endpoint of the guest.
    pub fn forward(&mut self, listener: Box<dyn HostListener>, guest: SocketAddrV4) {
        self.forwards.push(Forward { listener, guest });
    }

    /// Takes a whole, checked packet of the guest.
    pub fn receive(&mut self, packet: &[u8], link: &mut Link, host: &mut dyn HostNet) {
        let Ok(ip) = Ipv4Packet::new_checked(packet) else {
            return;
        };
        let Ok(tcp) = TcpPacket::new_checked(ip.payload()) else {
            return;
        };
        let ends = Ends {
            guest: SocketAddrV4::new(ip.src_addr(), tcp.src_port()),
            remote: SocketAddrV4::new(ip.dst_addr(), tcp.dst_port()),
        };
        if ends.guest.port() == 0 || ends.remote.port() == 0 || ends.remote.ip().is_multicast() {
            return;
        }
        let opens = tcp.syn() && !tcp.ack() && !tcp.rst() && !tcp.fin();
        let Some(flow) = self.flows.get_mut(&ends) else {
            // smoltcp knows no such connection and resets it.
            if !opens || !self.open(ends, packet, link, host) {
                self.inject(packet.to_vec(), link);
            }
            return;
        };
        match &mut flow.stage {
            Stage::Connecting { syn } if opens => *syn = packet.to_vec(),
            Stage::Connecting { .. } if tcp.rst() => self.remove(ends, End::Aborted),
            Stage::Connecting { .. } => {}
            Stage::Open { .. } | Stage::Draining { .. } => {
                flow.last_used = link.now;
                self.inject(packet.to_vec(), link);
            }
        }
    }

    fn inject(&mut self, packet: Vec<u8>, link: &mut Link) {
        let now = Instant::from_millis(link.now);
        self.interface
            .poll_ingress_single(now, &mut link.device(Some(packet)), &mut self.sockets);
    }

    /// Starts a connection of the guest; false if it leads nowhere.
    fn open(&mut self, ends: Ends, syn: &[u8], link: &mut Link, host: &mut dyn HostNet) -> bool {
        let Some(to) = to_host(ends.remote, host.resolver()).filter(|_| !self.restrict) else {
            return false;
        };
        let Ok(connection) = host.tcp_connect(to) else {
            return false;
        };
        self.make_room(link);
        let stage = Stage::Connecting { syn: syn.to_vec() };
        self.flows
            .insert(ends, Flow::new(connection, stage, link.now));
        true
    }

    fn make_room(&mut self, link: &mut Link) {
        if self.flows.len() < MAX_FLOWS {
            return;
        }
        let oldest = self
            .flows
            .iter()
            .min_by_key(|(_, flow)| flow.last_used)
            .map(|(ends, _)| *ends);
        let Some(ends) = oldest else {
            return;
        };
        if let Some(socket) = self.flows.get(&ends).and_then(Flow::socket) {
            self.sockets.get_mut::<Socket<'_>>(socket).abort();
            self.egress(link);
        }
        self.remove(ends, End::Aborted);
    }

    /// Forgets a connection. The host's peer sees whether it broke.
    fn remove(&mut self, ends: Ends, end: End) {
        let Some(mut flow) = self.flows.remove(&ends) else {
            return;
        };
        if end == End::Aborted {
            flow.host.abort();
        }
        if let Some(socket) = flow.socket() {
            self.sockets.remove(socket);
        }
    }

    fn add_socket(&mut self) -> SocketHandle {
        let buffer = |len| SocketBuffer::new(vec![0; len]);
        let mut socket = Socket::new(buffer(TO_HOST), buffer(TO_GUEST));
        // Nothing is to be won by waiting: the guest is on this machine.
        socket.set_ack_delay(None);
        socket.set_nagle_enabled(false);
        self.sockets.add(socket)
    }

    /// Does what can be done now, and returns when timers want to be served next.
    pub fn poll(&mut self, link: &mut Link) -> Option<i64> {
        self.accept(link);
        self.connect(link);
        for flow in self.flows.values_mut() {
            flow.pump(&mut self.sockets, link.now);
        }
        self.egress(link);
        self.reap(link);
        self.next_timer(link.now)
    }

    fn egress(&mut self, link: &mut Link) {
        let now = Instant::from_millis(link.now);
        while link.has_room()
            && self
                .interface
                .poll_egress(now, &mut link.device(None), &mut self.sockets)
                != PollResult::None
        {}
    }

    fn next_timer(&mut self, now: i64) -> Option<i64> {
        let at = self
            .interface
            .poll_at(Instant::from_millis(now), &self.sockets);
        at.map(|at| at.total_millis())
    }

    /// Takes connections to forwarded ports.
    fn accept(&mut self, link: &mut Link) {
        for n in 0..self.forwards.len() {
            for _ in 0..MAX_ACCEPTS {
                let forward = &mut self.forwards[n];
                let guest = forward.guest;
                let Ok((connection, peer)) = forward.listener.accept() else {
                    break;
                };
                self.make_room(link);
                self.connect_guest(connection, peer, guest, link.now);
            }
        }
    }

    fn connect_guest(
        &mut self,
        mut connection: Box<dyn HostTcp>,
        peer: SocketAddrV4,
        guest: SocketAddrV4,
        now: i64,
    ) {
        let remote = from_host(peer, |remote| {
            self.flows.contains_key(&Ends { guest, remote })
        });
        let socket = self.add_socket();
        let cx = self.interface.context();
        let started = remote.filter(|remote| {
            self.sockets
                .get_mut::<Socket<'_>>(socket)
                .connect(cx, guest, *remote)
                .is_ok()
        });
        match started {
            Some(remote) => {
                self.flows.insert(
                    Ends { guest, remote },
                    Flow::new(connection, Stage::Open { socket }, now),
                );
            }
            None => {
                connection.abort();
                self.sockets.remove(socket);
            }
        }
    }

    /// Lets the guest into connections that the host has made, and refuses those that failed.
    fn connect(&mut self, link: &mut Link) {
        let settled: Vec<(Ends, TcpStatus)> = self
            .flows
            .iter_mut()
            .filter(|(_, flow)| matches!(flow.stage, Stage::Connecting { .. }))
            .map(|(ends, flow)| (*ends, flow.host.status()))
            .filter(|(_, status)| *status != TcpStatus::Connecting)
            .collect();
        for (ends, status) in settled {
            let Some(Flow {
                mut host,
                stage: Stage::Connecting { syn },
                ..
            }) = self.flows.remove(&ends)
            else {
                continue;
            };
            if status == TcpStatus::Failed {
                host.abort();
                self.inject(syn, link);
                continue;
            }
            // The socket listens for this one packet only, else another could come to it.
            let socket = self.add_socket();
            if self
                .sockets
                .get_mut::<Socket<'_>>(socket)
                .listen(ends.remote)
                .is_ok()
            {
                self.inject(syn, link);
            }
            if self.sockets.get::<Socket<'_>>(socket).state() == State::SynReceived {
                self.flows
                    .insert(ends, Flow::new(host, Stage::Open { socket }, link.now));
            } else {
                host.abort();
                self.sockets.remove(socket);
            }
        }
    }

    /// Removes connections that are over.
    fn reap(&mut self, link: &Link) {
        let mut over = Vec::new();
        for (ends, flow) in &mut self.flows {
            if let Some(end) = flow.over(&mut self.sockets, link) {
                over.push((*ends, end));
            }
        }
        for (ends, end) in over {
            self.remove(ends, end);
        }
    }
}
