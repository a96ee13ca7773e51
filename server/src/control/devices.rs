//! Devices that come and go, networks, and what there is.

use ferrite_cli::CliError;
use ferrite_cli::device::{DeviceKind, DeviceSpec, Driver, PciPlace, Place};
use ferrite_cli::keyval::ArgError;
use ferrite_cli::net::NetdevSpec;
use ferrite_devices::pci::host::FunctionInfo;
use ferrite_devices::pci::{Address, PciEvent, PlugError, Request};
use ferrite_monitor::{pci, types};
use ferrite_qmp::devices::DeviceControl;
use ferrite_qmp::error::Error;
use ferrite_qmp::qom::{Object, Type, implements};
use ferrite_qmp::schema::{Netdev, NetdevVariant, PciInfo, RxFilterInfo};
use ferrite_qmp::{Event, Events};
use ferrite_vm::{PciSlot, Vm};
use serde_json::{Map, Value};

use super::{Control, Facts};
use crate::launch::LaunchError;

/// Tells monitors which devices are gone, and forgets what stood behind them.
pub(super) fn announce(vm: &mut Vm, facts: &mut Facts, events: &Events) {
    let removed = vm.board_mut().with_pci(|host, _| host.take_events());
    for PciEvent::Removed { id, path, kind } in removed.unwrap_or_default() {
        let backends = &facts.backends;
        let units = backends.scsi.below(&path).into_iter();
        let units = units.map(|unit| (unit.id, unit.path));
        let ports = backends.serial.below(&path).into_iter();
        let below: Vec<_> = units
            .chain(ports.map(|port| (port.id, port.path)))
            .collect();
        for (device, path) in below {
            facts.backends.forget(&path, &mut facts.disks);
            events.emit(&Event::DeviceDeleted { device, path });
        }
        facts.backends.forget(&path, &mut facts.disks);
        if kind.starts_with("virtio-") {
            events.emit(&Event::DeviceDeleted {
                device: None,
                path: format!("{path}/virtio-backend"),
            });
        }
        events.emit(&Event::DeviceDeleted { device: id, path });
    }
}

fn generic(error: impl std::fmt::Display) -> Error {
    Error::generic(error.to_string())
}

/// What is wrong with a device's properties.
fn bad_property(driver: &str, error: CliError) -> Error {
    let CliError::Arg(error) = error else {
        return generic(error);
    };
    Error::generic(match error {
        ArgError::Unknown { key, .. } => format!("Property '{driver}.{key}' not found"),
        ArgError::Missing { key: "drive", .. } => "drive property not set".into(),
        ArgError::Missing { key, .. } => format!("Parameter '{key}' is missing"),
        ArgError::Invalid { key, expected, .. } => format!("Parameter '{key}' expects {expected}"),
        ArgError::Unsupported { what, .. } => format!("{what} is not supported"),
        error @ ArgError::Json { .. } => error.to_string(),
    })
}

/// What is wrong with what a device needs.
fn bad_reference(driver: &str, error: LaunchError) -> Error {
    match error {
        LaunchError::Reference { what, id, problem } => {
            let taken = "it's in use";
            let key = format!("Property '{driver}.{what}'");
            Error::generic(match problem.contains("in use") {
                true => format!("{key} can't take value '{id}', {taken}"),
                false => format!("{key} can't find value '{id}'"),
            })
        }
        error => generic(error),
    }
}

/// Why no device can be made of a type.
fn no_driver(name: &str) -> Error {
    let types = types::list();
    match types.iter().find(|row| row.name == name) {
        Some(row) if implements(&types, name, "device") => {
            let kind = if row.is_abstract {
                "non-abstract"
            } else {
                "pluggable"
            };
            Error::generic(format!("Parameter 'driver' expects a {kind} device type"))
        }
        _ => Error::generic(format!("'{name}' is not a valid device model name")),
    }
}

fn request(spec: &DeviceSpec, place: &PciPlace) -> Request {
    let address = |(slot, function)| Address { slot, function };
    Request {
        id: spec.id.clone(),
        bus: place.bus.clone(),
        address: place.address.map(address),
        ..Request::default()
    }
}

/// Reads a device's properties.
fn parse(driver: &str, properties: Map<String, Value>) -> Result<DeviceSpec, Error> {
    let mut all = properties;
    all.insert("driver".into(), driver.into());
    let text = Value::Object(all).to_string();
    DeviceSpec::parse(&text).map_err(|error| bad_property(driver, error))
}

