//! Registers of the Generic Interrupt Controller, architecture version 2.0: Arm IHI 0048B.b,
//! tables 4-1 (distributor) and 4-2 (CPU interface). Per-interrupt arrays are in
//! [`crate::gic::spec`].

/// Most CPUs: target lists have eight bits.
pub const MAX_CPUS: usize = 8;

/// Distributor registers by offset.
pub mod gicd {
    /// GICD_CTLR (4.3.1): enables of group 0 (bit 0) and group 1 (bit 1).
    pub const CTLR: u64 = 0x000;
    /// GICD_TYPER (4.3.2).
    pub const TYPER: u64 = 0x004;
    /// GICD_IIDR (4.3.3).
    pub const IIDR: u64 = 0x008;
    /// GICD_ITARGETSRn (4.3.12): a byte of target CPUs per interrupt.
    pub const ITARGETSR: u64 = 0x800;
    /// The end of that array.
    pub const ITARGETSR_END: u64 = 0xc00;
    /// GICD_SGIR (4.3.15).
    pub const SGIR: u64 = 0xf00;
    /// GICD_CPENDSGIRn (4.3.16): a byte of source CPUs per SGI, write 1 to clear.
    pub const CPENDSGIR: u64 = 0xf10;
    /// GICD_SPENDSGIRn (4.3.17): the same, write 1 to set.
    pub const SPENDSGIR: u64 = 0xf20;
    /// The end of that array.
    pub const SPENDSGIR_END: u64 = 0xf30;
    /// ICPIDR4 to 7, 0 to 3 and ICCIDR0 to 3 (4.3.18).
    pub const ID: u64 = 0xfd0;
    /// Their values, a word each.
    pub const ID_VALUES: [u8; 12] = [
        0x04, 0x00, 0x00, 0x00, 0x90, 0xb4, 0x2b, 0x00, 0x0d, 0xf0, 0x05, 0xb1,
    ];
    /// Size of the window.
    pub const SIZE: u64 = 0x1000;
}

/// CPU interface registers by offset.
pub mod gicc {
    /// GICC_CTLR (4.4.1).
    pub const CTLR: u64 = 0x00;
    /// GICC_PMR (4.4.2).
    pub const PMR: u64 = 0x04;
    /// GICC_BPR (4.4.3).
    pub const BPR: u64 = 0x08;
    /// GICC_IAR (4.4.4).
    pub const IAR: u64 = 0x0c;
    /// GICC_EOIR (4.4.5).
    pub const EOIR: u64 = 0x10;
    /// GICC_RPR (4.4.6).
    pub const RPR: u64 = 0x14;
    /// GICC_HPPIR (4.4.7).
    pub const HPPIR: u64 = 0x18;
    /// GICC_ABPR (4.4.8).
    pub const ABPR: u64 = 0x1c;
    /// GICC_AIAR (4.4.9).
    pub const AIAR: u64 = 0x20;
    /// GICC_AEOIR (4.4.10).
    pub const AEOIR: u64 = 0x24;
    /// GICC_AHPPIR (4.4.11).
    pub const AHPPIR: u64 = 0x28;
    /// GICC_APR0 (4.4.12); four of them, a bit per group priority.
    pub const APR: u64 = 0xd0;
    /// The end of the four.
    pub const APR_END: u64 = 0xe0;
    /// GICC_IIDR (4.4.14).
    pub const IIDR: u64 = 0xfc;
    /// GICC_DIR (4.4.15).
    pub const DIR: u64 = 0x1000;
    /// Size of the window.
    pub const SIZE: u64 = 0x2000;
}

bitflags::bitflags! {
    /// GICC_CTLR as a GIC without the Security Extensions lays it out (4.4.1, table 4-31).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct CpuControl: u32 {
        /// Signal group 0 interrupts.
        const ENABLE_GROUP0 = 1 << 0;
        /// Signal group 1 interrupts.
        const ENABLE_GROUP1 = 1 << 1;
        /// GICC_IAR acknowledges group 1 interrupts too.
        const ACK_CTL = 1 << 2;
        /// Group 0 interrupts are signalled as FIQ.
        const FIQ_EN = 1 << 3;
        /// GICC_BPR governs both groups.
        const CBPR = 1 << 4;
        /// GICC_EOIR drops the priority only; GICC_DIR deactivates.
        const EOI_MODE = 1 << 9;
    }
}

/// GICD_IIDR: implementer Arm, as QEMU says.
pub const GICD_IIDR: u32 = 0x43b;
/// GICC_IIDR: architecture version 2, implementer Arm.
pub const GICC_IIDR: u32 = 0x2043b;
/// The least value of GICC_ABPR.
pub const MIN_ABPR: u8 = 1;
/// The binary points' mask.
pub const BPR_MASK: u32 = 7;
