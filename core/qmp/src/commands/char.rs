//! Character devices.

use super::{Context, base64};
use crate::error::Error;
use crate::schema::{
    CharCommands, ChardevAddArguments, ChardevBackendInfo, ChardevBackendKind,
    ChardevChangeArguments, ChardevInfo, ChardevRemoveArguments, ChardevReturn,
    ChardevSendBreakArguments, DataFormat, RingbufReadArguments, RingbufWriteArguments,
};

impl CharCommands for Context<'_> {
    fn query_chardev(&mut self) -> Result<Vec<ChardevInfo>, Error> {
        Ok(self.vm.chardevs())
    }

    fn query_chardev_backends(&mut self) -> Result<Vec<ChardevBackendInfo>, Error> {
        let kinds = self.host()?.chardev_backends();
        let name = |kind: ChardevBackendKind| ChardevBackendInfo {
            name: kind.as_str().into(),
        };
        Ok(kinds.into_iter().map(name).collect())
    }

    fn chardev_add(&mut self, arguments: ChardevAddArguments) -> Result<ChardevReturn, Error> {
        self.host()?.chardev_add(&arguments.id, arguments.backend)
    }

    fn chardev_change(
        &mut self,
        arguments: ChardevChangeArguments,
    ) -> Result<ChardevReturn, Error> {
        self.host()?
            .chardev_change(&arguments.id, arguments.backend)
    }

    fn chardev_remove(&mut self, arguments: ChardevRemoveArguments) -> Result<(), Error> {
        self.host()?.chardev_remove(&arguments.id)
    }

    fn chardev_send_break(&mut self, arguments: ChardevSendBreakArguments) -> Result<(), Error> {
        self.host()?.chardev_send_break(&arguments.id)
    }

    fn ringbuf_write(&mut self, arguments: RingbufWriteArguments) -> Result<(), Error> {
        let data = match arguments.format {
            Some(DataFormat::Base64) => base64::decode(&arguments.data),
            _ => arguments.data.into_bytes(),
        };
        self.vm.ringbuf_write(&arguments.device, &data)
    }

    fn ringbuf_read(&mut self, arguments: RingbufReadArguments) -> Result<String, Error> {
        let max = usize::try_from(arguments.size)
            .ok()
            .filter(|&size| size > 0)
            .ok_or_else(|| Error::generic("size must be greater than zero"))?;
        let data = self.vm.ringbuf_read(&arguments.device, max)?;
        Ok(match arguments.format {
            Some(DataFormat::Base64) => base64::encode(&data),
            _ => String::from_utf8_lossy(&data).into_owned(),
        })
    }
}
