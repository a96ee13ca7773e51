//! The card as its driver sees it, after the manual's chapters on initialization and operation.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use ferrite_machine::backend::NetBackend;
use ferrite_machine::{Device, ResetKind};
use ferrite_ram::GuestPhys;

use super::E1000;
use super::spec::reg;
use crate::pci::host::region;
use crate::pci::{PciHost, Request};
use crate::testbed::{RAM_BASE, Random, Testbed};

const MEMORY: u64 = 0x1000_0000;
const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

#[derive(Default)]
struct Wire {
    sent: Vec<Vec<u8>>,
    coming: VecDeque<Vec<u8>>,
    down: bool,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Wire>>);

impl NetBackend for Shared {
    fn send(&mut self, frame: &[u8]) {
        self.0.lock().unwrap().sent.push(frame.to_vec());
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        self.0.lock().unwrap().coming.pop_front()
    }

    fn link_up(&self) -> bool {
        !self.0.lock().unwrap().down
    }
}

struct Bed {
    bed: Testbed<PciHost>,
    wire: Shared,
}

mod express;

impl Bed {
    fn new() -> Self {
        let wire = Shared::default();
        Self::with(E1000::new(Box::new(wire.clone()), MAC), wire)
    }

    fn with(card: E1000, wire: Shared) -> Self {
        let mut host = PciHost::new(MEMORY, 0x80_0000_0000);
        host.plug(Request::default(), Box::new(card)).unwrap();
        let mut bed = Testbed::new(host);
        bed.run(|host, cx| host.reset(cx, ResetKind::Cold));
        let mut bed = Self { bed, wire };
        bed.open();
        bed
    }

    fn open(&mut self) {
        self.at(region::ECAM, 0x8010, MEMORY as u32);
        self.at(region::ECAM, 0x8004, 7);
    }

    fn at(&mut self, region: usize, offset: u64, value: u32) {
        let value = u64::from(value);
        self.bed
            .run(|host, cx| host.write(cx, region, offset, 4, value))
            .unwrap();
    }

    fn set(&mut self, register: u64, value: u32) {
        self.at(region::MEMORY, register, value);
    }

    fn get(&mut self, register: u64) -> u32 {
        self.bed
            .run(|host, cx| host.read(cx, region::MEMORY, register, 4))
            .unwrap() as u32
    }

    fn put(&self, at: u64, bytes: &[u8]) {
        self.bed.dma.write(GuestPhys(at), bytes).unwrap();
    }

    fn bytes(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.bed.dma.read(GuestPhys(at), &mut bytes).unwrap();
        bytes
    }

    fn word(&self, at: u64) -> u32 {
        self.bed.dma.load(GuestPhys(at)).unwrap()
    }

    /// A transmit ring of 8 at the start of RAM, a receive ring of 8 with its buffers behind.
    fn rings(&mut self) {
        for (base, at) in [(reg::TDBAL, RAM_BASE), (reg::RDBAL, RAM_BASE + 0x1000)] {
            self.set(base, at as u32);
            self.set(base + 4, 0);
            self.set(base + 8, 128);
        }
        for n in 0..8 {
            self.put(RAM_BASE + 0x1000 + 16 * n, &(buffer(n)).to_le_bytes());
        }
        self.set(reg::TCTL, 2);
    }

    fn descriptor(&self, n: u64, words: [u32; 4]) {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        self.put(RAM_BASE + 16 * n, &bytes);
    }

    fn sent(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.wire.0.lock().unwrap().sent)
    }

    fn come(&mut self, frame: Vec<u8>) {
        self.wire.0.lock().unwrap().coming.push_back(frame);
        self.bed.poll();
    }
}

fn buffer(n: u64) -> u64 {
    RAM_BASE + 0x1_0000 + 0x1000 * n
}

const PACKET: u64 = RAM_BASE + 0x8000;

fn frame(to: [u8; 6], len: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..len).map(|n| n as u8).collect();
    frame[..6].copy_from_slice(&to);
    frame
}

