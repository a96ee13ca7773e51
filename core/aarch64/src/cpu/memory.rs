//! Memory accesses off the fast path: TLB misses, page crossings, devices, faults.

use ferrite_ir::env::AtomicPlace;
use ferrite_ir::{Align, AtomicOp, Leave, Mem, Size, VcpuBlock, interp, slot};
use ferrite_ram::{GuestPhys, GuestVirt, PAGE_SIZE, RamOffset};

use super::CpuEnv;
use crate::exception::Exception;
use crate::exception::syndrome::{self, Abort};
use crate::mmu::fault::{Fault, FaultKind};
use crate::mmu::spaces::Rights;
use crate::mmu::walk::Mapping;
use crate::mmu::{Access, Fill, Kind};
use crate::platform::{BusError, PhysPage};

/// Where an access goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub at: GuestPhys,
    pub page: PhysPage,
    pub mapping: Mapping,
}

/// Bytes that DC ZVA zeroes.
const ZERO_BLOCK: u64 = 64;

/// A data access.
#[derive(Clone, Copy, Debug)]
struct Data {
    va: u64,
    bytes: u64,
    write: bool,
    /// It is part of an atomic or exclusive instruction.
    atomic: bool,
    unprivileged: bool,
    align: Align,
}

impl Data {
    fn new(at: GuestVirt, mem: Mem, write: bool) -> Self {
        Self {
            va: at.0,
            bytes: mem.size.bytes(),
            write,
            atomic: false,
            unprivileged: mem.unprivileged,
            align: mem.align,
        }
    }

    fn misaligned(&self, unit: u64) -> bool {
        !self.va.is_multiple_of(unit)
    }

    /// Bytes before the page ends, if it ends within the access.
    fn split(&self) -> Option<u64> {
        let first = PAGE_SIZE - self.va % PAGE_SIZE;
        (first < self.bytes).then_some(first)
    }
}

fn swapped(value: u128, bytes: u64, swap: bool) -> u128 {
    if swap {
        value.swap_bytes() >> (128 - 8 * bytes)
    } else {
        value
    }
}

