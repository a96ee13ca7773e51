//! What a guest provides to whoever runs its translated code.

use ferrite_ram::{GuestRam, GuestVirt, RamOffset};

use crate::op::{AtomicOp, HelperId, Mem, Region};
use crate::state::VcpuBlock;

/// Translated code must be left: an exception was entered or the context changed, and
/// [`slot::PC`](crate::slot::PC) already holds where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave;

/// What distinguishes translations of the same bytes: whatever the front end specialises code for
/// (exception level, alignment checking, traps, single-stepping). Opaque here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CodeKey(pub u64);

/// Where an instruction fetch ended up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Arena offset of the first instruction's byte: code always runs from RAM or ROM.
    pub at: RamOffset,
}

/// How much of the code at an address to translate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What control reaches from there, loops whole, as much as the front end likes: for code that
    /// runs often.
    Region,
    /// One block.
    Block,
    /// One instruction only: more could not be turned into something to run.
    Instruction,
    /// Nothing. The instruction's only act is the exception that the guest's CPU raises for what it
    /// does not know: not even the one instruction could be turned into something to run.
    Refusal,
}

/// A guest's side of execution. Every method that can fault enters the guest's exception itself
/// (state, `slot::PC` and all) and returns [`Leave`]; `slot::PC` is precise when it is called.
///
/// A memory method is called when the fast path does not apply: no TLB entry, a page boundary, a
/// device, a watchpoint, a code page, a misaligned address. It does the whole access, and fills the
/// TLB where a next access may take the fast path.
pub trait Env {
    /// Guest memory that TLB addends lead into.
    fn ram(&self) -> &GuestRam;

    /// Runs a helper of the front end with four arguments (those not given are 0). On `Err` the
    /// region is left at once.
    fn call(&mut self, cpu: &mut VcpuBlock, helper: HelperId, args: [u64; 4])
    -> Result<u64, Leave>;

    /// Loads up to 8 bytes, *not* yet extended as `mem.sign` says (zero above), swapped if asked.
    fn load(&mut self, cpu: &mut VcpuBlock, at: GuestVirt, mem: Mem) -> Result<u64, Leave>;

    /// Stores the low `mem.size` bytes.
    fn store(
        &mut self,
        cpu: &mut VcpuBlock,
        at: GuestVirt,
        value: u64,
        mem: Mem,
    ) -> Result<(), Leave>;

    /// Loads up to 16 bytes.
    fn load_vector(&mut self, cpu: &mut VcpuBlock, at: GuestVirt, mem: Mem) -> Result<u128, Leave>;

    /// Stores up to 16 bytes.
    fn store_vector(
        &mut self,
        cpu: &mut VcpuBlock,
        at: GuestVirt,
        value: u128,
        mem: Mem,
    ) -> Result<(), Leave>;

    /// Translates and checks an address for the exclusive and atomic operations and returns its
    /// arena offset. `write` also demands write permission, and has invalidated translated code
    /// there. `bytes` is the whole access (twice `mem.size` for pairs).
    fn atomic_place(
        &mut self,
        cpu: &mut VcpuBlock,
        at: GuestVirt,
        bytes: u64,
        mem: Mem,
        write: bool,
    ) -> Result<AtomicPlace, Leave>;

    /// Does an atomic operation on a place that is not RAM ([`AtomicPlace::Device`]).
    fn atomic_device(
        &mut self,
        cpu: &mut VcpuBlock,
        at: GuestVirt,
        op: Option<AtomicOp>,
        operands: [u64; 2],
        mem: Mem,
    ) -> Result<u64, Leave>;

    /// What translations depend on now. Called whenever control passes through the full look-up.
    fn code_key(&self, cpu: &VcpuBlock) -> CodeKey;

    /// A number that changes whenever the mapping from virtual code addresses, with bit 55 clear or
    /// (`high`) set, to translations may have changed in any way (context switch, TLB maintenance,
    /// privilege, key): what an address led to under the same number may be used again without
    /// asking. Nothing but this trait's methods changes it while translated code runs.
    fn code_generation(&self, cpu: &VcpuBlock, high: bool) -> u64;

    /// The numbers of both halves, the low one first.
    fn code_generations(&self, cpu: &VcpuBlock) -> [u64; 2] {
        [false, true].map(|high| self.code_generation(cpu, high))
    }

    /// Translates the address of an instruction for execution.
    fn fetch(&mut self, cpu: &mut VcpuBlock, pc: GuestVirt) -> Result<Fetched, Leave>;

    /// Makes a region from the code at `pc`, which [`Self::fetch`] just found at `at`. Never
    /// fails: what cannot be decoded becomes code that takes the guest's exception.
    fn translate(&mut self, cpu: &VcpuBlock, pc: GuestVirt, at: Fetched, extent: Extent) -> Region;

    /// The page at `at` now holds translated code: drop write translations that lead to it.
    fn protect_code(&mut self, cpu: &mut VcpuBlock, at: RamOffset);
}

/// Where an atomic access ends up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomicPlace {
    /// In the arena.
    Ram(RamOffset),
    /// At a device or in read-only memory: see [`Env::atomic_device`].
    Device,
}
