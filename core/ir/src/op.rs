//! Every operation of the intermediate representation; `kinds` has what tells variants of one apart.

mod kinds;

pub use kinds::*;

use ferrite_simd::{Shape, WideOp};

/// A 64-bit integer value, defined once and alive within its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Int(pub u32);

/// A 128-bit vector value, defined once and alive within its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vector(pub u32);

/// A value of either class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// An integer.
    Int(Int),
    /// A vector.
    Vector(Vector),
}

/// A 64-bit global: the number of its slot in the vCPU block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Global(pub u16);

/// A 128-bit global: the number of the first of its two slots, which is even.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VecGlobal(pub u16);

/// A function of the guest front end that translated code calls, by a number that
/// [`Env::call`](crate::Env::call) knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HelperId(pub u16);

/// Helpers that mean the same in every front end, so that a back end may do their work itself.
impl HelperId {
    /// Zeroes the naturally aligned 64 bytes around its first argument. Where the write look-aside
    /// buffer has their page for the present context, nothing but plain stores is needed.
    pub const ZERO_BLOCK: Self = Self(u16::MAX);

    /// Sees to it that code written by others is not run as it was. There is nothing to do while the
    /// writes to code are those that `slot::CODE_WRITES` tells.
    pub const FETCH_ANEW: Self = Self(u16::MAX - 1);
}

/// One operation. `d` is defined by it; other values are read.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant's description names its fields")]
pub enum Op {
    /// Marks the start of a guest instruction at `pc`: operations up to the next mark belong to it,
    /// and faults among them are reported there: [`slot::PC`](crate::slot::PC) is `pc` whenever
    /// the front end is called, unless the code has set that slot itself since the mark.
    Insn {
        /// Address of the guest instruction.
        pc: u64,
    },
    /// An integer constant.
    Const { d: Int, value: u64 },
    /// Reads a global.
    Get { d: Int, from: Global },
    /// Writes a global.
    Set { to: Global, a: Int },
    /// Reads a vector global.
    GetVec { d: Vector, from: VecGlobal },
    /// Writes a vector global.
    SetVec { to: VecGlobal, a: Vector },
    /// Two operands.
    Bin {
        op: BinOp,
        w: Width,
        d: Int,
        a: Int,
        b: Int,
    },
    /// One operand.
    Un { op: UnOp, w: Width, d: Int, a: Int },
    /// `len` bits of `a` from bit `lsb`, zero- or sign-extended to the width. `lsb + len` is at
    /// most the width.
    Extract {
        d: Int,
        w: Width,
        a: Int,
        lsb: u8,
        len: u8,
        signed: bool,
    },
    /// `a` with its `len` bits from `lsb` replaced by the low bits of `b`.
    Insert {
        d: Int,
        w: Width,
        a: Int,
        b: Int,
        lsb: u8,
        len: u8,
    },
    /// The low `w` bits of `(high:low) >> lsb`, `lsb` below the width.
    Funnel {
        d: Int,
        w: Width,
        high: Int,
        low: Int,
        lsb: u8,
    },
    /// 1 if the comparison holds, else 0.
    Compare {
        cc: Cc,
        w: Width,
        d: Int,
        a: Int,
        b: Int,
    },
    /// `a` if `c` is not zero, else `b`.
    Select { d: Int, c: Int, a: Int, b: Int },
    /// Makes the flags those of `kind` over the operands. `c` is read by `AddCarry` only.
    SetFlags {
        kind: FlagKind,
        a: Int,
        b: Int,
        c: Int,
    },
    /// If `c` is not zero, the flags of `kind` (Add or Sub) over `a` and `b`, else `otherwise`
    /// (N, Z, C, V in bits 31 to 28).
    SetFlagsIf {
        c: Int,
        kind: FlagKind,
        a: Int,
        b: Int,
        otherwise: u32,
    },
    /// 1 if the flags meet the condition, else 0.
    Test { d: Int, cond: Condition },
    /// The flags, N, Z, C, V in bits 31 to 28.
    GetNzcv { d: Int },
    /// Loads from `addr + disp` (wrapping). Faults leave everything as it was.
    Load {
        d: Int,
        addr: Int,
        disp: i32,
        mem: Mem,
    },
    /// Stores the low bytes of `a` at `addr + disp`.
    Store {
        addr: Int,
        disp: i32,
        a: Int,
        mem: Mem,
    },
    /// Loads 1 to 16 bytes into the low end of a vector, zero above.
    LoadVec {
        d: Vector,
        addr: Int,
        disp: i32,
        mem: Mem,
    },
    /// Stores the low 1 to 16 bytes of a vector.
    StoreVec {
        addr: Int,
        disp: i32,
        a: Vector,
        mem: Mem,
    },
    /// Loads and reserves for a later `StoreExclusive`.
    LoadExclusive { d: Int, addr: Int, mem: Mem },
    /// Loads two adjacent units (4 or 8 bytes each, the pair atomically) and reserves.
    LoadExclusivePair { d: [Int; 2], addr: Int, mem: Mem },
    /// Stores if the reservation holds; `d` is 0 if it did, 1 if not. The reservation goes.
    StoreExclusive { d: Int, addr: Int, a: Int, mem: Mem },
    /// Stores a pair if the reservation holds.
    StoreExclusivePair {
        d: Int,
        addr: Int,
        a: [Int; 2],
        mem: Mem,
    },
    /// Drops the reservation.
    ClearExclusive,
    /// Atomically replaces memory by `op(memory, a)`; `d` is the old value, extended as `mem` says.
    AtomicRmw {
        op: AtomicOp,
        d: Int,
        addr: Int,
        a: Int,
        mem: Mem,
    },
    /// Atomically replaces memory by `new` if it equals `old`; `d` is what was there.
    AtomicCas {
        d: Int,
        addr: Int,
        old: Int,
        new: Int,
        mem: Mem,
    },
    /// The same on two adjacent units of 4 or 8 bytes each.
    AtomicCasPair {
        d: [Int; 2],
        addr: Int,
        old: [Int; 2],
        new: [Int; 2],
        mem: Mem,
    },
    /// Orders memory accesses.
    Fence(Fence),
    /// A vector or floating-point operation: see [`ferrite_simd`].
    Wide {
        op: WideOp,
        shape: Shape,
        imm: u32,
        d: Value,
        v: [Option<Vector>; 3],
        int: Option<Int>,
    },
    /// Calls a helper with up to four arguments. Helpers see every global and may leave the region
    /// (an exception was taken); `d` is what they return.
    Call {
        helper: HelperId,
        args: [Option<Int>; 4],
        d: Option<Int>,
    },
    /// Calls `helper` with `a` as argument, which must leave the region, if `a & mask` is not zero:
    /// an alignment check or a trap that is almost never taken.
    Guard { a: Int, mask: u64, helper: HelperId },
}

