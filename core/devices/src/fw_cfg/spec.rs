//! The firmware configuration device: QEMU's `docs/specs/fw_cfg.rst`, and the memory-mapped layout
//! that the device-tree binding `qemu,fw-cfg-mmio` describes.

/// Data register: successive bytes of the selected item, 1 to 8 at a time.
pub const DATA: u64 = 0;
/// Selector register: 16 bits, big-endian.
pub const SELECTOR: u64 = 8;
/// DMA address register: 64 bits, big-endian; writing the low half starts a transfer.
pub const DMA: u64 = 16;
/// Size of the window.
pub const SIZE: u64 = 24;

/// What the DMA address register reads as.
pub const DMA_SIGNATURE: [u8; 8] = *b"QEMU CFG";

/// Item "QEMU".
pub const SIGNATURE: u16 = 0x00;
/// Item: interface version bits, little-endian.
pub const ID: u16 = 0x01;
/// The traditional interface exists.
pub const ID_TRADITIONAL: u32 = 1 << 0;
/// The DMA interface exists.
pub const ID_DMA: u32 = 1 << 1;
/// Item: the directory of named files.
pub const FILE_DIRECTORY: u16 = 0x19;
/// The first named file's key.
pub const FILE_FIRST: u16 = 0x20;
/// Most named files.
pub const FILE_SLOTS: usize = 0x3fff - FILE_FIRST as usize;
/// Longest name of a file, without its terminating zero.
pub const NAME_MAX: usize = 55;
/// The selector's write-channel bit, which has had no meaning since QEMU 2.4.
pub const WRITE_CHANNEL: u16 = 1 << 14;

bitflags::bitflags! {
    /// The control word of a DMA request; bits 31:16 hold the key to select.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Control: u32 {
        /// The transfer failed.
        const ERROR = 1 << 0;
        /// Copy from the item to memory.
        const READ = 1 << 1;
        /// Move on in the item.
        const SKIP = 1 << 2;
        /// Select an item first.
        const SELECT = 1 << 3;
        /// Copy from memory to the item.
        const WRITE = 1 << 4;
    }
}
