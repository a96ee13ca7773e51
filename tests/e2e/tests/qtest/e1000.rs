//! The network cards.

use super::pci::{MEMORY, enable};
use super::{Pair, Register, word};

const ALL: u64 = 0xffff_ffff;
const RAM: u64 = 0x4010_0000;

/// Transmit control, without its enabling bit here.
const TCTL: u64 = 0x400;

/// Registers of both cards that a driver sets up, with their documented fields.
fn registers() -> Vec<Register> {
    let mut list = vec![
        word(0x0008, 0),
        word(0x0038, 0xffff),
        word(TCTL, ALL & !2),
        word(0x2800, ALL & !0xf),
        word(0x2804, ALL),
        word(0x2808, 0xfff80),
        word(0x2810, 0xffff),
        word(0x3800, ALL & !0xf),
        word(0x3804, ALL),
        word(0x3808, 0xfff80),
        word(0x3810, 0xffff),
        word(0x5800, ALL),
        word(0x5808, ALL),
        word(0x1000, 0),
        word(0x0e00, 0),
    ];
    for (from, to, step) in [
        (0x5200, 0x5400, 60),
        (0x5408, 0x5480, 12),
        (0x5600, 0x5800, 60),
    ] {
        let offsets = (from..to).step_by(step);
        list.extend(offsets.map(|offset| word(offset, ALL)));
    }
    list
}

/// A card, its EEPROM's address shift, and its MAC address where the receive addresses start.
fn card(driver: &str, shift: u64, done: u64) -> Option<Pair> {
    let mut pair = Pair::start(&format!("-device {driver},addr=1,mac=52:54:00:12:34:56"))?;
    pair.watch();
    for at in (0..0x6000).step_by(4) {
        pair.read(4, MEMORY + at);
    }
    enable(&mut pair, 1, 0, MEMORY);
    // After reset; reading clears the causes and statistics, twice tells.
    for _ in 0..2 {
        for at in (0..0x6000).step_by(4) {
            if !is_left_out(at) {
                pair.read(4, MEMORY + at);
            }
        }
    }
    for place in 0..64 {
        pair.write(4, MEMORY + 0x14, place << shift | 1);
        let answer = pair.read(4, MEMORY + 0x14);
        assert_ne!(answer & done, 0, "{driver} {place}");
    }
    // Registers of the transceiver.
    // (QEMU's status says that negotiation is to come.)
    for register in (0..32).filter(|register| *register != 1) {
        pair.write(4, MEMORY + 0x20, 0x0820_0000 | register << 16);
        pair.read(4, MEMORY + 0x20);
    }
    pair.name(driver);
    Some(pair)
}

/// Places at which the two differ on purpose.
fn is_left_out(at: u64) -> bool {
    match at {
        // The manual's second place of CTRL; the end of configuration, which drivers wait for.
        0x0004 | 0x1010 => true,
        // Second places of registers, for drivers of the oldest cards.
        0x0040..0x0080 => true,
        // Of the 82574: error correction, flash, and what the datasheet does not tell of.
        0x1028..0x1060 | 0x3400..0x3430 => true,
        // Its semaphore, which is taken after reset in QEMU.
        0x5b50 => true,
        _ => false,
    }
}

/// A frame by a descriptor of the oldest kind.
fn transmit(pair: &mut Pair, express: bool) {
    pair.write(4, MEMORY + 0xd8, ALL);
    pair.read(4, MEMORY + 0xc0);
    for (offset, value) in [
        (0x3800, RAM),
        (0x3804, 0),
        (0x3808, 128),
        (0x3810, 0),
        (0x3818, 0),
    ] {
        pair.write(4, MEMORY + offset, value);
    }
    pair.ask(&format!("memset {RAM:#x} 0x80 0"));
    pair.ask(&format!("memset {:#x} 60 0xff", RAM + 0x1000));
    pair.write(8, RAM, RAM + 0x1000);
    // 60 bytes; report status, insert the checksum of the frame, end of packet.
    pair.write(8, RAM + 8, 0x0b00_003c);
    pair.write(4, MEMORY + 0xd0, 0x3);
    pair.write(4, MEMORY + TCTL, 0x0004_010a);
    pair.write(4, MEMORY + 0x3818, 1);
    pair.settle();
    for offset in [0x3810, 0x3818, 0xc8, 0xd0] {
        pair.read(4, MEMORY + offset);
    }
    pair.read(8, RAM + 8);
    pair.read(4, MEMORY + 0xc0);
    pair.read(4, MEMORY + 0xc0);
    // QEMU's 82574 does not count the check sequence, and counts interrupts.
    let own = [0x4090, 0x40c8, 0x40d8, 0x4100];
    for offset in (0x4000..0x4128).step_by(4) {
        if !(express && own.contains(&offset)) {
            pair.read(4, MEMORY + offset);
        }
    }
}

#[test]
fn the_82540em() {
    let Some(mut pair) = card("e1000", 8, 1 << 4) else {
        return;
    };
    transmit(&mut pair, false);
    pair.write(4, MEMORY + TCTL, 0);
    pair.roam(MEMORY, &registers(), 3000);
    pair.name("registers");
    pair.end();
}

#[test]
fn the_82574l() {
    let Some(mut pair) = card("e1000e", 2, 1 << 1) else {
        return;
    };
    transmit(&mut pair, true);
    pair.write(4, MEMORY + TCTL, 0);
    pair.roam(MEMORY, &registers(), 3000);
    pair.name("registers");
    pair.end();
}

/// Interrupt causes, set by software, with the mask. The line is not watched: QEMU's card holds it
/// back for a while after each interrupt, and time stands still. (Its 82574 then holds causes
/// back, too.)
#[test]
fn causes() {
    let Some(mut pair) = Pair::start("-device e1000,addr=1") else {
        return;
    };
    enable(&mut pair, 1, 0, MEMORY);
    pair.read(4, MEMORY + 0xc0);
    let list = [
        word(0xc0, 0),
        word(0xc8, 0x1f6d7),
        word(0xd0, 0x1f6d7),
        word(0xd8, 0x1f6d7),
    ];
    pair.roam(MEMORY, &list, 1000);
    pair.end();
}
