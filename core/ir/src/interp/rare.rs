//! Instructions too long to be inlined in the dispatch loop.

use std::sync::atomic::{Ordering, fence as barrier};

use ferrite_ram::{GuestRam, GuestVirt, RamOffset};
use ferrite_simd::{FpEnv, WideArgs};

use super::code::NO_SLOT;
use super::lowered::{AtomicEntry, AtomicKind, WideEntry};
use crate::env::{AtomicPlace, Env, Leave};
use crate::eval::{self, Known};
use crate::op::{Condition, FlagKind, Mem, Size};
use crate::state::{VcpuBlock, slot};

/// The condition with that number.
const CONDITIONS: [Condition; 16] = [
    Condition::Eq,
    Condition::Ne,
    Condition::Cs,
    Condition::Cc,
    Condition::Mi,
    Condition::Pl,
    Condition::Vs,
    Condition::Vc,
    Condition::Hi,
    Condition::Ls,
    Condition::Ge,
    Condition::Lt,
    Condition::Gt,
    Condition::Le,
    Condition::Al,
    Condition::Nv,
];

/// Whether condition number `cond` holds by the lazy flags.
pub(super) fn test(cpu: &VcpuBlock, cond: u16) -> bool {
    let cond = CONDITIONS[cond as usize & 15];
    let kind = FlagKind::from_code(cpu.get(slot::FLAG_KIND)).unwrap_or(FlagKind::Nzcv);
    match eval::simplify(cond, kind) {
        Some(Known::Always(value)) => value,
        Some(Known::Compare { cc, w, zero, sense }) => {
            let b = if zero { 0 } else { cpu.get(slot::FLAG_B) };
            eval::compare(cc, w, cpu.get(slot::FLAG_A), b) == sense
        }
        None => eval::holds(cond, cpu.nzcv()),
    }
}

/// A barrier: 0 orders loads, 1 stores, 2 both.
pub(super) fn fence(kind: u16) {
    barrier(match kind {
        0 => Ordering::Acquire,
        1 => Ordering::Release,
        _ => Ordering::SeqCst,
    });
}

/// Does a vector or floating-point operation on the slots that the entry names.
pub fn wide(entry: &WideEntry, cpu: &mut VcpuBlock) {
    let mut args = WideArgs {
        imm: entry.imm,
        ..WideArgs::default()
    };
    for (to, &from) in args
        .v
        .iter_mut()
        .zip(&entry.v)
        .take(usize::from(entry.vectors))
    {
        *to = cpu.get_vector(from);
    }
    if entry.int != NO_SLOT {
        args.int = cpu.get(entry.int);
    }
    let mut fp = FpEnv::default();
    if entry.fp_env {
        fp.control = cpu.get(slot::FP_CONTROL) as u32;
        fp.status = cpu.get(slot::FP_STATUS) as u32;
    }
    let result = (entry.run)(&mut fp, &args);
    if entry.fp_env {
        cpu.set(slot::FP_STATUS, u64::from(fp.status));
    }
    if entry.vector {
        cpu.set_vector(entry.d, result);
    } else {
        cpu.set(entry.d, result as u64);
    }
}

/// What an atomic or exclusive operation moves: one unit, or two that are moved together.
#[derive(Clone, Copy)]
struct Unit {
    mem: Mem,
    pair: bool,
}

impl Unit {
    fn bytes(self) -> u64 {
        self.mem.size.bytes() << u32::from(self.pair)
    }

    /// Bits of one element.
    fn bits(self) -> u32 {
        8 * self.mem.size.bytes() as u32
    }

    /// The bytes of memory, as a little-endian number, that stand for these registers.
    fn pack(self, values: [u64; 2]) -> u128 {
        let [low, high] =
            values.map(|v| u128::from(eval::swap(self.mem.size, self.mem.swap, v) & self.mask()));
        if self.pair {
            low | high << self.bits()
        } else {
            low
        }
    }

    /// The registers, extended, that those bytes stand for.
    fn unpack(self, raw: u128) -> [u64; 2] {
        let Mem {
            size, sign, swap, ..
        } = self.mem;
        [raw as u64, (raw >> self.bits()) as u64]
            .map(|v| eval::extend(size, sign, eval::swap(size, swap, v & self.mask())))
    }

