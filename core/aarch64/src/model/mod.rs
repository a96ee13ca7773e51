//! CPU models: what the identification registers say.
//!
//! Values describe what is implemented here, with the model's own numbers where they describe
//! nothing else (MIDR, cache geometry). There is no EL2, no EL3 and no AArch32 at any level.

mod property;

use crate::debug::{BREAKPOINTS, CONTEXT_BREAKPOINTS, WATCHPOINTS};
use crate::features::Features;

pub use property::PropertyError;

/// One cache level's CCSIDR_EL1, by the value of CSSELR_EL1 that selects it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// CSSELR_EL1\[3:0\]: level and instruction-not-data.
    pub select: u8,
    /// Bytes.
    pub size: u32,
    /// Ways.
    pub ways: u32,
    /// Bytes in a line.
    pub line: u32,
}

impl Cache {
    /// CCSIDR_EL1 in its 32-bit format, with write-back and read- and write-allocation.
    #[must_use]
    pub const fn ccsidr(&self) -> u64 {
        let sets = self.size / (self.ways * self.line);
        let policy: u64 = if self.select & 1 == 0 { 0x7 } else { 0x2 };
        policy << 28
            | (sets as u64 - 1) << 13
            | (self.ways as u64 - 1) << 3
            | (self.line.trailing_zeros() as u64 - 4)
    }
}

/// A CPU model.
#[derive(Debug, PartialEq, Eq)]
pub struct Model {
    /// As users name it: `cortex-a53`.
    pub name: &'static str,
    /// MIDR_EL1.
    pub midr: u64,
    /// PMCR_EL0.IDCODE.
    pub pmu_id: u64,
    /// CTR_EL0.
    pub ctr: u64,
    /// CLIDR_EL1.
    pub clidr: u64,
    /// The caches that CCSIDR_EL1 describes.
    pub caches: [Cache; 3],
    /// ID_AA64MMFR0_EL1.PARange.
    pub pa_range: u64,
    /// 16 KiB translation granules.
    pub granule_16k: bool,
    /// Optional features.
    pub features: Features,
    /// The Cortex cores' implementation defined registers exist (and do nothing).
    pub cortex_registers: bool,
}

const COMMON: Features = Features::AES
    .union(Features::SHA1)
    .union(Features::SHA256)
    .union(Features::CRC32)
    .union(Features::ASID16)
    .union(Features::PMU);

/// Level 1 data, level 1 instruction and level 2 cache, each by its KiB and ways, with lines of 64
/// bytes.
const fn caches(data: [u32; 2], instruction: [u32; 2], unified: [u32; 2]) -> [Cache; 3] {
    const fn cache(select: u8, [kib, ways]: [u32; 2]) -> Cache {
        Cache {
            select,
            size: kib << 10,
            ways,
            line: 64,
        }
    }
    [cache(0, data), cache(1, instruction), cache(2, unified)]
}

/// Binary logarithm of the words that DC ZVA zeroes: 64 bytes.
pub const DCZID_BLOCK: u64 = 4;

/// What most models have in common: the Cortex-A57.
const CORTEX: Model = Model {
    name: "cortex-a57",
    midr: 0x411f_d070,
    pmu_id: 1,
    ctr: 0x8444_c004,
    clidr: 0x0a20_0023,
    caches: caches([32, 2], [48, 3], [2048, 16]),
    pa_range: 4,
    granule_16k: false,
    features: COMMON,
    cortex_registers: true,
};

/// Every model.
pub static MODELS: &[Model] = &[
    Model {
        name: "cortex-a53",
        midr: 0x410f_d034,
        pmu_id: 3,
        ctr: 0x8444_8004,
        caches: caches([32, 4], [32, 2], [1024, 16]),
        pa_range: 2,
        ..CORTEX
    },
    CORTEX,
    Model {
        name: "cortex-a72",
        midr: 0x410f_d083,
        pmu_id: 2,
        caches: caches([32, 2], [48, 3], [1024, 16]),
        ..CORTEX
    },
    Model {
        name: "max",
        // Implementer 0, architecture by ID registers.
        midr: 0x000f_0510,
        pmu_id: 0,
        // IDC and DIC: code that is written is fetched without cache maintenance.
        ctr: 0xb444_c004,
        pa_range: 5,
        granule_16k: true,
        features: COMMON
            .union(Features::LSE)
            .union(Features::RDM)
            .union(Features::PAN)
            .union(Features::UAO)
            .union(Features::HPDS)
            .union(Features::LOR)
            .union(Features::CSV2)
            .union(Features::E0PD)
            .union(Features::CSV3),
        cortex_registers: false,
        ..CORTEX
    },
];

impl Model {
    /// The model of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        MODELS.iter().find(|model| model.name == name)
    }

    /// CCSIDR_EL1 for a value of CSSELR_EL1; zero where there is no such cache.
    #[must_use]
    pub fn ccsidr(&self, select: u64) -> u64 {
        let cache = self.caches.iter().find(|c| u64::from(c.select) == select);
        cache.map_or(0, Cache::ccsidr)
    }
}

/// A four-bit field of an identification register, if `feature` is there.
const fn field(features: Features, feature: Features, shift: u32, value: u64) -> u64 {
    if features.contains(feature) {
        value << shift
    } else {
        0
    }
}

/// ID_AA64PFR0_EL1: EL0 and EL1 in AArch64 state, FP and AdvSIMD.
#[must_use]
pub const fn aa64pfr0(features: Features, gic: bool) -> u64 {
    0x11 | (gic as u64) << 24
        | field(features, Features::CSV2, 56, 1)
        | field(features, Features::CSV3, 60, 1)
}

/// ID_AA64DFR0_EL1: Armv8 debug, and PMUv3 where it is there.
#[must_use]
pub const fn aa64dfr0(features: Features) -> u64 {
    0x6 | field(features, Features::PMU, 8, 1)
        | (BREAKPOINTS as u64 - 1) << 12
        | (WATCHPOINTS as u64 - 1) << 20
        | (CONTEXT_BREAKPOINTS as u64 - 1) << 28
}

/// ID_AA64ISAR0_EL1.
#[must_use]
pub const fn aa64isar0(features: Features) -> u64 {
    field(features, Features::AES, 4, 2)
        | field(features, Features::SHA1, 8, 1)
        | field(features, Features::SHA256, 12, 1)
        | field(features, Features::CRC32, 16, 1)
        | field(features, Features::LSE, 20, 2)
        | field(features, Features::RDM, 28, 1)
}

/// ID_AA64MMFR0_EL1: 4 and 64 KiB granules, mixed endianness.
#[must_use]
pub const fn aa64mmfr0(model: &Model, features: Features) -> u64 {
    model.pa_range
        | field(features, Features::ASID16, 4, 2)
        | 1 << 8
        | (model.granule_16k as u64) << 20
}

/// ID_AA64MMFR1_EL1.
#[must_use]
pub const fn aa64mmfr1(features: Features) -> u64 {
    field(features, Features::HPDS, 12, 1)
        | field(features, Features::LOR, 16, 1)
        | field(features, Features::PAN, 20, 1)
}

/// ID_AA64MMFR2_EL1.
#[must_use]
pub const fn aa64mmfr2(features: Features) -> u64 {
    field(features, Features::UAO, 4, 1) | field(features, Features::E0PD, 60, 1)
}
