//! Frames that no sane guest sends.

use std::net::Ipv4Addr;

use ferrite_machine::backend::NetBackend;
use ferrite_net::{MAX_FLOWS, Options};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Packet,
    Ipv4Repr, UdpPacket, UdpRepr,
};

use crate::guest::MAC;
use crate::setup::{Setup, at, forward};

/// A frame of the guest with an IPv4 packet.
pub fn ipv4_frame(
    from: Ipv4Addr,
    to: Ipv4Addr,
    next_header: IpProtocol,
    payload: &[u8],
) -> Vec<u8> {
    let mut frame = vec![0; 34 + payload.len()];
    EthernetRepr {
        src_addr: MAC,
        dst_addr: EthernetAddress::BROADCAST,
        ethertype: EthernetProtocol::Ipv4,
    }
    .emit(&mut EthernetFrame::new_unchecked(&mut frame[..]));
    let repr = Ipv4Repr {
        src_addr: from,
        dst_addr: to,
        next_header,
        payload_len: payload.len(),
        hop_limit: 64,
    };
    repr.emit(
        &mut Ipv4Packet::new_unchecked(&mut frame[14..]),
        &ChecksumCapabilities::default(),
    );
    frame[34..].copy_from_slice(payload);
    frame
}

/// A frame of the guest with a datagram.
pub fn udp_frame(
    from: Ipv4Addr,
    src_port: u16,
    to: Ipv4Addr,
    dst_port: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = vec![0; 8 + payload.len()];
    UdpRepr { src_port, dst_port }.emit(
        &mut UdpPacket::new_unchecked(&mut bytes[..]),
        &from.into(),
        &to.into(),
        payload.len(),
        |room| room.copy_from_slice(payload),
        &ChecksumCapabilities::default(),
    );
    ipv4_frame(from, to, IpProtocol::Udp, &bytes)
}

/// Numbers that only look random (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

fn drain(setup: &mut Setup) -> Vec<Vec<u8>> {
    // More than can be queued means that the network talks to itself.
    let frames: Vec<_> = std::iter::from_fn(|| setup.net.receive())
        .take(10_000)
        .collect();
    assert!(frames.len() < 10_000);
    frames
}

#[test]
fn noise() {
    let mut numbers = Numbers(1);
    let mut setup = Setup::new();
    for _ in 0..20_000 {
        let len = numbers.below(200);
        let mut frame: Vec<u8> = (0..len).map(|_| numbers.next() as u8).collect();
        if let Some(kind) = frame.get_mut(12..14) {
            kind.copy_from_slice(if numbers.below(2) == 0 {
                &[8, 0]
            } else {
                &[8, 6]
            });
        }
        if let Some(version) = frame.get_mut(14) {
            *version = 0x45;
        }
        setup.net.send(&frame);
        drain(&mut setup);
    }
}

/// Frames of all protocols that a guest sends, collected from a talk.
fn talk(setup: &mut Setup) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let socket = setup.guest.connect(at("192.0.2.1:80"));
    let listener = setup.guest.listen(22);
    setup
        .fake
        .world()
        .callers
        .push_back((0, at("127.0.0.1:5000")));
    for step in 0..12 {
        match step {
            4 => setup
                .guest
                .socket(socket)
                .send_slice(&[1; 3000])
                .map(drop)
                .unwrap(),
            5 => setup
                .guest
                .socket(listener)
                .send_slice(&[2; 3000])
                .map(drop)
                .unwrap(),
            6 => setup.fake.world().connections[0].incoming.extend([3; 5000]),
            8 => setup.guest.socket(socket).close(),
            9 => setup.fake.world().connections[0].finished = true,
            _ => {}
        }
        let now = smoltcp::time::Instant::from_millis(step);
        setup
            .guest
            .interface
            .poll(now, &mut setup.guest.card, &mut setup.guest.sockets);
        for frame in std::mem::take(&mut setup.guest.card.sent) {
            setup.net.send(&frame);
            frames.push(frame);
        }
        let answers = drain(setup);
        setup.guest.card.received.extend(answers);
        setup.fake.world().now += 1;
    }
    frames.push(udp_frame(
        crate::guest::ADDRESS,
        1000,
        Ipv4Addr::new(192, 0, 2, 1),
        53,
        b"query",
    ));
    frames.push(udp_frame(
        crate::guest::ADDRESS,
        68,
        Ipv4Addr::BROADCAST,
        67,
        &[1; 300],
    ));
    frames.push(ipv4_frame(
        crate::guest::ADDRESS,
        Ipv4Addr::new(10, 0, 2, 2),
        IpProtocol::Icmp,
        &[8, 0, 0, 0, 1, 2],
    ));
    frames
}

