//! The 82574L as its Linux driver sets it up, after its datasheet.

use super::*;
use crate::e1000::spec::{cause, express};

const TABLE: u64 = MEMORY + 0x10_0000;
/// What the driver writes to the address of a vector's message.
const DOORBELL: u32 = 0x0802_0040;
const EXTENDED: u32 = 1 << 15;

fn bed() -> Bed {
    let wire = Shared::default();
    let mut bed = Bed::with(E1000::express(Box::new(wire.clone()), MAC), wire);
    bed.at(region::ECAM, 0x801c, TABLE as u32);
    bed
}

fn config(bed: &mut Bed, at: u64) -> u32 {
    let word = bed
        .bed
        .run(|host, cx| host.read(cx, region::ECAM, 0x8000 + at, 4));
    word.unwrap() as u32
}

/// The configuration space of QEMU 7.2's card on the root bus, at power-on.
#[test]
fn identity_is_that_of_qemu() {
    let mut bed = bed();
    bed.bed.reset();
    let rows = [
        (0x00, 0x10d3_8086),
        (0x04, 0x0010_0000),
        (0x08, 0x0200_0000),
        (0x10, 0),
        (0x14, 0),
        (0x18, 1),
        (0x1c, 0),
        (0x2c, 0x0000_8086),
        (0x34, 0xc8),
        (0x3c, 0x100),
        (0xa0, 0x0004_0011),
        (0xa4, 0x0000_0003),
        (0xa8, 0x0000_2003),
        (0xc8, 0x0022_d001),
        (0xcc, 0),
        (0xd0, 0x0080_e005),
        (0xe0, 0x0091_a010),
        (0xe4, 0x0000_8000),
        (0x100, 0x1402_0001),
        (0x10c, 0x0046_2030),
        (0x114, 0x0000_e000),
        (0x118, 0x0000_00a0),
        (0x140, 0x0001_0003),
        (0x144, 0xff12_3456),
        (0x148, 0x5254_00ff),
    ];
    for (at, value) in rows {
        assert_eq!(config(&mut bed, at), value, "{at:#x}");
    }
    for (at, mask) in [
        (0x10, 0xfffe_0000),
        (0x18, 0xffff_ffe1),
        (0x1c, 0xffff_c000),
    ] {
        bed.at(region::ECAM, 0x8000 + at, u32::MAX);
        assert_eq!(config(&mut bed, at), mask, "{at:#x}");
    }
}

/// The EEPROM by register, the transceiver's identity, the semaphores.
#[test]
fn what_the_driver_asks_first() {
    let mut bed = bed();
    let mut words = Vec::new();
    for n in 0..64 {
        bed.set(reg::EERD, n << 2 | 1);
        let answer = bed.get(reg::EERD);
        assert_eq!(
            answer & 0xfffe,
            n << 2 | 2,
            "done, at the address asked for"
        );
        words.push((answer >> 16) as u16);
    }
    assert_eq!(words[..3], [0x5452, 0x1200, 0x5634]);
    let sum = words
        .iter()
        .fold(0_u16, |sum, word| sum.wrapping_add(*word));
    assert_eq!(sum, 0xbaba);
    for (register, value) in [(2, 0x0141), (3, 0x0cb1)] {
        bed.set(reg::MDIC, 2 << 26 | 1 << 21 | register << 16);
        assert_eq!(bed.get(reg::MDIC) & 0xffff, value);
    }
    assert_eq!(bed.get(express::SWSM) & 1, 0, "free");
    assert_eq!(bed.get(express::SWSM) & 1, 1, "taken by the read before");
    bed.set(express::SWSM, 0);
    assert_eq!(bed.get(express::SWSM) & 1, 0);
    assert_eq!(bed.get(reg::EECD) & 0x300, 0x300, "there, and read");
    assert_ne!(bed.get(express::EEMNGCTL) & 1 << 18, 0, "configured");
    assert_ne!(bed.get(reg::STATUS) & 1 << 19, 0);
    let control = bed.get(reg::CTRL);
    bed.set(reg::CTRL, control | 4);
    assert_eq!(bed.get(reg::STATUS) & 1 << 19, 0, "quiet on the bus");
}

