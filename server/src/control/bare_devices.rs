//! The object tree and the types where there is no machine; devices have no place to be plugged.

use ferrite_monitor::types;
use ferrite_qmp::HostControl;
use ferrite_qmp::devices::DeviceControl;
use ferrite_qmp::error::Error;
use ferrite_qmp::qom::{Object, Type};
use ferrite_qmp::schema::{Netdev, PciInfo};
use serde_json::{Map, Value};

use super::bare::BareControl;

fn no_such_device(id: &str) -> Error {
    Error::device_not_found(format!("Device '{id}' not found"))
}

impl DeviceControl for BareControl<'_> {
    fn device_add(&mut self, driver: &str, _properties: Map<String, Value>) -> Result<(), Error> {
        Err(Error::generic(format!(
            "No bus found for device '{driver}'"
        )))
    }

    fn device_del(&mut self, id: &str) -> Result<(), Error> {
        Err(no_such_device(id))
    }

    fn netdev_add(&mut self, _netdev: Netdev) -> Result<(), Error> {
        Err(Error::unsupported())
    }

    fn netdev_del(&mut self, id: &str) -> Result<(), Error> {
        Err(no_such_device(id))
    }

    fn set_link(&mut self, name: &str, _up: bool) -> Result<(), Error> {
        Err(no_such_device(name))
    }

    fn pci(&self) -> Vec<PciInfo> {
        Vec::new()
    }

    fn objects(&self) -> Object {
        let mut machine = Object::new("machine", "none-machine");
        machine.children = ["peripheral", "peripheral-anon", "unattached"]
            .map(|name| Object::new(name, "container"))
            .into();
        let mut objects = Object::new("objects", "container");
        let made = self.host.objects().into_iter();
        objects.children = made
            .map(|(id, kind)| {
                let mut object = Object::new(&id, kind.as_str());
                object.properties = self.host.object_properties(&id);
                object
            })
            .collect();
        let mut root = Object::new("", "container");
        root.children = vec![machine, objects];
        root
    }

    fn types(&self) -> Vec<Type> {
        types::list()
    }
}
