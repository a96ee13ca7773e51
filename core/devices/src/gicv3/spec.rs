//! Registers of the Generic Interrupt Controller, architecture version 3: Arm IHI 0069H, chapter
//! 12. Per-interrupt arrays are in [`crate::gic::spec`].

/// Distributor registers by offset (section 12.9).
pub mod gicd {
    /// GICD_CTLR.
    pub const CTLR: u64 = 0x0000;
    /// GICD_TYPER.
    pub const TYPER: u64 = 0x0004;
    /// GICD_IIDR.
    pub const IIDR: u64 = 0x0008;
    /// GICD_IROUTERn: 64 bits per interrupt; those of private interrupts are reserved.
    pub const IROUTER: u64 = 0x6000;
    /// The end of that array.
    pub const IROUTER_END: u64 = 0x8000;
    /// GICD_PIDR4 to 7, 0 to 3 and GICD_CIDR0 to 3.
    pub const ID: u64 = 0xffd0;
    /// Size of the window.
    pub const SIZE: u64 = 0x1_0000;
}

/// GICD_CTLR's bits in a system with a single security state.
pub mod control {
    /// EnableGrp0 and EnableGrp1: what can be written.
    pub const ENABLE_GROUPS: u32 = 0b11;
    /// EnableGrp0.
    pub const ENABLE_GROUP0: u32 = 1 << 0;
    /// EnableGrp1.
    pub const ENABLE_GROUP1: u32 = 1 << 1;
    /// ARE: affinity routing, always on.
    pub const ARE: u32 = 1 << 4;
    /// DS: a single security state, always on.
    pub const DS: u32 = 1 << 6;
}

/// GICD_TYPER less ITLinesNumber: 16-bit INTIDs (IDbits 23:19), Aff3 usable (A3V, bit 24), no need
/// to use 1-of-N routing (No1N, bit 25). No message-based SPIs (bit 16).
pub const GICD_TYPER: u32 = 15 << 19 | 1 << 24 | 1 << 25;
/// GICD_TYPER.LPIS.
pub const GICD_TYPER_LPIS: u32 = 1 << 17;
/// GICD_IIDR and GICR_IIDR: implementer Arm, as QEMU says.
pub const IIDR: u32 = 0x43b;
/// GICD_IROUTER's Interrupt_Routing_Mode: any participating CPU.
pub const ROUTING_MODE: u64 = 1 << 31;
/// GICD_IROUTER's writable bits: Aff3, the mode, Aff2 to Aff0.
pub const IROUTER_MASK: u64 = 0xff_80ff_ffff;

/// Identification registers, PIDR4 to 7, 0 to 3, CIDR0 to 3, with the given first part number byte.
const fn identification(part: u8) -> [u8; 12] {
    [
        0x44, 0x00, 0x00, 0x00, part, 0xb4, 0x3b, 0x00, 0x0d, 0xf0, 0x05, 0xb1,
    ]
}
/// Those of the distributor.
pub const GICD_ID_VALUES: [u8; 12] = identification(0x92);
/// Those of a redistributor.
pub const GICR_ID_VALUES: [u8; 12] = identification(0x93);

/// Redistributor registers by offset in a CPU's pair of frames (sections 12.10 and 12.11).
pub mod gicr {
    /// GICR_CTLR.
    pub const CTLR: u64 = 0x0000;
    /// GICR_IIDR.
    pub const IIDR: u64 = 0x0004;
    /// GICR_TYPER, low word: CommonLPIAff 25:24, Processor_Number 23:8, Last 4.
    pub const TYPER: u64 = 0x0008;
    /// GICR_TYPER, high word: the affinity.
    pub const TYPER_AFFINITY: u64 = 0x000c;
    /// GICR_WAKER.
    pub const WAKER: u64 = 0x0014;
    /// GICR_PROPBASER, 64 bits.
    pub const PROPBASER: u64 = 0x0070;
    /// GICR_PENDBASER, 64 bits.
    pub const PENDBASER: u64 = 0x0078;
    /// The end of that.
    pub const PENDBASER_END: u64 = 0x0080;
    /// Identification registers.
    pub const ID: u64 = 0xffd0;
    /// Where the second frame (SGI_base) starts.
    pub const SGI_BASE: u64 = 0x1_0000;
    /// Bytes of both frames.
    pub const STRIDE: u64 = 0x2_0000;
}