#[test]
fn identity_is_that_of_qemu() {
    let mut bed = Bed::new();
    bed.bed.reset();
    let mut word = |at: u64| {
        bed.bed
            .run(|host, cx| host.read(cx, region::ECAM, 0x8000 + at, 4))
            .unwrap()
    };
    let rows = [
        (0, 0x100e_8086),
        (4, 0),
        (8, 0x0200_0003),
        (0x10, 0),
        (0x14, 1),
        (0x2c, 0x1100_1af4),
        (0x34, 0),
        (0x3c, 0x100),
    ];
    for (at, value) in rows {
        assert_eq!(word(at), value, "{at:#x}");
    }
}

/// Reads an EEPROM word the way drivers do: nine bits in, sixteen out.
fn microwire(bed: &mut Bed, address: u32) -> u16 {
    const CLOCK: u32 = 1;
    const SELECT: u32 = 2;
    const IN: u32 = 4;
    bed.set(reg::EECD, 0x40);
    assert_eq!(bed.get(reg::EECD) & 0x80, 0x80, "granted");
    bed.set(reg::EECD, 0x40 | SELECT);
    for bit in (0..9).rev() {
        let data = if (0b110 << 6 | address) >> bit & 1 != 0 {
            IN
        } else {
            0
        };
        for clock in [0, CLOCK, 0] {
            bed.set(reg::EECD, 0x40 | SELECT | data | clock);
        }
    }
    let mut word = 0;
    for _ in 0..16 {
        bed.set(reg::EECD, 0x40 | SELECT | CLOCK);
        word = word << 1 | (bed.get(reg::EECD) >> 3 & 1) as u16;
        bed.set(reg::EECD, 0x40 | SELECT);
    }
    bed.set(reg::EECD, 0);
    word
}

#[test]
fn the_eeprom_by_both_ways() {
    let mut bed = Bed::new();
    let words: Vec<u16> = (0..64).map(|n| microwire(&mut bed, n)).collect();
    let sum = words
        .iter()
        .fold(0_u16, |sum, word| sum.wrapping_add(*word));
    assert_eq!(sum, 0xbaba);
    assert_eq!(words[..3], [0x5452, 0x1200, 0x5634]);
    for (n, word) in (0..).zip(&words) {
        bed.set(reg::EERD, n << 8 | 1);
        let answer = bed.get(reg::EERD);
        assert_eq!((answer >> 16, answer >> 4 & 1), (u32::from(*word), 1));
    }
    assert_eq!(bed.get(reg::RA), 0x1200_5452);
    assert_eq!(bed.get(reg::RA + 4), 0x8000_5634);
}

#[test]
fn the_transceiver() {
    let mut bed = Bed::new();
    let read = |bed: &mut Bed, register: u32| {
        bed.set(reg::MDIC, 2 << 26 | 1 << 21 | register << 16);
        bed.get(reg::MDIC)
    };
    assert_eq!(read(&mut bed, 2) & 0xffff, 0x0141);
    assert_eq!(read(&mut bed, 3) & 0xffff, 0x0c20);
    assert_eq!(read(&mut bed, 1) & 0x24, 0x24, "link up, negotiated");
    assert_eq!(
        bed.get(reg::STATUS) & 0xc3,
        0x83,
        "1 Gb/s, full duplex, link up"
    );
    bed.set(reg::MDIC, 2 << 26 | 2 << 21);
    assert_eq!(bed.get(reg::MDIC) >> 28 & 5, 5, "nothing at address 2");
    bed.wire.0.lock().unwrap().down = true;
    bed.set(reg::IMS, 4);
    bed.bed.poll();
    assert!(bed.bed.wiring.levels != 0);
    assert_eq!(read(&mut bed, 1) & 4, 0);
    assert_eq!(bed.get(reg::STATUS) & 2, 0);
    assert_eq!(bed.get(reg::ICR) & 4, 4);
    assert_eq!(bed.bed.wiring.levels, 0, "reading the causes clears them");
}

