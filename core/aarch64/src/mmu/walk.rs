//! The stage 1 translation table walk (Arm ARM D8).

use super::fault::{Fault, FaultKind};
use super::regime::{Half, Regime};

bitflags::bitflags! {
    /// Who may do what with a page. Privileged reads are always possible.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Permissions: u8 {
        /// EL0 reads.
        const USER_READ = 1;
        /// EL0 writes.
        const USER_WRITE = 1 << 1;
        /// EL0 executes.
        const USER_EXECUTE = 1 << 2;
        /// EL1 writes.
        const WRITE = 1 << 3;
        /// EL1 executes.
        const EXECUTE = 1 << 4;
    }
}

/// What a walk found for one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Physical address of the 4 KiB page around the address.
    pub page: u64,
    /// Binary logarithm of the block or page that the descriptor maps.
    pub log2_size: u8,
    /// Level of the last descriptor.
    pub level: u8,
    /// The rights.
    pub permissions: Permissions,
    /// MAIR attribute byte.
    pub attributes: u8,
    /// Shareability field of the descriptor.
    pub shareability: u8,
    /// nG: belongs to the current ASID only.
    pub not_global: bool,
}

impl Mapping {
    /// Whether the memory type is one of the Device types.
    #[must_use]
    pub const fn is_device(&self) -> bool {
        self.attributes & 0xf0 == 0
    }
}

mod descriptor {
    pub const VALID: u64 = 1;
    pub const TABLE_OR_PAGE: u64 = 1 << 1;
    pub const ACCESS_FLAG: u64 = 1 << 10;
    pub const NOT_GLOBAL: u64 = 1 << 11;
    pub const AP_USER: u64 = 1 << 6;
    pub const AP_READ_ONLY: u64 = 1 << 7;
    pub const PXN: u64 = 1 << 53;
    pub const UXN: u64 = 1 << 54;
    pub const PXN_TABLE: u64 = 1 << 59;
    pub const UXN_TABLE: u64 = 1 << 60;
    pub const AP_TABLE_NO_USER: u64 = 1 << 61;
    pub const AP_TABLE_READ_ONLY: u64 = 1 << 62;
    pub const ADDRESS: u64 = 0x0000_ffff_ffff_f000;
}
use descriptor as d;

/// Reads a descriptor from physical memory; `None` is a bus error.
pub type ReadTable<'a> = &'a mut dyn FnMut(u64) -> Option<u64>;

/// Translates `va` by the tables at `ttbr` (the register of the half that `va` selects).
pub fn walk(regime: &Regime, va: u64, ttbr: u64, read: ReadTable<'_>) -> Result<Mapping, Fault> {
    if !regime.enabled {
        return flat(regime, va);
    }
    let half = &regime.halves[Regime::half_of(va)];
    let fault = |kind, level: u32| {
        Err(Fault {
            kind,
            level: level as u8,
        })
    };
    if half.walks_disabled || !in_range(va, half.va_bits, half.top_byte_ignored) {
        return fault(FaultKind::Translation, 0);
    }
    let Start {
        mut table,
        mut level,
        mut index_bits,
    } = start(half, ttbr);
    if outside(regime, table) {
        return fault(FaultKind::AddressSize, 0);
    }
    let mut limits = 0;
    loop {
        let shift = shift_of(half, level);
        let index = va >> shift & ((1 << index_bits) - 1);
        let Some(entry) = read(table + index * 8) else {
            return fault(FaultKind::ExternalOnWalk, level);
        };
        let entry = in_order(regime, entry);
        let Some((leaf, address)) = target(half, entry, level) else {
            return fault(FaultKind::Translation, level);
        };
        if outside(regime, address) {
            return fault(FaultKind::AddressSize, level);
        }
        if leaf {
            let entry = entry & !d::AP_TABLE_NO_USER | limits;
            return finish(regime, va, entry, level, shift);
        }
        if !half.flat_permissions {
            limits |= table_limits(entry);
        }
        table = address;
        index_bits = half.granule - 3;
        level += 1;
    }
}

/// Where the walks of one half begin.
pub(super) struct Start {
    /// Address of the first table.
    pub table: u64,
    /// Its level.
    pub level: u32,
    /// Bits that the first look-up resolves; the table is that much smaller than a granule.
    pub index_bits: u32,
}

/// Where walks from `ttbr` begin.
pub(super) const fn start(half: &Half, ttbr: u64) -> Start {
    let stride = half.granule - 3;
    let level = 4 - (half.va_bits - half.granule).div_ceil(stride);
    let index_bits = half.va_bits - shift_of(half, level);
    let table = ttbr & 0x0000_ffff_ffff_fffe & !((8 << index_bits) - 1);
    Start {
        table,
        level,
        index_bits,
    }
}

