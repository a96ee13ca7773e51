//! The vCPU block: everything that translated code reads and writes without asking anybody.
//!
//! It is one flat allocation with fixed offsets, so that a code generator addresses each part as
//! base register + displacement: first [`slot::COUNT`] 64-bit slots, then the read and the write
//! half of the translation look-aside buffer (TLB).

use ferrite_ram::{GuestRam, GuestVirt, PAGE_BITS, PAGE_SIZE, RamOffset};

/// Numbers of the slots that this crate gives a meaning. The others belong to the guest front end
/// (from [`FIRST_GUEST`](slot::FIRST_GUEST)) and to the interpreter
/// (from [`FIRST_TEMP`](slot::FIRST_TEMP)).
pub mod slot {
    /// The guest program counter. Precise at helpers that ask for it, on slow paths and between
    /// regions; stale within translated code.
    pub const PC: u16 = 0;
    /// Lazy flags: the [`FlagKind`](crate::FlagKind) code, see [`FlagKind::code`](crate::FlagKind::code).
    pub const FLAG_KIND: u16 = 1;
    /// Lazy flags: first operand.
    pub const FLAG_A: u16 = 2;
    /// Lazy flags: second operand.
    pub const FLAG_B: u16 = 3;
    /// Lazy flags: carry in, 0 or 1.
    pub const FLAG_C: u16 = 4;
    /// Floating-point control word ([`FpEnv::control`](ferrite_simd::FpEnv)).
    pub const FP_CONTROL: u16 = 5;
    /// Floating-point status word ([`FpEnv::status`](ferrite_simd::FpEnv)).
    pub const FP_STATUS: u16 = 6;
    /// Guest instructions that may still run before control returns to the run loop, as `i64`.
    /// At 0 or less the engine returns at the next region boundary.
    pub const BUDGET: u16 = 7;
    /// What [`VcpuBlock::request_exit`](crate::VcpuBlock::request_exit) took from the budget, and
    /// what was given back once it was used up; the instructions still allowed are the sum of both.
    pub const DEFERRED: u16 = 15;
    /// TLB tag bits (below the page number) for addresses with bit 55 clear.
    pub const CONTEXT_LOW: u16 = 8;
    /// TLB tag bits for addresses with bit 55 set.
    pub const CONTEXT_HIGH: u16 = 9;
    /// As `CONTEXT_LOW`, for accesses marked [`unprivileged`](crate::Mem::unprivileged).
    pub const CONTEXT_LOW_USER: u16 = 10;
    /// As `CONTEXT_HIGH`, for accesses marked unprivileged.
    pub const CONTEXT_HIGH_USER: u16 = 11;
    /// Exclusive monitor: arena offset of the reserved granule, or [`NO_EXCLUSIVE`].
    pub const EXCLUSIVE_AT: u16 = 12;
    /// Exclusive monitor: low 64 bits read by the load-exclusive.
    pub const EXCLUSIVE_LOW: u16 = 13;
    /// Exclusive monitor: high 64 bits read by a pair or 128-bit load-exclusive.
    pub const EXCLUSIVE_HIGH: u16 = 14;
    /// What [`EXCLUSIVE_AT`] holds while the monitor is open (no reservation).
    pub const NO_EXCLUSIVE: u64 = u64::MAX;
    /// The [`GuestRam::code_epoch`](ferrite_ram::GuestRam::code_epoch) up to which fast write
    /// mappings of code pages are gone.
    pub const CODE_EPOCH: u16 = 17;
    /// The [`GuestRam::code_writes`](ferrite_ram::GuestRam::code_writes) up to which the engine that
    /// runs this vCPU has dropped translations.
    pub const CODE_WRITES: u16 = 18;
    /// Always 0, for the interpreter to read where an operand is the constant 0.
    pub const ZERO: u16 = 16;
    /// First slot that the guest front end lays out.
    pub const FIRST_GUEST: u16 = 32;
    /// Guest slots that accesses to memory neither read nor write, whichever way they end: general
    /// registers. Generated code may write them after an access that left the region.
    pub const UNSEEN_BY_ACCESSES: std::ops::Range<u16> = FIRST_GUEST..FIRST_GUEST + 31;
    /// First slot that the interpreter uses for temporaries.
    pub const FIRST_TEMP: u16 = 256;
    /// Number of slots: a power of two.
    pub const COUNT: usize = 1024;
}

