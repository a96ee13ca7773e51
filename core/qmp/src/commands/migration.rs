//! Migration: there was never one.

use super::Context;
use crate::error::Error;
use crate::schema::{MigrationCapabilityStatus, MigrationCommands, MigrationInfo};

impl MigrationCommands for Context<'_> {
    fn query_migrate(&mut self) -> Result<MigrationInfo, Error> {
        Ok(MigrationInfo {
            status: None,
            error_desc: None,
            blocked_reasons: None,
        })
    }

    fn query_migrate_capabilities(&mut self) -> Result<Vec<MigrationCapabilityStatus>, Error> {
        Ok(Vec::new())
    }
}