#[test]
fn a_frame_in_two_pieces_goes_out() {
    let mut bed = Bed::new();
    bed.rings();
    bed.set(reg::IMS, 1);
    let packet = frame([0xff; 6], 100);
    bed.put(PACKET, &packet);
    bed.descriptor(0, [PACKET as u32, 0, 40, 0]);
    bed.descriptor(1, [PACKET as u32 + 40, 0, 60 | 1 << 24 | 1 << 27, 0]);
    bed.set(reg::TDT, 2);
    assert_eq!(bed.sent(), [packet]);
    assert_eq!(bed.get(reg::TDH), 2);
    assert_eq!(bed.word(RAM_BASE + 12) & 1, 0, "nobody asked for that one");
    assert_eq!(bed.word(RAM_BASE + 28) & 1, 1);
    assert!(bed.bed.wiring.levels != 0);
    assert_eq!(bed.get(reg::ICR) & 3, 3);
    assert_eq!(bed.get(0x4080), 1, "packets sent");
    assert_eq!(bed.get(0x4080), 0, "cleared by reading");
}

/// The ones' complement sum of RFC 1071, on 32 bits and word by word.
fn reference_sum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for (n, byte) in bytes.iter().enumerate() {
        sum += u32::from(*byte) << if n % 2 == 0 { 8 } else { 0 };
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// An Ethernet frame with IPv4 and TCP headers and a payload, the TCP sum the pseudo header's
/// without the length.
fn tcp_packet(payload: usize) -> Vec<u8> {
    let mut packet = frame([2; 6], 54 + payload);
    packet[12..14].copy_from_slice(&[8, 0]);
    packet[14] = 0x45;
    packet[16..18].copy_from_slice(&[0, 0]);
    packet[18..20].copy_from_slice(&[0x12, 0xff]);
    packet[23] = 6;
    packet[24..26].copy_from_slice(&[0, 0]);
    packet[38..42].copy_from_slice(&0xffff_ff00_u32.to_be_bytes());
    packet[46] = 0x50;
    packet[47] = 0x19;
    let pseudo = [&packet[26..34], &[0, 6]].concat();
    let partial = reference_sum(&pseudo);
    packet[50..52].copy_from_slice(&partial.to_be_bytes());
    packet
}

#[test]
fn tcp_is_cut_into_segments() {
    let mut bed = Bed::new();
    bed.rings();
    let packet = tcp_packet(2500);
    bed.put(PACKET, &packet);
    let context = 1 << 29 | 1 << 24 | 1 << 25 | 1 << 26 | 2500;
    bed.descriptor(
        0,
        [
            14 | 24 << 8 | 33 << 16,
            34 | 50 << 8,
            context,
            54 << 8 | 1000 << 16,
        ],
    );
    let data = 1 << 29 | 1 << 20 | 1 << 24 | 1 << 26 | 1 << 27;
    bed.descriptor(1, [PACKET as u32, 0, data | 2554, 3 << 8]);
    bed.set(reg::TDT, 2);
    let frames = bed.sent();
    let sizes: Vec<usize> = frames.iter().map(Vec::len).collect();
    assert_eq!(sizes, [1054, 1054, 554]);
    for (n, segment) in frames.iter().enumerate() {
        let start = 54 + 1000 * n;
        assert_eq!(segment[54..], packet[start..start + segment.len() - 54]);
        assert_eq!(segment[16..18], ((segment.len() - 14) as u16).to_be_bytes());
        assert_eq!(segment[18..20], (0x12ff + n as u16).to_be_bytes());
        let sequence = 0xffff_ff00_u32.wrapping_add(1000 * n as u32);
        assert_eq!(segment[38..42], sequence.to_be_bytes());
        assert_eq!(segment[47], if n == 2 { 0x19 } else { 0x10 });
        assert_eq!(reference_sum(&segment[14..34]), 0xffff, "IP");
        let len = (segment.len() - 34) as u16;
        let pseudo = [
            &segment[26..34],
            &[0, 6],
            &len.to_be_bytes()[..],
            &segment[34..],
        ]
        .concat();
        assert_eq!(reference_sum(&pseudo), 0xffff, "TCP");
    }
}

#[test]
fn frames_come_in() {
    let mut bed = Bed::new();
    bed.rings();
    bed.set(reg::IMS, 0x80);
    bed.set(reg::RDT, 7);
    bed.set(reg::RCTL, 2 | 1 << 15);
    bed.come(frame(MAC, 40));
    assert_eq!(bed.get(reg::RDH), 1);
    let back = RAM_BASE + 0x1000 + 8;
    assert_eq!(bed.word(back) & 0xffff, 64, "padded, with a check sequence");
    assert_eq!(bed.word(back + 4) & 0xff, 7);
    assert_eq!(bed.bytes(buffer(0), 40), frame(MAC, 40));
    assert!(bed.bed.wiring.levels != 0);
    // Not for us.
    bed.come(frame([2, 0, 0, 0, 0, 9], 60));
    assert_eq!(bed.get(reg::RDH), 1);
    bed.come(frame([0xff; 6], 60));
    assert_eq!(bed.get(reg::RDH), 2);
    // A group that the table has: bits 47 to 36 of the address pick the bit.
    let group = [1, 0, 0x5e, 0, 0x21, 0x43];
    bed.come(frame(group, 60));
    assert_eq!(bed.get(reg::RDH), 2);
    let hash = 0x432;
    bed.set(reg::MTA + (hash >> 5) * 4, 1 << (hash & 31));
    bed.come(frame(group, 60));
    assert_eq!(bed.get(reg::RDH), 3);
    // Two buffers of 256 bytes and what is left.
    bed.set(reg::RCTL, 2 | 3 << 16 | 1 << 26);
    bed.come(frame(MAC, 600));
    assert_eq!(bed.get(reg::RDH), 6);
    assert_eq!(bed.word(RAM_BASE + 0x1000 + 16 * 5 + 8) & 0xffff, 88);
    assert_eq!(
        bed.word(RAM_BASE + 0x1000 + 16 * 4 + 12) & 3,
        1,
        "not the last"
    );
    // Without room a frame waits.
    bed.come(frame(MAC, 600));
    assert_eq!(bed.get(reg::RDH), 6);
    bed.set(reg::RDT, 5);
    assert_eq!(bed.get(reg::RDH), 1);
}

#[test]
fn vlan_tags_come_off_and_go_on() {
    let mut bed = Bed::new();
    bed.rings();
    bed.set(reg::CTRL, 1 << 30);
    bed.set(reg::RDT, 7);
    bed.set(reg::RCTL, 2 | 1 << 26);
    let plain = frame(MAC, 80);
    let tagged = [&plain[..12], &[0x81, 0, 0x20, 5], &plain[12..]].concat();
    bed.come(tagged.clone());
    assert_eq!(bed.bytes(buffer(0), 80), plain);
    let word = bed.word(RAM_BASE + 0x1000 + 12);
    assert_eq!((word & 8, word >> 16), (8, 0x2005));
    bed.put(PACKET, &plain);
    bed.descriptor(0, [PACKET as u32, 0, 80 | 1 << 24 | 1 << 30, 0x2005 << 16]);
    bed.set(reg::TDT, 1);
    assert_eq!(bed.sent(), [tagged]);
}

#[test]
fn any_access_is_answered() {
    let express = Shared::default();
    let card = E1000::express(Box::new(express.clone()), MAC);
    for mut bed in [Bed::new(), Bed::with(card, express)] {
        random_registers(&mut bed);
    }
}

fn random_registers(bed: &mut Bed) {
    let mut random = Random(3);
    for n in 0..40_000 {
        if n % 400 == 0 {
            bed.open();
            bed.rings();
        }
        let register = match random.below(4) {
            0 => random.below(0x2_0000) & !3,
            1 => 0x2800 + 4 * random.below(8),
            2 => 0x3800 + 4 * random.below(8),
            _ => random.pick(&[
                reg::CTRL,
                reg::RCTL,
                reg::TCTL,
                reg::EECD,
                reg::MDIC,
                reg::ICS,
                reg::CTRL_EXT,
                0x2170,
                0x5008,
            ]),
        };
        if random.chance(2) {
            let value = match random.below(3) {
                0 => (RAM_BASE + random.below(1 << 20)) as u32,
                1 => random.below(16) as u32,
                _ => random.interesting() as u32,
            };
            bed.set(register, value);
        } else {
            bed.get(register);
        }
        if n % 32 == 0 {
            let len = 14 + random.below(3000) as usize;
            bed.come(frame(random.pick(&[MAC, [0xff; 6]]), len));
            let bytes: Vec<u8> = (0..128).map(|_| random.next_u64() as u8).collect();
            bed.put(RAM_BASE, &bytes);
            bed.bed.pass(10);
            bed.sent();
        }
    }
}
