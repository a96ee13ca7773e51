//! Random tables.

use super::naive::{self, Found, Memory, Setup};
use crate::features::Features;
use crate::mmu::regime::{Controls, Regime, sctlr};
use crate::mmu::spaces::Rights;
use crate::mmu::walk::{self, Mapping};
use crate::mmu::{Access, Kind};

/// xorshift64*.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn chance(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

pub fn setup(random: &mut Random) -> Setup {
    Setup {
        granule_kib: [4, 16, 64][random.below(3) as usize],
        tsz: 16 + random.below(24),
        table: random.next() & 0x0000_ffff_ffff_fffe & (u64::MAX >> random.below(32)),
        pa_bits: [32, 36, 40, 42, 44, 48][random.below(6) as usize],
        wxn: random.chance(2),
        flat: random.chance(2),
        top_byte_ignored: random.chance(2),
        high: random.chance(2),
    }
}

pub fn controls(setup: &Setup) -> Controls {
    let ips = [32, 36, 40, 42, 44, 48]
        .iter()
        .position(|&bits| bits == setup.pa_bits)
        .unwrap() as u64;
    let (tg0, tg1) = match setup.granule_kib {
        4 => (0, 2),
        16 => (2, 1),
        _ => (1, 3),
    };
    let flag = |set: bool, bit: u32| u64::from(set) << bit;
    let half = if setup.high {
        // The low half is set up differently.
        setup.tsz << 16 | tg1 << 30 | 32 | flag(setup.top_byte_ignored, 38) | flag(setup.flat, 42)
    } else {
        setup.tsz | tg0 << 14 | 32 << 16 | flag(setup.top_byte_ignored, 37) | flag(setup.flat, 41)
    };
    Controls {
        sctlr: sctlr::M | if setup.wxn { sctlr::WXN } else { 0 },
        tcr: half | ips << 32,
        mair: 0x0807_0605_0403_0201,
    }
}

/// A descriptor that is likely to lead on.
pub fn entry(random: &mut Random, setup: &Setup) -> u64 {
    let mut entry = random.next();
    entry = match random.below(16) {
        0 => entry & !1,
        1..4 => entry & !3 | 1,
        _ => entry | 3,
    };
    if !random.chance(8) {
        entry |= 1 << 10;
    }
    if !random.chance(8) {
        entry &= !(0x0000_ffff_ffff_f000 & u64::MAX << setup.pa_bits);
    }
    // Limits of table descriptors are rare enough that some right is left over.
    if !random.chance(3) {
        entry &= !(0xf << 59);
    }
    entry
}

fn address(random: &mut Random, setup: &Setup) -> u64 {
    let mut va = random.next() & (u64::MAX >> setup.tsz);
    if setup.high {
        va |= !(u64::MAX >> setup.tsz);
    }
    if random.chance(4) {
        va = va & (u64::MAX >> 8) | random.next() << 56;
    }
    if random.chance(16) {
        va ^= 1 << (40 + random.below(15));
    }
    va
}

fn summary(mapping: &Mapping, va: u64) -> Found {
    let may = |rights| {
        [Kind::Read, Kind::Write, Kind::Fetch]
            .map(|kind| Access { kind, rights }.allowed(mapping.permissions))
    };
    Found {
        pa: mapping.page | va & 0xfff,
        user: may(Rights::User),
        kernel: may(Rights::Privileged),
        attribute: u64::from(mapping.attributes) - 1,
        not_global: mapping.not_global,
    }
}

#[test]
fn walks_agree_with_the_naive_walk() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut statuses = std::collections::BTreeSet::new();
    let mut found = 0;
    for _ in 0..60_000 {
        let setup = setup(&mut random);
        let va = address(&mut random, &setup);
        if (va >> 55 & 1 == 1) != setup.high {
            continue;
        }
        let controls = controls(&setup);
        let regime = Regime::new(controls, 5, Features::HPDS);
        // Memory appears as the walk reads it, so that both see the same.
        let mut memory = Memory::new();
        let ttbr = setup.table | random.next() << 48;
        let got = walk::walk(&regime, va, ttbr, &mut |at| {
            if random.chance(64) {
                return None;
            }
            let entry = entry(&mut random, &setup);
            Some(*memory.entry(at).or_insert(entry))
        });
        let want = naive::walk(&memory, &setup, va);
        match want {
            Ok(_) => found += 1,
            Err(status) => {
                statuses.insert(status);
            }
        }
        let got = got
            .map(|mapping| summary(&mapping, va))
            .map_err(|fault| fault.status());
        assert_eq!(got, want, "{va:#x} {setup:x?} {memory:x?}");
    }
    assert!(found > 5_000, "{found} walks found a page");
    // Address size 0-3, translation 0-3, access flag 1-3, external on walk 0-3.
    let all = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 20, 21, 22, 23];
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn with_translation_off_addresses_are_physical() {
    let regime = Regime::new(Controls::default(), 2, Features::empty());
    let read: walk::ReadTable<'_> = &mut |_| panic!("no table is read");
    let mapping = walk::walk(&regime, 0xff_1234_5678, 0, read).unwrap();
    assert_eq!(mapping.page, 0xff_1234_5000);
    assert!(mapping.is_device());
    let fault = walk::walk(&regime, 0x100_0000_0000, 0, read).unwrap_err();
    assert_eq!(fault.status(), 0);
}
