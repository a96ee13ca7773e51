//! A guest's own TCP/IP stack against real sockets on the loopback.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use ferrite_net::{Forward, Options};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::State;
use smoltcp::socket::udp;

use super::UserNetwork;
use crate::wake::Waker;
use guest::Guest;

#[path = "../../../core/net/tests/network/guest.rs"]
mod guest;

const PATIENCE: Duration = Duration::from_secs(60);

struct Setup {
    guest: Guest,
    net: UserNetwork,
    waker: Waker,
    start: Instant,
}

impl Setup {
    fn new(forwards: Vec<Forward>) -> Self {
        let waker = Waker::default();
        let options = Options {
            forwards,
            ..Options::default()
        };
        let net = UserNetwork::new(&options, waker.function()).unwrap();
        Self {
            guest: Guest::new(),
            net,
            waker,
            start: Instant::now(),
        }
    }

    /// Runs the guest until `done`; sleeps only as a machine would.
    fn until(&mut self, mut done: impl FnMut(&mut Guest) -> bool) {
        loop {
            let now = i64::try_from(self.start.elapsed().as_millis()).unwrap();
            self.guest.exchange(&mut self.net, now);
            if done(&mut self.guest) {
                return;
            }
            assert!(self.start.elapsed() < PATIENCE, "the guest waits in vain");
            // The guest has timers of its own.
            self.waker.wait(Some(Duration::from_millis(10)));
            let _news = self.waker.take();
        }
    }

    fn until_state(&mut self, socket: SocketHandle, state: State) {
        self.until(|guest| guest.socket(socket).state() == state);
    }
}

/// The host's port as the guest sees it.
fn through_gateway(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(guest::GATEWAY, port)
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn forward(udp: bool, port: u16) -> Forward {
    Forward {
        udp,
        host: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port),
        guest: None,
        guest_port: 22,
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

#[test]
fn megabytes_are_echoed() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut back = stream.try_clone().unwrap();
        let count = std::io::copy(&mut stream, &mut back).unwrap();
        back.shutdown(Shutdown::Write).unwrap();
        count
    });
    let mut setup = Setup::new(Vec::new());
    let socket = setup.guest.connect(through_gateway(port));
    let data = pattern(4 << 20);
    let (mut sent, mut received) = (0, Vec::new());
    setup.until(|guest| {
        received.extend(guest.read(socket));
        if guest.socket(socket).may_send() {
            if sent < data.len() {
                sent += guest.socket(socket).send_slice(&data[sent..]).unwrap();
            } else {
                guest.socket(socket).close();
            }
        }
        received.len() == data.len()
    });
    assert!(received == data);
    assert_eq!(
        server.join().unwrap(),
        data.len() as u64,
        "the server has seen the guest's end"
    );
    setup.until_state(socket, State::TimeWait);
}

#[test]
fn a_refused_connection_is_reset() {
    let mut setup = Setup::new(Vec::new());
    let socket = setup.guest.connect(through_gateway(free_port()));
    setup.until_state(socket, State::Closed);
}

#[test]
fn a_broken_connection_breaks() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut setup = Setup::new(Vec::new());
    let socket = setup
        .guest
        .connect(through_gateway(listener.local_addr().unwrap().port()));
    setup.until_state(socket, State::Established);
    let (mut stream, _) = listener.accept().unwrap();
    setup.guest.socket(socket).abort();
    setup.until(|guest| guest.socket(socket).remote_endpoint().is_none());
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(
        stream.read(&mut [0; 8]).unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
}

#[test]
fn a_forwarded_port_reaches_the_guest() {
    let port = free_port();
    let mut setup = Setup::new(vec![forward(false, port)]);
    let taken = UserNetwork::new(
        &Options {
            forwards: vec![forward(false, port)],
            ..Options::default()
        },
        setup.waker.function(),
    );
    assert!(taken.is_err(), "the port is taken");
    let socket = setup.guest.listen(22);
    let client = thread::spawn(move || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.write_all(b"who is there?").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let mut question = Vec::new();
    setup.until(|guest| {
        question.extend(guest.read(socket));
        guest.socket(socket).state() == State::CloseWait
    });
    assert_eq!(question, b"who is there?");
    setup.guest.socket(socket).send_slice(b"a guest").unwrap();
    setup.guest.socket(socket).close();
    setup.until_state(socket, State::Closed);
    assert_eq!(client.join().unwrap(), "a guest");
}

fn bind(setup: &mut Setup, port: u16) -> SocketHandle {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 8], vec![0; 4096]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(port).unwrap();
    setup.guest.sockets.add(socket)
}

fn receive(setup: &mut Setup, socket: SocketHandle) -> (Vec<u8>, SocketAddrV4) {
    let mut received = None;
    setup.until(|guest| {
        let socket = guest.sockets.get_mut::<udp::Socket<'_>>(socket);
        received = socket
            .recv()
            .ok()
            .map(|(data, from)| (data.to_vec(), from.endpoint));
        received.is_some()
    });
    let (data, from) = received.unwrap();
    let smoltcp::wire::IpAddress::Ipv4(address) = from.addr;
    (data, SocketAddrV4::new(address, from.port))
}

#[test]
fn datagrams_go_and_come() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let to = through_gateway(server.local_addr().unwrap().port());
    let mut setup = Setup::new(Vec::new());
    let socket = bind(&mut setup, 4000);
    setup
        .guest
        .sockets
        .get_mut::<udp::Socket<'_>>(socket)
        .send_slice(b"question", to)
        .unwrap();
    setup.until(|guest| {
        guest
            .sockets
            .get_mut::<udp::Socket<'_>>(socket)
            .send_queue()
            == 0
    });
    let mut buffer = [0; 64];
    let (len, from) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"question");
    server.send_to(b"answer", from).unwrap();
    assert_eq!(receive(&mut setup, socket), (b"answer".to_vec(), to));
}

#[test]
fn a_forwarded_datagram_is_answered() {
    let port = free_port();
    let mut setup = Setup::new(vec![forward(true, port)]);
    let socket = bind(&mut setup, 22);
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    client.send(b"question").unwrap();
    let (data, from) = receive(&mut setup, socket);
    assert_eq!(
        (data, from),
        (
            b"question".to_vec(),
            through_gateway(client.local_addr().unwrap().port())
        )
    );
    setup
        .guest
        .sockets
        .get_mut::<udp::Socket<'_>>(socket)
        .send_slice(b"answer", from)
        .unwrap();
    setup.until(|guest| {
        guest
            .sockets
            .get_mut::<udp::Socket<'_>>(socket)
            .send_queue()
            == 0
    });
    let mut buffer = [0; 64];
    let len = client.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"answer");
}

#[test]
fn the_machine_is_woken() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut setup = Setup::new(Vec::new());
    let socket = setup
        .guest
        .connect(through_gateway(listener.local_addr().unwrap().port()));
    setup.until_state(socket, State::Established);
    let (mut stream, _) = listener.accept().unwrap();
    // Let what is still under way settle.
    for _ in 0..20 {
        setup.until(|_| true);
        thread::sleep(Duration::from_millis(10));
    }
    let _settled = setup.waker.take();
    stream.write_all(b"news").unwrap();
    let asked = Instant::now();
    setup.waker.wait(Some(PATIENCE));
    assert!(asked.elapsed() < PATIENCE, "nobody has woken the machine");
    setup.until(|guest| guest.read(socket) == b"news");
}
