//! The interrupt controllers, seen from their registers.

use super::{Pair, Register, word};

const DISTRIBUTOR: u64 = 0x0800_0000;
const INTERFACE: u64 = 0x0801_0000;
const FRAME: u64 = 0x0802_0000;
const ITS: u64 = 0x0808_0000;
const REDISTRIBUTOR: u64 = 0x080a_0000;

const ALL: u64 = 0xffff_ffff;

/// The registers at these offsets, a word apart.
fn words(list: &mut Vec<Register>, offsets: std::ops::Range<u64>, writable: u64) {
    list.extend(offsets.step_by(4).map(|offset| word(offset, writable)));
}

/// The same, a byte apart.
fn bytes(list: &mut Vec<Register>, offsets: std::ops::Range<u64>, writable: u64) {
    list.extend(offsets.map(|offset| Register {
        bytes: 1,
        ..word(offset, writable)
    }));
}

/// Registers of a distributor that both architectures have, for interrupts from `first` to 287.
fn banks(first: u64) -> Vec<Register> {
    let mut list = Vec::new();
    for base in [0x100, 0x180, 0x200, 0x280, 0x300, 0x380] {
        words(&mut list, base + first / 8..base + 288 / 8, ALL);
    }
    words(&mut list, 0x400 + first..0x400 + 288, ALL);
    bytes(&mut list, 0x400 + first..0x400 + 40, 0xff);
    words(&mut list, 0xc00 + first / 4..0xc00 + 288 / 4, ALL);
    list
}

/// Every word of a page that nothing is written to.
fn page(pair: &mut Pair, base: u64, offsets: std::ops::Range<u64>) {
    for offset in offsets.step_by(4) {
        pair.read(4, base + offset);
    }
}

#[test]
fn second_version() {
    let Some(mut pair) = Pair::start("-M virt,gic-version=2") else {
        return;
    };
    page(&mut pair, DISTRIBUTOR, 0..0x1000);
    page(&mut pair, FRAME, 0..0x1000);
    let mut list = banks(0);
    list.extend([word(0, 3), word(4, 0), word(8, 0), word(0xf00, 0x0201_800f)]);
    words(&mut list, 0x80..0xa4, ALL);
    words(&mut list, 0x800..0x920, ALL);
    bytes(&mut list, 0x81e..0x830, 0xff);
    // One CPU: only its own bit of each pending software interrupt. QEMU keeps the others, and
    // takes zeros that are written to GICD_SPENDSGIR for ones, too.
    words(&mut list, 0xf10..0xf20, 0x0101_0101);
    list.extend((0xf20..0xf30).step_by(4).map(|offset| Register {
        fixed: 0x0101_0101,
        ..word(offset, 0x0101_0101)
    }));
    pair.roam(DISTRIBUTOR, &list, 6000);
    page(&mut pair, DISTRIBUTOR, 0..0x1000);
    pair.end();
}

#[test]
fn interface_of_the_second_version() {
    let Some(mut pair) = Pair::start("-M virt,gic-version=2") else {
        return;
    };
    page(&mut pair, INTERFACE, 0..0x20);
    // GICC_HPPIR is left out: QEMU's heeds GICC_PMR.
    let interface = [
        word(0x00, 1),
        word(0x04, 0xff),
        word(0x08, 7),
        word(0x0c, 0),
        word(0x10, 0x3f),
        word(0x14, 0),
        word(0xfc, 0),
    ];
    let mut distributor = Vec::new();
    for base in [0x100, 0x180, 0x200, 0x280] {
        words(&mut distributor, base..base + 8, ALL);
    }
    words(&mut distributor, 0x400..0x440, ALL);
    pair.write(4, DISTRIBUTOR, 1);
    pair.write(4, INTERFACE, 1);
    for _ in 0..300 {
        pair.roam(DISTRIBUTOR, &distributor, 10);
        pair.roam(INTERFACE, &interface, 10);
    }
    pair.end();
}

