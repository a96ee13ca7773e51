//! Everything that translation tables map, for debuggers and dumps.

use super::regime::Regime;
use super::walk::{ReadTable, in_order, outside, shift_of, start, target};

/// Virtual addresses that lead to physical ones in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedRange {
    /// The first virtual address; its upper bits are copies of bit 55.
    pub virt: u64,
    /// The physical address that it leads to.
    pub phys: u64,
    /// Number of bytes.
    pub len: u64,
}

/// Tables that are read at most: they come from the guest, and may lead to each other for ever. So many
/// map 128 GiB by pages of 4 KiB.
const MAX_TABLES: usize = 1 << 16;
/// Ranges that are found at most.
const MAX_RANGES: usize = 1 << 20;

/// The tables of a guest map more than is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// What the tables of some CPUs map.
#[derive(Debug, Default)]
pub struct Mapped {
    /// In the order in which they were found.
    pub ranges: Vec<MappedRange>,
    /// How many tables were read.
    tables: usize,
    /// Roots that were followed: table, TCR_EL1, half.
    seen: Vec<(u64, u64, usize)>,
}

impl Mapped {
    /// Whether the tables at `ttbr` are new here. Address space numbers and
    /// TTBRn_EL1.CnP change nothing.
    pub(super) fn is_new(&mut self, ttbr: u64, tcr: u64, high: usize) -> bool {
        let root = (ttbr & 0x0000_ffff_ffff_fffe, tcr, high);
        let new = !self.seen.contains(&root);
        if new {
            self.seen.push(root);
        }
        new
    }

    fn add(&mut self, virt: u64, phys: u64, len: u64) -> Result<(), TooMany> {
        if let Some(last) = self.ranges.last_mut()
            && last.virt.checked_add(last.len) == Some(virt)
            && last.phys.checked_add(last.len) == Some(phys)
        {
            last.len += len;
            return Ok(());
        }
        if self.ranges.len() == MAX_RANGES {
            return Err(TooMany);
        }
        self.ranges.push(MappedRange { virt, phys, len });
        Ok(())
    }
}

/// A listing on its way.
pub(super) struct Listing<'a> {
    pub regime: &'a Regime,
    pub read: ReadTable<'a>,
    pub into: &'a mut Mapped,
}

/// A table, and the addresses that it is for.
#[derive(Clone, Copy)]
struct Table {
    at: u64,
    level: u32,
    index_bits: u32,
    /// The first virtual address.
    virt: u64,
}

impl Listing<'_> {
    /// Adds what the tables at `ttbr` map in a half, in the order of virtual addresses. Pages count
    /// whether they were accessed or not: their content is there.
    pub fn half(&mut self, high: usize, ttbr: u64) -> Result<(), TooMany> {
        let half = &self.regime.halves[high];
        if half.walks_disabled {
            return Ok(());
        }
        let first = start(half, ttbr);
        if outside(self.regime, first.table) {
            return Ok(());
        }
        self.table(
            high,
            Table {
                at: first.table,
                level: first.level,
                index_bits: first.index_bits,
                virt: if high == 1 {
                    u64::MAX << half.va_bits
                } else {
                    0
                },
            },
        )
    }

    /// Adds what a table maps. It calls itself for the next levels, of which there are four in all.
    fn table(&mut self, high: usize, table: Table) -> Result<(), TooMany> {
        if self.into.tables == MAX_TABLES {
            return Err(TooMany);
        }
        self.into.tables += 1;
        let half = self.regime.halves[high];
        let shift = shift_of(&half, table.level);
        for index in 0..1 << table.index_bits {
            // What cannot be read maps nothing.
            let Some(entry) = (self.read)(table.at + index * 8) else {
                continue;
            };
            let entry = in_order(self.regime, entry);
            let Some((leaf, address)) = target(&half, entry, table.level) else {
                continue;
            };
            if outside(self.regime, address) {
                continue;
            }
            let virt = table.virt | index << shift;
            if leaf {
                let size = 1 << shift;
                self.into.add(virt, address & !(size - 1), size)?;
            } else {
                let next = Table {
                    at: address,
                    level: table.level + 1,
                    index_bits: half.granule - 3,
                    virt,
                };
                self.table(high, next)?;
            }
        }
        Ok(())
    }
}