/// The lowest bit of an address that a look-up at `level` resolves.
pub(super) const fn shift_of(half: &Half, level: u32) -> u32 {
    half.granule + (half.granule - 3) * (3 - level)
}

/// A descriptor as it was read, in the order that the guest wrote it.
pub(super) const fn in_order(regime: &Regime, entry: u64) -> u64 {
    if regime.big_endian {
        entry.swap_bytes()
    } else {
        entry
    }
}

/// Whether a descriptor is a page or block, and the address in it; nothing if it is invalid. The
/// address of a block may have bits below its size set, which mean nothing.
pub(super) const fn target(half: &Half, entry: u64, level: u32) -> Option<(bool, u64)> {
    let leaf = level == 3 || entry & d::TABLE_OR_PAGE == 0;
    if entry & d::VALID == 0 || leaf && !leaf_allowed(entry, level, half.granule) {
        return None;
    }
    let address = entry & d::ADDRESS & !((1 << half.granule) - 1);
    Some((leaf, address))
}

/// Whether an address has more bits than addresses have.
pub(super) const fn outside(regime: &Regime, address: u64) -> bool {
    address >> regime.pa_bits != 0
}

/// With translation off: virtual is physical, Device-nGnRnE, no protection.
fn flat(regime: &Regime, va: u64) -> Result<Mapping, Fault> {
    let half = &regime.halves[Regime::half_of(va)];
    let address = if half.top_byte_ignored {
        va & 0x00ff_ffff_ffff_ffff
    } else {
        va
    };
    if address >> regime.pa_bits != 0 {
        return Err(Fault::flat(FaultKind::AddressSize));
    }
    Ok(Mapping {
        page: address & !0xfff,
        log2_size: 12,
        level: 0,
        permissions: Permissions::all(),
        attributes: 0,
        shareability: 2,
        not_global: false,
    })
}

/// Whether the bits above the translated ones are all copies of bit 55.
fn in_range(va: u64, va_bits: u32, top_byte_ignored: bool) -> bool {
    let address = if top_byte_ignored {
        ((va << 8) as i64 >> 8) as u64
    } else {
        va
    };
    let above = (address as i64) >> va_bits;
    above == -(Regime::half_of(va) as i64)
}

/// Pages exist at level 3 only; blocks where the granule has them (without FEAT_LPA).
const fn leaf_allowed(entry: u64, level: u32, granule: u32) -> bool {
    if level == 3 {
        entry & d::TABLE_OR_PAGE != 0
    } else {
        level == 2 || level == 1 && granule == 12
    }
}

/// The leaf-descriptor bits that a table descriptor forces; AP\[1\] is inverted afterwards, so its
/// limit travels in a bit of its own.
const fn table_limits(entry: u64) -> u64 {
    let mut limits = entry & d::AP_TABLE_NO_USER;
    if entry & d::AP_TABLE_READ_ONLY != 0 {
        limits |= d::AP_READ_ONLY;
    }
    if entry & d::PXN_TABLE != 0 {
        limits |= d::PXN;
    }
    if entry & d::UXN_TABLE != 0 {
        limits |= d::UXN;
    }
    limits
}

fn finish(regime: &Regime, va: u64, entry: u64, level: u32, shift: u32) -> Result<Mapping, Fault> {
    let level = level as u8;
    let size_mask = (1_u64 << shift) - 1;
    if entry & d::ACCESS_FLAG == 0 {
        return Err(Fault {
            kind: FaultKind::AccessFlag,
            level,
        });
    }
    Ok(Mapping {
        page: (entry & d::ADDRESS & !size_mask | va & size_mask) & !0xfff,
        log2_size: shift as u8,
        level,
        permissions: permissions(entry, regime.write_implies_no_execute),
        attributes: (regime.mair >> (8 * (entry >> 2 & 7))) as u8,
        shareability: (entry >> 8 & 3) as u8,
        not_global: entry & d::NOT_GLOBAL != 0,
    })
}

fn permissions(entry: u64, wxn: bool) -> Permissions {
    let user = entry & d::AP_USER != 0 && entry & d::AP_TABLE_NO_USER == 0;
    let writable = entry & d::AP_READ_ONLY == 0;
    let mut p = Permissions::empty();
    p.set(Permissions::USER_READ, user);
    p.set(Permissions::USER_WRITE, user && writable);
    p.set(Permissions::WRITE, writable);
    p.set(
        Permissions::USER_EXECUTE,
        entry & d::UXN == 0 && !(wxn && user && writable),
    );
    // What EL0 may write is never executable at EL1.
    p.set(
        Permissions::EXECUTE,
        entry & d::PXN == 0 && !(user && writable) && !(wxn && writable),
    );
    p
}
