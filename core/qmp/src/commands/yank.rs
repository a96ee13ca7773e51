//! Cutting connections that hang: those of character devices. Block nodes are local.

use super::Context;
use crate::error::Error;
use crate::schema::{YankArguments, YankCommands, YankInstance};

impl Context<'_> {
    fn yankable(&mut self) -> Vec<String> {
        self.vm.host().map_or_else(Vec::new, |host| host.yankable())
    }
}

impl YankCommands for Context<'_> {
    fn yank(&mut self, arguments: YankArguments) -> Result<(), Error> {
        let known = self.yankable();
        let mut ids = Vec::new();
        for instance in arguments.instances {
            match instance {
                YankInstance::Chardev { id } if known.contains(&id) => ids.push(id),
                _ => return Err(Error::device_not_found("Instance not found")),
            }
        }
        if let Some(host) = self.vm.host() {
            for id in ids {
                host.yank(&id);
            }
        }
        Ok(())
    }

    fn query_yank(&mut self) -> Result<Vec<YankInstance>, Error> {
        let known = self.yankable().into_iter();
        Ok(known.map(|id| YankInstance::Chardev { id }).collect())
    }
}
