//! What Arm's PrimeCell peripherals have in common: identification registers and word-wide access.

use ferrite_machine::BusError;

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

/// The register that an access reaches: its offset rounded down to a word. Accesses wider than a
/// word, or across two, fail.
pub fn register(offset: u64, bytes: u64) -> Result<u64, BusError> {
    if !crate::words::is_natural(offset, bytes) || bytes > 4 {
        return Err(BusError);
    }
    Ok(offset & !3)
}
