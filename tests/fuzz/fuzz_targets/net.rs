//! A guest's frames into the user-mode network with a host whose sockets do anything.
//!
//! An input is a sequence of steps: frames as they are, IPv4 packets that are completed (lengths,
//! checksums, addresses), and time with what the host's sockets do next.

#![no_main]

use std::net::{Ipv4Addr, SocketAddrV4};

use ferrite_fuzz::Input;
use ferrite_fuzz::network::Scripted;
use ferrite_machine::backend::NetBackend;
use ferrite_net::{Forward, Options, UserNet};
use libfuzzer_sys::fuzz_target;

const GUEST: [u8; 4] = [10, 0, 2, 15];
const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
/// The longest frame of the network, with room for a VLAN tag.
const MAX_FRAME: usize = 1518;

fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let mut sum = 0_u32;
    for word in parts.iter().flat_map(|part| part.chunks(2)) {
        let low = word.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([word[0], low]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// A frame with an IPv4 packet to one of a few addresses.
fn packet(input: &mut Input) -> Vec<u8> {
    let (protocol, to) = match input.u8() {
        b if b & 3 == 0 => (1, b),
        b if b & 3 == 1 => (17, b),
        b => (6, b),
    };
    let to = match to >> 2 & 3 {
        0 => [10, 0, 2, 2],
        1 => [10, 0, 2, 3],
        2 => [192, 0, 2, 1],
        _ => [255; 4],
    };
    let fragment = match input.u8() {
        flags @ 0xe0.. => u16::from(flags & 1) << 13 | u16::from(flags >> 1 & 15),
        _ => 0,
    };
    let len = usize::from(input.u8()) * 4;
    let mut payload = input.bytes(len).to_vec();
    let segment_len = payload.len() as u16;
    let at = match protocol {
        1 => 2,
        6 => 16,
        _ => {
            if let Some(len) = payload.get_mut(4..6) {
                len.copy_from_slice(&segment_len.to_be_bytes());
            }
            6
        }
    };
    if let Some(field) = payload.get_mut(at..at + 2) {
        field.fill(0);
        let [high, low] = segment_len.to_be_bytes();
        let pseudo: [&[u8]; 3] = [&GUEST, &to, &[0, protocol, high, low]];
        let sum = match protocol {
            1 => checksum(&[&payload]),
            _ => checksum(&[pseudo[0], pseudo[1], pseudo[2], &payload]),
        };
        payload[at..at + 2].copy_from_slice(&sum);
    }
    let mut header = vec![0x45, 0];
    header.extend((20 + segment_len).to_be_bytes());
    header.extend([0, 1]);
    header.extend(fragment.to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend(GUEST);
    header.extend(to);
    let sum = checksum(&[&header]);
    header[10..12].copy_from_slice(&sum);
    let mut frame = vec![0x52, 0x55, 10, 0, 2, 2];
    frame.extend(MAC);
    frame.extend([0x08, 0x00]);
    frame.extend(header);
    frame.extend(payload);
    frame
}

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let host = Scripted::default();
    let forward = |udp, port| Forward {
        udp,
        host: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port),
        guest: None,
        guest_port: 22,
    };
    let options = Options {
        restrict: input.u8() == 1,
        forwards: vec![forward(false, 2222), forward(true, 2223)],
        host_name: Some("guest".into()),
    };
    let mut net = UserNet::new(Box::new(host.clone()), &options).expect("every socket opens");
    while !input.is_empty() {
        match input.u8() {
            0..0x20 => {
                let len = usize::from(input.u8()) * 8;
                net.send(input.bytes(len));
            }
            0x20..0xc0 => net.send(&packet(&mut input)),
            _ => {
                let (ms, len) = (input.u16(), usize::from(input.u8() & 31));
                host.advance(ms, input.bytes(len));
            }
        }
        // What the guest is slow to take must not pile up either.
        for _ in 0..8 {
            let Some(frame) = net.receive() else { break };
            assert!((14..=MAX_FRAME).contains(&frame.len()), "{}", frame.len());
        }
    }
}

fuzz_target!(|data: &[u8]| run(data));
