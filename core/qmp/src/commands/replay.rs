//! Recording and replaying of execution: never done.

use super::Context;
use crate::error::Error;
use crate::schema::{ReplayCommands, ReplayInfo, ReplayMode};

impl ReplayCommands for Context<'_> {
    fn query_replay(&mut self) -> Result<ReplayInfo, Error> {
        Ok(ReplayInfo {
            mode: ReplayMode::None,
            filename: None,
            icount: 0,
        })
    }
}
