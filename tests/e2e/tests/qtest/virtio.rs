//! Virtio devices over both transports.

use super::pci::{MEMORY, config, enable};
use super::{Pair, word};

const ALL: u64 = 0xffff_ffff;
/// The transport that the first device on the command line gets.
const LAST: u64 = 0x0a00_3e00;
const RAM: u64 = 0x4010_0000;
const DESCRIPTORS: u64 = RAM;
const AVAILABLE: u64 = RAM + 0x1000;
const USED: u64 = RAM + 0x2000;
const DATA: u64 = RAM + 0x3000;

const MODERN: &str = "-global virtio-mmio.force-legacy=false";

/// Writes a descriptor: a buffer, its length, its flags and what follows it.
fn descriptor(pair: &mut Pair, index: u64, at: u64, len: u64, flags: u64, next: u64) {
    pair.write(8, DESCRIPTORS + 16 * index, at);
    pair.write(
        8,
        DESCRIPTORS + 16 * index + 8,
        next << 48 | flags << 32 | len,
    );
}

/// Offers the chain that starts at the first descriptor, as the first, and sees what is used of it.
fn complete(pair: &mut Pair) {
    pair.write(2, AVAILABLE + 4, 0);
    pair.write(2, AVAILABLE + 2, 1);
    pair.write(4, LAST + 0x50, 0);
    pair.settle();
    pair.read(4, USED);
    pair.read(8, USED + 4);
}

#[test]
fn mmio_registers() {
    for mode in ["", MODERN] {
        let devices = ["rng", "balloon", "net", "serial", "scsi"];
        let mut options = mode.to_owned();
        for device in devices {
            options += &format!(" -device virtio-{device}-device");
            if device == "net" {
                options += ",mac=52:54:00:12:34:56";
            }
        }
        let Some(mut pair) = Pair::start(&options) else {
            return;
        };
        pair.watch();
        for slot in 0..devices.len() as u64 {
            let base = LAST - 0x200 * slot;
            // Nothing is said of shared memory: only its length tells that there is none in QEMU,
            // and that of legacy devices, too.
            let own = |offset: &u64| *offset == 0x10 || (0xb0..0xc0).contains(offset);
            for offset in (0..0x140).step_by(4).filter(|offset| !own(offset)) {
                pair.read(4, base + offset);
            }
            for bytes in [1, 2, 8] {
                pair.read(bytes, base + 0x100);
                pair.read(bytes, base);
            }
            // The first features are each one's own: QEMU's cards announce themselves and take
            // offloads by command, and its legacy devices interrupt when a queue runs empty.
            pair.write(4, base + 0x14, 1);
            pair.read(4, base + 0x10);
            for status in [1, 3] {
                pair.write(4, base + 0x70, status);
                pair.read(4, base + 0x70);
            }
            let accepted = if mode.is_empty() { 0 } else { 1 };
            for bank in 0..2 {
                pair.write(4, base + 0x24, bank);
                pair.write(4, base + 0x20, accepted * bank);
            }
            pair.write(4, base + 0x70, 0xb);
            pair.read(4, base + 0x70);
            for queue in 0..6 {
                pair.write(4, base + 0x30, queue);
                for offset in [0x34, 0x40, 0x44] {
                    pair.read(4, base + offset);
                }
            }
            pair.write(4, base + 0x30, 0);
            if !mode.is_empty() {
                let list = [0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4].map(|at| word(at, ALL));
                pair.roam(base, &list, 50);
            }
            pair.write(4, base + 0x38, 64);
            pair.write(4, base + 0x70, 0);
            pair.read(4, base + 0x70);
            pair.read(4, base + 0x44);
            pair.read(4, base + 0x60);
            pair.read(4, base + 0xfc);
            pair.name(&format!("{mode} slot {slot}"));
        }
        // Without a device.
        let base = LAST - 0x200 * devices.len() as u64;
        for offset in (0..0x110).step_by(4) {
            pair.read(4, base + offset);
        }
        pair.end();
    }
}

/// A queue of eight on a transport of memory-mapped registers, ready to go.
fn start(pair: &mut Pair, base: u64) {
    pair.write(4, base + 0x70, 0);
    pair.ask(&format!("memset {RAM:#x} 0x4000 0"));
    for status in [1, 3] {
        pair.write(4, base + 0x70, status);
    }
    pair.write(4, base + 0x24, 1);
    pair.write(4, base + 0x20, 1);
    pair.write(4, base + 0x24, 0);
    pair.write(4, base + 0x20, 0);
    pair.write(4, base + 0x70, 0xb);
    pair.write(4, base + 0x30, 0);
    pair.write(4, base + 0x38, 8);
    for (offset, value) in [(0x80, DESCRIPTORS), (0x90, AVAILABLE), (0xa0, USED)] {
        pair.write(4, base + offset, value);
        pair.write(4, base + offset + 4, 0);
    }
    pair.write(4, base + 0x44, 1);
    pair.write(4, base + 0x70, 0xf);
}

