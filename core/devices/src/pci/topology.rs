//! Buses, slots and what is plugged into them.

use super::config::ConfigSpace;
use super::function::{BusKind, Outputs, PciDevice, Secondary};
use super::spec::{HEADER_MULTIFUNCTION, bridge, reg};

/// A function's number on its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionId(pub usize);

/// A function's place on its bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Device number, 0 to 31.
    pub slot: u8,
    /// Function number, 0 to 7.
    pub function: u8,
}

impl Address {
    /// From the number in configuration addresses.
    #[must_use]
    pub const fn from_devfn(devfn: u8) -> Self {
        Self {
            slot: devfn >> 3,
            function: devfn & 7,
        }
    }

    /// The number in configuration addresses.
    #[must_use]
    pub const fn devfn(self) -> u8 {
        self.slot << 3 | self.function & 7
    }
}

/// Where and under which name a device is to be plugged in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The name that the user gave it.
    pub id: Option<String>,
    /// Its place in the object tree.
    pub path: String,
    /// The bus's name; `None` for the root bus.
    pub bus: Option<String>,
    /// Its place on the bus; `None` for the first free slot.
    pub address: Option<Address>,
    /// Whether functions 1 to 7 of its slot are to be looked for.
    pub multifunction: bool,
}

/// Why a device cannot be plugged in or out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlugError {
    /// There is no such bus.
    #[error("Bus '{0}' not found")]
    NoBus(String),
    /// Nothing can be added to the bus while the machine exists.
    #[error("Bus '{0}' does not support hotplugging")]
    NotHotpluggable(String),
    /// No port has room for a device.
    #[error("No hotpluggable PCI bus with a free slot found for device '{0}'")]
    NoFreePort(&'static str),
    /// Something else is there.
    #[error("PCI: slot {slot} function {function} not available for {kind}, in use by {by}")]
    Occupied {
        /// The slot.
        slot: u8,
        /// The function.
        function: u8,
        /// What was to go there.
        kind: &'static str,
        /// What is there.
        by: String,
    },
    /// A port has one slot only.
    #[error(
        "PCI: slot {slot} is not valid for {kind}, parent device only allows plugging into slot 0."
    )]
    BadSlot {
        /// The slot.
        slot: u8,
        /// What was to go there.
        kind: &'static str,
    },
    /// A slot that the bus reserves for itself.
    #[error("PCI: slot {slot} function 0 not available for {kind}, reserved")]
    Reserved {
        /// The slot.
        slot: u8,
        /// What was to go there.
        kind: &'static str,
    },
    /// Every slot is taken.
    #[error("PCI: no slot/function available for {0}, all in use or reserved")]
    Full(&'static str),
    /// A port that does not go where it is to go.
    #[error("PCI: {kind} cannot be plugged into bus '{bus}'")]
    WrongBus {
        /// What was to go there.
        kind: &'static str,
        /// The bus.
        bus: String,
    },
    /// There are as many buses as numbers for them.
    #[error("PCI: there is no bus number left for {0}")]
    TooManyBuses(&'static str),
    /// The device was there from the start, on a bus where devices stay.
    #[error("Bus '{0}' does not support hot-unplugging")]
    NotUnpluggable(String),
    /// The guest is working on the slot.
    #[error("Hot-unplug failed: guest is busy (power indicator blinking)")]
    Busy,
    /// The guest was asked already.
    #[error("Device {0} is already in the process of unplug")]
    Pending(String),
}

/// A function in its place.
pub(super) struct Function {
    pub id: Option<String>,
    pub path: String,
    pub bus: usize,
    pub address: Address,
    pub config: ConfigSpace,
    pub device: Box<dyn PciDevice>,
    pub outputs: Outputs,
    /// The bus below it.
    pub secondary: Option<usize>,
    /// Whether the guest was asked to give it up.
    pub leaving: bool,
}

impl Function {
    /// What errors call it.
    pub fn label(&self) -> String {
        match &self.id {
            Some(id) => format!("{},id={id}", self.device.kind()),
            None => self.device.kind().to_owned(),
        }
    }
}

/// A bus.
pub(super) struct Bus {
    pub name: String,
    pub limits: Secondary,
    /// The bridge above it; `None` for the root bus.
    pub owner: Option<usize>,
}

/// The buses and what is on them.
#[derive(Default)]
pub(super) struct Topology {
    pub functions: Vec<Option<Function>>,
    pub buses: Vec<Option<Bus>>,
    /// Buses made so far without a name of their own, conventional and express.
    unnamed: [usize; 2],
}

/// The most buses that a host numbers.
const MAX_BUSES: usize = 256;

impl Topology {
    pub fn new(root: &str) -> Self {
        let limits = Secondary {
            kind: BusKind::Root,
            first_slot: 0,
            slots: 32,
        };
        Self {
            functions: Vec::new(),
            buses: vec![Some(Bus {
                name: root.to_owned(),
                limits,
                owner: None,
            })],
            unnamed: [0, 1],
        }
    }

    pub fn get(&self, id: usize) -> Option<&Function> {
        self.functions.get(id)?.as_ref()
    }

    pub fn bus(&self, id: usize) -> Option<&Bus> {
        self.buses.get(id)?.as_ref()
    }

    /// The bus of this name.
    pub fn bus_named(&self, name: &str) -> Option<usize> {
        self.buses
            .iter()
            .position(|bus| bus.as_ref().is_some_and(|bus| bus.name == name))
    }

    /// What is on a bus, by address.
    pub fn on_bus(&self, bus: usize) -> impl Iterator<Item = (usize, &Function)> {
        let mut found: Vec<_> = (self.functions.iter().enumerate())
            .filter_map(|(id, function)| Some((id, function.as_ref()?)))
            .filter(|(_, function)| function.bus == bus)
            .collect();
        found.sort_by_key(|(_, function)| function.address);
        found.into_iter()
    }

    /// The function at an address of a bus.
    pub fn at(&self, bus: usize, address: Address) -> Option<usize> {
        self.functions.iter().position(|function| {
            (function.as_ref()).is_some_and(|f| f.bus == bus && f.address == address)
        })
    }

    /// Finds a place on `bus`.
    pub fn place(
        &self,
        bus: usize,
        asked: Option<Address>,
        kind: &'static str,
    ) -> Result<Address, PlugError> {
        let limits = self.bus(bus).map_or(
            Secondary {
                kind: BusKind::Root,
                first_slot: 0,
                slots: 0,
            },
            |bus| bus.limits,
        );
        let Some(address) = asked else {
            return (limits.first_slot..limits.slots)
                .map(|slot| Address { slot, function: 0 })
                .find(|address| self.at(bus, *address).is_none())
                .ok_or(PlugError::Full(kind));
        };
        let Address { slot, function } = address;
        if slot >= limits.slots {
            return Err(PlugError::BadSlot { slot, kind });
        }
        if slot < limits.first_slot {
            return Err(PlugError::Reserved { slot, kind });
        }
        let by = self.at(bus, address).and_then(|id| self.get(id));
        by.map_or(Ok(address), |by| {
            Err(PlugError::Occupied {
                slot,
                function,
                kind,
                by: by.label(),
            })
        })
    }

    /// Puts a device in its place.
    pub fn plug(
        &mut self,
        request: Request,
        bus: usize,
        mut device: Box<dyn PciDevice>,
    ) -> Result<usize, PlugError> {
        let kind = device.kind();
        let address = self.place(bus, request.address, kind)?;
        let secondary = match device.secondary() {
            None => None,
            Some(limits) => Some(self.add_bus(&request, limits, kind)?),
        };
        let on = self.bus(bus).map_or(BusKind::Root, |bus| bus.limits.kind);
        let mut config = device.config(on);
        if request.multifunction {
            let header = config.u8(reg::HEADER_TYPE) | HEADER_MULTIFUNCTION;
            config.put(reg::HEADER_TYPE, &[header]);
        }
        let function = Function {
            id: request.id,
            path: request.path,
            bus,
            address,
            config,
            device,
            outputs: Outputs::default(),
            secondary,
            leaving: false,
        };
        let id = place_in(&mut self.functions, function);
        if let Some(Some(bus)) = secondary.and_then(|bus| self.buses.get_mut(bus)) {
            bus.owner = Some(id);
        }
        Ok(id)
    }

    fn add_bus(
        &mut self,
        request: &Request,
        limits: Secondary,
        kind: &'static str,
    ) -> Result<usize, PlugError> {
        if self.buses.iter().flatten().count() >= MAX_BUSES {
            return Err(PlugError::TooManyBuses(kind));
        }
        let name = request.id.clone().unwrap_or_else(|| {
            let (class, count) = match limits.kind {
                BusKind::Conventional => ("pci", &mut self.unnamed[0]),
                _ => ("pcie", &mut self.unnamed[1]),
            };
            let name = format!("{class}.{count}");
            *count += 1;
            name
        });
        Ok(place_in(
            &mut self.buses,
            Bus {
                name,
                limits,
                owner: None,
            },
        ))
    }

    /// Takes a function and all below it out, innermost first.
    pub fn remove(&mut self, id: usize) -> Vec<Function> {
        let Some(secondary) = self.get(id).map(|f| f.secondary) else {
            return Vec::new();
        };
        let mut removed = Vec::new();
        if let Some(bus) = secondary {
            let below: Vec<_> = self.on_bus(bus).map(|(id, _)| id).collect();
            for id in below {
                removed.extend(self.remove(id));
            }
            self.buses[bus] = None;
        }
        removed.extend(self.functions[id].take());
        removed
    }

    /// The bus that software numbered `number`.
    pub fn numbered(&self, number: u8) -> Option<usize> {
        if number == 0 {
            return Some(0);
        }
        let mut bus = 0;
        // Each step goes one bus down, and there are no more of them than buses.
        for _ in 0..self.buses.len() {
            let (next, secondary) = self.on_bus(bus).find_map(|(_, function)| {
                let below = function.secondary?;
                let secondary = function.config.u8(bridge::SECONDARY);
                let subordinate = function.config.u8(bridge::SUBORDINATE);
                let covers = secondary != 0 && (secondary..=subordinate).contains(&number);
                covers.then_some((below, secondary))
            })?;
            if secondary == number {
                return Some(next);
            }
            bus = next;
        }
        None
    }

    /// The number of a bus, as software set it.
    pub fn number_of(&self, bus: usize) -> u8 {
        let owner = self.bus(bus).and_then(|bus| bus.owner);
        let owner = owner.and_then(|id| self.get(id));
        owner.map_or(0, |owner| owner.config.u8(bridge::SECONDARY))
    }

    /// The root bus's interrupt line (0 to 3) that a function's pin ends at: each bridge rotates
    /// by the slot (PCI-to-PCI Bridge 1.2, section 9.1), and so does the root.
    pub fn interrupt_line(&self, id: usize) -> Option<u32> {
        let mut function = self.get(id)?;
        let pin = function.config.u8(reg::INTERRUPT_PIN);
        let mut line = u32::from(pin.checked_sub(1)?);
        for _ in 0..=self.buses.len() {
            line = (line + u32::from(function.address.slot)) % 4;
            match self.bus(function.bus)?.owner {
                None => return Some(line),
                Some(owner) => function = self.get(owner)?,
            }
        }
        None
    }
}

/// Puts a value into the first gap of a list.
fn place_in<T>(list: &mut Vec<Option<T>>, value: T) -> usize {
    match list.iter().position(Option::is_none) {
        Some(gap) => {
            list[gap] = Some(value);
            gap
        }
        None => {
            list.push(Some(value));
            list.len() - 1
        }
    }
}
