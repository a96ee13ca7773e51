//! Migration: there was never one.

use super::Context;
use crate::error::Error;
use crate::schema::{MigrationCommands, MigrationInfo};

impl MigrationCommands for Context<'_> {
    fn query_migrate(&mut self) -> Result<MigrationInfo, Error> {
        Ok(MigrationInfo {
            status: None,
            error_desc: None,
            blocked_reasons: None,
        })
    }
}