impl Control<'_> {
    /// A device that could be added, and where.
    fn addable(
        &mut self,
        driver: &str,
        properties: Map<String, Value>,
    ) -> Result<(DeviceSpec, PciPlace), Error> {
        let known = Driver::find(driver).ok_or_else(|| no_driver(driver))?;
        let bus = properties.get("bus").and_then(Value::as_str);
        if known.is_fixed() {
            return Err(no_driver(driver));
        }
        if !known.is_pci() {
            return Err(Error::generic(match bus {
                Some(bus) => format!("Bus '{bus}' does not support hotplugging"),
                None => format!("No '{}' bus found for device '{driver}'", known.bus),
            }));
        }
        // A path goes from bus to device to bus, and there is no device of any name on the first.
        if let Some(path) = bus.and_then(|bus| bus.strip_prefix('/')) {
            let first = path.split('/').next().unwrap_or_default();
            return Err(Error::device_not_found(format!(
                "Device '{first}' not found"
            )));
        }
        let spec = parse(driver, properties)?;
        if matches!(spec.kind, DeviceKind::RootPort { .. }) {
            return Err(Error::generic(
                "Parameter 'driver' expects a pluggable device type",
            ));
        }
        let Place::Pci(place) = spec.place.clone() else {
            return Err(Error::unsupported());
        };
        Ok((spec, place))
    }

    /// Adds a unit to a SCSI bus.
    fn add_scsi_unit(
        &mut self,
        driver: &'static str,
        properties: Map<String, Value>,
    ) -> Result<(), Error> {
        let spec = parse(driver, properties)?;
        let Place::Scsi(place) = &spec.place else {
            return Err(Error::unsupported());
        };
        self.check_name(spec.id.as_deref())?;
        let Facts {
            backends, disks, ..
        } = &mut *self.facts;
        let added = backends.scsi_unit(spec.id.as_deref(), place, &spec.kind, disks, true);
        added.map_err(|error| bad_reference(driver, error))?;
        self.vm.poll_devices();
        Ok(())
    }

    /// Adds a port to a serial adapter.
    fn add_port(
        &mut self,
        driver: &'static str,
        properties: Map<String, Value>,
    ) -> Result<(), Error> {
        let spec = parse(driver, properties)?;
        let Place::Adapter(place) = &spec.place else {
            return Err(Error::unsupported());
        };
        self.check_name(spec.id.as_deref())?;
        self.release_characters();
        let backends = &mut self.facts.backends;
        let characters = &mut self.host.characters;
        let added = backends.port(spec.id.as_deref(), place, &spec.kind, characters);
        added.map_err(|error| bad_reference(driver, error))?;
        self.vm.poll_devices();
        Ok(())
    }

    /// Frees the character back ends of ports that are gone.
    pub fn release_characters(&mut self) {
        for chardev in self.facts.backends.serial.take_released() {
            self.host.characters.release(&chardev);
        }
    }

    /// What is on SCSI buses and serial adapters: id and path.
    fn units(&self) -> impl Iterator<Item = (Option<&str>, &str)> {
        let backends = &self.facts.backends;
        let units = backends.scsi.units().iter();
        let ports = backends.serial.ports().iter();
        units
            .map(|unit| (unit.id.as_deref(), unit.path.as_str()))
            .chain(ports.map(|port| (port.id.as_deref(), port.path.as_str())))
    }

    /// Takes a unit or port from its bus, if there is one of this id or path. The guest is told, not
    /// asked.
    fn remove_unit(&mut self, id: &str) -> bool {
        let mut units = self.units();
        let unit = units.find(|(name, path)| *name == Some(id) || *path == id);
        let Some((device, path)) = unit else {
            return false;
        };
        let (device, path) = (device.map(str::to_owned), path.to_owned());
        drop(units);
        let Facts {
            backends, disks, ..
        } = &mut *self.facts;
        backends.forget(&path, disks);
        self.release_characters();
        self.vm.poll_devices();
        self.events.emit(&Event::DeviceDeleted { device, path });
        true
    }

    fn check_name(&self, id: Option<&str>) -> Result<(), Error> {
        match id {
            Some(id) if self.is_taken(id) => {
                Err(Error::generic(format!("Duplicate device ID '{id}'")))
            }
            _ => Ok(()),
        }
    }

    fn is_taken(&self, id: &str) -> bool {
        if self.units().any(|(name, _)| name == Some(id)) {
            return true;
        }
        let pci = self.vm.board().pci();
        pci.is_some_and(|pci| pci.functions().iter().any(|f| f.name == Some(id)))
    }

    /// Runs `act` on the PCI host.
    fn with_pci<R>(
        &mut self,
        act: impl FnOnce(
            &mut ferrite_devices::pci::PciHost,
            &mut ferrite_machine::Cx<'_>,
        ) -> Result<R, PlugError>,
    ) -> Result<R, Error> {
        let result = self.vm.board_mut().with_pci(act);
        let result = result.ok_or_else(Error::unsupported)?;
        result.map_err(generic)
    }

    pub(super) fn functions(&self) -> Vec<FunctionInfo<'_>> {
        let pci = self.vm.board().pci();
        pci.map(|pci| pci.functions()).unwrap_or_default()
    }
}

