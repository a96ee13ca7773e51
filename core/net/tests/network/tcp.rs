use ferrite_net::host::TcpStatus;
use ferrite_net::{MAX_FLOWS, Options};
use smoltcp::socket::tcp::State;

use crate::setup::{Setup, at, forward, pattern};

#[test]
fn the_guest_is_connected_when_the_host_is() {
    let mut setup = Setup::new();
    setup.fake.world().status = Some(TcpStatus::Connecting);
    let socket = setup.guest.connect(at("192.0.2.1:80"));
    setup.run();
    setup.run();
    assert_eq!(setup.guest.socket(socket).state(), State::SynSent);
    assert_eq!(setup.fake.world().connections[0].to, at("192.0.2.1:80"));
    setup.fake.world().connections[0].status = TcpStatus::Connected;
    setup.run();
    assert_eq!(setup.guest.socket(socket).state(), State::Established);
    assert_eq!(setup.fake.world().connections.len(), 1);
}

#[test]
fn refused_and_unreachable_are_reset() {
    let mut setup = Setup::new();
    setup.fake.world().status = Some(TcpStatus::Failed);
    for to in ["192.0.2.1:80", "10.0.2.2:80", "10.0.2.3:80", "10.0.2.77:80"] {
        let socket = setup.guest.connect(at(to));
        setup.run();
        let expected = if to.starts_with("10.0.2.77") {
            State::SynSent
        } else {
            State::Closed
        };
        assert_eq!(setup.guest.socket(socket).state(), expected, "{to}");
    }
    assert_eq!(setup.fake.world().open_connections(), 0);
}

#[test]
fn the_gateway_is_the_host_and_the_name_server_its_own() {
    let mut setup = Setup::new();
    setup.fake.world().resolver = Some(at("192.0.2.53:53"));
    setup.guest.connect(at("10.0.2.2:8080"));
    setup.run();
    setup.guest.connect(at("10.0.2.3:53"));
    setup.run();
    let to: Vec<_> = setup
        .fake
        .world()
        .connections
        .iter()
        .map(|connection| connection.to)
        .collect();
    assert_eq!(to, [at("127.0.0.1:8080"), at("192.0.2.53:53")]);
}

#[test]
fn megabytes_go_both_ways() {
    let mut setup = Setup::new();
    let socket = setup.guest.connect(at("192.0.2.1:80"));
    setup.run();
    let data = pattern(3 << 20);
    setup.fake.world().connections[0].incoming = data.iter().copied().collect();
    let (mut sent, mut received) = (0, Vec::new());
    for _ in 0..5000 {
        if sent < data.len() {
            sent += setup
                .guest
                .socket(socket)
                .send_slice(&data[sent..])
                .unwrap();
        }
        setup.run();
        received.extend(setup.guest.read(socket));
        if received.len() == data.len()
            && setup.fake.world().connections[0].outgoing.len() == data.len()
        {
            break;
        }
    }
    assert!(received == data, "to the guest: {} bytes", received.len());
    assert!(
        setup.fake.world().connections[0].outgoing == data,
        "to the host"
    );
}

#[test]
fn the_guest_closes_first() {
    let mut setup = Setup::new();
    let socket = setup.guest.connect(at("192.0.2.1:80"));
    setup.run();
    setup.guest.socket(socket).send_slice(b"request").unwrap();
    setup.guest.socket(socket).close();
    setup.run();
    {
        let mut world = setup.fake.world();
        let connection = &mut world.connections[0];
        assert!(connection.shut_down && !connection.dropped);
        assert_eq!(connection.outgoing, b"request");
        connection.incoming.extend(b"answer");
        connection.finished = true;
    }
    setup.run();
    assert_eq!(setup.guest.read(socket), b"answer");
    setup.run();
    assert_eq!(setup.guest.socket(socket).state(), State::TimeWait);
    let world = setup.fake.world();
    assert!(
        world.connections[0].dropped && !world.connections[0].aborted,
        "{:?}",
        world.connections[0]
    );
}

#[test]
fn the_host_closes_first() {
    let mut setup = Setup::new();
    let socket = setup.guest.connect(at("192.0.2.1:80"));
    setup.run();
    setup.fake.world().connections[0].incoming.extend(b"hello");
    setup.fake.world().connections[0].finished = true;
    setup.run();
    assert_eq!(setup.guest.read(socket), b"hello");
    assert_eq!(setup.guest.socket(socket).state(), State::CloseWait);
    setup.guest.socket(socket).send_slice(b"late").unwrap();
    setup.run();
    assert_eq!(setup.fake.world().connections[0].outgoing, b"late");
    assert!(!setup.fake.world().connections[0].shut_down);
    setup.guest.socket(socket).close();
    setup.run();
    assert_eq!(setup.guest.socket(socket).state(), State::Closed);
    let world = setup.fake.world();
    assert!(
        world.connections[0].shut_down
            && world.connections[0].dropped
            && !world.connections[0].aborted
    );
}

