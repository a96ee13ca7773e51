use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use ferrite_machine::backend::NetBackend;

use super::{Passing, VirtioNet};
use crate::virtio::MmioVersion;
use crate::virtio::guest::{DRIVERS, EVENT_IDX, Guest, INDIRECT, Random, VERSION_1};

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const MRG_RXBUF: u64 = 1 << 15;
const STATUS: u64 = 1 << 16;
/// Control queue with all of its commands.
const CONTROL: u64 = 1 << 17 | 1 << 18 | 1 << 19 | 1 << 20 | 1 << 23;

#[derive(Default)]
struct Cable {
    sent: Vec<Vec<u8>>,
    arrived: VecDeque<Vec<u8>>,
    unplugged: bool,
}

#[derive(Clone, Default)]
struct Port(Arc<Mutex<Cable>>);

impl NetBackend for Port {
    fn send(&mut self, frame: &[u8]) {
        self.0.lock().unwrap().sent.push(frame.to_vec());
    }
    fn receive(&mut self) -> Option<Vec<u8>> {
        self.0.lock().unwrap().arrived.pop_front()
    }
    fn link_up(&self) -> bool {
        !self.0.lock().unwrap().unplugged
    }
}

impl Port {
    fn arrive(&self, frame: &[u8]) {
        self.0.lock().unwrap().arrived.push_back(frame.to_vec());
    }
}

fn guest(version: MmioVersion, features: u64) -> (Guest, Port) {
    let port = Port::default();
    let device = VirtioNet::new(Box::new(port.clone()), MAC);
    let mut guest = Guest::new(version, Box::new(device));
    guest.start(features, &[16, 16, 16]);
    (guest, port)
}

fn frame(to: [u8; 6], len: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..len).map(|n| (n * 3) as u8).collect();
    frame[..6].copy_from_slice(&to);
    frame[12..14].copy_from_slice(&[8, 0]);
    frame
}

fn header_len(version: MmioVersion, features: u64) -> usize {
    if version == MmioVersion::Modern || features & MRG_RXBUF != 0 {
        12
    } else {
        10
    }
}

#[test]
fn frames_go_both_ways_on_every_interface() {
    for (version, ring_features) in DRIVERS {
        for merge in [0, MRG_RXBUF] {
            let features = ring_features | merge;
            let (mut guest, port) = guest(version, features);
            let header = vec![0; header_len(version, features)];
            let out = frame([1; 6], 60);
            let sent = guest.add(1, &[&header, &out[..20], &out[20..]], &[]);
            guest.kick(1);
            assert_eq!(guest.used(1), Some((sent.head, 0)));
            assert_eq!(port.0.lock().unwrap().sent, [out]);

            let incoming = frame(MAC, 1514);
            port.arrive(&incoming);
            guest.poll();
            // No buffer yet: the frame waits.
            let sent = guest.add(0, &[], &[header.len(), 1600]);
            guest.kick(0);
            let (head, len) = guest.used(0).unwrap();
            assert_eq!((head, len as usize), (sent.head, header.len() + 1514));
            let answer = guest.answer(&sent);
            assert_eq!(answer[header.len()..][..1514], incoming);
            assert_eq!(answer[..10], [0; 10]);
            if header.len() == 12 {
                assert_eq!(answer[10..12], [1, 0], "num_buffers");
            }
        }
    }
}

#[test]
fn merged_buffers_carry_a_long_frame() {
    let (mut guest, port) = guest(MmioVersion::Modern, MRG_RXBUF | EVENT_IDX | INDIRECT);
    let incoming = frame(MAC, 1000);
    let mut chains: Vec<_> = (0..3).map(|_| guest.add(0, &[], &[300])).collect();
    guest.kick(0);
    port.arrive(&incoming);
    guest.poll();
    // 1012 bytes need four buffers: three are not touched.
    assert_eq!(guest.used(0), None);
    chains.push(guest.add(0, &[], &[300]));
    guest.kick(0);
    let mut bytes: Vec<u8> = Vec::new();
    for chain in &chains {
        let (head, len) = guest.used(0).unwrap();
        assert_eq!(head, chain.head);
        bytes.extend(&guest.answer(chain)[..len as usize]);
    }
    assert_eq!(bytes[10..12], [4, 0]);
    assert_eq!(bytes[12..], incoming);
}

#[test]
fn a_frame_that_no_buffer_can_hold_is_lost() {
    let (mut guest, port) = guest(MmioVersion::Modern, 0);
    let chain = guest.add(0, &[], &[100]);
    guest.kick(0);
    port.arrive(&frame(MAC, 500));
    port.arrive(&frame(MAC, 80));
    guest.poll();
    assert_eq!(guest.used(0), Some((chain.head, 92)));
}