impl DeviceControl for Control<'_> {
    fn device_add(&mut self, driver: &str, properties: Map<String, Value>) -> Result<(), Error> {
        if let Some(known) = Driver::find(driver).filter(|driver| driver.is_scsi()) {
            return self.add_scsi_unit(known.name, properties);
        }
        if let Some(known) = Driver::find(driver).filter(|driver| driver.is_port()) {
            return self.add_port(known.name, properties);
        }
        let (spec, place) = self.addable(driver, properties)?;
        let wanted = request(&spec, &place);
        let kind = Driver::find(driver).map_or("device", |driver| driver.name);
        self.with_pci(|host, _| host.check_hot_plug(&wanted, kind))?;
        self.check_name(spec.id.as_deref())?;
        let facts = &mut *self.facts;
        let made = facts
            .backends
            .pci(spec.id.as_deref(), &place, &spec.kind, &mut facts.disks);
        let PciSlot { request, device } = made.map_err(|error| bad_reference(kind, error))?;
        let path = request.path.clone();
        let added = self.with_pci(|host, cx| host.hot_plug(cx, request, device));
        if added.is_err() {
            let facts = &mut *self.facts;
            facts.backends.forget(&path, &mut facts.disks);
        }
        added.map(|_| ())
    }

    fn device_del(&mut self, id: &str) -> Result<(), Error> {
        if self.remove_unit(id) {
            return Ok(());
        }
        let notes = self.facts.backends.vmcoreinfo.as_deref();
        if notes.is_some_and(|path| path == id || path == format!("/machine/peripheral/{id}")) {
            return Err(Error::generic(
                "Device 'vmcoreinfo' does not support hotplugging",
            ));
        }
        let known = |f: &&FunctionInfo<'_>| f.name == Some(id) || f.path == id;
        let function = self.functions().iter().find(known).map(|f| f.id);
        let function =
            function.ok_or_else(|| Error::device_not_found(format!("Device '{id}' not found")))?;
        self.with_pci(|host, cx| host.unplug(cx, function))
    }

    fn netdev_add(&mut self, netdev: Netdev) -> Result<(), Error> {
        let mut object = Map::new();
        object.insert("type".into(), "user".into());
        object.insert("id".into(), netdev.id.into());
        let NetdevVariant::User { restrict, hostfwd } = netdev.variant;
        if let Some(restrict) = restrict {
            object.insert("restrict".into(), restrict.into());
        }
        let rules = hostfwd.unwrap_or_default().into_iter();
        let rules: Vec<Value> = rules
            .map(|rule| serde_json::json!({ "str": rule.str }))
            .collect();
        object.insert("hostfwd".into(), rules.into());
        let text = Value::Object(object).to_string();
        let spec = NetdevSpec::parse(&text).map_err(|error| bad_property("user", error))?;
        self.facts.backends.networks.add(&spec).map_err(generic)
    }

    fn netdev_del(&mut self, id: &str) -> Result<(), Error> {
        if !self.facts.backends.networks.remove(id) {
            return Err(Error::device_not_found(format!("Device '{id}' not found")));
        }
        self.vm.poll_devices();
        Ok(())
    }

    fn set_link(&mut self, name: &str, up: bool) -> Result<(), Error> {
        let backends = &self.facts.backends;
        let card = backends.cards.iter().find(|card| card.name == name);
        let known = match card {
            Some(card) => {
                if let Some(netdev) = &card.netdev {
                    backends.networks.set_card_link(netdev, up);
                }
                true
            }
            None => backends.networks.set_link(name, up),
        };
        if !known {
            return Err(Error::device_not_found(format!(
                "Device '{name}' not found"
            )));
        }
        self.vm.poll_devices();
        Ok(())
    }

    fn rx_filters(&mut self, name: Option<&str>) -> Result<Vec<RxFilterInfo>, Error> {
        super::filters::query(&self.facts.backends, name)
    }

    fn pci(&self) -> Vec<PciInfo> {
        let functions = self.functions();
        vec![PciInfo {
            bus: 0,
            devices: pci::bus(&functions, "pcie.0"),
        }]
    }

    fn objects(&self) -> Object {
        super::objects::tree(self)
    }

    fn set_property(
        &mut self,
        _path: &str,
        property: &str,
        value: &Value,
    ) -> Option<Result<(), Error>> {
        // One object has a property of this name.
        (property == super::balloon::INTERVAL).then(|| super::balloon::set_interval(self, value))
    }

    fn types(&self) -> Vec<Type> {
        types::list()
    }
}
