//! The inlined part of a guest memory access: look-aside buffer, then guest memory.

use std::sync::atomic::{Ordering, fence};

use ferrite_ram::{GuestVirt, PAGE_SIZE, RamOffset, Scalar};

use crate::env::Env;
use crate::eval::swap;
use crate::op::{Align, Mem, Order, Size};
use crate::state::{TlbEntry, VcpuBlock};

/// The arena offset of an access that `entry` serves. The tag is compared with the page of the
/// access's *last* byte, so that one across pages never matches.
#[inline(always)]
fn hit(
    cpu: &VcpuBlock,
    entry: TlbEntry,
    va: u64,
    bytes: u64,
    unprivileged: bool,
) -> Option<RamOffset> {
    let last_page = va.wrapping_add(bytes - 1) & !(PAGE_SIZE - 1);
    let tag = last_page | cpu.context(GuestVirt(va), unprivileged);
    (entry.tag == tag).then(|| RamOffset(va.wrapping_add(entry.addend)))
}

#[inline(always)]
pub(super) fn read_place(cpu: &VcpuBlock, va: u64, bytes: u64, user: bool) -> Option<RamOffset> {
    let entry = cpu.tlb_read[VcpuBlock::tlb_index(GuestVirt(va))];
    hit(cpu, entry, va, bytes, user)
}

#[inline(always)]
pub(super) fn write_place(cpu: &VcpuBlock, va: u64, bytes: u64, user: bool) -> Option<RamOffset> {
    let entry = cpu.tlb_write[VcpuBlock::tlb_index(GuestVirt(va))];
    hit(cpu, entry, va, bytes, user)
}

/// A plain load by the fast path.
#[inline(always)]
pub(super) fn load<E: Env + ?Sized, T: Scalar>(env: &E, cpu: &VcpuBlock, va: u64) -> Option<T> {
    env.ram().load(read_place(cpu, va, T::BYTES, false)?)
}

/// A plain store by the fast path.
#[inline(always)]
pub(super) fn store<E: Env + ?Sized, T: Scalar>(
    env: &E,
    cpu: &VcpuBlock,
    va: u64,
    value: T,
) -> Option<()> {
    env.ram()
        .store(write_place(cpu, va, T::BYTES, false)?, value)
}

/// Two adjacent units by the fast path.
#[inline(always)]
pub(super) fn load_pair<E: Env + ?Sized, T: Scalar>(
    env: &E,
    cpu: &VcpuBlock,
    va: u64,
) -> Option<(T, T)> {
    let at = read_place(cpu, va, 2 * T::BYTES, false)?;
    Some((env.ram().load(at)?, env.ram().load(at.offset(T::BYTES))?))
}

/// Two adjacent units by the fast path.
#[inline(always)]
pub(super) fn store_pair<E: Env + ?Sized, T: Scalar>(
    env: &E,
    cpu: &VcpuBlock,
    va: u64,
    values: (T, T),
) -> Option<()> {
    let at = write_place(cpu, va, 2 * T::BYTES, false)?;
    env.ram().store(at, values.0)?;
    env.ram().store(at.offset(T::BYTES), values.1)
}

/// 16 bytes by the fast path.
#[inline(always)]
pub(super) fn load_16<E: Env + ?Sized>(env: &E, cpu: &VcpuBlock, va: u64) -> Option<u128> {
    let (low, high) = load_pair::<E, u64>(env, cpu, va)?;
    Some(u128::from(low) | u128::from(high) << 64)
}

/// 16 bytes by the fast path.
#[inline(always)]
pub(super) fn store_16<E: Env + ?Sized>(
    env: &E,
    cpu: &VcpuBlock,
    va: u64,
    value: u128,
) -> Option<()> {
    store_pair(env, cpu, va, (value as u64, (value >> 64) as u64))
}

/// Whether `va` meets the access's alignment.
fn aligned(va: u64, mem: Mem) -> bool {
    match mem.align {
        Align::Any => true,
        Align::Natural => va & (mem.size.bytes() - 1) == 0,
        Align::Pair => va & (2 * mem.size.bytes() - 1) == 0,
    }
}

pub(super) fn before_store(order: Order) {
    if matches!(order, Order::Release | Order::AcquireRelease) {
        fence(Ordering::Release);
    }
}

/// A store-release is also ordered before a later load-acquire, which takes a full barrier.
pub(super) fn after_store(order: Order) {
    if matches!(order, Order::Release | Order::AcquireRelease) {
        fence(Ordering::SeqCst);
    }
}

pub(super) fn after_load(order: Order) {
    if matches!(order, Order::Acquire | Order::AcquireRelease) {
        fence(Ordering::Acquire);
    }
}

/// Any integer load by the fast path, not yet extended; `None` where that does not apply.
#[must_use]
pub fn load_any<E: Env + ?Sized>(env: &E, cpu: &VcpuBlock, va: u64, mem: Mem) -> Option<u64> {
    if !aligned(va, mem) {
        return None;
    }
    let at = read_place(cpu, va, mem.size.bytes(), mem.unprivileged)?;
    let ram = env.ram();
    let raw = match mem.size {
        Size::B1 => u64::from(ram.load::<u8>(at)?),
        Size::B2 => u64::from(ram.load::<u16>(at)?),
        Size::B4 => u64::from(ram.load::<u32>(at)?),
        Size::B8 | Size::B16 => ram.load::<u64>(at)?,
    };
    Some(swap(mem.size, mem.swap, raw))
}

/// Any integer store by the fast path; `None`, with nothing stored, where that does not apply.
#[must_use]
pub fn store_any<E: Env + ?Sized>(
    env: &E,
    cpu: &VcpuBlock,
    va: u64,
    value: u64,
    mem: Mem,
) -> Option<()> {
    if !aligned(va, mem) {
        return None;
    }
    let at = write_place(cpu, va, mem.size.bytes(), mem.unprivileged)?;
    let ram = env.ram();
    let value = swap(mem.size, mem.swap, value);
    match mem.size {
        Size::B1 => ram.store(at, value as u8),
        Size::B2 => ram.store(at, value as u16),
        Size::B4 => ram.store(at, value as u32),
        Size::B8 | Size::B16 => ram.store(at, value),
    }
}

/// Whether a vector access may take the fast path for 16 bytes.
fn is_whole(va: u64, mem: Mem) -> bool {
    mem.size == Size::B16 && aligned(va, mem) && !mem.unprivileged
}

/// A vector load by the fast path; `None` where that does not apply.
#[must_use]
pub fn load_vector_any<E: Env + ?Sized>(
    env: &E,
    cpu: &VcpuBlock,
    va: u64,
    mem: Mem,
) -> Option<u128> {
    if !is_whole(va, mem) {
        return None;
    }
    let raw = load_16(env, cpu, va)?;
    Some(if mem.swap { raw.swap_bytes() } else { raw })
}

/// A vector store by the fast path; `None`, with nothing stored, where that does not apply.
#[must_use]
pub fn store_vector_any<E: Env + ?Sized>(
    env: &E,
    cpu: &VcpuBlock,
    va: u64,
    value: u128,
    mem: Mem,
) -> Option<()> {
    if !is_whole(va, mem) {
        return None;
    }
    let raw = if mem.swap { value.swap_bytes() } else { value };
    store_16(env, cpu, va, raw)
}
