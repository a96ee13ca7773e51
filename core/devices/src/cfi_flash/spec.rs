//! Parallel NOR flash with the Intel command set: JEDEC JESD68 (common flash interface), Intel
//! "Common Flash Interface and Command Sets" (AP-646), Intel StrataFlash P30 data sheet. Two 16-bit
//! chips side by side make a bank 32 bits wide; both get every command and answer alike.

/// Bytes that one bus cycle moves.
pub const BANK_WIDTH: u64 = 4;
/// Bytes of an erase block across both chips.
pub const SECTOR: u64 = 256 << 10;
/// Bytes of the write buffer across both chips.
pub const BUFFER: u64 = 4096;

/// Commands, in the low byte of what is written (AP-646, table 4).
pub mod command {
    /// Program a word (alternate code).
    pub const PROGRAM_ALTERNATE: u8 = 0x10;
    /// Erase a block.
    pub const ERASE: u8 = 0x20;
    /// Program a word.
    pub const PROGRAM: u8 = 0x40;
    /// Clear the status register.
    pub const CLEAR_STATUS: u8 = 0x50;
    /// Change a block's lock.
    pub const LOCK: u8 = 0x60;
    /// Read the status register.
    pub const READ_STATUS: u8 = 0x70;
    /// Read identifiers.
    pub const READ_ID: u8 = 0x90;
    /// Read the CFI table.
    pub const QUERY: u8 = 0x98;
    /// Confirm an erasure, an unlocking or a buffered program.
    pub const CONFIRM: u8 = 0xd0;
    /// Program from the buffer.
    pub const PROGRAM_BUFFER: u8 = 0xe8;
    /// Read the array.
    pub const READ_ARRAY: u8 = 0xff;
}

/// Status register bits.
pub mod status {
    /// Ready.
    pub const READY: u8 = 1 << 7;
    /// Erasing failed. With [`PROGRAM_ERROR`]: a wrong sequence of commands.
    pub const ERASE_ERROR: u8 = 1 << 5;
    /// Programming failed.
    pub const PROGRAM_ERROR: u8 = 1 << 4;
    /// The block is locked.
    pub const LOCKED: u8 = 1 << 1;
}

/// Manufacturer Intel and the device code, as QEMU's `virt` sets them.
pub const IDENTIFIERS: [u8; 2] = [0x89, 0x18];

/// Words after which the identifiers are there again.
pub const IDENTIFIER_WORDS: usize = 256;

/// The CFI byte at word `index`, the same in both chips, for a bank of `len` bytes.
#[must_use]
pub fn query(index: usize, len: u64) -> u8 {
    let chip = (len / 2).max(1).ilog2() as u8;
    let buffer = (BUFFER / 2).ilog2() as u8;
    let blocks = ((len / SECTOR).saturating_sub(1) as u16).to_le_bytes();
    let block = ((SECTOR / 2 / 256) as u16).to_le_bytes();
    // By first word; bytes that no row has are zero.
    let rows: [(usize, &[u8]); 10] = [
        // Intel/Sharp extended command set, its table at 0x31.
        (0x10, b"QRY\x01\x00\x31"),
        // Supply voltage, 4.5 to 5.5 V.
        (0x1b, &[0x45, 0x55]),
        // Typical times as powers of two: word and buffer in us, block in ms.
        (0x1f, &[0x07, 0x07, 0x0a]),
        // Greatest times, as powers of two of the typical ones.
        (0x23, &[0x04, 0x04, 0x04]),
        // Size of a chip as a power of two; x8 and x16; size of the buffer as a power of two.
        (0x27, &[chip, 0x02, 0x00, buffer]),
        // One region of equal blocks: how many less one, size in units of 256 bytes.
        (0x2c, &[0x01]),
        (0x2d, &blocks),
        (0x2f, &block),
        // The extended table, version 1.0, without optional features.
        (0x31, b"PRI10"),
        // One protection field.
        (0x3f, &[0x01]),
    ];
    let byte = |&(first, bytes): &(usize, &[u8])| bytes.get(index.checked_sub(first)?).copied();
    rows.iter().find_map(byte).unwrap_or(0)
}
