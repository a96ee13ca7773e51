//! Where A64 registers live in the vCPU block.

use ferrite_ir::{Global, VecGlobal, slot};

/// General-purpose register `n`, 0 to 30.
///
/// # Panics
/// On 31: whether that is SP or zero is for the instruction to say.
#[must_use]
pub const fn x(n: u32) -> Global {
    assert!(n < 31);
    Global(slot::FIRST_GUEST + n as u16)
}

/// The stack pointer of the current exception level and SPSel.
pub const SP: Global = Global(slot::FIRST_GUEST + 31);

/// SIMD and floating-point register `n`, 0 to 31.
#[must_use]
pub const fn v(n: u32) -> VecGlobal {
    assert!(n < 32);
    VecGlobal(slot::FIRST_GUEST + 32 + 2 * n as u16)
}

/// The program counter.
pub const PC: Global = Global(slot::PC);
/// FPCR, in the floating-point control slot.
pub const FPCR: Global = Global(slot::FP_CONTROL);
/// FPSR, in the floating-point status slot.
pub const FPSR: Global = Global(slot::FP_STATUS);

macro_rules! stored {
    ($first:literal: $($(#[$doc:meta])* $name:ident,)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(u16)]
        enum Place { $($name,)* Count }
        $($(#[$doc])* pub const $name: Global =
            Global(slot::FIRST_GUEST + $first + Place::$name as u16);)*
        const _: () = assert!(slot::FIRST_GUEST + $first + (Place::Count as u16) <= slot::FIRST_TEMP);
    };
}

// System registers that hold a value. Those that translated code may read or write without any
// effect beyond the value itself are accessed inline; the table in `sysreg` says which.
stored! { 96:
    /// TPIDR_EL0, read by every thread-local access.
    TPIDR_EL0,
    /// TPIDRRO_EL0.
    TPIDRRO_EL0,
    /// TPIDR_EL1, the kernel's per-CPU pointer.
    TPIDR_EL1,
    /// SP_EL0, valid while it is not the current stack pointer: the kernel's current-task pointer.
    SP_EL0,
    /// SP_EL1, valid while it is not the current stack pointer.
    SP_EL1,
    /// PSTATE.DAIF, D in bit 9 to F in bit 6.
    DAIF,
    /// What waits to be taken once unmasked, in the layout of `DAIF`: bit 8 an SError, 7 an IRQ,
    /// 6 a FIQ; bit 9 is set while unmasking debug exceptions may make software step active.
    PENDING,
    /// 1 while SP_EL0 is the current stack pointer above EL0, where MRS and MSR of it are UNDEFINED.
    SP_EL0_IN_USE,
    /// SCTLR_EL1.
    SCTLR_EL1,
    /// CPACR_EL1.
    CPACR_EL1,
    /// TTBR0_EL1.
    TTBR0_EL1,
    /// TTBR1_EL1.
    TTBR1_EL1,
    /// TCR_EL1.
    TCR_EL1,
    /// MAIR_EL1.
    MAIR_EL1,
    /// AMAIR_EL1.
    AMAIR_EL1,
    /// ESR_EL1.
    ESR_EL1,
    /// FAR_EL1.
    FAR_EL1,
    /// ELR_EL1.
    ELR_EL1,
    /// SPSR_EL1.
    SPSR_EL1,
    /// VBAR_EL1.
    VBAR_EL1,
    /// AFSR0_EL1.
    AFSR0_EL1,
    /// AFSR1_EL1.
    AFSR1_EL1,
    /// CONTEXTIDR_EL1.
    CONTEXTIDR_EL1,
    /// PAR_EL1.
    PAR_EL1,
    /// CSSELR_EL1.
    CSSELR_EL1,
    /// CNTFRQ_EL0.
    CNTFRQ_EL0,
    /// CNTKCTL_EL1.
    CNTKCTL_EL1,
    /// CNTP_CTL_EL0 without ISTATUS.
    CNTP_CTL_EL0,
    /// CNTP_CVAL_EL0.
    CNTP_CVAL_EL0,
    /// CNTV_CTL_EL0 without ISTATUS.
    CNTV_CTL_EL0,
    /// CNTV_CVAL_EL0.
    CNTV_CVAL_EL0,
    /// MDSCR_EL1.
    MDSCR_EL1,
    /// MDCCINT_EL1.
    MDCCINT_EL1,
    /// OSDTRRX_EL1.
    OSDTRRX_EL1,
    /// OSDTRTX_EL1.
    OSDTRTX_EL1,
    /// OSECCR_EL1.
    OSECCR_EL1,
    /// OSDLR_EL1.
    OSDLR_EL1,
    /// DBGCLAIM tag bits.
    DBGCLAIM,
    /// DBGBVR0_EL1.
    DBGBVR0_EL1,
    /// DBGBVR1_EL1.
    DBGBVR1_EL1,
    /// DBGBVR2_EL1.
    DBGBVR2_EL1,
    /// DBGBVR3_EL1.
    DBGBVR3_EL1,
    /// DBGBVR4_EL1.
    DBGBVR4_EL1,
    /// DBGBVR5_EL1.
    DBGBVR5_EL1,
    /// DBGBCR0_EL1.
    DBGBCR0_EL1,
    /// DBGBCR1_EL1.
    DBGBCR1_EL1,
    /// DBGBCR2_EL1.
    DBGBCR2_EL1,
    /// DBGBCR3_EL1.
    DBGBCR3_EL1,
    /// DBGBCR4_EL1.
    DBGBCR4_EL1,
    /// DBGBCR5_EL1.
    DBGBCR5_EL1,
    /// DBGWVR0_EL1.
    DBGWVR0_EL1,
    /// DBGWVR1_EL1.
    DBGWVR1_EL1,
    /// DBGWVR2_EL1.
    DBGWVR2_EL1,
    /// DBGWVR3_EL1.
    DBGWVR3_EL1,
    /// DBGWCR0_EL1.
    DBGWCR0_EL1,
    /// DBGWCR1_EL1.
    DBGWCR1_EL1,
    /// DBGWCR2_EL1.
    DBGWCR2_EL1,
    /// DBGWCR3_EL1.
    DBGWCR3_EL1,
    /// PMUSERENR_EL0.
    PMUSERENR_EL0,
    /// PMSELR_EL0.
    PMSELR_EL0,
    /// LORSA_EL1.
    LORSA_EL1,
    /// LOREA_EL1.
    LOREA_EL1,
    /// LORN_EL1.
    LORN_EL1,
    /// LORC_EL1.
    LORC_EL1,
}
