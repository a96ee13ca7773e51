//! From a region's operations to machine code, in one pass.
//!
//! ```text
//! entry:  take the block's instructions from the budget; used up? ──> leave
//!         operations; what is rare jumps to the cold part and back
//!         exits: jumps that are patched once their target has code
//! cold:   slow memory paths, failed guards, exits not yet linked
//! ```
//! One file per family of operations; this one has what they share.

mod access;
mod atomic;
mod cold;
mod control;
mod crypto;
mod edges;
mod flags;
mod float;
mod host;
mod integer;
mod lanes;
mod pair;
mod permute;
mod sums;
mod values;
mod wide;
mod widths;

use dynasm::dynasm;
use dynasmrt::{DynasmApi, SimpleAssembler};
use ferrite_ir::interp::{AtomicEntry, WideEntry};
use ferrite_ir::{Block, Int, Op, Region, Value, slot};

use super::carries::Carries;
use super::file::{File, NONE};
use super::frame::{Site, What};
use super::homes::Homes;
use super::plan::{self, Flags};
use super::slot_at;
use super::stubs::Stubs;
use cold::{Argument, Cold, Into};
pub(super) use host::Host;

/// Registers for values: all but the scratch ones, `rsp`, `rbp`, `r14` and `r15`.
const INTEGERS: u16 = 0b0011_1111_1100_1000;
/// All but `xmm0` to `xmm2`.
const VECTORS: u16 = 0b1111_1111_1111_1000;

const RAX: u8 = 0;
const RCX: u8 = 1;
const RDX: u8 = 2;

/// Condition codes as x86 numbers them.
pub(super) mod cc {
    pub const OVERFLOW: u8 = 0;
    pub const NO_OVERFLOW: u8 = 1;
    pub const BELOW: u8 = 2;
    pub const NOT_BELOW: u8 = 3;
    pub const EQUAL: u8 = 4;
    pub const NOT_EQUAL: u8 = 5;
    pub const NOT_ABOVE: u8 = 6;
    pub const ABOVE: u8 = 7;
    pub const SIGN: u8 = 8;
    pub const NO_SIGN: u8 = 9;
    pub const PARITY: u8 = 10;
    pub const LESS: u8 = 12;
    pub const NOT_LESS: u8 = 13;
    pub const NOT_GREATER: u8 = 14;
    pub const GREATER: u8 = 15;
}

/// Why a region has no code here. It is translated again, to less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// More values are alive at once than there are slots for.
    #[error("too many values are alive at once")]
    TooManyValues,
    /// A wide operation has no such shape.
    #[error("a wide operation has no function at its shape")]
    NoWideFunction,
    /// A value is used where it is not defined: the region breaks the rules.
    #[error("a value is used where it is not defined")]
    Undefined,
}

/// An exit to a guest address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exit {
    /// The address.
    pub pc: u64,
    /// Offset of the jump's distance, to be patched.
    pub jump: u32,
    /// What is there while the exit is not linked: the distance's value.
    pub unlinked: i32,
    /// For an address in another page, what guards the jump.
    pub guard: Option<Guarded>,
}

/// The guard of an exit that holds for one code generation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guarded {
    /// Offset of the generation that it compares with.
    pub generation: u32,
    /// Offset of the distance of the jump that is taken when it does not match.
    pub miss: u32,
    /// Distance of that jump once the exit has been linked.
    pub look_up: i32,
}

impl Exit {
    /// The same with its offsets counted from the start of the buffer.
    pub(super) fn moved(mut self, base: u32) -> Self {
        self.jump += base;
        if let Some(guard) = &mut self.guard {
            guard.generation += base;
            guard.miss += base;
        }
        self
    }
}

/// Machine code and what it refers to.
#[derive(Default)]
pub(super) struct Output {
    pub code: Vec<u8>,
    pub sites: Vec<Site>,
    pub wides: Vec<WideEntry>,
    pub atomics: Vec<AtomicEntry>,
    pub exits: Vec<Exit>,
    /// Offset, in the code, of what leaves the region at its entry: where a jump at the entry leads
    /// once the region is dead.
    pub bail: u32,
}

