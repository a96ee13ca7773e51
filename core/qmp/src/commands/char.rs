//! Character devices.

use super::{Context, base64};
use crate::error::Error;
use crate::schema::{
    CharCommands, ChardevInfo, DataFormat, RingbufReadArguments, RingbufWriteArguments,
};

impl CharCommands for Context<'_> {
    fn query_chardev(&mut self) -> Result<Vec<ChardevInfo>, Error> {
        Ok(self.vm.chardevs())
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
