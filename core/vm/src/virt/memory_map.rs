//! Where everything is on the `virt` board: the one table that map, wiring and device tree share.
//!
//! The numbers are those of QEMU's `virt`, so that firmware and kernels made for it run unchanged.

/// A span of guest-physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First address.
    pub base: u64,
    /// Bytes.
    pub len: u64,
}

const fn span(base: u64, len: u64) -> Span {
    Span { base, len }
}

/// Each of the two CFI flash banks; the second follows the first.
pub const FLASH: Span = span(0x0000_0000, 0x0400_0000);
/// GIC distributor.
pub const GIC_DIST: Span = span(0x0800_0000, 0x0001_0000);
/// GICv2 CPU interface.
pub const GIC_CPU: Span = span(0x0801_0000, 0x0001_0000);
/// GICv2m message frame.
pub const GIC_V2M: Span = span(0x0802_0000, 0x0000_1000);
/// GICv3 interrupt translation service.
pub const GIC_ITS: Span = span(0x0808_0000, 0x0002_0000);
/// GICv3 redistributors: room for 123 CPUs of 128 KiB each.
pub const GIC_REDIST: Span = span(0x080a_0000, 0x00f6_0000);
/// PL011 serial port.
pub const UART: Span = span(0x0900_0000, 0x0000_1000);
/// PL031 real-time clock.
pub const RTC: Span = span(0x0901_0000, 0x0000_1000);
/// Firmware configuration device.
pub const FW_CFG: Span = span(0x0902_0000, 0x0000_0018);
/// PL061 GPIO block with the power key.
pub const GPIO: Span = span(0x0903_0000, 0x0000_1000);
/// The first virtio-mmio transport; the others follow.
pub const VIRTIO_MMIO: Span = span(0x0a00_0000, 0x0000_0200);
/// PCI Express: the window for memory below 4 GiB; bus addresses are the same.
pub const PCIE_MEMORY: Span = span(0x1000_0000, 0x2eff_0000);
/// PCI Express: the window for I/O ports, from port 0 on.
pub const PCIE_IO: Span = span(0x3eff_0000, 0x0001_0000);
/// PCI Express: configuration space of 256 buses.
pub const PCIE_ECAM: Span = span(0x40_1000_0000, 0x1000_0000);
/// PCI Express: the window for memory above 4 GiB; bus addresses are the same.
pub const PCIE_HIGH_MEMORY: Span = span(0x80_0000_0000, 0x80_0000_0000);
/// Start of RAM.
pub const RAM_BASE: u64 = 0x4000_0000;
/// RAM ends below this: 255 GiB at most.
pub const RAM_LIMIT: u64 = 0x40_0000_0000;

/// Number of virtio-mmio transports.
pub const VIRTIO_MMIO_COUNT: usize = 32;

/// Shared peripheral interrupts, counted from INTID 32.
pub mod spi {
    /// PL011.
    pub const UART: u32 = 1;
    /// PL031.
    pub const RTC: u32 = 2;
    /// The first of the PCI Express host's four interrupt lines; the others follow.
    pub const PCIE: u32 = 3;
    /// PL061.
    pub const GPIO: u32 = 7;
    /// The first virtio-mmio transport; the others follow.
    pub const VIRTIO_MMIO: u32 = 16;
    /// First of the GICv2m's interrupts.
    pub const V2M_BASE: u32 = 48;
    /// Number of the GICv2m's interrupts.
    pub const V2M_COUNT: u32 = 64;
    /// Number of interrupts that the GIC implements: INTIDs 32 to 287.
    pub const COUNT: u32 = 256;
}

/// Private peripheral interrupts, as INTIDs (16 to 31).
pub mod ppi {
    /// Performance monitor overflow.
    pub const PMU: u32 = 23;
    /// EL2 physical timer.
    pub const TIMER_HYP: u32 = 26;
    /// Virtual timer.
    pub const TIMER_VIRT: u32 = 27;
    /// EL3 physical timer.
    pub const TIMER_SECURE: u32 = 29;
    /// EL1 physical timer.
    pub const TIMER_PHYS: u32 = 30;
}
