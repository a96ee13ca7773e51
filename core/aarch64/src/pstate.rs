//! Process state: the fields of PSTATE that have no slot of their own, and the SPSR layout.
//!
//! N, Z, C, V live in the lazy flag slots and D, A, I, F in [`state::DAIF`](crate::state::DAIF),
//! where translated code reads and writes them.

/// Bits of SPSR_ELx for an exception taken from AArch64 (Arm ARM C5.2.18).
pub mod spsr {
    /// N, Z, C, V.
    pub const NZCV: u64 = 0xf000_0000;
    /// User Access Override.
    pub const UAO: u64 = 1 << 23;
    /// Privileged Access Never.
    pub const PAN: u64 = 1 << 22;
    /// Software Step.
    pub const SS: u64 = 1 << 21;
    /// Illegal Execution state.
    pub const IL: u64 = 1 << 20;
    /// D, A, I, F.
    pub const DAIF: u64 = 0x3c0;
    /// Debug exception mask.
    pub const D: u64 = 1 << 9;
    /// SError mask.
    pub const A: u64 = 1 << 8;
    /// IRQ mask.
    pub const I: u64 = 1 << 7;
    /// FIQ mask.
    pub const F: u64 = 1 << 6;
    /// M\[4\]: the exception came from AArch32.
    pub const AARCH32: u64 = 1 << 4;
}

/// The fields of PSTATE that translated code does not touch itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pstate {
    /// Current exception level, 0 to 3.
    pub el: u8,
    /// SPSel: whether the stack pointer is SP_ELx rather than SP_EL0.
    pub sp_sel: bool,
    /// Privileged Access Never.
    pub pan: bool,
    /// User Access Override.
    pub uao: bool,
    /// Software step: the next instruction may complete before the step exception.
    pub ss: bool,
    /// Illegal Execution state.
    pub il: bool,
}

impl Pstate {
    /// Out of reset at `el`: SP_ELx, everything else clear.
    #[must_use]
    pub const fn reset(el: u8) -> Self {
        Self {
            el,
            sp_sel: true,
            pan: false,
            uao: false,
            ss: false,
            il: false,
        }
    }

    /// Which SP_ELx is the current stack pointer.
    #[must_use]
    pub const fn sp_bank(self) -> u8 {
        if self.sp_sel { self.el } else { 0 }
    }

    /// These fields in the layout of SPSR_ELx, to be combined with NZCV and DAIF.
    #[must_use]
    pub const fn to_spsr(self) -> u64 {
        let mut bits = (self.el as u64) << 2 | (self.sp_sel && self.el != 0) as u64;
        if self.uao {
            bits |= spsr::UAO;
        }
        if self.pan {
            bits |= spsr::PAN;
        }
        if self.ss {
            bits |= spsr::SS;
        }
        if self.il {
            bits |= spsr::IL;
        }
        bits
    }
}