/// Where numbers start: each table goes on where those of earlier regions end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bases {
    /// Offset of the code in its buffer.
    pub code: u32,
    pub sites: u32,
    pub wides: u32,
    pub atomics: u32,
    pub exits: u32,
}

/// Where the code of a block starts, or what waits to be told.
#[derive(Default)]
struct Label {
    at: Option<usize>,
    waiting: Vec<usize>,
}

/// The state of one region's emission.
pub(super) struct Emitter<'a> {
    asm: SimpleAssembler,
    stubs: &'a Stubs,
    bases: Bases,
    out: Output,
    cold: Vec<Cold>,
    labels: Vec<Label>,
    homes: Homes,
    ints: File,
    vectors: File,
    flags: Flags,
    carries: Carries,
    /// Index of the operation that may rely on the host's carry flag, which those before it leave as
    /// it is.
    keeping_carry: u32,
    /// Index of the operation that sets the flags of the last sum written as one.
    carry_of: Option<u32>,
    /// Kind code in the flag slots, where known.
    stored_kind: Option<u64>,
    /// The present guest instruction, if the PC slot is still to be set to it.
    pc: Option<u64>,
    /// Guest instructions of the block that come after the present one.
    left: u32,
    /// Whether the block has called a helper, after which the code generations are up to date.
    called: bool,
    next_slot: u16,
    /// Look-ups in small tables so far.
    tables: usize,
    /// Index of the present operation.
    at: u32,
    /// Operations of the present block, for those that compute what earlier ones left to them.
    ops: &'a [Op],
    error: Option<EmitError>,
    /// Whether addresses in the region have bit 55 set.
    high: bool,
    /// The page of the region's code.
    page: u64,
    host: Host,
}

/// Buffers kept from one region to the next, for their allocations.
#[derive(Default)]
pub(super) struct Scratch {
    code: Vec<u8>,
}

/// Emits a region.
pub(super) fn region<'a>(
    region: &'a Region,
    stubs: &'a Stubs,
    bases: Bases,
    host: Host,
    scratch: &mut Scratch,
) -> Result<Output, EmitError> {
    let mut code = std::mem::take(&mut scratch.code);
    code.clear();
    let mut e = Emitter {
        asm: SimpleAssembler { ops: code },
        stubs,
        bases,
        out: Output::default(),
        cold: Vec::new(),
        labels: Vec::new(),
        homes: Homes::choose(region),
        ints: File::new(INTEGERS),
        vectors: File::new(VECTORS),
        flags: Flags::Unknown,
        carries: Carries::default(),
        keeping_carry: 0,
        carry_of: None,
        stored_kind: None,
        pc: None,
        left: 0,
        called: false,
        next_slot: slot::FIRST_TEMP,
        tables: 0,
        at: 0,
        ops: &[],
        error: None,
        high: region.entry >> 55 & 1 != 0,
        page: region.entry / ferrite_ram::PAGE_SIZE,
        host,
    };
    e.ints.set_homes(e.homes.ints);
    e.vectors.set_homes(e.homes.vectors);
    e.labels.resize_with(region.blocks.len(), Label::default);
    for n in 0..region.blocks.len() {
        e.block(region, n);
    }
    e.cold_part(region);
    match e.error {
        Some(error) => {
            scratch.code = e.asm.ops;
            Err(error)
        }
        None => {
            e.out.code = e.asm.ops;
            Ok(e.out)
        }
    }
}

impl Scratch {
    /// Takes back the buffer of code that has been copied.
    pub(super) fn give_back(&mut self, code: Vec<u8>) {
        self.code = code;
    }
}

impl<'a> Emitter<'a> {
    fn fail(&mut self, error: EmitError) {
        self.error = self.error.or(Some(error));
    }

    /// Offset in the code so far.
    fn here(&self) -> usize {
        self.asm.ops.len()
    }

