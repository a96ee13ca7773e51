//! Locality-specific peripheral interrupts: what redistributors keep of them (IHI 0069H, chapter 5).
//!
//! Their configuration is in guest memory; who delivers one (the ITS) reads it there and hands it
//! over. What is pending is kept here, not in the guest's pending tables, which software may not
//! look into anyway while LPIs are enabled.

use std::collections::{BTreeMap, BTreeSet};

use super::GicV3;
use super::spec::{LPI_ENABLED, LPI_FIRST, LPI_PRIORITY};
use crate::gic::Pending;

/// The LPIs of one CPU.
#[derive(Clone, Debug, Default)]
pub(super) struct Lpis {
    /// GICR_CTLR.EnableLPIs.
    pub enabled: bool,
    /// GICR_PROPBASER.
    pub configuration: u64,
    /// GICR_PENDBASER.
    pub pending_table: u64,
    /// What is pending, with its configuration byte.
    pending: BTreeMap<u32, u8>,
    /// Of those, what is enabled: priority and number.
    ready: BTreeSet<(u8, u32)>,
}

impl Lpis {
    fn set(&mut self, intid: u32, configuration: u8) {
        self.clear(intid);
        self.pending.insert(intid, configuration);
        if configuration & LPI_ENABLED != 0 {
            self.ready.insert((configuration & LPI_PRIORITY, intid));
        }
    }

    /// An LPI is no longer pending. True if it was.
    pub(super) fn clear(&mut self, intid: u32) -> bool {
        let Some(configuration) = self.pending.remove(&intid) else {
            return false;
        };
        self.ready.remove(&(configuration & LPI_PRIORITY, intid));
        true
    }

    /// Forgets what is pending.
    pub(super) fn forget(&mut self) {
        self.pending.clear();
        self.ready.clear();
    }

    /// What would be delivered first. LPIs are always in group 1.
    pub(super) fn first(&self) -> Option<Pending> {
        let &(priority, intid) = self.ready.first().filter(|_| self.enabled)?;
        Some(Pending {
            intid,
            priority,
            group1: true,
        })
    }
}

impl GicV3 {
    /// The same with LPIs, which an ITS delivers.
    #[must_use]
    pub fn with_lpis(mut self) -> Self {
        self.config.lpis = true;
        self
    }

    /// Where the configuration bytes of a CPU's LPIs are, and how many there are; `None` while its
    /// LPIs are not enabled.
    #[must_use]
    pub fn lpi_table(&self, cpu: usize) -> Option<(u64, u32)> {
        let lpis = &self.state.cpus.get(cpu)?.lpis;
        if !lpis.enabled {
            return None;
        }
        // GICR_PROPBASER: Physical_Address 51:12, IDbits 4:0.
        let bits = (lpis.configuration & 0x1f).min(15) as u32 + 1;
        let count = (1_u32 << bits).checked_sub(LPI_FIRST)?;
        Some((lpis.configuration & 0xf_ffff_ffff_f000, count))
    }

    /// Makes an LPI pending on a CPU; `configuration` is its byte of that CPU's table.
    pub fn set_lpi(&mut self, cpu: usize, intid: u32, configuration: u8) {
        if let Some(state) = self.state.cpus.get_mut(cpu) {
            state.lpis.set(intid, configuration);
            self.refresh(cpu);
        }
    }

    /// An LPI is no longer pending on a CPU. True if it was.
    pub fn clear_lpi(&mut self, cpu: usize, intid: u32) -> bool {
        let Some(state) = self.state.cpus.get_mut(cpu) else {
            return false;
        };
        let was = state.lpis.clear(intid);
        self.refresh(cpu);
        was
    }

    /// The LPIs that are pending on a CPU.
    #[must_use]
    pub fn pending_lpis(&self, cpu: usize) -> Vec<u32> {
        let state = self.state.cpus.get(cpu);
        state.map_or_else(Vec::new, |state| {
            state.lpis.pending.keys().copied().collect()
        })
    }

    /// Whether an LPI is pending on a CPU.
    #[must_use]
    pub fn is_lpi_pending(&self, cpu: usize, intid: u32) -> bool {
        let state = self.state.cpus.get(cpu);
        state.is_some_and(|state| state.lpis.pending.contains_key(&intid))
    }
}
