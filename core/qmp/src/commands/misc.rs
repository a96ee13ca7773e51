//! File descriptors, threads, the command line.

use super::Context;
use crate::error::Error;
use crate::schema::{
    AddFdArguments, AddfdInfo, ClosefdArguments, CommandLineOptionInfo, FdsetInfo, GetfdArguments,
    IOThreadInfo, MiscCommands, QueryCommandLineOptionsArguments, RemoveFdArguments,
};

impl MiscCommands for Context<'_> {
    fn getfd(&mut self, arguments: GetfdArguments) -> Result<(), Error> {
        self.host()?.getfd(&arguments.fdname)
    }

    fn closefd(&mut self, arguments: ClosefdArguments) -> Result<(), Error> {
        self.host()?.closefd(&arguments.fdname)
    }

    fn add_fd(&mut self, arguments: AddFdArguments) -> Result<AddfdInfo, Error> {
        self.host()?.add_fd(arguments.fdset_id, arguments.opaque)
    }

    fn remove_fd(&mut self, arguments: RemoveFdArguments) -> Result<(), Error> {
        self.host()?.remove_fd(arguments.fdset_id, arguments.fd)
    }

    fn query_fdsets(&mut self) -> Result<Vec<FdsetInfo>, Error> {
        Ok(self.vm.host().map_or_else(Vec::new, |host| host.fdsets()))
    }

    fn query_iothreads(&mut self) -> Result<Vec<IOThreadInfo>, Error> {
        Ok(self
            .vm
            .host()
            .map_or_else(Vec::new, |host| host.iothreads()))
    }

    fn query_command_line_options(
        &mut self,
        arguments: QueryCommandLineOptionsArguments,
    ) -> Result<Vec<CommandLineOptionInfo>, Error> {
        let mut options = self
            .vm
            .host()
            .map_or_else(Vec::new, |host| host.command_line_options());
        if let Some(name) = arguments.option {
            options.retain(|option| option.option == name);
            if options.is_empty() {
                return Err(Error::generic(format!("invalid option name: {name}")));
            }
        }
        Ok(options)
    }

    fn x_exit_preconfig(&mut self) -> Result<(), Error> {
        self.vm.exit_preconfig()
    }
}