    /// Writes a `rel32` that leads to an offset in the code buffer.
    fn distance_to(&mut self, target: u32) {
        let after = self.bases.code as usize + self.here() + 4;
        self.asm.push_i32(target as i32 - after as i32);
    }

    /// A jump to a stub.
    fn jump_stub(&mut self, stub: u32) {
        self.asm.push(0xe9);
        self.distance_to(stub);
    }

    fn call_stub(&mut self, stub: u32) {
        self.asm.push(0xe8);
        self.distance_to(stub);
    }

    /// A conditional jump whose distance comes later; returns the offset behind it.
    fn branch(&mut self, condition: u8) -> usize {
        self.asm.push(0x0f);
        self.asm.push(0x80 | condition);
        self.asm.push_i32(0);
        self.here()
    }

    /// A jump whose distance comes later.
    fn jump(&mut self) -> usize {
        self.asm.push(0xe9);
        self.asm.push_i32(0);
        self.here()
    }

    /// Lets the jump that ends at `from` lead to `to`.
    fn connect(&mut self, from: usize, to: usize) {
        let distance = (to as i32 - from as i32).to_le_bytes();
        self.asm.ops[from - 4..from].copy_from_slice(&distance);
    }

    /// Lets the jump that ends at `from` lead here.
    fn land(&mut self, from: usize) {
        self.connect(from, self.here());
    }

    /// A short conditional jump whose distance comes later.
    fn skip(&mut self, condition: u8) -> usize {
        self.asm.push(0x70 | condition);
        self.asm.push(0);
        self.here()
    }

    /// An unconditional short jump.
    fn skip_always(&mut self) -> usize {
        self.asm.push(0xeb);
        self.asm.push(0);
        self.here()
    }

    /// Lets a short jump lead here.
    fn land_short(&mut self, from: usize) {
        let distance = self.here() - from;
        debug_assert!(distance < 128);
        self.asm.ops[from - 1] = distance as u8;
    }

    /// A site of the present instruction.
    fn site(&mut self, what: What) -> u32 {
        self.out.sites.push(Site {
            pc: self.pc,
            left: self.left,
            what,
        });
        self.bases.sites + self.out.sites.len() as u32 - 1
    }

    fn block(&mut self, region: &'a Region, n: usize) {
        let block = &region.blocks[n];
        self.ops = &block.ops;
        self.start(region, n);
        self.next_slot = slot::FIRST_TEMP;
        plan::block(block, &mut self.ints, &mut self.vectors, &mut self.carries);
        self.keeping_carry = 0;
        self.carry_of = None;
        self.flags = Flags::Unknown;
        self.stored_kind = None;
        self.pc = None;
        self.left = count_insns(block);
        self.called = false;
        // Operations up to here are written with an earlier one.
        let mut written = 0;
        for (at, op) in block.ops.iter().enumerate() {
            self.at = at as u32;
            if at >= written {
                if self.pair() {
                    written = at + 2;
                } else if let Some(sum) = self.carries.sum(self.at) {
                    written = at + sum.len as usize;
                    self.sum(&sum);
                } else if self.wanted(op) {
                    self.op(op);
                }
            }
            self.flags = self.flags.after(op);
            self.end_op();
        }
        self.at = block.ops.len() as u32;
        self.terminator(n, &block.end);
    }

    fn end_op(&mut self) {
        self.ints.unpin();
        self.vectors.unpin();
        self.ints.release_until(self.at);
        self.vectors.release_until(self.at);
    }

    /// Whether an operation is to be written where it stands.
    fn wanted(&self, op: &Op) -> bool {
        if !op.is_pure() {
            return true;
        }
        let mut wanted = false;
        op.defines(|v| {
            wanted |= match v {
                Value::Int(Int(n)) => {
                    let value = self.ints.value(n);
                    value.uses > 0 && !value.deferred && !value.early
                }
                Value::Vector(v) => self.vectors.value(v.0).uses > 0,
            };
        });
        wanted
    }

