//! Devices that come and go.

use serde_json::Value;

use super::Context;
use super::qom_object::is_identifier;
use crate::error::Error;
use crate::schema::{DeviceAddArguments, DeviceDelArguments, QdevCommands};

impl QdevCommands for Context<'_> {
    fn device_add(&mut self, arguments: DeviceAddArguments) -> Result<(), Error> {
        let DeviceAddArguments {
            driver,
            bus,
            id,
            rest: mut properties,
        } = arguments;
        if id.as_deref().is_some_and(|id| !is_identifier(id)) {
            return Err(Error::generic("Parameter 'id' expects an identifier"));
        }
        let named = [("bus", bus), ("id", id)];
        for (name, value) in named {
            properties.extend(value.map(|value| (name.to_owned(), Value::String(value))));
        }
        self.devices()?.device_add(&driver, properties)
    }

    fn device_del(&mut self, arguments: DeviceDelArguments) -> Result<(), Error> {
        self.devices()?.device_del(&arguments.id)
    }
}
