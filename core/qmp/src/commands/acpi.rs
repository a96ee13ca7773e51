//! What the guest reports by ACPI.

use super::Context;
use crate::error::Error;
use crate::schema::{ACPIOSTInfo, AcpiCommands};

impl AcpiCommands for Context<'_> {
    fn query_acpi_ospm_status(&mut self) -> Result<Vec<ACPIOSTInfo>, Error> {
        Err(Error::generic(
            "command is not supported, missing ACPI device",
        ))
    }
}
