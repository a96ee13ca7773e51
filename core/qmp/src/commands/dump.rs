//! Dumps of the guest.

use super::Context;
use super::machine::reason;
use crate::dump;
use crate::error::Error;
use crate::jobs;
use crate::schema::{
    DumpCommands, DumpGuestMemoryArguments, DumpGuestMemoryCapability, DumpGuestMemoryFormat,
    DumpQueryResult,
};

/// The part of memory that the arguments ask for.
fn part(arguments: &DumpGuestMemoryArguments) -> Result<Option<(u64, u64)>, Error> {
    let missing = |name: &str| Err(Error::generic(format!("Parameter '{name}' is missing")));
    match (arguments.begin, arguments.length) {
        (None, None) => Ok(None),
        (Some(_), None) => missing("length"),
        (None, Some(_)) => missing("begin"),
        (Some(begin), Some(length)) => match u64::try_from(length) {
            Ok(length) if length > 0 => Ok(Some((begin.cast_unsigned(), length))),
            _ => Err(Error::generic("Invalid parameter 'length'")),
        },
    }
}

impl Context<'_> {
    /// Opens what `protocol` names.
    fn dump_file(&mut self, protocol: &str) -> Result<Box<dyn std::io::Write>, Error> {
        if let Some(path) = protocol.strip_prefix("file:") {
            return self.vm.create_file(path).map_err(|error| {
                Error::generic(format!("Could not open '{path}': {}", reason(&error)))
            });
        }
        match protocol.strip_prefix("fd:") {
            Some(name) => self.host()?.take_fd(name),
            None => Err(Error::generic("Invalid parameter 'protocol'")),
        }
    }
}

impl DumpCommands for Context<'_> {
    fn dump_guest_memory(&mut self, arguments: DumpGuestMemoryArguments) -> Result<(), Error> {
        if self.host()?.dump().is_active() {
            return Err(Error::generic("There is a dump in process, please wait."));
        }
        let format = arguments.format.unwrap_or(DumpGuestMemoryFormat::Elf);
        if format != DumpGuestMemoryFormat::Elf
            && (arguments.paging || arguments.begin.is_some() || arguments.length.is_some())
        {
            return Err(Error::generic(
                "kdump-compressed format doesn't support paging or filter",
            ));
        }
        let part = part(&arguments)?;
        if !dump::formats().contains(&format) {
            return Err(Error::generic(format!(
                "{} is not available now",
                format.as_str()
            )));
        }
        let out = self.dump_file(&arguments.protocol)?;
        let ranges = dump::ranges(self.vm, part)?;
        let wanted = dump::Wanted {
            ranges,
            format,
            paging: arguments.paging,
        };
        let job = dump::start(self.vm, out, wanted)?;
        match arguments.detach {
            Some(true) => Ok(()),
            _ => jobs::finish(self.vm, job),
        }
    }

    fn query_dump(&mut self) -> Result<DumpQueryResult, Error> {
        Ok(self.host()?.dump().result())
    }

    fn query_dump_guest_memory_capability(&mut self) -> Result<DumpGuestMemoryCapability, Error> {
        Ok(DumpGuestMemoryCapability {
            formats: dump::formats(),
        })
    }
}
