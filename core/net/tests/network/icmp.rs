use ferrite_machine::backend::NetBackend;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::icmp::{Endpoint, PacketBuffer, PacketMetadata, Socket};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr, Icmpv4Packet, Icmpv4Repr,
};
use std::net::Ipv4Addr;

use crate::guest::{ADDRESS, MAC};
use crate::setup::{Setup, at};

const IDENTIFIER: u16 = 0x22;

fn ping(setup: &mut Setup, to: Ipv4Addr) -> Option<(Ipv4Addr, u16, Vec<u8>)> {
    let buffer = || PacketBuffer::new(vec![PacketMetadata::EMPTY; 4], vec![0; 4096]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.bind(Endpoint::Ident(IDENTIFIER)).unwrap();
    let repr = Icmpv4Repr::EchoRequest {
        ident: IDENTIFIER,
        seq_no: 7,
        data: b"payload",
    };
    let mut bytes = vec![0; repr.buffer_len()];
    repr.emit(
        &mut Icmpv4Packet::new_unchecked(&mut bytes[..]),
        &ChecksumCapabilities::default(),
    );
    socket.send_slice(&bytes, to.into()).unwrap();
    let handle = setup.guest.sockets.add(socket);
    setup.run();
    setup.run();
    let mut socket = setup.guest.sockets.remove(handle);
    let smoltcp::socket::Socket::Icmp(socket) = &mut socket else {
        unreachable!()
    };
    let (data, from) = socket.recv().ok()?;
    let packet = Icmpv4Packet::new_checked(data).unwrap();
    let Icmpv4Repr::EchoReply {
        ident,
        seq_no,
        data,
    } = Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default()).unwrap()
    else {
        panic!("not a reply");
    };
    assert_eq!(ident, IDENTIFIER);
    let smoltcp::wire::IpAddress::Ipv4(from) = from;
    Some((from, seq_no, data.to_vec()))
}

#[test]
fn our_own_addresses_answer() {
    let mut setup = Setup::new();
    for to in [Ipv4Addr::new(10, 0, 2, 2), Ipv4Addr::new(10, 0, 2, 3)] {
        assert_eq!(ping(&mut setup, to), Some((to, 7, b"payload".to_vec())));
    }
    assert_eq!(
        ping(&mut setup, Ipv4Addr::new(192, 0, 2, 1)),
        None,
        "the host may not ask"
    );
}

#[test]
fn the_host_asks_others() {
    let mut setup = Setup::new();
    setup.fake.world().ping_allowed = true;
    let to = *at("192.0.2.1:0").ip();
    assert_eq!(ping(&mut setup, to), None);
    {
        let mut world = setup.fake.world();
        assert_eq!(world.pings[0].to, to);
        assert_eq!(world.pings[0].asked, [(7, b"payload".to_vec())]);
        world.pings[0].answers.push_back((7, b"payload".to_vec()));
    }
    assert_eq!(ping(&mut setup, to), Some((to, 7, b"payload".to_vec())));
    assert_eq!(setup.fake.world().pings.len(), 1, "the same program");
}

fn arp(setup: &mut Setup, sender: Ipv4Addr, target: Ipv4Addr) -> Option<EthernetAddress> {
    let repr = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: MAC,
        source_protocol_addr: sender,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: target,
    };
    let mut frame = vec![0; 14 + repr.buffer_len()];
    EthernetRepr {
        src_addr: MAC,
        dst_addr: EthernetAddress::BROADCAST,
        ethertype: EthernetProtocol::Arp,
    }
    .emit(&mut EthernetFrame::new_unchecked(&mut frame[..]));
    repr.emit(&mut ArpPacket::new_unchecked(&mut frame[14..]));
    setup.net.send(&frame);
    let answer = setup.net.receive()?;
    let packet = ArpPacket::new_checked(&answer[14..]).unwrap();
    let ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr,
        source_protocol_addr,
        target_protocol_addr,
        ..
    } = ArpRepr::parse(&packet).unwrap()
    else {
        return None;
    };
    assert_eq!(
        (operation, source_protocol_addr, target_protocol_addr),
        (ArpOperation::Reply, target, sender)
    );
    Some(source_hardware_addr)
}

#[test]
fn arp_answers_for_us_only() {
    let mut setup = Setup::new();
    let gateway = arp(&mut setup, ADDRESS, Ipv4Addr::new(10, 0, 2, 2));
    assert_eq!(gateway, Some(EthernetAddress([0x52, 0x55, 10, 0, 2, 2])));
    let dns = arp(&mut setup, ADDRESS, Ipv4Addr::new(10, 0, 2, 3));
    assert_eq!(dns, Some(EthernetAddress([0x52, 0x55, 10, 0, 2, 3])));
    assert_eq!(
        arp(&mut setup, Ipv4Addr::UNSPECIFIED, ADDRESS),
        None,
        "a probe for the guest's own address"
    );
    assert_eq!(arp(&mut setup, ADDRESS, Ipv4Addr::new(192, 0, 2, 1)), None);
}