    fn op(&mut self, op: &Op) {
        match *op {
            Op::Insn { pc } => {
                self.pc = Some(pc);
                self.left = self.left.saturating_sub(1);
            }
            Op::Const { .. } => {}
            Op::Get { d, from } => self.get(d, from.0),
            Op::Set { to, a } => self.set(to.0, a),
            Op::GetVec { d, from } => self.get_vector(d, from.0),
            Op::SetVec { to, a } => self.set_vector(to.0, a),
            Op::Bin { op, w, d, a, b } => self.bin(op, w, d, a, b),
            Op::Un { op, w, d, a } => self.un(op, w, d, a),
            Op::Extract {
                d,
                w,
                a,
                lsb,
                len,
                signed,
            } => self.extract(d, w, a, lsb, len, signed),
            Op::Insert {
                d,
                w,
                a,
                b,
                lsb,
                len,
            } => self.insert(d, w, a, b, lsb, len),
            Op::Funnel {
                d,
                w,
                high,
                low,
                lsb,
            } => self.funnel(d, w, high, low, lsb),
            Op::Compare { cc, w, d, a, b } => {
                let condition = self.compare(cc, w, a, b);
                self.set_condition(d, condition);
            }
            Op::Select { d, c, a, b } => self.select(d, c, a, b),
            Op::SetFlags { kind, a, b, c } => {
                self.set_flags(kind, a, b, c);
                self.hand_on_carry(kind, a, b, c);
            }
            Op::SetFlagsIf {
                c,
                kind,
                a,
                b,
                otherwise,
            } => self.set_flags_if(c, kind, a, b, otherwise),
            Op::Test { d, cond } => {
                let condition = self.test(cond);
                self.set_condition(d, condition);
            }
            Op::GetNzcv { d } => self.get_nzcv(d),
            Op::Load { d, addr, disp, mem } => self.load(d, addr, disp, mem),
            Op::Store { addr, disp, a, mem } => self.store(addr, disp, a, mem),
            Op::LoadVec { d, addr, disp, mem } => self.load_vector(d, addr, disp, mem),
            Op::StoreVec { addr, disp, a, mem } => self.store_vector(addr, disp, a, mem),
            Op::LoadExclusive { .. }
            | Op::LoadExclusivePair { .. }
            | Op::StoreExclusive { .. }
            | Op::StoreExclusivePair { .. }
            | Op::AtomicRmw { .. }
            | Op::AtomicCas { .. }
            | Op::AtomicCasPair { .. } => self.atomic(op),
            Op::ClearExclusive => {
                dynasm!(self.asm
                    ; .arch x64
                    ; mov QWORD [rbp + slot_at(slot::EXCLUSIVE_AT)], -1
                );
                const _: () = assert!(slot::NO_EXCLUSIVE == u64::MAX);
            }
            Op::Fence(fence) => self.fence(fence),
            Op::Wide {
                op,
                shape,
                imm,
                d,
                v,
                int,
            } => self.wide(op, shape, imm, &wide::Operands { d, v, int }),
            Op::Call { helper, args, d } => self.call(helper, args, d),
            Op::Guard { a, mask, helper } => self.guard(a, mask, helper),
        }
    }

    /// A slot for two words, for the rest of the block.
    fn new_slot(&mut self) -> u16 {
        let slot = self.next_slot;
        if slot + 2 > atomic::VALUES_END {
            self.fail(EmitError::TooManyValues);
            return slot::FIRST_TEMP;
        }
        self.next_slot += 2;
        slot
    }
}

fn count_insns(block: &Block) -> u32 {
    let marks = block.ops.iter().filter(|op| matches!(op, Op::Insn { .. }));
    marks.count() as u32
}

/// Whether a value survives being cut to 32 bits and sign-extended: an x86 immediate.
fn immediate(value: u64) -> Option<i32> {
    i32::try_from(value as i64).ok()
}

const _: () = assert!(NONE == u16::MAX);
