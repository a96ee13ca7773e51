//! Networks.

use super::Context;
use super::qom_object::is_identifier;
use crate::error::Error;
use crate::schema::{
    NetCommands, Netdev, NetdevDelArguments, QueryRxFilterArguments, RxFilterInfo, SetLinkArguments,
};

impl NetCommands for Context<'_> {
    fn set_link(&mut self, arguments: SetLinkArguments) -> Result<(), Error> {
        self.devices()?.set_link(&arguments.name, arguments.up)
    }

    fn netdev_add(&mut self, netdev: Netdev) -> Result<(), Error> {
        if !is_identifier(&netdev.id) {
            return Err(Error::generic("Parameter 'id' expects an identifier"));
        }
        self.devices()?.netdev_add(netdev)
    }

    fn netdev_del(&mut self, arguments: NetdevDelArguments) -> Result<(), Error> {
        self.devices()?.netdev_del(&arguments.id)
    }

    fn query_rx_filter(
        &mut self,
        arguments: QueryRxFilterArguments,
    ) -> Result<Vec<RxFilterInfo>, Error> {
        self.devices()?.rx_filters(arguments.name.as_deref())
    }
}