impl CpuEnv<'_> {
    /// Takes the data abort (or watchpoint) for an access at `va`.
    pub(super) fn data_abort(
        &mut self,
        block: &mut VcpuBlock,
        va: u64,
        fault: Fault,
        abort: Abort,
    ) -> Leave {
        let same_level = self.core.pstate.el == 1;
        let syndrome = syndrome::data_abort(
            fault,
            Abort {
                same_level,
                ..abort
            },
        );
        let pc = block.get(slot::PC);
        self.core
            .enter(block, Exception::synchronous(syndrome, pc).at(va));
        Leave
    }

    fn fail(&mut self, block: &mut VcpuBlock, data: &Data, va: u64, kind: FaultKind) -> Leave {
        // Alignment and the bus ask the same of loads; watchpoints tell them apart.
        let read_too = kind != FaultKind::Debug || self.watchpoint(block, data, false).is_some();
        let abort = Abort {
            write: data.write && !(read_too && self.reads(block, data)),
            ..Abort::default()
        };
        self.data_abort(block, va, Fault::flat(kind), abort)
    }

    /// Whether a write is part of an instruction that also reads: an atomic one, but not a
    /// store-exclusive. A fault that the read alone would have raised is reported as one of a read
    /// (ESR_ELx.WnR).
    fn reads(&mut self, block: &mut VcpuBlock, data: &Data) -> bool {
        data.atomic && data.write && !self.instruction(block).is_some_and(is_store_exclusive)
    }

    /// The instruction that is being executed.
    fn instruction(&mut self, block: &mut VcpuBlock) -> Option<u32> {
        let access = Access {
            kind: Kind::Fetch,
            rights: match self.core.pstate.el {
                0 => Rights::User,
                _ => Rights::Privileged,
            },
        };
        let place = self.resolve(block, block.get(slot::PC), access).ok()?;
        match place.page {
            PhysPage::Ram { at, .. } => self.ram.load(at.page().offset(place.at.in_page())),
            PhysPage::Device => None,
        }
    }

    /// The rights of a data access from the current state.
    pub(super) fn rights(&self, unprivileged: bool) -> Rights {
        let pstate = self.core.pstate;
        if pstate.el == 0 || unprivileged {
            Rights::User
        } else if pstate.pan {
            Rights::PrivilegedNeverUser
        } else {
            Rights::Privileged
        }
    }

    /// Translates an address.
    pub(super) fn resolve(
        &mut self,
        block: &mut VcpuBlock,
        va: u64,
        access: Access,
    ) -> Result<Place, Fault> {
        let mapping = self.core.mmu.translate(block, self.platform, va, access)?;
        let at = GuestPhys(mapping.page | (va % PAGE_SIZE));
        let page = self.core.mmu.physical(self.platform, at);
        Ok(Place { at, page, mapping })
    }

    fn place(&mut self, block: &mut VcpuBlock, data: &Data, va: u64) -> Result<Place, Leave> {
        let access = Access {
            kind: if data.write { Kind::Write } else { Kind::Read },
            rights: self.rights(data.unprivileged),
        };
        self.resolve(block, va, access).map_err(|fault| {
            let read = Access {
                kind: Kind::Read,
                ..access
            };
            let read_too = self.reads(block, data) && self.resolve(block, va, read).is_err();
            let abort = Abort {
                write: data.write && !read_too,
                ..Abort::default()
            };
            self.data_abort(block, va, fault, abort)
        })
    }

    /// The address that a watchpoint matches for an access, or for its reading or writing part.
    fn watchpoint(&mut self, block: &VcpuBlock, data: &Data, write: bool) -> Option<u64> {
        let el = if data.unprivileged {
            0
        } else {
            self.core.pstate.el
        };
        self.core
            .watchpoint_hit(block, data.va, data.bytes, write, el)
    }

    /// Takes the exception if a watchpoint matches.
    fn watch(&mut self, block: &mut VcpuBlock, data: &Data) -> Result<(), Leave> {
        let mut hit = self.watchpoint(block, data, data.write);
        if hit.is_none() && data.atomic {
            let read = self.watchpoint(block, data, false);
            hit = read.filter(|_| self.reads(block, data));
        }
        match hit {
            Some(va) => Err(self.fail(block, data, va, FaultKind::Debug)),
            None => Ok(()),
        }
    }

    /// Checks and translates an access: its place, and that of its second part, from that many
    /// bytes on, if it crosses into another page.
    fn prepare(
        &mut self,
        block: &mut VcpuBlock,
        data: &Data,
    ) -> Result<(Place, Option<(Place, u64)>), Leave> {
        let unit = match data.align {
            Align::Any => 1,
            Align::Natural => data.bytes,
            Align::Pair => 2 * data.bytes,
        };
        if data.misaligned(unit) {
            return Err(self.fail(block, data, data.va, FaultKind::Alignment));
        }
        let first = self.place(block, data, data.va)?;
        let second = match data.split() {
            Some(bytes) => {
                let place = self.place(block, data, data.va.wrapping_add(bytes))?;
                Some((place, bytes))
            }
            None => None,
        };
        let device =
            first.mapping.is_device() || second.is_some_and(|(place, _)| place.mapping.is_device());
        if device && data.misaligned(data.bytes) {
            return Err(self.fail(block, data, data.va, FaultKind::Alignment));
        }
        self.watch(block, data)?;
        Ok((first, second))
    }

    /// Lets the next access to the page take the fast path, where it can.
    fn remember(&mut self, block: &mut VcpuBlock, data: &Data, place: &Place) {
        let PhysPage::Ram { at, writable } = place.page else {
            return;
        };
        let closed = data.write && (!writable || self.ram.is_code(at));
        if closed || self.core.page_is_watched(block, data.va) {
            return;
        }
        let fill = Fill {
            write: data.write,
            unprivileged: data.unprivileged,
        };
        self.core
            .mmu
            .fill(block, GuestVirt(data.va), at, &place.mapping, fill);
    }

    fn read(&mut self, block: &mut VcpuBlock, data: &Data) -> Result<u128, Leave> {
        let (first, second) = self.prepare(block, data)?;
        let value = match second {
            None => {
                self.remember(block, data, &first);
                self.read_physical(block, first.at, first.page, data.bytes)
            }
            Some((next, split)) => self
                .read_physical(block, first.at, first.page, split)
                .and_then(|low| {
                    let rest = data.bytes - split;
                    let high = self.read_physical(block, next.at, next.page, rest)?;
                    Ok(low | high << (8 * split))
                }),
        };
        value.map_err(|BusError| self.fail(block, data, data.va, FaultKind::External))
    }

    fn write(&mut self, block: &mut VcpuBlock, data: &Data, value: u128) -> Result<(), Leave> {
        let (first, second) = self.prepare(block, data)?;
        let done = match second {
            None => {
                let done = self.write_physical(block, first.at, first.page, data.bytes, value);
                self.remember(block, data, &first);
                done
            }
            Some((next, split)) => self
                .write_physical(block, first.at, first.page, split, value)
                .and_then(|()| {
                    let rest = data.bytes - split;
                    self.write_physical(block, next.at, next.page, rest, value >> (8 * split))
                }),
        };
        done.map_err(|BusError| self.fail(block, data, data.va, FaultKind::External))
    }

    pub(super) fn load_data(
        &mut self,
        block: &mut VcpuBlock,
        at: GuestVirt,
        mem: Mem,
    ) -> Result<u128, Leave> {
        let data = Data::new(at, mem, false);
        let value = self.read(block, &data)?;
        Ok(swapped(value, data.bytes, mem.swap))
    }

    pub(super) fn store_data(
        &mut self,
        block: &mut VcpuBlock,
        at: GuestVirt,
        value: u128,
        mem: Mem,
    ) -> Result<(), Leave> {
        let data = Data::new(at, mem, true);
        self.write(block, &data, swapped(value, data.bytes, mem.swap))
    }

    /// Reads 1 to 16 bytes within a page.
    fn read_physical(
        &mut self,
        block: &mut VcpuBlock,
        at: GuestPhys,
        page: PhysPage,
        bytes: u64,
    ) -> Result<u128, BusError> {
        match page {
            PhysPage::Ram { at: ram, .. } => {
                let place = ram.page().offset(at.in_page());
                self.read_ram(place, bytes).ok_or(BusError)
            }
            PhysPage::Device => {
                let mut value = 0;
                for (offset, unit) in units(at.0, bytes) {
                    let got = self
                        .platform
                        .read(self.core.index, at.offset(offset), unit)?;
                    value |= u128::from(got) << (8 * offset);
                }
                self.poll_interrupts(block);
                Ok(value)
            }
        }
    }

    fn read_ram(&self, at: RamOffset, bytes: u64) -> Option<u128> {
        let ram = &*self.ram;
        Some(match bytes {
            1 => ram.load::<u8>(at)?.into(),
            2 => ram.load::<u16>(at)?.into(),
            4 => ram.load::<u32>(at)?.into(),
            8 => ram.load::<u64>(at)?.into(),
            16 => {
                let low = ram.load::<u64>(at)?;
                let high = ram.load::<u64>(at.offset(8))?;
                u128::from(low) | u128::from(high) << 64
            }
            _ => {
                let mut value = [0; 16];
                ram.read_bytes(at, value.get_mut(..bytes as usize)?)?;
                u128::from_le_bytes(value)
            }
        })
    }

    /// Writes 1 to 16 bytes within a page.
    fn write_physical(
        &mut self,
        block: &mut VcpuBlock,
        at: GuestPhys,
        page: PhysPage,
        bytes: u64,
        value: u128,
    ) -> Result<(), BusError> {
        match page {
            PhysPage::Ram {
                at: ram,
                writable: true,
            } => {
                let place = ram.page().offset(at.in_page());
                let done = self.write_ram(place, bytes, value);
                self.ram.note_code_write(place);
                done.ok_or(BusError)
            }
            _ => {
                for (offset, unit) in units(at.0, bytes) {
                    let part = (value >> (8 * offset)) as u64;
                    let part = part & (u64::MAX >> (64 - 8 * unit));
                    let to = at.offset(offset);
                    self.platform.write(self.core.index, to, unit, part)?;
                }
                if self.core.mmu.follow_map(block, self.platform) {
                    self.core.update(block);
                }
                self.poll_interrupts(block);
                Ok(())
            }
        }
    }

    fn write_ram(&self, at: RamOffset, bytes: u64, value: u128) -> Option<()> {
        let ram = &*self.ram;
        match bytes {
            1 => ram.store(at, value as u8),
            2 => ram.store(at, value as u16),
            4 => ram.store(at, value as u32),
            8 => ram.store(at, value as u64),
            16 => {
                ram.store(at, value as u64)?;
                ram.store(at.offset(8), (value >> 64) as u64)
            }
            _ => ram.write_bytes(at, value.to_le_bytes().get(..bytes as usize)?),
        }
    }

    pub(super) fn locate_atomic(
        &mut self,
        block: &mut VcpuBlock,
        at: GuestVirt,
        bytes: u64,
        mem: Mem,
        write: bool,
    ) -> Result<AtomicPlace, Leave> {
        let data = Data {
            bytes,
            // Both kinds are aligned to the whole access whatever SCTLR_ELx.A says.
            align: Align::Natural,
            atomic: true,
            ..Data::new(at, mem, write)
        };
        let (place, _) = self.prepare(block, &data)?;
        match place.page {
            PhysPage::Ram { at, writable } if writable || !write => {
                let ram = at.page().offset(place.at.in_page());
                if write {
                    self.ram.note_code_write(ram);
                }
                self.remember(block, &data, &place);
                Ok(AtomicPlace::Ram(ram))
            }
            _ => Ok(AtomicPlace::Device),
        }
    }

    pub(super) fn device_atomic(
        &mut self,
        block: &mut VcpuBlock,
        at: GuestVirt,
        op: Option<AtomicOp>,
        [first, second]: [u64; 2],
        mem: Mem,
    ) -> Result<u64, Leave> {
        let old = self.load_data(block, at, mem)? as u64;
        let new = match op {
            Some(op) => ferrite_ir::eval::atomic(op, mem.size, old, first),
            None if old == first & size_mask(mem.size.bytes()) => second,
            None => return Ok(old),
        };
        self.store_data(block, at, new.into(), mem)?;
        Ok(old)
    }

    /// Translates the address of a cache maintenance instruction, which faults like an access.
    pub(crate) fn maintain_address(
        &mut self,
        block: &mut VcpuBlock,
        va: u64,
        kind: Kind,
    ) -> Result<(), Leave> {
        let rights = match self.rights(false) {
            Rights::User => Rights::User,
            // PSTATE.PAN does not apply.
            _ => Rights::Privileged,
        };
        let access = Access { kind, rights };
        let result = self.resolve(block, va, access);
        // Reported as writes whatever permission they need (ESR_ELx.WnR).
        let abort = Abort {
            write: true,
            cache_maintenance: true,
            same_level: false,
        };
        result
            .map(|_| ())
            .map_err(|fault| self.data_abort(block, va, fault, abort))
    }

    /// DC ZVA.
    pub(crate) fn zero_block(&mut self, block: &mut VcpuBlock, va: u64) -> Result<(), Leave> {
        let start = va & !(ZERO_BLOCK - 1);
        let unit = Mem::plain(Size::B16);
        let quick = |env: &Self, block: &_, offset| {
            interp::store_vector_any(env, block, start + offset, 0, unit).is_some()
        };
        // A block lies within a page, so that either all of it takes the fast path or nothing.
        if (0..ZERO_BLOCK).step_by(16).all(|at| quick(self, block, at)) {
            return Ok(());
        }
        let data = Data {
            va: start,
            bytes: ZERO_BLOCK,
            write: true,
            atomic: false,
            unprivileged: false,
            align: Align::Any,
        };
        // The address to report is the operand, not the start of its block.
        let place = self.place(block, &data, va)?;
        if place.mapping.is_device() {
            return Err(self.fail(block, &data, va, FaultKind::Alignment));
        }
        self.watch(block, &data)?;
        let start = GuestPhys(place.at.0 & !(ZERO_BLOCK - 1));
        for offset in (0..ZERO_BLOCK).step_by(16) {
            let part = start.offset(offset);
            if let Err(BusError) = self.write_physical(block, part, place.page, 16, 0) {
                return Err(self.fail(block, &data, va, FaultKind::External));
            }
        }
        self.remember(block, &data, &place);
        Ok(())
    }
}

