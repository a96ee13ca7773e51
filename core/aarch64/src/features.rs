//! Optional parts of the architecture that a CPU model has.

bitflags::bitflags! {
    /// Features that decode rows, system registers and translation ask for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Features: u64 {
        /// FEAT_AES and FEAT_PMULL.
        const AES = 1 << 0;
        /// FEAT_SHA1.
        const SHA1 = 1 << 1;
        /// FEAT_SHA256.
        const SHA256 = 1 << 2;
        /// FEAT_CRC32.
        const CRC32 = 1 << 3;
        /// FEAT_LSE: atomic instructions.
        const LSE = 1 << 4;
        /// FEAT_RDM: rounding doubling multiply accumulate.
        const RDM = 1 << 5;
        /// FEAT_PAN: privileged access never.
        const PAN = 1 << 6;
        /// FEAT_UAO: user access override.
        const UAO = 1 << 7;
        /// FEAT_LOR: limited ordering regions.
        const LOR = 1 << 8;
        /// FEAT_HPDS: hierarchical permission disables.
        const HPDS = 1 << 9;
        /// FEAT_CSV3: no speculative reads across privilege, so no page-table switch is needed.
        const CSV3 = 1 << 10;
        /// FEAT_CSV2.
        const CSV2 = 1 << 11;
        /// 16-bit ASIDs.
        const ASID16 = 1 << 12;
        /// FEAT_E0PD: EL0 kept out of one half of the address space without a look-up.
        const E0PD = 1 << 13;
        /// FEAT_PMUv3: the performance monitor.
        const PMU = 1 << 14;
    }
}
