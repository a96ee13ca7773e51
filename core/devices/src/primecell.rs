//! What Arm's PrimeCell peripherals have in common: identification registers and word-wide access.

use ferrite_machine::BusError;

use crate::words;

/// The last byte-wide identification registers of a PrimeCell page (PeriphID0 to 3 at 0xfe0,
/// PCellID0 to 3 at 0xff0), one byte each.
#[derive(Clone, Copy, Debug)]
pub struct Identification(pub [u8; 8]);

impl Identification {
    /// Those of the part with these PeriphID bytes.
    #[must_use]
    pub const fn new(peripheral: [u8; 4]) -> Self {
        let [a, b, c, d] = peripheral;
        Self([a, b, c, d, 0x0d, 0xf0, 0x05, 0xb1])
    }

    /// The register at `offset`, if it is one of these.
    #[must_use]
    pub fn read(&self, offset: u64) -> Option<u32> {
        let index = offset.checked_sub(0xfe0)? / 4;
        self.0.get(index as usize).map(|&byte| u32::from(byte))
    }
}

/// Reads 1, 2 or 4 bytes at `offset` out of the register that holds them. Fails for accesses that
/// are wider than a register or unaligned.
pub fn read(offset: u64, bytes: u64, register: impl FnMut(u64) -> u32) -> Result<u64, BusError> {
    check(bytes)?;
    words::read(offset, bytes, register)
}

/// What a write of 1, 2 or 4 bytes at `offset` means: the register's offset and its new value, with
/// zeros where the access is narrower. Fails as [`read`] does.
pub fn write(offset: u64, bytes: u64, value: u64) -> Result<(u64, u32), BusError> {
    check(bytes)?;
    let mut written = (0, 0);
    words::write(offset, bytes, value, |at, word, _| written = (at, word))?;
    Ok(written)
}

fn check(bytes: u64) -> Result<(), BusError> {
    if bytes > 4 { Err(BusError) } else { Ok(()) }
}