#[test]
fn receive_buffers_are_announced_only_when_they_are_missed() {
    for features in [0, EVENT_IDX] {
        let (mut guest, port) = guest(MmioVersion::Modern, features);
        guest.poll();
        for _ in 0..3 {
            guest.add(0, &[], &[2000]);
        }
        assert!(!guest.wants_kick(0), "{features:#x}");
        for _ in 0..4 {
            port.arrive(&frame(MAC, 64));
        }
        guest.poll();
        assert_eq!(std::iter::from_fn(|| guest.used(0)).count(), 3);
        guest.add(0, &[], &[2000]);
        assert!(guest.wants_kick(0), "{features:#x}");
        guest.kick(0);
        assert!(guest.used(0).is_some());
    }
}

#[test]
fn a_frame_without_a_header_breaks_the_device() {
    let (mut guest, _) = guest(MmioVersion::Modern, 0);
    guest.add(1, &[&[0; 11]], &[]);
    guest.kick(1);
    assert!(guest.needs_reset());
}

#[test]
fn oversized_frames_are_dropped() {
    let (mut guest, port) = guest(MmioVersion::Modern, 0);
    let sent = guest.add(1, &[&[0; 12], &vec![0; 70_000]], &[]);
    guest.kick(1);
    assert_eq!(guest.used(1), Some((sent.head, 0)));
    assert!(port.0.lock().unwrap().sent.is_empty());
}

#[test]
fn the_link_goes_down_and_up() {
    let (mut guest, port) = guest(MmioVersion::Modern, STATUS);
    assert_eq!(
        guest.config::<8>(0),
        [0x52, 0x54, 0, 0x12, 0x34, 0x56, 1, 0]
    );
    port.0.lock().unwrap().unplugged = true;
    guest.poll();
    assert_eq!(guest.take_interrupt(), 2);
    assert_eq!(guest.config::<2>(6), [0, 0]);
    guest.add(1, &[&[0; 12], &frame(MAC, 60)], &[]);
    guest.kick(1);
    assert!(port.0.lock().unwrap().sent.is_empty());
    port.0.lock().unwrap().unplugged = false;
    guest.poll();
    assert_eq!(guest.take_interrupt() & 2, 2);
}

/// Whether a frame reaches the driver, which has buffers for it.
fn passes(guest: &mut Guest, port: &Port, frame: &[u8]) -> bool {
    port.arrive(frame);
    guest.poll();
    let passed = guest.used(0).is_some();
    if passed {
        guest.add(0, &[], &[2000]);
    }
    passed
}

fn command(guest: &mut Guest, class: u8, command: u8, data: &[u8]) -> u8 {
    let answer = guest.request(2, &[&[class, command], data], &[1]);
    answer[0]
}

#[test]
fn the_driver_chooses_what_it_receives() {
    let (mut guest, port) = guest(MmioVersion::Modern, CONTROL);
    let other = [0x52, 0x54, 0, 9, 9, 9];
    let multicast = [0x33, 0x33, 0, 0, 0, 1];
    guest.add(0, &[], &[2000]);
    let seen = |guest: &mut Guest| {
        [MAC, other, multicast, [0xff; 6]].map(|to| passes(guest, &port, &frame(to, 64)))
    };
    assert_eq!(
        seen(&mut guest),
        [true, true, true, true],
        "promiscuous after reset"
    );
    assert_eq!(command(&mut guest, 0, 0, &[0]), 0);
    assert_eq!(seen(&mut guest), [true, false, false, true]);
    assert_eq!(command(&mut guest, 0, 1, &[1]), 0);
    assert_eq!(seen(&mut guest), [true, false, true, true], "all multicast");
    assert_eq!(command(&mut guest, 0, 5, &[1]), 0);
    assert_eq!(seen(&mut guest), [true, false, true, false], "no broadcast");
    command(&mut guest, 0, 5, &[0]);
    command(&mut guest, 0, 1, &[0]);
    let table = [&[1, 0, 0, 0][..], &other, &[1, 0, 0, 0], &multicast].concat();
    assert_eq!(command(&mut guest, 1, 0, &table), 0);
    assert_eq!(
        seen(&mut guest),
        [true, true, true, true],
        "both in the table"
    );
    assert_eq!(command(&mut guest, 1, 0, &[0; 8]), 0);
    assert_eq!(command(&mut guest, 1, 1, &other), 0);
    assert_eq!(
        seen(&mut guest),
        [false, true, false, true],
        "another address"
    );
    assert_eq!(guest.config::<6>(0), other);
}

#[test]
fn vlans_are_filtered() {
    let (mut guest, port) = guest(MmioVersion::Modern, CONTROL);
    guest.add(0, &[], &[2000]);
    command(&mut guest, 0, 0, &[0]);
    let mut tagged = frame(MAC, 64);
    tagged[12..16].copy_from_slice(&[0x81, 0, 0x60, 100]);
    assert!(!passes(&mut guest, &port, &tagged));
    assert_eq!(command(&mut guest, 2, 0, &[100, 0]), 0);
    assert!(passes(&mut guest, &port, &tagged));
    assert_eq!(command(&mut guest, 2, 1, &[100, 0]), 0);
    assert!(!passes(&mut guest, &port, &tagged));
}

