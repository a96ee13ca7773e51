//! What leaves the dispatch loop for the front end: accesses that miss the fast path, helpers.

use ferrite_ram::GuestVirt;

use super::code::NO_SLOT;
use super::lowered::{Lowered, Mark};
use crate::env::{Env, Leave};
use crate::eval;
use crate::op::{HelperId, Mem};
use crate::state::{VcpuBlock, slot};

/// Sets `slot::PC` to the guest instruction that the lowered instruction at `at` belongs to.
#[cold]
pub(super) fn sync_pc(code: &Lowered, at: usize, cpu: &mut VcpuBlock) -> Mark {
    let mark = code.mark(at);
    if let Some(pc) = mark.pc {
        cpu.set(slot::PC, pc);
    }
    mark
}

/// The whole of a load that missed the fast path, extended.
#[cold]
#[inline(never)]
pub(super) fn slow_load<E: Env + ?Sized>(
    code: &Lowered,
    at: usize,
    env: &mut E,
    cpu: &mut VcpuBlock,
    va: u64,
    mem: Mem,
) -> Result<u64, Leave> {
    let mark = sync_pc(code, at, cpu);
    let value = env.load(cpu, GuestVirt(va), mem);
    let value = left(mark, cpu, value)?;
    Ok(eval::extend(mem.size, mem.sign, value))
}

/// The whole of a store that missed the fast path.
#[cold]
#[inline(never)]
pub(super) fn slow_store<E: Env + ?Sized>(
    code: &Lowered,
    at: usize,
    env: &mut E,
    cpu: &mut VcpuBlock,
    va: u64,
    value: u64,
    mem: Mem,
) -> Result<(), Leave> {
    let mark = sync_pc(code, at, cpu);
    let done = env.store(cpu, GuestVirt(va), value, mem);
    left(mark, cpu, done)
}

#[cold]
#[inline(never)]
pub(super) fn slow_load_vector<E: Env + ?Sized>(
    code: &Lowered,
    at: usize,
    env: &mut E,
    cpu: &mut VcpuBlock,
    va: u64,
    mem: Mem,
) -> Result<u128, Leave> {
    let mark = sync_pc(code, at, cpu);
    let value = env.load_vector(cpu, GuestVirt(va), mem);
    left(mark, cpu, value)
}

#[cold]
#[inline(never)]
pub(super) fn slow_store_vector<E: Env + ?Sized>(
    code: &Lowered,
    at: usize,
    env: &mut E,
    cpu: &mut VcpuBlock,
    va: u64,
    value: u128,
    mem: Mem,
) -> Result<(), Leave> {
    let mark = sync_pc(code, at, cpu);
    let done = env.store_vector(cpu, GuestVirt(va), value, mem);
    left(mark, cpu, done)
}

/// Gives back the instructions that will not run if `result` says that the region is left.
pub(super) fn left<T>(
    mark: Mark,
    cpu: &mut VcpuBlock,
    result: Result<T, Leave>,
) -> Result<T, Leave> {
    if result.is_err() {
        cpu.give_back(mark.left);
    }
    result
}

/// A helper call with packed argument slots.
#[inline(never)]
pub(super) fn call<E: Env + ?Sized>(
    mark: Mark,
    env: &mut E,
    cpu: &mut VcpuBlock,
    helper: u16,
    packed: u64,
) -> Result<u64, Leave> {
    if let Some(pc) = mark.pc {
        cpu.set(slot::PC, pc);
    }
    let args = std::array::from_fn(|i| match (packed >> (16 * i)) as u16 {
        NO_SLOT => 0,
        slot => cpu.get(slot),
    });
    let result = env.call(cpu, HelperId(helper), args);
    left(mark, cpu, result)
}

/// A helper call that is rarely made.
#[cold]
#[inline(never)]
pub(super) fn guard<E: Env + ?Sized>(
    mark: Mark,
    env: &mut E,
    cpu: &mut VcpuBlock,
    helper: u16,
    a: u16,
) {
    let packed = u64::from(a) | u64::MAX << 16;
    // A helper that does not leave breaks the contract; what follows a failed guard must not run.
    if call(mark, env, cpu, helper, packed).is_ok() {
        cpu.give_back(mark.left);
    }
}

/// An atomic access, with the PC slot set first.
pub(super) fn with_pc<T>(
    code: &Lowered,
    at: usize,
    cpu: &mut VcpuBlock,
    access: impl FnOnce(&mut VcpuBlock) -> Result<T, Leave>,
) -> Result<T, Leave> {
    let mark = sync_pc(code, at, cpu);
    let result = access(cpu);
    left(mark, cpu, result)
}
