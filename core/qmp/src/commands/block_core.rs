//! Disks.

use super::Context;
use crate::error::Error;
use crate::schema::{BlockCoreCommands, BlockInfo};

impl BlockCoreCommands for Context<'_> {
    fn query_block(&mut self) -> Result<Vec<BlockInfo>, Error> {
        Ok(self.vm.block_devices())
    }
}