/// GICR_TYPER.CommonLPIAff: CPUs with the same Aff3 share (as QEMU says).
pub const TYPER_COMMON: u32 = 1 << 24;
/// GICR_TYPER.PLPIS: there are LPIs.
pub const TYPER_LPIS: u32 = 1 << 0;
/// GICR_CTLR.CES: software may clear [`ENABLE_LPIS`] again.
pub const CLEAR_ENABLE: u32 = 1 << 1;
/// GICR_CTLR.EnableLPIs.
pub const ENABLE_LPIS: u32 = 1 << 0;
/// GICR_PENDBASER.PTZ, which reads as zero.
pub const PENDING_TABLE_ZERO: u64 = 1 << 62;
/// The number of the first LPI.
pub const LPI_FIRST: u32 = 8192;
/// An LPI's configuration byte: it is enabled.
pub const LPI_ENABLED: u8 = 1 << 0;
/// An LPI's configuration byte: its priority.
pub const LPI_PRIORITY: u8 = 0xfc;
/// GICR_TYPER.Last: no redistributor follows.
pub const TYPER_LAST: u32 = 1 << 4;
/// GICR_WAKER.ProcessorSleep.
pub const PROCESSOR_SLEEP: u32 = 1 << 1;
/// GICR_WAKER.ChildrenAsleep: follows ProcessorSleep at once.
pub const CHILDREN_ASLEEP: u32 = 1 << 2;

/// System registers (section 12.2), by op0:op1:CRn:CRm:op2.
pub mod icc {
    const fn packed(crm: u32, op2: u32, crn: u32) -> u32 {
        3 << 14 | crn << 7 | crm << 3 | op2
    }
    /// ICC_PMR_EL1.
    pub const PMR: u32 = packed(6, 0, 4);
    /// ICC_IAR0_EL1.
    pub const IAR0: u32 = packed(8, 0, 12);
    /// ICC_EOIR0_EL1.
    pub const EOIR0: u32 = packed(8, 1, 12);
    /// ICC_HPPIR0_EL1.
    pub const HPPIR0: u32 = packed(8, 2, 12);
    /// ICC_BPR0_EL1.
    pub const BPR0: u32 = packed(8, 3, 12);
    /// ICC_AP0R0_EL1; with 5 bits of priority there are no more of them.
    pub const AP0R0: u32 = packed(8, 4, 12);
    /// ICC_AP1R0_EL1.
    pub const AP1R0: u32 = packed(9, 0, 12);
    /// ICC_DIR_EL1.
    pub const DIR: u32 = packed(11, 1, 12);
    /// ICC_RPR_EL1.
    pub const RPR: u32 = packed(11, 3, 12);
    /// ICC_SGI1R_EL1.
    pub const SGI1R: u32 = packed(11, 5, 12);
    /// ICC_ASGI1R_EL1.
    pub const ASGI1R: u32 = packed(11, 6, 12);
    /// ICC_SGI0R_EL1.
    pub const SGI0R: u32 = packed(11, 7, 12);
    /// ICC_IAR1_EL1.
    pub const IAR1: u32 = packed(12, 0, 12);
    /// ICC_EOIR1_EL1.
    pub const EOIR1: u32 = packed(12, 1, 12);
    /// ICC_HPPIR1_EL1.
    pub const HPPIR1: u32 = packed(12, 2, 12);
    /// ICC_BPR1_EL1.
    pub const BPR1: u32 = packed(12, 3, 12);
    /// ICC_CTLR_EL1.
    pub const CTLR: u32 = packed(12, 4, 12);
    /// ICC_SRE_EL1.
    pub const SRE: u32 = packed(12, 5, 12);
    /// ICC_IGRPEN0_EL1.
    pub const IGRPEN0: u32 = packed(12, 6, 12);
    /// ICC_IGRPEN1_EL1.
    pub const IGRPEN1: u32 = packed(12, 7, 12);
}

/// Bits of priority that the CPU interface implements.
pub const PRIORITY_BITS: u32 = 5;
/// The implemented bits of a priority in the CPU interface.
pub const PRIORITY_MASK: u8 = (0xff_u32 << (8 - PRIORITY_BITS)) as u8;
/// The least value of ICC_BPR0_EL1; that of ICC_BPR1_EL1 is one more.
pub const MIN_BPR0: u8 = (7 - PRIORITY_BITS) as u8;
/// ICC_CTLR_EL1's read-only fields: A3V (bit 15), 24-bit INTIDs (IDbits 13:11), PRIbits 10:8.
pub const CTLR_FIXED: u64 = 1 << 15 | 1 << 11 | (PRIORITY_BITS as u64 - 1) << 8;
/// ICC_CTLR_EL1.CBPR: ICC_BPR0_EL1 governs both groups.
pub const CTLR_CBPR: u64 = 1 << 0;
/// ICC_CTLR_EL1.EOImode: ICC_EOIRn_EL1 drops the priority only; ICC_DIR_EL1 deactivates.
pub const CTLR_EOI_MODE: u64 = 1 << 1;
/// ICC_SRE_EL1: system registers always on (SRE), no bypass of IRQ (DIB) and FIQ (DFB).
pub const SRE_VALUE: u64 = 0b111;
