//! The GICv2m frame: turns message-signalled interrupts into pulses of shared interrupt lines.

pub mod spec;
#[cfg(test)]
mod tests;

use ferrite_machine::BusError;

use crate::words;

/// The frame. It has no state that a guest could change.
#[derive(Clone, Debug)]
pub struct GicV2m {
    first: u32,
    count: u32,
}

impl GicV2m {
    /// A frame that owns `count` shared interrupts from INTID `first` on.
    #[must_use]
    pub fn new(first: u32, count: u32) -> Self {
        Self { first, count }
    }

    /// Reads a register. Fails beyond the frame and for unaligned accesses.
    pub fn read(&self, offset: u64, bytes: u64) -> Result<u64, BusError> {
        if offset >= spec::SIZE {
            return Err(BusError);
        }
        words::read(offset, bytes, |at| match at {
            spec::MSI_TYPER => self.first << 16 | self.count,
            spec::MSI_IIDR => spec::IIDR_VALUE,
            _ => 0,
        })
    }

    /// Writes a register. The answer is the shared interrupt (INTID less 32) that the board is to
    /// pulse ([`crate::gic::Gic::pulse_spi`]), if the write asks for one.
    pub fn write(&self, offset: u64, bytes: u64, value: u64) -> Result<Option<u32>, BusError> {
        if offset >= spec::SIZE {
            return Err(BusError);
        }
        let mut pulse = None;
        words::write(offset, bytes, value, |at, word, lanes| {
            let owned = self.first..self.first.saturating_add(self.count);
            let intid = word & lanes & 0x3ff;
            if at == spec::MSI_SETSPI_NS && owned.contains(&intid) {
                pulse = intid.checked_sub(crate::gic::spec::PRIVATE);
            }
        })?;
        Ok(pulse)
    }
}
