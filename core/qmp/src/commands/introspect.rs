//! The schema, asked for.

use super::Context;
use crate::error::Error;
use crate::schema::{IntrospectCommands, SchemaInfo, introspect};

impl IntrospectCommands for Context<'_> {
    fn query_qmp_schema(&mut self) -> Result<Vec<SchemaInfo>, Error> {
        Ok(introspect())
    }
}