/// Changes a frame and makes the header's checksum right again, so that it gets further.
fn mutate(frame: &mut Vec<u8>, numbers: &mut Numbers) {
    for _ in 0..=numbers.below(4) {
        let at = 14 + numbers.below(frame.len() - 14);
        frame[at] = match numbers.below(4) {
            0 => numbers.next() as u8,
            1 => frame[at] ^ 1 << numbers.below(8),
            2 => 0xff,
            _ => 0,
        };
    }
    if numbers.below(8) == 0 {
        let len = 14 + numbers.below(frame.len() - 14);
        frame.truncate(len.max(34));
    }
    frame[14] = frame[14] & 0x0f | 0x40;
    let mut header = [0; 60];
    let len = (frame[14] as usize & 15) * 4;
    if len >= 20 && len <= frame.len() - 14 {
        let mut packet = Ipv4Packet::new_unchecked(&mut frame[14..]);
        packet.fill_checksum();
        header[..len].copy_from_slice(&frame[14..14 + len]);
    }
}

fn rounds() -> u64 {
    std::env::var("FERRITE_NET_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(60)
}

#[test]
fn mutated_talks() {
    for seed in 1..=rounds() {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let options = Options {
            forwards: vec![forward(false), forward(true)],
            ..Options::default()
        };
        let mut setup = Setup::with(&options);
        setup.fake.world().ping_allowed = true;
        let frames = talk(&mut setup);
        assert!(frames.len() > 15, "the talk has taken place");
        for _ in 0..400 {
            let mut frame = frames[numbers.below(frames.len())].clone();
            mutate(&mut frame, &mut numbers);
            setup.net.send(&frame);
            setup.fake.world().now += numbers.below(50) as i64;
            let mut answers = drain(&mut setup);
            if let Some(answer) = answers.pop() {
                // Now and then, the guest's own stack goes on with the connection.
                if numbers.below(4) == 0 {
                    setup.guest.card.received.push_back(answer);
                    let now = smoltcp::time::Instant::from_millis(setup.fake.world().now);
                    setup.guest.interface.poll(
                        now,
                        &mut setup.guest.card,
                        &mut setup.guest.sockets,
                    );
                    for frame in std::mem::take(&mut setup.guest.card.sent) {
                        setup.net.send(&frame);
                    }
                }
            }
        }
        assert!(setup.fake.world().open_connections() <= MAX_FLOWS);
    }
}

/// A segment of a connection to 192.0.2.1:80.
fn segment(port: u16, sequence: u32, acknowledge: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 20 + payload.len()];
    bytes[0..2].copy_from_slice(&port.to_be_bytes());
    bytes[2..4].copy_from_slice(&80u16.to_be_bytes());
    bytes[4..8].copy_from_slice(&sequence.to_be_bytes());
    bytes[8..12].copy_from_slice(&acknowledge.to_be_bytes());
    bytes[12..14].copy_from_slice(&[0x50, flags]);
    bytes[14..16].copy_from_slice(&0xffffu16.to_be_bytes());
    bytes[20..].copy_from_slice(payload);
    ipv4_frame(
        crate::guest::ADDRESS,
        Ipv4Addr::new(192, 0, 2, 1),
        IpProtocol::Tcp,
        &bytes,
    )
}

/// What a segment of the network says comes next: from the guest, from the network.
fn expected(frame: &[u8]) -> Option<(u32, u32)> {
    let word = |at: usize| Some(u32::from_be_bytes(frame.get(at..at + 4)?.try_into().ok()?));
    let (sequence, acknowledged) = (word(38)?, word(42)?);
    let header = usize::from(frame.get(46)? >> 4) * 4;
    let counted = u32::from(frame[47] & 1) + u32::from(frame[47] >> 1 & 1);
    let len = (frame.len() - 34).checked_sub(header)? as u32 + counted;
    (frame[23] == 6).then_some((acknowledged, sequence.wrapping_add(len)))
}

