//! Everything that tables map, against walks for single addresses.

use std::collections::HashMap;

use super::random::{Random, controls, entry, setup};
use crate::features::Features;
use crate::mmu::mapped::{Listing, Mapped, MappedRange, TooMany};
use crate::mmu::regime::Regime;
use crate::mmu::walk;

/// Descriptors at addresses: few, so that tables end.
fn sparse(seed: u64, setup: super::naive::Setup) -> impl FnMut(u64) -> u64 {
    move |at| {
        let mut here = Random(seed ^ at.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..4 {
            here.next();
        }
        // Three of a table on the average.
        if here.chance(setup.granule_kib * 128 / 3) {
            entry(&mut here, &setup) | 1 << 10
        } else {
            0
        }
    }
}

fn lookup(ranges: &[MappedRange], va: u64) -> Option<u64> {
    let found = ranges
        .iter()
        .find(|range| va >= range.virt && va - range.virt < range.len);
    found.map(|range| range.phys + (va - range.virt))
}

#[test]
fn it_is_what_walks_find() {
    let mut random = Random(0x1234_5678_9abc_def1);
    let (mut pages, mut none) = (0, 0);
    for _ in 0..100 {
        let mut setup = setup(&mut random);
        // Large tables at the top would take their time.
        setup.granule_kib = [4, 16][random.below(2) as usize];
        let regime = Regime::new(controls(&setup), 5, Features::HPDS);
        let mut memory = sparse(random.next(), setup);
        let high = usize::from(setup.high);
        let mut mapped = Mapped::default();
        let mut listing = Listing {
            regime: &regime,
            read: &mut |at| Some(memory(at)),
            into: &mut mapped,
        };
        listing.half(high, setup.table).unwrap();
        let ranges = mapped.ranges;
        let mut compare = |va: u64| {
            let found = walk::walk(&regime, va, setup.table, &mut |at| Some(memory(at)));
            let walked = found.ok().map(|mapping| mapping.page | va & 0xfff);
            assert_eq!(lookup(&ranges, va), walked, "{va:#x} {setup:x?}");
            match walked {
                Some(_) => pages += 1,
                None => none += 1,
            }
        };
        let top = if setup.high {
            u64::MAX << (64 - setup.tsz)
        } else {
            0
        };
        for range in ranges.iter().take(100) {
            for at in [0, range.len - 1, random.below(range.len)] {
                compare(range.virt + at);
            }
            compare(top | range.virt.wrapping_add(range.len) & u64::MAX >> setup.tsz);
        }
        for _ in 0..100 {
            compare(top | random.next() & u64::MAX >> setup.tsz);
        }
    }
    assert!(pages > 100 && none > 100, "{pages} {none}");
}

/// Pages in a row are one range; tables that lead to themselves come to an end.
#[test]
fn ranges_are_whole_and_tables_bounded() {
    let mut setup = setup(&mut Random(1));
    (setup.granule_kib, setup.tsz, setup.table) = (4, 16, 0x1000);
    (setup.pa_bits, setup.high) = (48, true);
    let regime = Regime::new(controls(&setup), 5, Features::HPDS);
    let list = |memory: &HashMap<u64, u64>| {
        let mut mapped = Mapped::default();
        let mut listing = Listing {
            regime: &regime,
            read: &mut |at| memory.get(&at).copied(),
            into: &mut mapped,
        };
        listing.half(1, setup.table).map(|()| mapped.ranges)
    };
    let mut memory: HashMap<u64, u64> =
        [(0x1ff8, 0x2003), (0x2ff8, 0x3003), (0x3ff8, 0x4003)].into();
    for n in 0..512 {
        memory.insert(0x4000 + n * 8, (0x4000_0000 + n * 0x1000) | 3);
    }
    let last = MappedRange {
        virt: 0xffff_ffff_ffe0_0000,
        phys: 0x4000_0000,
        len: 0x20_0000,
    };
    assert_eq!(list(&memory), Ok(vec![last]));
    // Not valid: two ranges, without the page between them.
    memory.insert(0x4000, 0);
    memory.insert(0x4010, 0);
    let ranges = list(&memory).unwrap();
    assert_eq!(ranges.len(), 2);
    assert_eq!(ranges[0].virt, last.virt + 0x1000);
    assert_eq!(ranges[1].phys, last.phys + 0x3000);
    for n in 0..512 {
        memory.insert(0x1000 + n * 8, 0x1003);
    }
    assert_eq!(list(&memory), Err(TooMany));
}