/// MSI-X with vectors 0 to 2, as `e1000_configure_msix` has them.
fn vectors(bed: &mut Bed) {
    for n in 0..3 {
        let entry = 0x10_0000 + 16 * n;
        bed.at(region::MEMORY, entry, DOORBELL);
        bed.at(region::MEMORY, entry + 4, 0);
        bed.at(region::MEMORY, entry + 8, 100 + n as u32);
        bed.at(region::MEMORY, entry + 12, 0);
    }
    bed.at(region::ECAM, 0x80a0, 0x8000_0000);
    bed.set(express::IVAR, 0x8 | 0x9 << 8 | 0xa << 16 | 1 << 31);
    bed.set(express::IAM, u32::MAX);
    bed.set(reg::CTRL_EXT, 1 << 31 | 1 << 24);
    bed.set(express::EIAC, cause::RX_QUEUE_0 | cause::TX_QUEUE_0);
    bed.set(
        reg::IMS,
        cause::RX_QUEUE_0 | cause::TX_QUEUE_0 | cause::OTHER | cause::LINK,
    );
}

fn messages(bed: &mut Bed) -> Vec<u32> {
    let sent = std::mem::take(&mut bed.bed.wiring.messages);
    let data = |message: ferrite_machine::device::Message| {
        assert_eq!(message.address.0, u64::from(DOORBELL));
        message.data
    };
    sent.into_iter().map(data).collect()
}

fn receiver(bed: &mut Bed, control: u32) {
    bed.rings();
    bed.set(express::RFCTL, EXTENDED);
    bed.set(reg::RDT, 7);
    bed.set(reg::RCTL, 1 << 1 | 1 << 15 | 1 << 26 | control);
}

#[test]
fn each_vector_tells_once_until_it_is_enabled_again() {
    let mut bed = bed();
    vectors(&mut bed);
    receiver(&mut bed, 0);
    bed.come(frame(MAC, 64));
    assert_eq!(messages(&mut bed), [100]);
    // Masked by its own message: what comes now waits.
    bed.come(frame(MAC, 64));
    assert_eq!(messages(&mut bed), []);
    bed.set(reg::IMS, cause::RX_QUEUE_0);
    assert_eq!(messages(&mut bed), [100]);
    // The message before cleared the cause: nothing is left to tell.
    bed.set(reg::IMS, cause::RX_QUEUE_0);
    assert_eq!(messages(&mut bed), []);

    bed.put(PACKET, &frame([2; 6], 60));
    bed.descriptor(0, [PACKET as u32, 0, 60 | 9 << 24, 0]);
    bed.set(reg::TDT, 1);
    assert_eq!(messages(&mut bed), [101]);
    assert_eq!(bed.sent().len(), 1);

    bed.wire.0.lock().unwrap().down = true;
    bed.bed.poll();
    assert_eq!(messages(&mut bed), [102]);
    let causes = bed.get(reg::ICR);
    let told = cause::LINK | cause::OTHER | cause::ASSERTED;
    assert_eq!(causes & told, told);
    assert_eq!(bed.get(reg::ICR) & cause::LINK, 0, "cleared by reading");
    bed.set(reg::IMS, cause::OTHER);
    assert_eq!(messages(&mut bed), []);
    // Software may raise what it wants to see again.
    bed.set(reg::ICS, cause::RX_QUEUE_0);
    assert_eq!(messages(&mut bed), [100]);
}