/// Whether an instruction is STXR or STXP in any of their forms: in the encodings "Load/store
/// exclusive" and "Compare and swap", L and o2 are 0, and o1 is 1 for pairs of 32 or 64 bits only.
const fn is_store_exclusive(word: u32) -> bool {
    word & 0x3fc0_0000 == 0x0800_0000 && (word & 1 << 21 == 0 || word & 1 << 31 != 0)
}

fn size_mask(bytes: u64) -> u64 {
    u64::MAX >> (64 - 8 * bytes.min(8))
}

/// The naturally aligned units of at most 8 bytes that make up a span: offset and size of each.
fn units(at: u64, bytes: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let left = bytes - offset;
        if left == 0 {
            return None;
        }
        let aligned = 1 << (at.wrapping_add(offset)).trailing_zeros().min(3);
        let fits = 1 << left.ilog2().min(3);
        let unit = aligned.min(fits);
        let this = (offset, unit);
        offset += unit;
        Some(this)
    })
}

#[cfg(test)]
mod tests {
    use super::units;

    #[test]
    fn units_are_aligned_and_cover_the_span() {
        for at in 0..16_u64 {
            for bytes in 1..=16 {
                let mut next = 0;
                for (offset, unit) in units(at, bytes) {
                    assert_eq!(offset, next);
                    assert!(unit <= 8 && unit.is_power_of_two());
                    assert!((at + offset).is_multiple_of(unit));
                    next = offset + unit;
                }
                assert_eq!(next, bytes);
            }
        }
        assert_eq!(units(8, 16).collect::<Vec<_>>(), [(0, 8), (8, 8)]);
    }
}
