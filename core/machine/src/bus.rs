//! The physical memory map, and guest memory as devices see it.

use std::sync::{Arc, RwLock};

use ferrite_ram::{GuestPhys, GuestRam, RamOffset, Scalar};

use crate::device::{BusError, DeviceId};
use crate::trace::Trace;

/// What a region of the map is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionKind {
    /// Read-write memory at this arena offset.
    Ram(RamOffset),
    /// Memory that the CPU reads directly; writes go to the device (flash), or nowhere.
    Rom(RamOffset, Option<(DeviceId, usize)>),
    /// A device's register region, by device and region number.
    Device(DeviceId, usize),
}

/// A span of guest-physical addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedRegion {
    /// What users call it: `mach-virt.ram`, `pl011`.
    pub name: String,
    /// First address.
    pub base: GuestPhys,
    /// Bytes.
    pub len: u64,
    /// What is there.
    pub kind: RegionKind,
}

/// A region could not be added.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// It overlaps another.
    #[error("cannot map {name} at {base:#x}: {other} is already there")]
    Overlap {
        /// The new region.
        name: String,
        /// Where it was to go.
        base: u64,
        /// What is in the way.
        other: String,
    },
    /// It is empty or leaves the 64-bit address space.
    #[error("cannot map {name}: {len:#x} bytes at {base:#x} are not a range of addresses")]
    BadRange {
        /// The new region.
        name: String,
        /// Where it was to go.
        base: u64,
        /// Its size.
        len: u64,
    },
}

/// The memory map: non-overlapping regions, sorted by address.
#[derive(Clone, Debug, Default)]
pub struct AddressMap {
    regions: Vec<MappedRegion>,
    generation: u64,
}

impl AddressMap {
    /// Adds a region.
    pub fn add(&mut self, region: MappedRegion) -> Result<(), MapError> {
        let MappedRegion {
            ref name,
            base,
            len,
            ..
        } = region;
        let end = base.0.checked_add(len.wrapping_sub(1)).filter(|_| len > 0);
        let Some(end) = end else {
            return Err(MapError::BadRange {
                name: name.clone(),
                base: base.0,
                len,
            });
        };
        if let Some(other) = self
            .regions
            .iter()
            .find(|r| r.base.0 <= end && base.0 <= r.base.0 + (r.len - 1))
        {
            return Err(MapError::Overlap {
                name: name.clone(),
                base: base.0,
                other: other.name.clone(),
            });
        }
        let place = self.regions.partition_point(|r| r.base < base);
        self.regions.insert(place, region);
        self.generation += 1;
        Ok(())
    }

    /// Changes whenever the map does.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Notes that a region changed its behaviour in place (a flash bank left or entered read mode).
    pub fn set_kind(&mut self, base: GuestPhys, kind: RegionKind) {
        if let Some(region) = self.regions.iter_mut().find(|r| r.base == base) {
            region.kind = kind;
            self.generation += 1;
        }
    }

    /// The region that holds `at`, with the offset in it.
    #[must_use]
    pub fn find(&self, at: GuestPhys) -> Option<(&MappedRegion, u64)> {
        let after = self.regions.partition_point(|r| r.base <= at);
        let region = &self.regions[after.checked_sub(1)?];
        let offset = at.0 - region.base.0;
        (offset < region.len).then_some((region, offset))
    }

    /// Every region, by address.
    #[must_use]
    pub fn regions(&self) -> &[MappedRegion] {
        &self.regions
    }
}

/// Guest-physical memory for devices: RAM only, by the same map.
#[derive(Clone)]
pub struct Dma {
    ram: Arc<GuestRam>,
    map: Arc<RwLock<AddressMap>>,
    trace: Trace,
}

impl Dma {
    /// The memory of `ram` as `map` lays it out.
    #[must_use]
    pub fn new(ram: Arc<GuestRam>, map: Arc<RwLock<AddressMap>>) -> Self {
        Self {
            ram,
            map,
            trace: Trace::default(),
        }
    }

    /// Where devices tell what they do, since this reaches all of them.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Tells what devices do there from now on.
    pub fn set_trace(&mut self, trace: Trace) {
        self.trace = trace;
    }

    /// The arena offset of `len` bytes of memory at `at` that lie in one region.
    fn place(&self, at: GuestPhys, len: u64, write: bool) -> Result<RamOffset, BusError> {
        let map = self.map.read().unwrap_or_else(|poison| poison.into_inner());
        let (region, offset) = map.find(at).ok_or(BusError)?;
        if len > region.len - offset {
            return Err(BusError);
        }
        match region.kind {
            RegionKind::Ram(base) => Ok(base.offset(offset)),
            RegionKind::Rom(base, _) if !write => Ok(base.offset(offset)),
            _ => Err(BusError),
        }
    }

    /// Whether `len` bytes at `at` are memory (writable, if `write`).
    #[must_use]
    pub fn is_memory(&self, at: GuestPhys, len: u64, write: bool) -> bool {
        self.place(at, len, write).is_ok()
    }

    /// Copies guest memory out.
    pub fn read(&self, at: GuestPhys, into: &mut [u8]) -> Result<(), BusError> {
        let place = self.place(at, into.len() as u64, false)?;
        self.ram.read_bytes(place, into).ok_or(BusError)
    }

    /// Copies into guest memory.
    pub fn write(&self, at: GuestPhys, from: &[u8]) -> Result<(), BusError> {
        let place = self.place(at, from.len() as u64, true)?;
        self.ram.write_bytes(place, from).ok_or(BusError)
    }

    /// Reads a little-endian scalar.
    pub fn load<T: Scalar>(&self, at: GuestPhys) -> Result<T, BusError> {
        let place = self.place(at, T::BYTES, false)?;
        self.ram.load(place).ok_or(BusError)
    }

    /// Writes a little-endian scalar.
    pub fn store<T: Scalar>(&self, at: GuestPhys, value: T) -> Result<(), BusError> {
        let place = self.place(at, T::BYTES, true)?;
        let done = self.ram.store(place, value);
        self.ram.note_code_write(place);
        done.ok_or(BusError)
    }

    /// Makes `len` bytes of memory read as zeros and gives their pages back to the host.
    pub fn discard(&self, at: GuestPhys, len: u64) -> Result<(), BusError> {
        let place = self.place(at, len, true)?;
        self.ram.discard(place, len).ok_or(BusError)
    }
}
