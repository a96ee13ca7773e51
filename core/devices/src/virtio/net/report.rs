//! What a receive filter lets through, for those who look at the card from outside.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::filter::{Filter, Mac};

/// How frames of a kind are let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// Those of the table.
    Normal,
    /// None.
    None,
    /// All.
    All,
}

/// A receive filter's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterReport {
    /// The card's own address.
    pub mac: Mac,
    /// Whether everything passes, whatever else is set.
    pub promiscuous: bool,
    /// Frames to one address.
    pub unicast: Passing,
    /// Frames to groups.
    pub multicast: Passing,
    /// Tagged frames.
    pub vlan: Passing,
    /// Whether broadcasts pass.
    pub broadcast: bool,
    /// Addresses that pass beside the card's own.
    pub unicast_table: Vec<Mac>,
    /// Whether the driver asked for more of them than the table holds.
    pub unicast_overflow: bool,
    /// Groups that pass.
    pub multicast_table: Vec<Mac>,
    /// Whether the driver asked for more of them than the table holds.
    pub multicast_overflow: bool,
    /// VLANs that pass.
    pub vlans: Vec<u16>,
}

#[derive(Debug)]
struct Shared {
    mac: Mac,
    filter: Filter,
    /// Whether somebody has looked and wants to hear of the next change.
    armed: bool,
    /// Whether the driver has changed something since then.
    changed: bool,
}

/// A view of a card's receive filter. Clones are the same.
#[derive(Clone, Debug)]
pub struct FilterView(Arc<Mutex<Shared>>);

impl FilterView {
    pub(super) fn new(mac: Mac) -> Self {
        Self(Arc::new(Mutex::new(Shared {
            mac,
            filter: Filter::default(),
            armed: false,
            changed: false,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the filter as it is now. `told` where the driver has asked for it by a command: of that
    /// who looked before hears once.
    pub(super) fn show(&self, mac: Mac, filter: &Filter, told: bool) {
        let mut shared = self.lock();
        (shared.mac, shared.filter) = (mac, filter.clone());
        shared.changed |= told && std::mem::take(&mut shared.armed);
    }

    /// The filter's state; from now on its next change is told.
    #[must_use]
    pub fn look(&self) -> FilterReport {
        let mut shared = self.lock();
        shared.armed = true;
        shared.filter.report(shared.mac)
    }

    /// Whether the driver has changed the filter since the last look, told once.
    #[must_use]
    pub fn take_change(&self) -> bool {
        std::mem::take(&mut self.lock().changed)
    }
}
