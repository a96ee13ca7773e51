//! Displays and input: there are none.

use super::Context;
use crate::error::Error;
use crate::schema::{MouseInfo, UiCommands};

impl UiCommands for Context<'_> {
    fn query_mice(&mut self) -> Result<Vec<MouseInfo>, Error> {
        Ok(Vec::new())
    }
}