/// What QEMU 7.2's `query-rx-filter` answers after the same commands, broadcasts apart: see below.
#[test]
fn the_filter_can_be_seen_from_outside() {
    let device = VirtioNet::new(Box::new(Port::default()), MAC);
    let view = device.filter_view();
    let before = view.look();
    assert!(before.promiscuous && before.broadcast);
    assert_eq!((before.vlan, before.vlans.len()), (Passing::All, 4096));
    let mut guest = Guest::new(MmioVersion::Modern, Box::new(device));
    guest.start(CONTROL, &[16, 16, 16]);
    assert_eq!(
        (view.look().vlan, view.look().vlans),
        (Passing::None, vec![])
    );
    assert!(!view.take_change(), "set up, not changed");
    command(&mut guest, 2, 0, &[100, 0]);
    assert!(view.take_change() && !view.take_change());
    command(&mut guest, 2, 0, &[200, 0]);
    assert!(!view.take_change(), "told once for each look");
    assert_eq!(view.look().vlans, [100, 200]);
    assert_eq!(view.look().vlan, Passing::Normal);
    // A command that is refused changes nothing.
    command(&mut guest, 9, 0, &[0]);
    assert!(!view.take_change());
    command(&mut guest, 0, 0, &[0]);
    command(&mut guest, 0, 1, &[1]);
    command(&mut guest, 0, 4, &[1]);
    command(&mut guest, 0, 5, &[1]);
    let report = view.look();
    assert!(!report.promiscuous && !report.broadcast);
    assert_eq!(report.multicast, Passing::All);
    assert_eq!(report.unicast, Passing::None);
    // 60 and 5 addresses: the table's 64 entries are for both, so the second kind overflows.
    let addresses = |count: u8| {
        let list = (0..count).flat_map(|n| [2, 0, 0, 0, 0, n]);
        [u32::from(count).to_le_bytes().to_vec(), list.collect()].concat()
    };
    command(&mut guest, 1, 0, &[addresses(60), addresses(5)].concat());
    let report = view.look();
    assert_eq!(report.unicast_table.len(), 60);
    assert_eq!(report.unicast_table[59], [2, 0, 0, 0, 0, 59]);
    assert!(report.multicast_overflow && !report.unicast_overflow);
    assert!(report.multicast_table.is_empty());
    command(&mut guest, 1, 0, &[addresses(60), addresses(4)].concat());
    assert_eq!(view.look().multicast_table.len(), 4);
    let another = [2, 0, 0, 0, 0, 0x77];
    command(&mut guest, 1, 1, &another);
    assert_eq!(view.look().mac, another);
}

/// QEMU 7.2 offers `0x101_30bf_8024` with user networking; the rest is what is not done here:
/// offload control and guest announcement.
#[test]
fn the_features_are_those_of_qemu_without_offloads() {
    let (mut guest, _) = guest(MmioVersion::Modern, 0);
    assert_eq!(guest.offered(), 0x101_30bf_8024 & !(1 << 2 | 1 << 21));
}

#[test]
fn malformed_commands_are_refused() {
    let (mut guest, _) = guest(MmioVersion::Modern, CONTROL);
    let cases: [(u8, u8, &[u8]); 9] = [
        (0, 0, &[1, 2]),
        (0, 6, &[1]),
        (1, 0, &[1, 0, 0, 0]),
        (1, 0, &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
        (1, 1, &[1, 2, 3]),
        (1, 2, &[0; 6]),
        (2, 0, &[0, 0x10]),
        (2, 2, &[0, 0]),
        (9, 0, &[0]),
    ];
    for (class, number, data) in cases {
        assert_eq!(
            command(&mut guest, class, number, data),
            1,
            "{class} {number}"
        );
    }
    guest.add(2, &[&[0]], &[1]);
    guest.kick(2);
    assert!(guest.needs_reset());
}

#[test]
fn random_bytes_do_no_harm() {
    let mut random = Random(5);
    for (version, features) in [
        (MmioVersion::Legacy, 0),
        (MmioVersion::Modern, MRG_RXBUF | CONTROL | VERSION_1),
    ] {
        let (mut guest, port) = guest(version, features);
        for _ in 0..2000 {
            let queue = random.below(3) as usize;
            let len = random.below(80) as usize + 1;
            let bytes: Vec<_> = (0..len).map(|_| random.below(4) as u8).collect();
            let room = [random.below(40) as usize + 1];
            let both = random.below(3);
            let readable: &[&[u8]] = if both == 0 { &[] } else { &[&bytes] };
            let writable: &[usize] = if both == 1 { &[] } else { &room };
            guest.add(queue, readable, writable);
            port.arrive(&bytes);
            guest.kick(queue);
            guest.poll();
            if guest.needs_reset() {
                guest.start(features, &[16, 16, 16]);
            }
        }
    }
}
