//! The units on an adapter's bus.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::ScsiDisk;
use super::spec::Sense;

/// Targets that an adapter has.
pub const MAX_TARGET: u8 = 255;
/// Highest number of a unit.
pub const MAX_LUN: u16 = 16383;
/// Most events kept for a driver that takes none; it is told that some were lost.
const MAX_EVENTS: usize = 64;

/// A unit's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitAddress {
    /// The target.
    pub target: u8,
    /// The unit's number on it.
    pub lun: u16,
}

/// Something that an adapter tells its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusEvent {
    /// A unit came.
    Added(UnitAddress),
    /// A unit is gone.
    Removed(UnitAddress),
}

/// A unit cannot go there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// The target's number is too high.
    #[error("bad scsi device id: {0}")]
    Target(u64),
    /// The unit's number is too high.
    #[error("bad scsi device lun: {0}")]
    Lun(u64),
    /// Another unit is there.
    #[error("lun already used by '{0}'")]
    Taken(String),
    /// Every place is taken.
    #[error("no free target")]
    Full,
}

/// What an adapter and those who plug units into it see.
#[derive(Default)]
pub struct Units {
    /// The units.
    pub units: BTreeMap<UnitAddress, ScsiDisk>,
    /// What the driver is to be told.
    pub events: VecDeque<BusEvent>,
    /// Whether some of that was lost.
    pub missed: bool,
}

/// A bus. Clones are the same.
#[derive(Clone, Default)]
pub struct ScsiBus(Arc<Mutex<Units>>);

impl Units {
    fn tell(&mut self, event: BusEvent) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        } else {
            self.missed = true;
        }
    }

    /// The numbers of a target's units.
    #[must_use]
    pub fn luns(&self, target: u8) -> Vec<u16> {
        let all = self.units.keys().filter(|unit| unit.target == target);
        all.map(|unit| unit.lun).collect()
    }

    /// A unit was added or removed while the driver looks at the bus: every other one says so.
    fn note_change(&mut self) {
        for unit in self.units.values_mut() {
            unit.attention(Sense::UNITS_CHANGED);
        }
    }
}

impl ScsiBus {
    /// The units, for as long as the result lives.
    pub fn lock(&self) -> MutexGuard<'_, Units> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds a place for a unit: where it is asked for, or on the first free target.
    pub fn place(&self, target: Option<u64>, lun: Option<u64>) -> Result<UnitAddress, AttachError> {
        let units = self.lock();
        let lun = lun.unwrap_or(0);
        let lun = u16::try_from(lun)
            .ok()
            .filter(|lun| *lun <= MAX_LUN)
            .ok_or(AttachError::Lun(lun))?;
        let free = |target| !units.units.contains_key(&UnitAddress { target, lun });
        let Some(target) = target else {
            let target = (0..=MAX_TARGET).find(|target| free(*target));
            return target
                .map(|target| UnitAddress { target, lun })
                .ok_or(AttachError::Full);
        };
        let target = u8::try_from(target).map_err(|_| AttachError::Target(target))?;
        let place = UnitAddress { target, lun };
        match units.units.get(&place) {
            Some(other) => Err(AttachError::Taken(other.name().to_owned())),
            None => Ok(place),
        }
    }

    /// Puts a unit where [`Self::place`] said; the driver is told if the machine is `running`.
    pub fn attach(&self, place: UnitAddress, unit: ScsiDisk, running: bool) {
        let mut units = self.lock();
        if running {
            units.note_change();
            units.tell(BusEvent::Added(place));
        }
        units.units.insert(place, unit);
    }

    /// Takes a unit away; the driver is told.
    pub fn detach(&self, place: UnitAddress) {
        let mut units = self.lock();
        if units.units.remove(&place).is_some() {
            units.note_change();
            units.tell(BusEvent::Removed(place));
        }
    }
}