/// Entries in each half of the TLB. Entry `n` serves pages whose number is `n` modulo this. Fewer in
/// WebAssembly, whose stack of 1 MiB a block passes over when it is made.
pub const TLB_ENTRIES: usize = if cfg!(target_arch = "wasm32") {
    4096
} else {
    16384
};

/// Bits of a virtual address, shifted right by [`TLB_INDEX_SHIFT`], that are the offset of its entry
/// in each half of the TLB.
pub const TLB_INDEX: u64 = ((TLB_ENTRIES - 1) * size_of::<TlbEntry>()) as u64;
/// How far an address is to be shifted for [`TLB_INDEX`]: its page number times an entry's size.
pub const TLB_INDEX_SHIFT: u32 = PAGE_BITS - size_of::<TlbEntry>().ilog2();

/// Bits of a tag below the page number: the translation context.
pub const CONTEXT_MASK: u64 = PAGE_SIZE - 1;

/// One page's translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TlbEntry {
    /// Page-aligned virtual address, with the context number in the bits below. [`Self::EMPTY`]'s
    /// tag matches nothing, since no context has that number.
    pub tag: u64,
    /// What to add (wrapping) to a virtual address in the page to get its [`RamOffset`].
    pub addend: u64,
}

impl TlbEntry {
    /// An entry that no access matches.
    pub const EMPTY: Self = Self {
        tag: CONTEXT_MASK,
        addend: 0,
    };

    /// The entry that maps the page of `at` to the arena page `ram` in context `context`.
    #[must_use]
    pub fn new(at: GuestVirt, ram: RamOffset, context: u64) -> Self {
        let page = at.page().0;
        Self {
            tag: page | (context & CONTEXT_MASK),
            addend: ram.page().0.wrapping_sub(page),
        }
    }

    /// The arena page that it leads to; [`Self::EMPTY`] says the first.
    #[must_use]
    pub fn page(self) -> RamOffset {
        RamOffset((self.tag & !CONTEXT_MASK).wrapping_add(self.addend))
    }
}

/// The flat state of one vCPU.
#[repr(C, align(64))]
pub struct VcpuBlock {
    /// Registers, flags, temporaries: see [`slot`].
    pub slots: [u64; slot::COUNT],
    /// Translations that loads may use.
    pub tlb_read: [TlbEntry; TLB_ENTRIES],
    /// Translations that stores may use: never pages of translated code, read-only or watched pages.
    pub tlb_write: [TlbEntry; TLB_ENTRIES],
}

impl VcpuBlock {
    /// A block with every slot zero, no reservation and an empty TLB.
    #[must_use]
    pub fn new() -> Box<Self> {
        let mut block = Box::new(Self {
            slots: [0; slot::COUNT],
            tlb_read: [TlbEntry::EMPTY; TLB_ENTRIES],
            tlb_write: [TlbEntry::EMPTY; TLB_ENTRIES],
        });
        block.slots[slot::EXCLUSIVE_AT as usize] = slot::NO_EXCLUSIVE;
        block
    }

    /// The value of a slot.
    #[inline(always)]
    #[must_use]
    pub fn get(&self, slot: u16) -> u64 {
        self.slots[slot as usize & (slot::COUNT - 1)]
    }

    /// Sets a slot.
    #[inline(always)]
    pub fn set(&mut self, slot: u16, value: u64) {
        self.slots[slot as usize & (slot::COUNT - 1)] = value;
    }

