use ferrite_net::Options;
use smoltcp::socket::dhcpv4::{Event, Socket};
use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, EthernetFrame, Ipv4Packet, UdpPacket,
};
use std::net::Ipv4Addr;

use crate::guest::{ADDRESS, GATEWAY, Guest, MAC};
use crate::setup::Setup;
use ferrite_machine::backend::NetBackend;

#[test]
fn a_client_gets_everything() {
    let mut setup = Setup::new();
    setup.guest = Guest::unconfigured();
    let handle = setup.guest.sockets.add(Socket::new());
    setup.run();
    let mut leases = Vec::new();
    for _ in 0..5 {
        if let Some(Event::Configured(config)) =
            setup.guest.sockets.get_mut::<Socket<'_>>(handle).poll()
        {
            leases.push((config.address, config.router, config.dns_servers.to_vec()));
        }
        setup.run();
    }
    let dns = Ipv4Addr::new(10, 0, 2, 3);
    assert_eq!(
        leases,
        [(
            smoltcp::wire::Ipv4Cidr::new(ADDRESS, 24),
            Some(GATEWAY),
            vec![dns]
        )]
    );
}

fn message(mac: EthernetAddress, message_type: DhcpMessageType) -> DhcpRepr<'static> {
    DhcpRepr {
        message_type,
        transaction_id: 0x1234,
        secs: 0,
        client_hardware_address: mac,
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip: Ipv4Addr::UNSPECIFIED,
        server_ip: Ipv4Addr::UNSPECIFIED,
        router: None,
        subnet_mask: None,
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: false,
        requested_ip: None,
        client_identifier: None,
        server_identifier: None,
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: None,
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    }
}

/// The answer: message type, address, lease, and the options as bytes.
fn ask(
    setup: &mut Setup,
    repr: &DhcpRepr<'_>,
) -> Option<(DhcpMessageType, Ipv4Addr, Option<u32>, Vec<u8>)> {
    let mut bytes = vec![0; repr.buffer_len()];
    repr.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..]))
        .unwrap();
    setup.net.send(&crate::hostile::udp_frame(
        repr.client_ip,
        68,
        Ipv4Addr::BROADCAST,
        67,
        &bytes,
    ));
    let frame = setup.net.receive()?;
    assert!(setup.net.receive().is_none());
    let frame = EthernetFrame::new_checked(&frame[..]).unwrap();
    let packet = Ipv4Packet::new_checked(frame.payload()).unwrap();
    assert_eq!(packet.src_addr(), GATEWAY);
    let udp = UdpPacket::new_checked(packet.payload()).unwrap();
    let dhcp = DhcpPacket::new_checked(udp.payload()).unwrap();
    let answer = DhcpRepr::parse(&dhcp).unwrap();
    assert_eq!(answer.transaction_id, repr.transaction_id);
    let to = (packet.dst_addr(), frame.dst_addr());
    if repr.client_ip.is_unspecified() || answer.message_type == DhcpMessageType::Nak {
        assert_eq!(to, (Ipv4Addr::BROADCAST, EthernetAddress::BROADCAST));
    } else {
        assert_eq!(to, (repr.client_ip, repr.client_hardware_address));
    }
    Some((
        answer.message_type,
        answer.your_ip,
        answer.lease_duration,
        udp.payload()[240..].to_vec(),
    ))
}

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 2, last)
}

#[test]
fn requests_are_granted_or_refused() {
    let mut setup = Setup::with(&Options {
        host_name: Some("ferrite".into()),
        ..Options::default()
    });
    let mut request = message(MAC, DhcpMessageType::Request);
    request.requested_ip = Some(address(15));
    let (kind, ip, lease, options) = ask(&mut setup, &request).unwrap();
    assert_eq!(
        (kind, ip, lease),
        (DhcpMessageType::Ack, address(15), Some(86_400))
    );
    let name = b"\x0c\x07ferrite";
    assert!(options.windows(name.len()).any(|window| window == name));

    request.requested_ip = Some(Ipv4Addr::new(192, 168, 1, 7));
    assert_eq!(ask(&mut setup, &request).unwrap().0, DhcpMessageType::Nak);

    request.requested_ip = Some(address(15));
    request.server_identifier = Some(address(99));
    assert_eq!(ask(&mut setup, &request), None, "meant for another server");

    // Renewal, by unicast.
    let mut renewal = message(MAC, DhcpMessageType::Request);
    renewal.client_ip = address(15);
    assert_eq!(ask(&mut setup, &renewal).unwrap().0, DhcpMessageType::Ack);

    let mut inform = message(MAC, DhcpMessageType::Inform);
    inform.client_ip = address(15);
    let (kind, ip, lease, _) = ask(&mut setup, &inform).unwrap();
    assert_eq!(
        (kind, ip, lease),
        (DhcpMessageType::Ack, Ipv4Addr::UNSPECIFIED, None)
    );
}

#[test]
fn the_pool_is_small() {
    let mut setup = Setup::new();
    let mac = |n| EthernetAddress([2, 0, 0, 0, 0, n]);
    for n in 0..16 {
        let (kind, ip, ..) = ask(&mut setup, &message(mac(n), DhcpMessageType::Discover)).unwrap();
        assert_eq!((kind, ip), (DhcpMessageType::Offer, address(15 + n)));
    }
    assert_eq!(
        ask(&mut setup, &message(mac(16), DhcpMessageType::Discover)),
        None
    );
    assert_eq!(
        ask(&mut setup, &message(mac(3), DhcpMessageType::Discover))
            .unwrap()
            .1,
        address(18),
        "again"
    );
    assert_eq!(
        ask(&mut setup, &message(mac(3), DhcpMessageType::Release)),
        None
    );
    assert_eq!(
        ask(&mut setup, &message(mac(16), DhcpMessageType::Discover))
            .unwrap()
            .1,
        address(18)
    );
}
