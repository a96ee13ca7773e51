use std::io::ErrorKind;
use std::net::Ipv4Addr;

use ferrite_machine::backend::NetBackend;
use ferrite_net::Options;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::udp::{PacketBuffer, PacketMetadata, Socket};

use crate::setup::{Setup, at, forward, pattern};

fn socket(setup: &mut Setup, port: u16) -> SocketHandle {
    let buffer = || PacketBuffer::new(vec![PacketMetadata::EMPTY; 8], vec![0; 8 << 10]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.bind(port).unwrap();
    setup.guest.sockets.add(socket)
}

fn send(setup: &mut Setup, socket: SocketHandle, data: &[u8], to: &str) {
    setup
        .guest
        .sockets
        .get_mut::<Socket<'_>>(socket)
        .send_slice(data, at(to))
        .unwrap();
    // The first packet waits for the answer to ARP.
    setup.run();
    setup.run();
}

fn receive(setup: &mut Setup, socket: SocketHandle) -> Option<(Vec<u8>, String)> {
    setup.run();
    let (data, from) = setup
        .guest
        .sockets
        .get_mut::<Socket<'_>>(socket)
        .recv()
        .ok()?;
    Some((data.to_vec(), from.endpoint.to_string()))
}

#[test]
fn addresses_are_mapped_and_mapped_back() {
    let mut setup = Setup::new();
    // The host's own name server on the loopback: its answers must come from the right address.
    setup.fake.world().resolver = Some(at("127.0.0.1:53"));
    let socket = socket(&mut setup, 4000);
    for (guest, host) in [
        ("192.0.2.1:123", "192.0.2.1:123"),
        ("10.0.2.2:69", "127.0.0.1:69"),
        ("10.0.2.3:53", "127.0.0.1:53"),
        ("10.0.2.2:53", "127.0.0.1:53"),
        ("10.0.2.3:53", "127.0.0.1:53"),
    ] {
        send(&mut setup, socket, guest.as_bytes(), guest);
        let sent = setup.fake.world().datagrams[0].sent.pop();
        assert_eq!(sent, Some((guest.as_bytes().to_vec(), at(host))));
        setup.fake.world().datagrams[0]
            .incoming
            .push_back((b"answer".to_vec(), at(host)));
        assert_eq!(
            receive(&mut setup, socket),
            Some((b"answer".to_vec(), guest.to_string()))
        );
    }
    assert_eq!(
        setup.fake.world().datagrams.len(),
        1,
        "one socket for one endpoint of the guest"
    );
    assert_eq!(setup.fake.world().datagrams[0].at, at("0.0.0.0:0"));
}

#[test]
fn nowhere_is_not_bothered() {
    let mut setup = Setup::new();
    let socket = socket(&mut setup, 4000);
    for to in [
        "10.0.2.3:54",
        "10.0.2.3:53",
        "127.0.0.1:9",
        "224.0.0.251:5353",
        "10.0.2.255:9",
    ] {
        send(&mut setup, socket, b"x", to);
    }
    assert!(setup.fake.world().datagrams.is_empty());
}

#[test]
fn long_datagrams_come_in_fragments() {
    let mut setup = Setup::new();
    let socket = socket(&mut setup, 4000);
    send(&mut setup, socket, b"x", "192.0.2.1:9");
    let data = pattern(9000);
    setup.fake.world().datagrams[0]
        .incoming
        .push_back((data.clone(), at("192.0.2.1:9")));
    let mut all = Vec::new();
    while let Some(frame) = setup.net.receive() {
        assert!(frame.len() <= 1514);
        all.extend_from_slice(&frame[34..]);
    }
    assert_eq!(all[8..], data);
}

#[test]
fn sockets_are_bounded_and_expire() {
    let mut setup = Setup::new();
    for port in 1000..1400 {
        let socket = socket(&mut setup, port);
        setup
            .guest
            .sockets
            .get_mut::<Socket<'_>>(socket)
            .send_slice(b"x", at("192.0.2.1:9"))
            .unwrap();
        setup.fake.world().now += 1;
        setup.settle();
        setup.guest.sockets.remove(socket);
    }
    let open = |setup: &Setup| {
        setup
            .fake
            .world()
            .datagrams
            .iter()
            .filter(|socket| !socket.dropped)
            .count()
    };
    assert_eq!(open(&setup), 256);
    assert!(setup.fake.world().datagrams[0].dropped && !setup.fake.world().datagrams[399].dropped);
    assert!(setup.net.is_active());
    setup.fake.world().now += 300_000;
    setup.run();
    assert_eq!(open(&setup), 0);
    assert!(!setup.net.is_active());
}

#[test]
fn a_forwarded_port_knows_its_peers() {
    let mut setup = Setup::with(&Options {
        forwards: vec![forward(true)],
        restrict: true,
        ..Options::default()
    });
    let socket = socket(&mut setup, 22);
    let other = self::socket(&mut setup, 23);
    let peers = [
        ("127.0.0.1:5000", "10.0.2.2:5000"),
        ("127.0.0.2:5000", "10.0.2.2:49152"),
        ("192.0.2.9:7", "192.0.2.9:7"),
    ];
    for (peer, seen) in peers {
        setup.fake.world().datagrams[0]
            .incoming
            .push_back((peer.into(), at(peer)));
        setup.run();
        assert_eq!(
            receive(&mut setup, socket),
            Some((peer.into(), seen.to_string()))
        );
    }
    for (peer, seen) in peers {
        send(&mut setup, socket, b"answer", seen);
        assert_eq!(
            setup.fake.world().datagrams[0].sent.pop(),
            Some((b"answer".to_vec(), at(peer)))
        );
        send(&mut setup, other, b"other", seen);
        assert_eq!(
            setup.fake.world().datagrams[0].sent.pop(),
            None,
            "not from the forwarded port"
        );
    }
    assert_eq!(setup.fake.world().datagrams.len(), 1, "nothing else leaves");
}

#[test]
fn the_guest_hears_of_unreachable_networks() {
    let to = Ipv4Addr::new(192, 0, 2, 1);
    let mut setup = Setup::new();
    let frame = crate::hostile::udp_frame(crate::guest::ADDRESS, 4000, to, 9, b"payload");
    for (failure, code) in [
        (Some(ErrorKind::NetworkUnreachable), Some(0)),
        (Some(ErrorKind::HostUnreachable), Some(1)),
        (Some(ErrorKind::WouldBlock), None),
        (None, None),
    ] {
        setup.fake.world().failure = failure;
        setup.net.send(&frame);
        let answer = setup.net.receive();
        assert_eq!(answer.is_some(), code.is_some(), "{failure:?}");
        let Some(answer) = answer else { continue };
        let icmp = &answer[34..];
        assert_eq!((icmp[0], Some(icmp[1])), (3, code));
        // The header that failed, and the start of its UDP header: ports 4000 and 9.
        assert_eq!(icmp[8 + 12..8 + 20], [10, 0, 2, 15, 192, 0, 2, 1]);
        assert_eq!(icmp[28..32], [0x0f, 0xa0, 0, 9]);
    }
}