    /// The 128-bit value in a slot and its successor (low half first).
    #[inline(always)]
    #[must_use]
    pub fn get_vector(&self, slot: u16) -> u128 {
        u128::from(self.get(slot)) | u128::from(self.get(slot + 1)) << 64
    }

    /// Sets a slot and its successor to a 128-bit value.
    #[inline(always)]
    pub fn set_vector(&mut self, slot: u16, value: u128) {
        self.set(slot, value as u64);
        self.set(slot + 1, (value >> 64) as u64);
    }

    /// The context number that tags an access to `at`.
    #[inline(always)]
    #[must_use]
    pub fn context(&self, at: GuestVirt, unprivileged: bool) -> u64 {
        let high = (at.0 >> 55 & 1) as u16;
        self.get(slot::CONTEXT_LOW + high + 2 * u16::from(unprivileged))
    }

    /// Index of the TLB entry (in either half) that serves `at`.
    #[inline(always)]
    #[must_use]
    pub fn tlb_index(at: GuestVirt) -> usize {
        (at.0 / PAGE_SIZE) as usize & (TLB_ENTRIES - 1)
    }

    /// Makes the engine return at the next region boundary, keeping the count of instructions.
    pub fn request_exit(&mut self) {
        let budget = self.get(slot::BUDGET) as i64;
        if budget > 0 {
            self.set(
                slot::DEFERRED,
                self.get(slot::DEFERRED).wrapping_add(budget as u64),
            );
            self.set(slot::BUDGET, 0);
        }
    }

    /// Empties both halves of the TLB.
    pub fn flush_tlb(&mut self) {
        self.tlb_read.fill(TlbEntry::EMPTY);
        self.tlb_write.fill(TlbEntry::EMPTY);
    }
}

/// Code that others translated, and writes to code.
impl VcpuBlock {
    /// Whether translations have to go before one is run again: somebody wrote to code.
    #[inline(always)]
    #[must_use]
    pub fn has_stale_code(&self, ram: &GuestRam) -> bool {
        ram.code_writes() != self.get(slot::CODE_WRITES)
    }

    /// Lets go of fast write mappings to pages that others have translated code from since the last
    /// call. What was written through such a mapping meanwhile is not known: it counts as written to.
    pub fn follow_code(&mut self, ram: &GuestRam) {
        let epoch = ram.code_epoch();
        if self.get(slot::CODE_EPOCH) == epoch {
            return;
        }
        self.set(slot::CODE_EPOCH, epoch);
        for entry in &mut self.tlb_write {
            let page = entry.page();
            if *entry != TlbEntry::EMPTY && ram.is_code(page) {
                *entry = TlbEntry::EMPTY;
                ram.note_code_write(page);
            }
        }
    }

    /// This vCPU itself gave a page its first translation, and has dropped its own fast write
    /// mappings of it.
    pub fn note_own_code(&mut self) {
        self.set(slot::CODE_EPOCH, self.get(slot::CODE_EPOCH).wrapping_add(1));
    }
}

/// The instruction budget; see [`slot::BUDGET`].
impl VcpuBlock {
    /// Guest instructions that may still run before control returns; 0 or less at a region
    /// boundary makes it return.
    #[inline(always)]
    #[must_use]
    pub fn budget(&self) -> i64 {
        self.get(slot::BUDGET) as i64
    }

    /// Takes the instructions of a block that is about to run from the budget.
    #[inline(always)]
    pub fn charge(&mut self, insns: u32) {
        self.set(
            slot::BUDGET,
            self.get(slot::BUDGET).wrapping_sub(u64::from(insns)),
        );
    }

    /// Returns charged instructions that did not run. A budget that is used up, or that
    /// [`Self::request_exit`] took, stays so: they go to [`slot::DEFERRED`] then.
    pub fn give_back(&mut self, insns: u32) {
        let to = if self.budget() > 0 {
            slot::BUDGET
        } else {
            slot::DEFERRED
        };
        self.set(to, self.get(to).wrapping_add(u64::from(insns)));
    }
}
