//! Objects that users make.

use super::Context;
use crate::error::Error;
use crate::schema::{ObjectDelArguments, ObjectOptions, QomObjectCommands};

/// Whether a text may be an id: a letter, then letters, digits, `-`, `.` and `_`.
pub(crate) fn is_identifier(id: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    id.starts_with(|c: char| c.is_ascii_alphabetic()) && id.chars().all(rest)
}

impl QomObjectCommands for Context<'_> {
    fn object_add(&mut self, options: ObjectOptions) -> Result<(), Error> {
        if !is_identifier(&options.id) {
            return Err(Error::generic("Parameter 'id' expects an identifier"));
        }
        self.host()?.object_add(options)
    }

    fn object_del(&mut self, arguments: ObjectDelArguments) -> Result<(), Error> {
        self.host()?.object_del(&arguments.id)
    }
}