/// A number at, or near, or far from another: where arithmetic could go wrong.
fn near(numbers: &mut Numbers, base: u32) -> u32 {
    const DISTANCES: [u32; 9] = [1, 2, 100, 1460, 65_535, 65_536, 131_072, 1 << 30, 1 << 31];
    let distance = DISTANCES[numbers.below(DISTANCES.len())];
    match numbers.below(4) {
        0 => base.wrapping_add(distance),
        1 => base.wrapping_sub(distance),
        _ => base,
    }
}

#[test]
fn wild_sequence_numbers() {
    const FLAGS: [u8; 12] = [
        0x10, 0x10, 0x10, 0x18, 0x18, 0x11, 0x12, 0x02, 0x04, 0x14, 0x3f, 0x00,
    ];
    let mut arrived = 0;
    for seed in 1..=rounds() {
        let mut numbers = Numbers(seed.wrapping_mul(0xd134_2543_de82_ef95));
        let mut setup = Setup::new();
        let start = numbers.next() as u32;
        let mut next = (start, 0);
        for _ in 0..600 {
            for frame in drain(&mut setup) {
                next = expected(&frame).unwrap_or(next);
            }
            {
                let mut world = setup.fake.world();
                world.now += numbers.below(400) as i64;
                if let Some(connection) = world.connections.last_mut() {
                    connection.incoming.extend([9; 100]);
                    connection.window = numbers.below(100_000).max(connection.outgoing.len());
                    connection.finished |= numbers.below(100) == 0;
                }
            }
            if setup.fake.world().open_connections() == 0 {
                setup.net.send(&segment(1000, start, 0, 0x02, &[]));
                continue;
            }
            let sequence = near(&mut numbers, next.0);
            let acknowledge = near(&mut numbers, next.1);
            let flags = FLAGS[numbers.below(FLAGS.len())];
            let payload = vec![0; [0, 1, 100, 1460][numbers.below(4)]];
            setup
                .net
                .send(&segment(1000, sequence, acknowledge, flags, &payload));
        }
        let world = setup.fake.world();
        arrived += world
            .connections
            .iter()
            .map(|connection| connection.outgoing.len())
            .sum::<usize>();
    }
    assert!(arrived > 100_000, "only {arrived} bytes have come through");
}

/// A guest that opens connections and never takes a frame.
#[test]
fn a_flood_of_connections() {
    let mut setup = Setup::new();
    for port in 1..=60_000u16 {
        setup.net.send(&segment(port, 7, 0, 2, &[]));
        if port % 64 == 0 {
            setup.fake.world().now += 1;
            setup.net.receive();
        }
        assert!(setup.fake.world().connections.len() <= usize::from(port));
    }
    assert!(setup.fake.world().open_connections() <= MAX_FLOWS);
    assert!(drain(&mut setup).len() <= 4096);
}

/// A guest that answers with the smallest segments and no window.
#[test]
fn a_shut_window() {
    let mut setup = Setup::new();
    setup.net.send(&segment(1000, 7, 0, 2, &[]));
    let answer = drain(&mut setup).into_iter().find(|frame| frame[23] == 6);
    let answer = answer.or_else(|| {
        // The address has been asked for first.
        setup.net.send(&segment(1000, 7, 0, 2, &[]));
        drain(&mut setup).pop()
    });
    let answer = answer.expect("a SYN is answered");
    let theirs = u32::from_be_bytes([answer[38], answer[39], answer[40], answer[41]]);
    let mut shut = segment(1000, 8, theirs.wrapping_add(1), 0x10, &[]);
    shut[48..50].fill(0);
    setup.net.send(&shut);
    setup.fake.world().connections[0]
        .incoming
        .extend([5; 500_000]);
    let mut frames = 0;
    for _ in 0..1000 {
        setup.fake.world().now += 100;
        frames += drain(&mut setup).len();
    }
    assert!(frames < 1000, "{frames} probes");
    assert!(setup.fake.world().connections[0].incoming.len() >= 500_000 - (128 << 10));
}