/// Reading does not clear causes while some are enabled and none of these is there.
#[test]
fn causes_by_pin() {
    let mut bed = bed();
    bed.set(reg::ICS, cause::LINK);
    bed.set(reg::IMS, cause::RX);
    assert_eq!(bed.get(reg::ICR) & 0x8000_00ff, cause::LINK);
    assert_eq!(bed.get(reg::ICR) & 0x8000_00ff, cause::LINK, "still there");
    bed.set(reg::IMS, cause::LINK);
    assert_eq!(
        bed.get(reg::ICR) & 0x8000_00ff,
        cause::ASSERTED | cause::LINK
    );
    assert_eq!(bed.get(reg::ICR), 0);
    // An acknowledgement masks what is to be masked by it.
    bed.set(express::IAM, u32::MAX);
    bed.set(reg::CTRL_EXT, 1 << 27);
    bed.set(reg::ICS, cause::LINK);
    assert_eq!(bed.get(reg::ICR) & cause::LINK, cause::LINK);
    assert_eq!(bed.get(reg::IMS), 0);
}

#[test]
fn one_message() {
    let mut bed = bed();
    bed.at(region::ECAM, 0x80d4, DOORBELL);
    bed.at(region::ECAM, 0x80dc, 55);
    bed.at(region::ECAM, 0x80d0, 1 << 16);
    bed.set(reg::IMS, cause::LINK);
    bed.set(reg::ICS, cause::LINK);
    assert_eq!(messages(&mut bed), [55]);
    bed.set(reg::ICS, cause::LINK);
    assert_eq!(messages(&mut bed), []);
    bed.get(reg::ICR);
    bed.set(reg::ICS, cause::LINK);
    assert_eq!(messages(&mut bed), [55]);
}

#[test]
fn extended_descriptors() {
    let mut bed = bed();
    receiver(&mut bed, 0);
    let one = frame(MAC, 700);
    bed.come(one.clone());
    let ring = RAM_BASE + 0x1000;
    assert_eq!(bed.bytes(ring, 8), [0; 8], "no hash");
    assert_eq!(bed.word(ring + 8) & 7, 7, "done, the last, no checksum");
    assert_eq!(bed.word(ring + 12), 700);
    assert_eq!(bed.bytes(buffer(0), 700), one);
    assert_eq!(bed.bytes(ring + 16, 8), buffer(1).to_le_bytes(), "the next");
}

#[test]
fn split_descriptors() {
    let mut bed = bed();
    receiver(&mut bed, 1 << 10 | 1 << 5);
    // Headers of 128 bytes, then 4 KiB, 4 KiB, nothing.
    bed.set(express::PSRCTL, 1 | 4 << 8 | 4 << 16);
    bed.set(reg::RDT, 3);
    let ring = RAM_BASE + 0x1000;
    let places = [0x2_0000, 0x3_0000, 0x4_0000, 0].map(|at: u64| RAM_BASE + at);
    let pointers: Vec<u8> = places.iter().flat_map(|at| at.to_le_bytes()).collect();
    bed.put(ring, &pointers);
    let jumbo = frame(MAC, 6000);
    bed.come(jumbo.clone());
    assert_eq!(bed.word(ring + 8) & 3, 3);
    let halves = |bed: &Bed, at: u64| {
        let word = bed.word(at);
        [word & 0xffff, word >> 16]
    };
    assert_eq!(halves(&bed, ring + 12)[0], 128);
    assert_eq!(halves(&bed, ring + 16), [0, 4096]);
    assert_eq!(halves(&bed, ring + 20), [6000 - 128 - 4096, 0]);
    assert_eq!(bed.bytes(places[0], 128), jumbo[..128]);
    assert_eq!(bed.bytes(places[1], 4096), jumbo[128..4224]);
    assert_eq!(bed.bytes(places[2], 6000 - 4224), jumbo[4224..]);
    assert_eq!(bed.get(reg::RDH), 2, "in units of 16 bytes");
    // The driver's tail does so, too: with one unit left there is no room.
    bed.come(frame(MAC, 64));
    assert_eq!(bed.get(reg::RDH), 2);
    bed.put(ring + 32, &pointers);
    bed.set(reg::RDT, 4);
    assert_eq!(bed.get(reg::RDH), 4);
    assert_eq!(bed.word(ring + 40) & 3, 3);
}
