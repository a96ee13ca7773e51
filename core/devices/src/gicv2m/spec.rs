//! Registers of the GICv2m MSI frame: Arm Server Base System Architecture (DEN0029), appendix
//! "GICv2m architecture".

/// V2M_MSI_TYPER: first INTID in bits 25:16, how many in bits 9:0.
pub const MSI_TYPER: u64 = 0x008;
/// V2M_MSI_SETSPI_NS: a written INTID is made pending.
pub const MSI_SETSPI_NS: u64 = 0x040;
/// V2M_MSI_IIDR.
pub const MSI_IIDR: u64 = 0xfcc;
/// Its value as QEMU gives it: product 'Q' (0x51), no implementer.
pub const IIDR_VALUE: u32 = 0x5100000;
/// Size of the window.
pub const SIZE: u64 = 0x1000;
