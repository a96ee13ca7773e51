//! Trusted platform modules: there are none.

use super::Context;
use crate::error::Error;
use crate::schema::{TpmCommands, TpmModel, TpmType};

impl TpmCommands for Context<'_> {
    fn query_tpm_models(&mut self) -> Result<Vec<TpmModel>, Error> {
        Ok(Vec::new())
    }

    fn query_tpm_types(&mut self) -> Result<Vec<TpmType>, Error> {
        Ok(Vec::new())
    }
}
