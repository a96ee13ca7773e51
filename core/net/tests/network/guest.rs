//! A guest: smoltcp on Ethernet.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};

use ferrite_machine::backend::NetBackend;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr};

pub const MAC: EthernetAddress = EthernetAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

/// The guest's network card.
#[derive(Default)]
pub struct Card {
    pub received: VecDeque<Vec<u8>>,
    pub sent: Vec<Vec<u8>>,
}

pub struct Received(Vec<u8>);
pub struct Sender<'a>(&'a mut Vec<Vec<u8>>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Sender<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push(frame);
        result
    }
}

impl Device for Card {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sender<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Sender<'_>)> {
        let frame = self.received.pop_front()?;
        Some((Received(frame), Sender(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sender<'_>> {
        Some(Sender(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

pub struct Guest {
    pub card: Card,
    pub interface: Interface,
    pub sockets: SocketSet<'static>,
    next_port: u16,
}

impl Guest {
    /// A guest that has no address yet.
    pub fn unconfigured() -> Self {
        let mut card = Card::default();
        let mut config = Config::new(MAC.into());
        config.random_seed = 0x1234_5678;
        let interface = Interface::new(config, &mut card, Instant::ZERO);
        Self {
            card,
            interface,
            sockets: SocketSet::new(Vec::new()),
            next_port: 40_000,
        }
    }

    /// A guest with the address that DHCP gives first.
    pub fn new() -> Self {
        let mut guest = Self::unconfigured();
        guest.configure(IpCidr::new(ADDRESS.into(), 24), GATEWAY);
        guest
    }

    pub fn configure(&mut self, address: IpCidr, router: Ipv4Addr) {
        self.interface
            .update_ip_addrs(|addresses| addresses.push(address).unwrap());
        self.interface
            .routes_mut()
            .add_default_ipv4_route(router)
            .unwrap();
    }

    /// Lets guest and network talk at a time until both are quiet.
    pub fn exchange(&mut self, net: &mut dyn NetBackend, now_ms: i64) {
        let now = Instant::from_millis(now_ms);
        for _ in 0..10_000 {
            self.interface.poll(now, &mut self.card, &mut self.sockets);
            let sent = std::mem::take(&mut self.card.sent);
            for frame in &sent {
                net.send(frame);
            }
            while let Some(frame) = net.receive() {
                self.card.received.push_back(frame);
            }
            if sent.is_empty() && self.card.received.is_empty() {
                return;
            }
        }
        panic!("guest and network do not come to rest");
    }

    fn tcp(&mut self) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 32 << 10]);
        self.sockets.add(tcp::Socket::new(buffer(), buffer()))
    }

    /// Starts a connection.
    pub fn connect(&mut self, to: SocketAddrV4) -> SocketHandle {
        let handle = self.tcp();
        self.next_port += 1;
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        socket
            .connect(self.interface.context(), to, self.next_port)
            .unwrap();
        handle
    }

    pub fn listen(&mut self, port: u16) -> SocketHandle {
        let handle = self.tcp();
        self.socket(handle).listen(port).unwrap();
        handle
    }

    pub fn socket(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Takes all bytes that have come.
    pub fn read(&mut self, handle: SocketHandle) -> Vec<u8> {
        let socket = self.socket(handle);
        let mut all = vec![0; socket.recv_queue()];
        let len = socket.recv_slice(&mut all).unwrap_or(0);
        all.truncate(len);
        all
    }
}
