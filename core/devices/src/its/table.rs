//! The tables in guest memory.
//!
//! An entry has eight bytes, whose layout is this device's own (IHI 0069H leaves it to the ITS):
//! valid in bit 63; a device's table of events in bits 51:8 and its bits of event numbers less one in
//! 4:0; a collection's CPU in 15:0; an event's interrupt in 15:0 and its collection in 31:16.

use ferrite_machine::Dma;
use ferrite_ram::GuestPhys;

use super::spec::{ENTRY, INDIRECT, VALID};

/// A device: where its events are, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub events: u64,
    pub count: u64,
}

/// An event: its interrupt and collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub intid: u32,
    pub collection: u16,
}

impl Device {
    pub fn unpack(entry: u64) -> Option<Self> {
        (entry & VALID != 0).then(|| Self {
            events: entry & 0xf_ffff_ffff_ff00,
            count: 1 << ((entry & 0x1f).min(15) + 1),
        })
    }
}

impl Event {
    pub fn unpack(entry: u64) -> Option<Self> {
        (entry & VALID != 0).then_some(Self {
            intid: entry as u32 & 0xffff,
            collection: (entry >> 16) as u16,
        })
    }

    pub fn pack(self) -> u64 {
        VALID | u64::from(self.intid & 0xffff) | u64::from(self.collection) << 16
    }
}

/// Where entry `index` of the table that a GITS_BASERn describes is; `None` beyond its end, or where
/// the second level has no page for it.
pub(super) fn place(dma: &Dma, baser: u64, index: u64) -> Option<GuestPhys> {
    if baser & VALID == 0 {
        return None;
    }
    let page = match baser >> 8 & 3 {
        0 => 4096,
        1 => 16_384,
        _ => 65_536,
    };
    let base = match page {
        // Bits 51:48 are where the lowest bits of a smaller page's address are.
        65_536 => baser & 0xffff_ffff_0000 | (baser >> 12 & 0xf) << 48,
        _ => baser & 0xffff_ffff_f000,
    };
    let bytes = ((baser & 0xff) + 1) * page;
    if baser & INDIRECT == 0 {
        let offset = index * ENTRY;
        return (offset < bytes).then_some(GuestPhys(base + offset));
    }
    let per_page = page / ENTRY;
    let offset = index / per_page * ENTRY;
    if offset >= bytes {
        return None;
    }
    let first: u64 = dma.load(GuestPhys(base + offset)).ok()?;
    let second = first & 0xf_ffff_ffff_f000 & !(page - 1);
    (first & VALID != 0).then_some(GuestPhys(second + index % per_page * ENTRY))
}
