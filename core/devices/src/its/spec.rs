//! Registers and commands of the Interrupt Translation Service: Arm IHI 0069H, sections 5.3 and
//! 12.18 to 12.19.

/// Registers by offset; the second frame has one register only.
pub mod gits {
    /// GITS_CTLR.
    pub const CTLR: u64 = 0x0000;
    /// GITS_IIDR.
    pub const IIDR: u64 = 0x0004;
    /// GITS_TYPER, 64 bits.
    pub const TYPER: u64 = 0x0008;
    /// GITS_CBASER, 64 bits.
    pub const CBASER: u64 = 0x0080;
    /// GITS_CWRITER, 64 bits.
    pub const CWRITER: u64 = 0x0088;
    /// GITS_CREADR, 64 bits.
    pub const CREADR: u64 = 0x0090;
    /// GITS_BASERn, 64 bits each.
    pub const BASER: u64 = 0x0100;
    /// The end of those.
    pub const BASER_END: u64 = 0x0140;
    /// Identification registers.
    pub const ID: u64 = 0xffd0;
    /// Where the frame of GITS_TRANSLATER starts.
    pub const TRANSLATION: u64 = 0x1_0000;
    /// GITS_TRANSLATER.
    pub const TRANSLATER: u64 = 0x1_0040;
    /// Bytes of both frames.
    pub const SIZE: u64 = 0x2_0000;
}

/// GITS_CTLR.Enabled.
pub const ENABLED: u32 = 1 << 0;
/// GITS_CTLR.Quiescent: every command's work is done when the write that caused it is.
pub const QUIESCENT: u32 = 1 << 31;
/// Valid, in GITS_CBASER, GITS_BASERn, table entries and commands.
pub const VALID: u64 = 1 << 63;
/// GITS_BASERn.Indirect.
pub const INDIRECT: u64 = 1 << 62;
/// Type and Entry_Size of GITS_BASERn, which software cannot change.
pub const BASER_FIXED: u64 = 7 << 56 | 0x1f << 48;
/// GITS_BASERn.Type of the device table, and of the collection table.
pub const TYPE_DEVICES: u64 = 1;
/// The latter.
pub const TYPE_COLLECTIONS: u64 = 4;
/// Bytes of an entry of any table.
pub const ENTRY: u64 = 8;
/// Bits of device, event and collection numbers.
pub const ID_BITS: u32 = 16;

/// GITS_TYPER: physical LPIs (bit 0); entries of [`ENTRY`] bytes (7:4), events (12:8) and devices
/// (17:13) of [`ID_BITS`] bits; CPUs by number (PTA, bit 19, clear); no collections inside (HCC,
/// 31:24); collections of [`ID_BITS`] bits (CIL 36, CIDbits 35:32).
pub const TYPER: u64 = {
    let bits = ID_BITS as u64 - 1;
    1 | (ENTRY - 1) << 4 | bits << 8 | bits << 13 | bits << 32 | 1 << 36
};

/// PIDR4 to 7, 0 to 3, CIDR0 to 3.
pub const ID_VALUES: [u8; 12] = [
    0x44, 0x00, 0x00, 0x00, 0x94, 0xb4, 0x3b, 0x00, 0x0d, 0xf0, 0x05, 0xb1,
];

/// Bytes of a command.
pub const COMMAND: u64 = 32;

/// Commands, by the first byte.
pub mod command {
    /// Moves an event to another collection.
    pub const MOVI: u8 = 0x01;
    /// Makes an event's interrupt pending.
    pub const INT: u8 = 0x03;
    /// Makes it not pending.
    pub const CLEAR: u8 = 0x04;
    /// Waits until what came before has its effect on a CPU.
    pub const SYNC: u8 = 0x05;
    /// Maps a device to its table of events.
    pub const MAPD: u8 = 0x08;
    /// Maps a collection to a CPU.
    pub const MAPC: u8 = 0x09;
    /// Maps an event to an interrupt and a collection.
    pub const MAPTI: u8 = 0x0a;
    /// The same, to the interrupt of the event's number.
    pub const MAPI: u8 = 0x0b;
    /// Reads the configuration of an event's interrupt again.
    pub const INV: u8 = 0x0c;
    /// Reads those of all of a collection's again.
    pub const INVALL: u8 = 0x0d;
    /// Moves what is pending on one CPU to another.
    pub const MOVALL: u8 = 0x0e;
    /// Unmaps an event.
    pub const DISCARD: u8 = 0x0f;
}
