//! Which entries of the inline TLB came from blocks larger than 4 KiB.

use std::collections::HashSet;

/// Blocks remembered one by one; beyond that, every address counts as part of one of each size.
const REMEMBERED: usize = 4096;

/// The blocks and pages above 4 KiB that translations were cached from: TLB maintenance for one
/// address inside must reach every 4 KiB piece.
#[derive(Debug, Default)]
pub struct LargePages {
    blocks: HashSet<(u8, u64)>,
    sizes: u64,
    overflown: bool,
}

impl LargePages {
    /// Notes a translation at `va` from a block of `1 << log2_size` bytes.
    pub fn note(&mut self, va: u64, log2_size: u32) {
        self.sizes |= 1 << log2_size;
        if self.blocks.len() < REMEMBERED {
            self.blocks
                .insert((log2_size as u8, Self::number(va, log2_size)));
        } else {
            self.overflown = true;
        }
    }

    fn number(va: u64, log2_size: u32) -> u64 {
        (va & 0x00ff_ffff_ffff_ffff) >> log2_size
    }

    /// Binary logarithms of the sizes of blocks around `va` that may have been cached.
    pub fn sizes_around(&self, va: u64) -> impl Iterator<Item = u32> + use<> {
        let mut found = self.sizes;
        if !self.overflown {
            for log2 in 13..48 {
                let block = (log2 as u8, Self::number(va, log2));
                if self.sizes >> log2 & 1 != 0 && !self.blocks.contains(&block) {
                    found &= !(1 << log2);
                }
            }
        }
        (13..48).filter(move |log2| found >> log2 & 1 != 0)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
