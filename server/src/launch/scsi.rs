//! SCSI adapters and their units, by name and place.

use ferrite_devices::scsi::{ScsiBus, UnitAddress, UnitKind};

use super::LaunchError;
use crate::cli::device::ScsiPlace;

/// An adapter.
#[derive(Clone)]
pub struct Adapter {
    /// Its bus's name.
    pub name: String,
    /// Its place in the object tree.
    pub path: String,
    /// Its bus.
    pub bus: ScsiBus,
}

/// A unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The name that the user gave it.
    pub id: Option<String>,
    /// Its place in the object tree.
    pub path: String,
    /// The path of its adapter.
    pub adapter: String,
    /// Its bus's name.
    pub bus: String,
    /// Its place on the bus.
    pub address: UnitAddress,
    /// What it is.
    pub kind: UnitKind,
}

/// Every adapter and every unit.
#[derive(Default)]
pub struct ScsiSide {
    adapters: Vec<Adapter>,
    units: Vec<Unit>,
}

impl ScsiSide {
    /// The units.
    #[must_use]
    pub fn units(&self) -> &[Unit] {
        &self.units
    }

    /// The units of an adapter.
    #[must_use]
    pub fn below(&self, adapter: &str) -> Vec<Unit> {
        let below = self.units.iter().filter(|unit| unit.adapter == adapter);
        below.cloned().collect()
    }

    /// The bus of a new adapter.
    pub(super) fn add_adapter(&mut self, id: Option<&str>, path: String) -> ScsiBus {
        let bus = ScsiBus::default();
        let unnamed = || {
            let unnamed = self.adapters.iter().filter(|a| a.name.starts_with("scsi."));
            format!("scsi.{}", unnamed.count())
        };
        self.adapters.push(Adapter {
            name: id.map_or_else(unnamed, |id| format!("{id}.0")),
            path,
            bus: bus.clone(),
        });
        bus
    }

    /// Where a unit goes.
    pub(super) fn place(
        &self,
        kind: UnitKind,
        place: &ScsiPlace,
    ) -> Result<(Adapter, UnitAddress), LaunchError> {
        let refused = |text: String| LaunchError::Conflict(text);
        let adapter = match &place.bus {
            Some(name) => {
                let adapter = self.adapters.iter().find(|a| a.name == *name);
                adapter.ok_or_else(|| refused(format!("Bus '{name}' not found")))?
            }
            None => self.adapters.first().ok_or_else(|| {
                let name = kind.name();
                refused(format!("No 'SCSI' bus found for device '{name}'"))
            })?,
        };
        let address = adapter.bus.place(place.target, place.lun);
        let address = address.map_err(|error| refused(error.to_string()))?;
        Ok((adapter.clone(), address))
    }

    pub(super) fn add_unit(
        &mut self,
        id: Option<&str>,
        path: String,
        adapter: &Adapter,
        address: UnitAddress,
        kind: UnitKind,
    ) {
        self.units.push(Unit {
            id: id.map(str::to_owned),
            path,
            adapter: adapter.path.clone(),
            bus: adapter.name.clone(),
            address,
            kind,
        });
    }

    /// Forgets an adapter, or a unit, which its adapter then tells of.
    pub(super) fn forget(&mut self, path: &str) {
        self.adapters.retain(|adapter| adapter.path != path);
        for unit in self.units.extract_if(.., |unit| unit.path == path) {
            if let Some(adapter) = self.adapters.iter().find(|a| a.path == unit.adapter) {
                adapter.bus.detach(unit.address);
            }
        }
    }
}
