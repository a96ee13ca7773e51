//! Cutting connections that hang. Nothing here has a connection that could: block nodes are local
//! and character devices do not wait.

use super::Context;
use crate::error::Error;
use crate::schema::{YankArguments, YankCommands, YankInstance};

impl YankCommands for Context<'_> {
    fn yank(&mut self, arguments: YankArguments) -> Result<(), Error> {
        if arguments.instances.is_empty() {
            return Ok(());
        }
        Err(Error::device_not_found("Instance not found"))
    }

    fn query_yank(&mut self) -> Result<Vec<YankInstance>, Error> {
        Ok(Vec::new())
    }
}