    fn mask(self) -> u64 {
        eval::mask(8 << self.mem.size as u8)
    }

    fn load(self, ram: &GuestRam, at: RamOffset) -> Option<u128> {
        match self.bytes() {
            1 => ram.load::<u8>(at).map(u128::from),
            2 => ram.load::<u16>(at).map(u128::from),
            4 => ram.load::<u32>(at).map(u128::from),
            8 => ram.load::<u64>(at).map(u128::from),
            _ => ram.load_128(at),
        }
    }

    /// `None` where memory or its alignment does not allow an atomic access.
    fn exchange(
        self,
        ram: &GuestRam,
        at: RamOffset,
        old: u128,
        new: u128,
    ) -> Option<Result<u128, u128>> {
        macro_rules! exchange {
            ($t:ty) => {
                ram.compare_exchange(at, old as $t, new as $t)
                    .map(|r| r.map(u128::from).map_err(u128::from))
            };
        }
        match self.bytes() {
            1 => exchange!(u8),
            2 => exchange!(u16),
            4 => exchange!(u32),
            8 => exchange!(u64),
            _ => ram.compare_exchange_128(at, old, new),
        }
    }

    /// Replaces memory by `next(memory)`, until no one else does so in between; `None` from `next`
    /// leaves it. What was there.
    fn update(
        self,
        ram: &GuestRam,
        at: RamOffset,
        mut next: impl FnMut(u128) -> Option<u128>,
    ) -> Option<u128> {
        let mut seen = self.load(ram, at)?;
        loop {
            let Some(new) = next(seen) else {
                barrier(Ordering::SeqCst);
                return Some(seen);
            };
            match self.exchange(ram, at, seen, new)? {
                Ok(_) => return Some(seen),
                Err(now) => seen = now,
            }
        }
    }
}

/// Does an atomic or exclusive operation.
pub fn atomic<E: Env + ?Sized>(
    entry: &AtomicEntry,
    env: &mut E,
    cpu: &mut VcpuBlock,
) -> Result<(), Leave> {
    let va = GuestVirt(cpu.get(entry.addr));
    let mem = entry.mem;
    match entry.what {
        AtomicKind::LoadExclusive { pair } => {
            let values = load_exclusive(env, cpu, va, Unit { mem, pair })?;
            set_results(entry, cpu, values);
        }
        AtomicKind::StoreExclusive { pair } => {
            let values = entry.a.map(|a| read(cpu, a));
            let failed = store_exclusive(env, cpu, va, Unit { mem, pair }, values)?;
            cpu.set(entry.d[0], u64::from(failed));
        }
        AtomicKind::Rmw(op) => {
            let unit = Unit { mem, pair: false };
            let a = read(cpu, entry.a[0]);
            let old = match env.atomic_place(cpu, va, unit.bytes(), mem, true)? {
                AtomicPlace::Ram(at) => {
                    let old = unit.update(env.ram(), at, |raw| {
                        let old = eval::swap(mem.size, mem.swap, raw as u64);
                        Some(unit.pack([eval::atomic(op, mem.size, old, a), 0]))
                    });
                    unit.unpack(old.unwrap_or(0))[0]
                }
                AtomicPlace::Device => {
                    let old = env.atomic_device(cpu, va, Some(op), [a, 0], mem)?;
                    eval::extend(mem.size, mem.sign, old)
                }
            };
            cpu.set(entry.d[0], old);
        }
        AtomicKind::Cas { pair } => {
            let unit = Unit { mem, pair };
            let old = entry.old.map(|a| read(cpu, a));
            let new = entry.a.map(|a| read(cpu, a));
            let was = compare_and_swap(env, cpu, va, unit, old, new)?;
            set_results(entry, cpu, was);
        }
    }
    Ok(())
}

fn read(cpu: &VcpuBlock, slot: u16) -> u64 {
    if slot == NO_SLOT { 0 } else { cpu.get(slot) }
}

fn set_results(entry: &AtomicEntry, cpu: &mut VcpuBlock, values: [u64; 2]) {
    for (&d, value) in entry.d.iter().zip(values) {
        if d != NO_SLOT {
            cpu.set(d, value);
        }
    }
}