/// A block's number within its region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockId(pub u16);

/// Where control goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A block of this region.
    Block(BlockId),
    /// A guest address: linked to that address's region once it exists.
    Guest(u64),
}

/// Why control goes to a computed address: what a return-address predictor wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IndirectKind {
    /// A jump.
    Jump,
    /// A call; the return address is the instruction after.
    Call,
    /// A return from a call.
    Return,
}

/// How a block ends.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant's description names its fields")]
pub enum Terminator {
    /// Goes to one place.
    Goto(Target),
    /// Goes to `then` if `c` is not zero, else to `other`.
    Branch { c: Int, then: Target, other: Target },
    /// Goes to the guest address in `to`.
    Indirect { to: Int, kind: IndirectKind },
    /// Continues at the guest address in [`slot::PC`](crate::slot::PC), through the engine's full
    /// look-up: what came before may have changed the translation context.
    Exit,
}

/// A basic block.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Operations in order.
    pub ops: Vec<Op>,
    /// How it ends.
    pub end: Terminator,
}

/// A unit of translation: blocks of guest code from one page, entered at block 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Guest address of the entry.
    pub entry: u64,
    /// The blocks; number 0 is the entry.
    pub blocks: Vec<Block>,
    /// Guest instructions translated.
    pub insns: u32,
    /// Bytes from `entry` to the end of the last instruction behind it that it was made from. What
    /// it was made from lies in the page of `entry`.
    pub bytes: u32,
}
