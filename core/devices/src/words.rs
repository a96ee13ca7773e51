//! Accesses of any width to devices whose registers are 32-bit words.

use ferrite_machine::BusError;

/// Whether an access has a width of 1, 2, 4 or 8 bytes and is aligned to it.
#[must_use]
pub fn is_natural(offset: u64, bytes: u64) -> bool {
    matches!(bytes, 1 | 2 | 4 | 8) && offset.is_multiple_of(bytes)
}

/// Reads `bytes` bytes at `offset` out of the words that `word` returns by their offset. Each word
/// that the access touches is read once. Fails for accesses that are not naturally aligned.
pub fn read(offset: u64, bytes: u64, mut word: impl FnMut(u64) -> u32) -> Result<u64, BusError> {
    if !is_natural(offset, bytes) {
        return Err(BusError);
    }
    if bytes == 8 {
        let low = u64::from(word(offset));
        return Ok(low | u64::from(word(offset + 4)) << 32);
    }
    let shift = (offset & 3) * 8;
    Ok(u64::from(word(offset & !3) >> shift) & lanes(bytes))
}

/// Writes the low `bytes` bytes of `value`: calls `word` with each word's offset, the bytes in
/// their place in the word, and a mask of the bits that the access covers. Fails as [`read`] does.
pub fn write(
    offset: u64,
    bytes: u64,
    value: u64,
    mut word: impl FnMut(u64, u32, u32),
) -> Result<(), BusError> {
    if !is_natural(offset, bytes) {
        return Err(BusError);
    }
    if bytes == 8 {
        word(offset, value as u32, u32::MAX);
        word(offset + 4, (value >> 32) as u32, u32::MAX);
        return Ok(());
    }
    let shift = (offset & 3) * 8;
    let mask = lanes(bytes) as u32;
    word(offset & !3, (value as u32 & mask) << shift, mask << shift);
    Ok(())
}

/// The mask of the low `bytes` bytes, for 1 to 4.
fn lanes(bytes: u64) -> u64 {
    (1 << (bytes * 8)) - 1
}

/// The word of a 64-bit register that an offset, aligned to 4, is in.
#[must_use]
pub fn half(register: u64, offset: u64) -> u32 {
    (register >> (offset % 8 * 8)) as u32
}

/// Sets the bits of `lanes` in that word.
pub fn set_half(register: &mut u64, offset: u64, value: u32, lanes: u32) {
    let shift = offset % 8 * 8;
    let merged = merge((*register >> shift) as u32, value, lanes);
    *register = *register & !(u64::from(u32::MAX) << shift) | u64::from(merged) << shift;
}

/// `old` with the bits of `lanes` taken from `new`.
#[must_use]
pub fn merge(old: u32, new: u32, lanes: u32) -> u32 {
    (old & !lanes) | (new & lanes)
}
