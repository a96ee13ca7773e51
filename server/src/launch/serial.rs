//! Serial adapters and their ports, by name and place.

use ferrite_devices::virtio::console::SerialBus;

use super::LaunchError;
use crate::cli::device::PortPlace;

/// An adapter.
#[derive(Clone)]
pub struct Adapter {
    /// Its bus's name.
    pub name: String,
    /// Its place in the object tree.
    pub path: String,
    /// Its bus.
    pub bus: SerialBus,
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The name that the user gave it.
    pub id: Option<String>,
    /// Its place in the object tree.
    pub path: String,
    /// The path of its adapter.
    pub adapter: String,
    /// Its bus's name.
    pub bus: String,
    /// Its number.
    pub number: u32,
    /// The character back end.
    pub chardev: String,
    /// What it is: `virtconsole` or `virtserialport`.
    pub kind: &'static str,
}

/// Every adapter and every port.
#[derive(Default)]
pub struct SerialSide {
    adapters: Vec<Adapter>,
    ports: Vec<Port>,
    released: Vec<String>,
}

impl SerialSide {
    /// The ports.
    #[must_use]
    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// The ports of an adapter.
    #[must_use]
    pub fn below(&self, adapter: &str) -> Vec<Port> {
        let below = self.ports.iter().filter(|port| port.adapter == adapter);
        below.cloned().collect()
    }

    /// The bus of a new adapter.
    pub(super) fn add_adapter(&mut self, id: Option<&str>, path: String) -> SerialBus {
        let bus = SerialBus::default();
        let unnamed = || {
            let start = "virtio-serial-bus.";
            let unnamed = self.adapters.iter().filter(|a| a.name.starts_with(start));
            format!("{start}{}", unnamed.count())
        };
        self.adapters.push(Adapter {
            name: id.map_or_else(unnamed, |id| format!("{id}.0")),
            path,
            bus: bus.clone(),
        });
        bus
    }

    /// The adapter that a port goes to.
    pub(super) fn adapter(&self, place: &PortPlace, named: bool) -> Result<Adapter, LaunchError> {
        let refused = LaunchError::Conflict;
        let adapter = match &place.bus {
            Some(name) => {
                let adapter = self.adapters.iter().find(|a| a.name == *name);
                adapter.ok_or_else(|| refused(format!("Bus '{name}' not found")))?
            }
            None => self.adapters.first().ok_or_else(|| {
                let driver = if named {
                    "virtserialport"
                } else {
                    "virtconsole"
                };
                refused(format!(
                    "No 'virtio-serial-bus' bus found for device '{driver}'"
                ))
            })?,
        };
        Ok(adapter.clone())
    }

    pub(super) fn add_port(&mut self, port: Port) {
        self.ports.push(port);
    }

    /// Forgets an adapter, or a port, which its adapter then tells of.
    pub(super) fn forget(&mut self, path: &str) {
        self.adapters.retain(|adapter| adapter.path != path);
        for port in self.ports.extract_if(.., |port| port.path == path) {
            if let Some(adapter) = self.adapters.iter().find(|a| a.path == port.adapter) {
                adapter.bus.remove(port.number);
            }
            self.released.push(port.chardev);
        }
    }

    /// Takes the names of the character back ends that ports which are gone have used.
    pub fn take_released(&mut self) -> Vec<String> {
        std::mem::take(&mut self.released)
    }
}