#[test]
fn the_last_bytes_outlive_the_guests_end() {
    let mut setup = Setup::new();
    let socket = setup.guest.connect(at("192.0.2.1:80"));
    setup.run();
    setup.fake.world().connections[0].window = 10;
    setup.fake.world().connections[0].finished = true;
    setup.run();
    let data = pattern(20_000);
    setup.guest.socket(socket).send_slice(&data).unwrap();
    setup.guest.socket(socket).close();
    setup.run();
    setup.run();
    assert_eq!(setup.guest.socket(socket).state(), State::Closed);
    assert_eq!(setup.fake.world().connections[0].outgoing.len(), 10);
    assert!(!setup.fake.world().connections[0].dropped);
    setup.fake.world().connections[0].window = usize::MAX;
    for _ in 0..3 {
        setup.run();
    }
    let world = setup.fake.world();
    assert_eq!(world.connections[0].outgoing, data);
    assert!(world.connections[0].dropped && !world.connections[0].aborted);
}

#[test]
fn a_slow_peer_slows_the_guest_down() {
    let mut setup = Setup::new();
    let socket = setup.guest.connect(at("192.0.2.1:80"));
    setup.run();
    setup.fake.world().connections[0].window = 0;
    let data = pattern(8 << 10);
    let mut sent = 0;
    for _ in 0..200 {
        sent += setup.guest.socket(socket).send_slice(&data).unwrap();
        setup.run();
    }
    assert!(sent <= (64 << 10) + (32 << 10), "{sent} bytes are held");
    setup.fake.world().connections[0].window = usize::MAX;
    for _ in 0..10 {
        setup.run();
    }
    assert_eq!(setup.fake.world().connections[0].outgoing.len(), sent);
}

#[test]
fn breaks_are_passed_on() {
    let mut setup = Setup::new();
    let first = setup.guest.connect(at("192.0.2.1:80"));
    let second = setup.guest.connect(at("192.0.2.1:80"));
    setup.run();
    setup.fake.world().connections[0].broken = true;
    setup.guest.socket(second).abort();
    setup.run();
    setup.run();
    assert_eq!(setup.guest.socket(first).state(), State::Closed);
    let world = setup.fake.world();
    assert!(world.connections[1].aborted && world.connections[1].dropped);
    assert_eq!(world.open_connections(), 0);
}

#[test]
fn a_forwarded_port_leads_into_the_guest() {
    let mut setup = Setup::with(&Options {
        forwards: vec![forward(false)],
        restrict: true,
        ..Options::default()
    });
    assert_eq!(setup.fake.world().listening, [at("127.0.0.1:2222")]);
    let socket = setup.guest.listen(22);
    setup
        .fake
        .world()
        .callers
        .push_back((0, at("127.0.0.1:5000")));
    setup.run();
    setup.run();
    assert_eq!(setup.guest.socket(socket).state(), State::Established);
    assert_eq!(
        setup.guest.socket(socket).remote_endpoint(),
        Some(at("10.0.2.2:5000").into())
    );
    setup.fake.world().connections[0].incoming.extend(b"ping");
    setup.guest.socket(socket).send_slice(b"pong").unwrap();
    setup.run();
    assert_eq!(setup.guest.read(socket), b"ping");
    assert_eq!(setup.fake.world().connections[0].outgoing, b"pong");
}

#[test]
fn a_forwarded_port_that_the_guest_refuses() {
    let mut setup = Setup::with(&Options {
        forwards: vec![forward(false)],
        ..Options::default()
    });
    setup
        .fake
        .world()
        .callers
        .push_back((0, at("127.0.0.1:5000")));
    setup.run();
    setup.run();
    let world = setup.fake.world();
    assert!(world.connections[0].aborted && world.connections[0].dropped);
}

#[test]
fn a_guest_that_does_not_answer_is_given_up() {
    let mut setup = Setup::with(&Options {
        forwards: vec![forward(false)],
        ..Options::default()
    });
    setup
        .fake
        .world()
        .callers
        .push_back((0, at("127.0.0.1:5000")));
    for _ in 0..100 {
        setup.fake.world().now += 1000;
        while ferrite_machine::backend::NetBackend::receive(&mut setup.net).is_some() {}
    }
    assert_eq!(setup.fake.world().open_connections(), 0);
    assert!(!setup.net.is_active());
}

#[test]
fn restricted_guests_stay_inside() {
    let mut setup = Setup::with(&Options {
        restrict: true,
        ..Options::default()
    });
    for to in ["192.0.2.1:80", "10.0.2.2:80"] {
        let socket = setup.guest.connect(at(to));
        setup.run();
        assert_eq!(setup.guest.socket(socket).state(), State::Closed);
    }
    assert!(setup.fake.world().connections.is_empty());
}

#[test]
fn the_longest_idle_connection_makes_room() {
    let mut setup = Setup::new();
    let sockets: Vec<_> = (0..MAX_FLOWS)
        .map(|_| {
            let socket = setup.guest.connect(at("192.0.2.1:80"));
            setup.run();
            socket
        })
        .collect();
    setup.guest.socket(sockets[0]).send_slice(b"busy").unwrap();
    setup.run();
    let last = setup.guest.connect(at("192.0.2.1:80"));
    setup.run();
    assert_eq!(setup.guest.socket(last).state(), State::Established);
    assert_eq!(setup.guest.socket(sockets[0]).state(), State::Established);
    assert_eq!(
        setup.guest.socket(sockets[1]).state(),
        State::Closed,
        "reset"
    );
    let world = setup.fake.world();
    assert_eq!(world.open_connections(), MAX_FLOWS);
    assert!(world.connections[1].aborted);
}
