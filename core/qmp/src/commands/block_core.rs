//! Disks.

use super::Context;
use crate::error::Error;
use crate::schema::{
    BlockCoreCommands, BlockDeviceInfo, BlockInfo, BlockStats, QueryBlockstatsArguments,
    QueryNamedBlockNodesArguments,
};

impl BlockCoreCommands for Context<'_> {
    fn query_block(&mut self) -> Result<Vec<BlockInfo>, Error> {
        Ok(self.vm.block_devices())
    }

    fn query_named_block_nodes(
        &mut self,
        _: QueryNamedBlockNodesArguments,
    ) -> Result<Vec<BlockDeviceInfo>, Error> {
        Ok(self.vm.block_nodes())
    }

    fn query_blockstats(
        &mut self,
        arguments: QueryBlockstatsArguments,
    ) -> Result<Vec<BlockStats>, Error> {
        Ok(self.vm.block_stats(arguments.query_nodes == Some(true)))
    }
}