fn load_exclusive<E: Env + ?Sized>(
    env: &mut E,
    cpu: &mut VcpuBlock,
    va: GuestVirt,
    unit: Unit,
) -> Result<[u64; 2], Leave> {
    cpu.set(slot::EXCLUSIVE_AT, slot::NO_EXCLUSIVE);
    match env.atomic_place(cpu, va, unit.bytes(), unit.mem, false)? {
        AtomicPlace::Ram(at) => {
            let raw = unit.load(env.ram(), at).unwrap_or(0);
            barrier(Ordering::Acquire);
            cpu.set(slot::EXCLUSIVE_AT, at.0);
            cpu.set(slot::EXCLUSIVE_LOW, raw as u64);
            cpu.set(slot::EXCLUSIVE_HIGH, (raw >> 64) as u64);
            Ok(unit.unpack(raw))
        }
        // No reservation exists outside memory: the store that follows fails.
        AtomicPlace::Device => load_units(env, cpu, va, unit),
    }
}

/// Whether the store failed.
fn store_exclusive<E: Env + ?Sized>(
    env: &mut E,
    cpu: &mut VcpuBlock,
    va: GuestVirt,
    unit: Unit,
    values: [u64; 2],
) -> Result<bool, Leave> {
    let reserved = cpu.get(slot::EXCLUSIVE_AT);
    if reserved == slot::NO_EXCLUSIVE {
        return Ok(true);
    }
    let place = env.atomic_place(cpu, va, unit.bytes(), unit.mem, true)?;
    cpu.set(slot::EXCLUSIVE_AT, slot::NO_EXCLUSIVE);
    let AtomicPlace::Ram(at) = place else {
        return Ok(true);
    };
    if at.0 != reserved {
        return Ok(true);
    }
    let read =
        u128::from(cpu.get(slot::EXCLUSIVE_LOW)) | u128::from(cpu.get(slot::EXCLUSIVE_HIGH)) << 64;
    let exchanged = unit.exchange(env.ram(), at, read, unit.pack(values));
    Ok(!matches!(exchanged, Some(Ok(_))))
}

fn compare_and_swap<E: Env + ?Sized>(
    env: &mut E,
    cpu: &mut VcpuBlock,
    va: GuestVirt,
    unit: Unit,
    old: [u64; 2],
    new: [u64; 2],
) -> Result<[u64; 2], Leave> {
    let expected = unit.pack(old);
    match env.atomic_place(cpu, va, unit.bytes(), unit.mem, true)? {
        AtomicPlace::Ram(at) => {
            let new = unit.pack(new);
            let was = unit.update(env.ram(), at, |raw| (raw == expected).then_some(new));
            Ok(unit.unpack(was.unwrap_or(0)))
        }
        AtomicPlace::Device if !unit.pair => {
            let Mem { size, sign, .. } = unit.mem;
            let was = env.atomic_device(cpu, va, None, [old[0], new[0]], unit.mem)?;
            Ok([eval::extend(size, sign, was), 0])
        }
        AtomicPlace::Device => {
            let was = load_units(env, cpu, va, unit)?;
            if unit.pack(was) == expected {
                let next = GuestVirt(va.0.wrapping_add(unit.mem.size.bytes()));
                env.store(cpu, va, new[0], unit.mem)?;
                env.store(cpu, next, new[1], unit.mem)?;
            }
            Ok(was)
        }
    }
}

/// The units one by one, where no atomic access is possible.
fn load_units<E: Env + ?Sized>(
    env: &mut E,
    cpu: &mut VcpuBlock,
    va: GuestVirt,
    unit: Unit,
) -> Result<[u64; 2], Leave> {
    let Mem { size, sign, .. } = unit.mem;
    let low = eval::extend(size, sign, env.load(cpu, va, unit.mem)?);
    let high = if unit.pair && size != Size::B16 {
        let next = GuestVirt(va.0.wrapping_add(size.bytes()));
        eval::extend(size, sign, env.load(cpu, next, unit.mem)?)
    } else {
        0
    };
    Ok([low, high])
}
