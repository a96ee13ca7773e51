//! Hardware watchpoints (Arm ARM D2.9).

use ferrite_ir::VcpuBlock;
use ferrite_ram::PAGE_SIZE;

use super::level_matches;
use crate::cpu::CpuCore;
use crate::state;

/// Watchpoints there are.
pub const WATCHPOINTS: usize = 4;

/// What one enabled watchpoint watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Watched {
    first: u64,
    last: u64,
    load: bool,
    store: bool,
    privilege: u64,
    higher_mode: bool,
    security: u64,
    linked: Option<usize>,
}

/// Bits of an address that are compared.
const ADDRESS: u64 = (1 << 49) - 1;

impl Watched {
    fn new(value: u64, control: u64) -> Option<Self> {
        let select = control >> 5 & 0xff;
        let mask = control >> 24 & 0x1f;
        let base = ((value << 15) as i64 >> 15) as u64 & !7;
        let (first, last) = if mask >= 3 {
            let span = (1_u64 << mask) - 1;
            (base & !span, base | span)
        } else {
            // BAS selects bytes of the doubleword: one contiguous run.
            let low = u64::from(select.trailing_zeros());
            let run = u64::from((select >> low.min(7)).trailing_ones());
            (base + low.min(7), base + (low + run).clamp(1, 8) - 1)
        };
        let enabled = control & 1 != 0 && (mask >= 3 || select != 0);
        enabled.then_some(Self {
            first: first & ADDRESS,
            last: last & ADDRESS,
            load: control >> 3 & 1 != 0,
            store: control >> 4 & 1 != 0,
            privilege: control >> 1 & 3,
            higher_mode: control >> 13 & 1 != 0,
            security: control >> 14 & 3,
            linked: (control >> 20 & 1 != 0).then_some((control >> 16 & 15) as usize),
        })
    }

    const fn overlaps(&self, first: u64, last: u64) -> bool {
        self.first <= last && first <= self.last
    }
}

impl CpuCore {
    fn watchpoints<'a>(&self, block: &'a VcpuBlock) -> impl Iterator<Item = Watched> + use<'a> {
        let count = if self.debug.watching { WATCHPOINTS } else { 0 };
        (0..count as u16).filter_map(|n| {
            Watched::new(
                block.get(state::DBGWVR0_EL1.0 + n),
                block.get(state::DBGWCR0_EL1.0 + n),
            )
        })
    }

    /// Whether a watchpoint lies in the page of `va`, so that accesses to it must not take the fast
    /// path.
    pub(crate) fn page_is_watched(&self, block: &VcpuBlock, va: u64) -> bool {
        let page = va & ADDRESS & !(PAGE_SIZE - 1);
        self.watchpoints(block)
            .any(|w| w.overlaps(page, page + (PAGE_SIZE - 1)))
    }

    /// The address to report if a watchpoint matches an access to `bytes` bytes at `va`, made with
    /// the rights of `el`.
    pub(crate) fn watchpoint_hit(
        &self,
        block: &VcpuBlock,
        va: u64,
        bytes: u64,
        store: bool,
        el: u8,
    ) -> Option<u64> {
        if !self.debug.watching || !self.debug_exceptions(block) {
            return None;
        }
        let first = va & ADDRESS;
        let last = first + (bytes - 1);
        let hit = self.watchpoints(block).find(|w| {
            (if store { w.store } else { w.load })
                && w.overlaps(first, last)
                && level_matches(w.higher_mode, w.security, w.privilege, el)
                && w.linked.is_none_or(|n| self.link_matches(block, n))
        })?;
        Some(va.wrapping_add(hit.first.saturating_sub(first)))
    }
}
