//! Numbers of the block device (the spec, section 5.2).

/// Bytes in the sectors that requests count in, whatever the block size.
pub const SECTOR: u64 = 512;

/// Feature bits, as masks.
pub mod feature {
    /// `seg_max` is valid.
    pub const SEG_MAX: u64 = 1 << 2;
    /// The geometry fields are valid.
    pub const GEOMETRY: u64 = 1 << 4;
    /// The disk is read-only.
    pub const RO: u64 = 1 << 5;
    /// `blk_size` is valid.
    pub const BLK_SIZE: u64 = 1 << 6;
    /// Flush requests work.
    pub const FLUSH: u64 = 1 << 9;
    /// The topology fields are valid.
    pub const TOPOLOGY: u64 = 1 << 10;
    /// The driver can turn the write cache off and on.
    pub const CONFIG_WCE: u64 = 1 << 11;
    /// Discard requests work.
    pub const DISCARD: u64 = 1 << 13;
    /// Write-zeroes requests work.
    pub const WRITE_ZEROES: u64 = 1 << 14;
}

/// Request types.
pub mod request {
    /// Read sectors.
    pub const IN: u32 = 0;
    /// Write sectors.
    pub const OUT: u32 = 1;
    /// Make writes durable.
    pub const FLUSH: u32 = 4;
    /// Read the serial number.
    pub const GET_ID: u32 = 8;
    /// Forget sectors.
    pub const DISCARD: u32 = 11;
    /// Zero sectors.
    pub const WRITE_ZEROES: u32 = 13;
}

/// The last byte of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// It failed.
    IoError = 1,
    /// The device does not do that.
    Unsupported = 2,
}

/// Bytes in a request header: type, reserved, sector.
pub const HEADER_BYTES: u64 = 16;
/// Bytes in a discard or write-zeroes segment: sector, number of sectors, flags.
pub const SEGMENT_BYTES: u64 = 16;
/// Segment flag: a write-zeroes request may give the space back.
pub const SEGMENT_UNMAP: u32 = 1;
/// Bytes in the answer to `GET_ID`.
pub const ID_BYTES: usize = 20;
/// Where the write cache mode is in the configuration space.
pub const CONFIG_WRITEBACK: usize = 32;
