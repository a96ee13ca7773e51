//! What monitors ask about devices: adding and removing them, networks, buses, the object tree.

use serde_json::{Map, Value};

use crate::error::Error;
use crate::qom::{Object, Type};
use crate::schema::{Netdev, PciInfo, RxFilterInfo};

/// The devices of a machine as its monitors see them.
pub trait DeviceControl {
    /// Adds a device of this driver, with all of its properties, `bus` and `id` among them.
    fn device_add(&mut self, driver: &str, properties: Map<String, Value>) -> Result<(), Error>;
    /// Asks the guest to give up the device of this id or path.
    fn device_del(&mut self, id: &str) -> Result<(), Error>;
    /// Makes a network.
    fn netdev_add(&mut self, netdev: Netdev) -> Result<(), Error>;
    /// Takes a network away.
    fn netdev_del(&mut self, id: &str) -> Result<(), Error>;
    /// Puts a cable in or out.
    fn set_link(&mut self, name: &str, up: bool) -> Result<(), Error>;
    /// What network cards, or one of them, let through to the guest.
    fn rx_filters(&mut self, name: Option<&str>) -> Result<Vec<RxFilterInfo>, Error> {
        match name {
            None => Ok(Vec::new()),
            Some(name) => Err(Error::generic(format!("invalid net client name: {name}"))),
        }
    }
    /// The PCI buses.
    fn pci(&self) -> Vec<PciInfo>;
    /// The tree of objects.
    fn objects(&self) -> Object;
    /// Sets a property that the object at this path has; `None` where it cannot be written.
    fn set_property(
        &mut self,
        _path: &str,
        _property: &str,
        _value: &Value,
    ) -> Option<Result<(), Error>> {
        None
    }
    /// The types of objects.
    fn types(&self) -> Vec<Type>;
}