#[test]
fn third_version() {
    let Some(mut pair) = Pair::start("-M virt,gic-version=3 -smp 2") else {
        return;
    };
    page(&mut pair, DISTRIBUTOR, 0..0x1000);
    page(&mut pair, DISTRIBUTOR, 0xffd0..0x1_0000);
    let mut list = banks(32);
    list.extend([word(0, 0x13), word(4, 0), word(8, 0), word(0xc, 0)]);
    words(&mut list, 0x84..0xa4, ALL);
    // Only fields of GICD_IROUTER: QEMU keeps the others, too.
    for (offset, fields) in [(0x6100, 0x80ff_ffff), (0x6104, 0xff)] {
        list.push(word(offset, fields));
    }
    list.push(Register {
        bytes: 8,
        ..word(0x6120, 0xff_80ff_ffff)
    });
    pair.roam(DISTRIBUTOR, &list, 6000);
    page(&mut pair, DISTRIBUTOR, 0..0x1000);
    pair.end();
}

#[test]
fn redistributors() {
    let Some(mut pair) = Pair::start("-M virt,gic-version=3 -smp 2") else {
        return;
    };
    for base in [0, 0x2_0000] {
        let base = REDISTRIBUTOR + base;
        page(&mut pair, base, 0..0x80);
        page(&mut pair, base, 0xffd0..0x1_0000);
        page(&mut pair, base + 0x1_0000, 0..0x1000);
        let mut list = Vec::new();
        for offset in [0x80, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380, 0xc00, 0xc04] {
            list.push(word(0x1_0000 + offset, ALL));
        }
        words(&mut list, 0x1_0400..0x1_0420, ALL);
        bytes(&mut list, 0x1_0400..0x1_0420, 0xff);
        list.extend([
            word(0, 0),
            word(4, 0),
            word(8, 0),
            word(0xc, 0),
            word(0x14, 2),
        ]);
        list.push(Register {
            bytes: 8,
            ..word(8, 0)
        });
        // QEMU shows GICR_PENDBASER.PTZ, which is only for writing.
        for (offset, fields) in [(0x70, u64::MAX), (0x78, !(1 << 62))] {
            let whole = word(offset, fields);
            list.push(Register { bytes: 8, ..whole });
        }
        pair.roam(base, &list, 3000);
        page(&mut pair, base + 0x1_0000, 0..0x1000);
    }
    // The last redistributor is marked; nothing is behind it.
    pair.read(8, REDISTRIBUTOR + 0x4_0008);
    pair.end();
}

#[test]
fn translation_service() {
    let Some(mut pair) = Pair::start("-M virt,gic-version=3,its=on") else {
        return;
    };
    // GITS_TYPER tells of our entries of 8 bytes, QEMU's are of 12. The first page size of
    // GITS_BASER is for each to choose.
    for offset in [
        0, 4, 0xc, 0x80, 0x84, 0x88, 0x8c, 0x90, 0x94, 0x104, 0x10c, 0x110,
    ] {
        pair.read(4, ITS + offset);
    }
    let size_of_entries = !0xf0;
    let ours = Pair::number(&pair.ours.ask(&format!("readq {:#x}", ITS + 8)));
    let theirs = Pair::number(&pair.theirs.ask(&format!("readq {:#x}", ITS + 8)));
    assert_eq!(ours & size_of_entries, theirs & size_of_entries);
    page(&mut pair, ITS, 0xffd0..0x1_0000);
    // While the service is off, its tables and its queue can be placed anywhere.
    let fields = [
        (0x80, u64::MAX),
        (0x88, 0xfe0),
        (0x90, 0),
        (0x100, u64::MAX),
        (0x108, u64::MAX),
    ];
    for offset in [0x100, 0x108, 0x80] {
        pair.write(8, ITS + offset, 0);
    }
    let list = fields.map(|(offset, fields)| Register {
        bytes: 8,
        ..word(offset, fields)
    });
    pair.roam(ITS, &list, 500);
    pair.end();
}
