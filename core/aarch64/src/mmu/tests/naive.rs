//! A table walk written from the manual's description of each granule, with nothing computed: the
//! bits that each level resolves are listed (Arm ARM tables D8-16 to D8-26).

use std::collections::HashMap;

/// Physical memory: descriptors by address. What is missing is a bus error.
pub type Memory = HashMap<u64, u64>;

/// The controls of a walk.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub granule_kib: u64,
    pub tsz: u64,
    pub table: u64,
    pub pa_bits: u32,
    pub wxn: bool,
    pub flat: bool,
    pub top_byte_ignored: bool,
    pub high: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub pa: u64,
    pub user: [bool; 3],
    pub kernel: [bool; 3],
    pub attribute: u64,
    pub not_global: bool,
}

/// A status code as in ESR_ELx.
pub type Status = u32;

/// Lowest and highest VA bit that each level indexes by, from level 0.
fn levels(granule_kib: u64) -> [(u32, u32); 4] {
    match granule_kib {
        4 => [(39, 47), (30, 38), (21, 29), (12, 20)],
        16 => [(47, 47), (36, 46), (25, 35), (14, 24)],
        _ => [(64, 64), (42, 51), (29, 41), (16, 28)],
    }
}

fn bits(value: u64, low: u32, high: u32) -> u64 {
    (0..=high - low).fold(0, |all, n| all | (value >> (low + n) & 1) << n)
}

pub fn walk(memory: &Memory, setup: &Setup, va: u64) -> Result<Found, Status> {
    let top = 63 - setup.tsz as u32;
    let last_checked = if setup.top_byte_ignored { 55 } else { 63 };
    for bit in top + 1..=last_checked {
        if (va >> bit & 1 == 1) != setup.high {
            return Err(0b000100);
        }
    }
    let levels = levels(setup.granule_kib);
    // The first level with any index bits within the input address.
    let start = (0..4).find(|&n| levels[n].0 <= top).unwrap();
    let entries = 1_u64 << (top.min(levels[start].1) - levels[start].0 + 1);
    let mut table = setup.table / (entries * 8) * (entries * 8);
    if table >> setup.pa_bits != 0 {
        return Err(0);
    }
    let (mut no_user, mut read_only, mut pxn, mut uxn) = (false, false, false, false);
    for (level, &(low, high)) in levels.iter().enumerate().skip(start) {
        let index = bits(va, low, high.min(top));
        let Some(&entry) = memory.get(&(table + index * 8)) else {
            return Err(0b010100 | level as u32);
        };
        let kind = entry & 3;
        let block_sizes: &[usize] = match setup.granule_kib {
            4 => &[1, 2],
            _ => &[2],
        };
        let leaf = match (level, kind) {
            (_, 0 | 2) => return Err(0b000100 | level as u32),
            (3, 3) => true,
            (3, _) => return Err(0b000111),
            (_, 3) => false,
            (_, _) if block_sizes.contains(&level) => true,
            _ => return Err(0b000100 | level as u32),
        };
        let shift = (setup.granule_kib * 1024).trailing_zeros();
        let address = bits(entry, shift, 47) << shift;
        if address >> setup.pa_bits != 0 {
            return Err(level as u32);
        }
        if !leaf {
            if !setup.flat {
                no_user |= entry >> 61 & 1 == 1;
                read_only |= entry >> 62 & 1 == 1;
                pxn |= entry >> 59 & 1 == 1;
                uxn |= entry >> 60 & 1 == 1;
            }
            table = address;
            continue;
        }
        if entry >> 10 & 1 == 0 {
            return Err(0b001000 | level as u32);
        }
        let size = 1_u64 << low;
        let user = entry >> 6 & 1 == 1 && !no_user;
        let writable = entry >> 7 & 1 == 0 && !read_only;
        pxn |= entry >> 53 & 1 == 1;
        uxn |= entry >> 54 & 1 == 1;
        let user_writes = user && writable;
        return Ok(Found {
            pa: address / size * size + va % size,
            user: [user, user_writes, !(uxn || setup.wxn && user_writes)],
            kernel: [
                true,
                writable,
                !(pxn || user_writes || setup.wxn && writable),
            ],
            attribute: entry >> 2 & 7,
            not_global: entry >> 11 & 1 == 1,
        });
    }
    unreachable!("level 3 is a leaf or a fault")
}
