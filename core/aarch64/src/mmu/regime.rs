//! The translation controls of the EL1&0 regime, decoded from its registers.

use crate::features::Features;

/// SCTLR_EL1 bits that translation depends on.
pub mod sctlr {
    /// Stage 1 translation is on.
    pub const M: u64 = 1;
    /// Alignment checking.
    pub const A: u64 = 1 << 1;
    /// Stack pointer alignment checking.
    pub const SA: u64 = 1 << 3;
    /// Stack pointer alignment checking at EL0.
    pub const SA0: u64 = 1 << 4;
    /// EL0 may mask interrupts.
    pub const UMA: u64 = 1 << 9;
    /// EL0 may use DC ZVA.
    pub const DZE: u64 = 1 << 14;
    /// EL0 may read CTR_EL0.
    pub const UCT: u64 = 1 << 15;
    /// WFI at EL0 is not trapped.
    pub const NTWI: u64 = 1 << 16;
    /// WFE at EL0 is not trapped.
    pub const NTWE: u64 = 1 << 18;
    /// Writable memory is not executable.
    pub const WXN: u64 = 1 << 19;
    /// PSTATE.PAN keeps its value on exception entry.
    pub const SPAN: u64 = 1 << 23;
    /// Data at EL0 is big-endian.
    pub const E0E: u64 = 1 << 24;
    /// Data at EL1, and translation tables, are big-endian.
    pub const EE: u64 = 1 << 25;
    /// EL0 may use cache maintenance by address.
    pub const UCI: u64 = 1 << 26;
}

/// TCR_EL1 bits.
mod tcr {
    pub const A1: u64 = 1 << 22;
    pub const AS: u64 = 1 << 36;
}

/// The registers that make a translation regime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    /// SCTLR_EL1.
    pub sctlr: u64,
    /// TCR_EL1.
    pub tcr: u64,
    /// MAIR_EL1.
    pub mair: u64,
}

/// One half of the address space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Half {
    /// EPDn: a look-up that misses the TLB faults.
    pub walks_disabled: bool,
    /// TBIn: the top byte is not part of the address.
    pub top_byte_ignored: bool,
    /// HPDn: table descriptors limit no permissions.
    pub flat_permissions: bool,
    /// E0PDn: EL0's accesses fault (FEAT_E0PD).
    pub closed_to_el0: bool,
    /// Significant bits of an address: 25 to 48.
    pub va_bits: u32,
    /// Binary logarithm of the granule: 12, 14 or 16.
    pub granule: u32,
}

/// A decoded regime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Regime {
    /// Translation is on.
    pub enabled: bool,
    /// WXN.
    pub write_implies_no_execute: bool,
    /// Table descriptors are big-endian.
    pub big_endian: bool,
    /// MAIR_EL1.
    pub mair: u64,
    /// Bits of an output address.
    pub pa_bits: u32,
    /// The ASID comes from TTBR1_EL1 instead of TTBR0_EL1.
    pub asid_from_high: bool,
    /// The ASID has 16 bits instead of 8.
    pub wide_asid: bool,
    /// The halves below TTBR0_EL1 and TTBR1_EL1.
    pub halves: [Half; 2],
}

/// Bits of the output addresses that PARange and TCR_ELx.IPS encode.
#[must_use]
pub const fn pa_size(encoded: u64) -> u32 {
    match encoded & 7 {
        0 => 32,
        1 => 36,
        2 => 40,
        3 => 42,
        4 => 44,
        _ => 48,
    }
}

/// TxSZ beyond its limits acts as the limit: 16 to 39.
fn va_bits(tsz: u64) -> u32 {
    64 - (tsz & 0x3f).clamp(16, 39) as u32
}

impl Regime {
    /// Decodes the controls of a CPU whose ID_AA64MMFR0_EL1.PARange is `pa_range`.
    #[must_use]
    pub fn new(controls: Controls, pa_range: u64, features: Features) -> Self {
        let hpds = features.contains(Features::HPDS);
        let e0pd = features.contains(Features::E0PD);
        let Controls { sctlr, tcr, mair } = controls;
        let bit = |n: u32| tcr >> n & 1 != 0;
        let low = Half {
            walks_disabled: bit(7),
            top_byte_ignored: bit(37),
            flat_permissions: hpds && bit(41),
            closed_to_el0: e0pd && bit(55),
            va_bits: va_bits(tcr),
            granule: match tcr >> 14 & 3 {
                1 => 16,
                2 => 14,
                _ => 12,
            },
        };
        let high = Half {
            walks_disabled: bit(23),
            top_byte_ignored: bit(38),
            flat_permissions: hpds && bit(42),
            closed_to_el0: e0pd && bit(56),
            va_bits: va_bits(tcr >> 16),
            granule: match tcr >> 30 & 3 {
                1 => 14,
                3 => 16,
                _ => 12,
            },
        };
        Self {
            enabled: sctlr & sctlr::M != 0,
            write_implies_no_execute: sctlr & sctlr::WXN != 0,
            big_endian: sctlr & sctlr::EE != 0,
            mair,
            pa_bits: if sctlr & sctlr::M != 0 {
                pa_size(tcr >> 32).min(pa_size(pa_range))
            } else {
                pa_size(pa_range)
            },
            asid_from_high: tcr & tcr::A1 != 0,
            wide_asid: tcr & tcr::AS != 0,
            halves: [low, high],
        }
    }

    /// The half that an address selects: bit 55, whether or not the top byte is ignored.
    #[must_use]
    pub const fn half_of(va: u64) -> usize {
        (va >> 55 & 1) as usize
    }

    /// The ASID in use.
    #[must_use]
    pub const fn asid(&self, ttbr0: u64, ttbr1: u64) -> u16 {
        let ttbr = if self.asid_from_high { ttbr1 } else { ttbr0 };
        self.narrow((ttbr >> 48) as u16)
    }

    /// An ASID operand with the bits that are in use.
    #[must_use]
    pub const fn narrow(&self, asid: u16) -> u16 {
        if self.wide_asid { asid } else { asid & 0xff }
    }
}
