//! PCI buses.

use super::Context;
use crate::error::Error;
use crate::schema::{PciCommands, PciInfo};

impl PciCommands for Context<'_> {
    fn query_pci(&mut self) -> Result<Vec<PciInfo>, Error> {
        let devices = self.vm.devices();
        Ok(devices.map(|devices| devices.pci()).unwrap_or_default())
    }
}