#[test]
fn entropy_over_mmio() {
    let Some(mut pair) = Pair::idle(&format!("{MODERN} -device virtio-rng-device")) else {
        return;
    };
    // When an interrupt comes is not compared, whether one is pending is.
    start(&mut pair, LAST);
    descriptor(&mut pair, 0, DATA, 16, 2, 0);
    complete(&mut pair);
    pair.read(4, LAST + 0x60);
    pair.write(4, LAST + 0x64, 1);
    pair.read(4, LAST + 0x60);
    pair.end();
}

/// A disk of sixteen sectors, in each of which its number is repeated.
fn disk(path: &str) {
    let bytes: Vec<u8> = (0..16).flat_map(|sector| [sector + 1; 512]).collect();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn requests_to_a_disk() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("disk").display().to_string();
    for number in 0..2 {
        disk(&format!("{place}{number}"));
    }
    let options = format!(
        "{MODERN} -drive if=none,id=d,file={place}{{number}},format=raw \
         -device virtio-blk-device,drive=d,serial=number"
    );
    let Some(mut pair) = Pair::idle(&options) else {
        return;
    };
    for offset in (0x100..0x148).step_by(4) {
        pair.read(4, LAST + offset);
    }
    // Kind, first sector, bytes, and whether the device writes the buffer.
    for (kind, sector, len, write) in [
        (0, 3, 512, true),
        (0, 0, 1024, true),
        (0, 15, 1024, true),
        (0, 99, 512, true),
        (1, 5, 512, false),
        (0, 5, 512, true),
        (4, 0, 0, true),
        (8, 0, 20, true),
        (11, 2, 16, false),
        (13, 2, 16, false),
        (77, 0, 512, true),
        (0, 3, 100, true),
    ] {
        start(&mut pair, LAST);
        // After a serial number, QEMU leaves what was there.
        let before = if kind == 8 { 0 } else { 0x5a };
        pair.ask(&format!("memset {DATA:#x} 0x400 {before}"));
        pair.write(8, RAM + 0x800, kind);
        pair.write(8, RAM + 0x808, sector);
        if kind == 11 || kind == 13 {
            pair.write(8, DATA, sector);
            pair.write(8, DATA + 8, 1);
        }
        pair.write(1, RAM + 0x900, 0xee);
        let after = if len == 0 { 2 } else { 1 };
        descriptor(&mut pair, 0, RAM + 0x800, 16, 1, after);
        descriptor(&mut pair, 1, DATA, len, if write { 3 } else { 1 }, 2);
        descriptor(&mut pair, 2, RAM + 0x900, 1, 2, 0);
        complete(&mut pair);
        pair.read(1, RAM + 0x900);
        pair.ask(&format!("read {DATA:#x} 0x400"));
        pair.read(4, LAST + 0x60);
        pair.write(4, LAST + 0x64, 3);
        pair.name(&format!("kind {kind} sector {sector}"));
    }
    pair.end();
}

#[test]
fn pci_registers() {
    let drivers = ["rng", "balloon", "net", "serial", "scsi"];
    let mut options = String::new();
    for (n, driver) in drivers.iter().enumerate() {
        options += &format!(" -device virtio-{driver}-pci,addr={}", n + 1);
        if *driver == "net" {
            options += ",mac=52:54:00:12:34:56";
        }
    }
    let Some(mut pair) = Pair::start(&options) else {
        return;
    };
    for (slot, driver) in (1..).zip(drivers) {
        let base = MEMORY + 0x1_0000 * slot;
        enable(&mut pair, slot, 4, base);
        pair.write(4, config(slot) + 0x24, 0);
        for offset in (0..0x38).step_by(4).filter(|offset| *offset != 4) {
            pair.read(4, base + offset);
        }
        for bank in 1..3 {
            pair.write(4, base, bank);
            pair.read(4, base + 4);
        }
        for status in [1, 3] {
            pair.write(1, base + 0x14, status);
            pair.read(1, base + 0x14);
        }
        pair.write(4, base + 8, 1);
        pair.write(4, base + 0xc, 1);
        pair.write(1, base + 0x14, 0xb);
        pair.read(1, base + 0x14);
        for queue in 0..6 {
            pair.write(2, base + 0x16, queue);
            for offset in [0x16, 0x18, 0x1a, 0x1c, 0x1e] {
                pair.read(2, base + offset);
            }
        }
        pair.write(2, base + 0x16, 0);
        let list = [0x20, 0x24, 0x28, 0x2c, 0x30, 0x34].map(|at| word(at, ALL));
        pair.roam(base, &list, 60);
        pair.read(1, base + 0x1000);
        for offset in (0..0x40).step_by(4) {
            pair.read(4, base + 0x2000 + offset);
        }
        pair.write(1, base + 0x14, 0);
        // QEMU keeps what was selected and accepted before.
        for offset in (0x10..0x38).step_by(4) {
            pair.read(4, base + offset);
        }
        pair.name(driver);
    }
    pair.end();
}
