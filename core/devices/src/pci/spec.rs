//! Configuration space (PCI Local Bus 3.0, chapter 6; PCI-to-PCI Bridge 1.2, chapter 3; PCI Express
//! Base 2.0, chapter 7).

/// Bytes of a conventional function's configuration space.
pub const CONVENTIONAL_LEN: usize = 256;
/// Bytes of a PCI Express function's configuration space.
pub const EXPRESS_LEN: usize = 4096;

/// Offsets of registers in configuration space.
pub mod reg {
    /// Vendor ID, 16 bits.
    pub const VENDOR: usize = 0x00;
    /// Device ID, 16 bits.
    pub const DEVICE: usize = 0x02;
    /// Command, 16 bits.
    pub const COMMAND: usize = 0x04;
    /// Status, 16 bits.
    pub const STATUS: usize = 0x06;
    /// Revision, 8 bits.
    pub const REVISION: usize = 0x08;
    /// Class code: programming interface, subclass, class.
    pub const CLASS: usize = 0x09;
    /// Cache line size, 8 bits.
    pub const CACHE_LINE: usize = 0x0c;
    /// Latency timer, 8 bits.
    pub const LATENCY: usize = 0x0d;
    /// Header type, 8 bits.
    pub const HEADER_TYPE: usize = 0x0e;
    /// The first base address register.
    pub const BAR0: usize = 0x10;
    /// Subsystem vendor ID, 16 bits (header type 0).
    pub const SUBSYSTEM_VENDOR: usize = 0x2c;
    /// Subsystem ID, 16 bits (header type 0).
    pub const SUBSYSTEM: usize = 0x2e;
    /// Offset of the first capability, 8 bits.
    pub const CAPABILITIES: usize = 0x34;
    /// Interrupt line, 8 bits.
    pub const INTERRUPT_LINE: usize = 0x3c;
    /// Interrupt pin, 8 bits: 1 is INTA.
    pub const INTERRUPT_PIN: usize = 0x3d;
    /// The first byte after the header.
    pub const HEADER_END: usize = 0x40;
}

/// Offsets of registers that only header type 1 has.
pub mod bridge {
    /// Primary bus number, 8 bits.
    pub const PRIMARY: usize = 0x18;
    /// Secondary bus number, 8 bits.
    pub const SECONDARY: usize = 0x19;
    /// Subordinate bus number, 8 bits.
    pub const SUBORDINATE: usize = 0x1a;
    /// Secondary latency timer, 8 bits.
    pub const SECONDARY_LATENCY: usize = 0x1b;
    /// I/O base, 8 bits: address bits 15 to 12 in bits 7 to 4.
    pub const IO_BASE: usize = 0x1c;
    /// I/O limit.
    pub const IO_LIMIT: usize = 0x1d;
    /// Secondary status, 16 bits.
    pub const SECONDARY_STATUS: usize = 0x1e;
    /// Memory base, 16 bits: address bits 31 to 20 in bits 15 to 4.
    pub const MEMORY_BASE: usize = 0x20;
    /// Memory limit.
    pub const MEMORY_LIMIT: usize = 0x22;
    /// Prefetchable memory base, as the memory base.
    pub const PREFETCH_BASE: usize = 0x24;
    /// Prefetchable memory limit.
    pub const PREFETCH_LIMIT: usize = 0x26;
    /// Upper 32 bits of the prefetchable base.
    pub const PREFETCH_BASE_HIGH: usize = 0x28;
    /// Upper 32 bits of the prefetchable limit.
    pub const PREFETCH_LIMIT_HIGH: usize = 0x2c;
    /// Upper 16 bits of the I/O base.
    pub const IO_BASE_HIGH: usize = 0x30;
    /// Upper 16 bits of the I/O limit.
    pub const IO_LIMIT_HIGH: usize = 0x32;
    /// Bridge control, 16 bits.
    pub const CONTROL: usize = 0x3e;

    /// Bridge control: holds the secondary bus in reset.
    pub const CONTROL_RESET: u16 = 1 << 6;
}

/// Bits of the command register.
pub mod command {
    /// Answers I/O accesses.
    pub const IO: u16 = 1 << 0;
    /// Answers memory accesses.
    pub const MEMORY: u16 = 1 << 1;
    /// May access memory and send messages.
    pub const MASTER: u16 = 1 << 2;
    /// Reports parity errors.
    pub const PARITY: u16 = 1 << 6;
    /// Reports system errors.
    pub const SERR: u16 = 1 << 8;
    /// Keeps the interrupt pin quiet.
    pub const INTX_DISABLE: u16 = 1 << 10;
    /// What software can write; bridges have [`PARITY`], too.
    pub const WRITABLE: u16 = IO | MEMORY | MASTER | SERR | INTX_DISABLE;
}

/// Bits of the status register.
pub mod status {
    /// The interrupt pin would be asserted.
    pub const INTX: u16 = 1 << 3;
    /// There is a list of capabilities.
    pub const CAPABILITIES: u16 = 1 << 4;
    /// Error bits, which software clears by writing ones.
    pub const CLEARABLE: u16 = 0xf900;
}

/// Header type: a bridge.
pub const HEADER_BRIDGE: u8 = 1;
/// Header type: the device has further functions.
pub const HEADER_MULTIFUNCTION: u8 = 0x80;

/// Capability IDs.
pub mod cap {
    /// Power management.
    pub const POWER: u8 = 0x01;
    /// Message-signalled interrupts.
    pub const MSI: u8 = 0x05;
    /// Vendor specific.
    pub const VENDOR: u8 = 0x09;
    /// Subsystem IDs of a bridge.
    pub const BRIDGE_SUBSYSTEM: u8 = 0x0d;
    /// PCI Express.
    pub const EXPRESS: u8 = 0x10;
    /// Message-signalled interrupts by table.
    pub const MSIX: u8 = 0x11;
}

/// Who makes the devices that no real hardware corresponds to: Red Hat's vendor ID.
pub const VENDOR_REDHAT: u16 = 0x1b36;
/// Vendor ID of virtio devices, and of the subsystems of QEMU's devices.
pub const VENDOR_QUMRANET: u16 = 0x1af4;
/// Subsystem ID of QEMU's devices.
pub const SUBSYSTEM_QEMU: u16 = 0x1100;
