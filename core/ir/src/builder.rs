//! How a front end makes regions.

use ferrite_simd::{Dest, Shape, WideOp};

use crate::op::{
    AtomicOp, BinOp, Block, BlockId, Cc, Condition, Fence, FlagKind, Global, HelperId, Int, Mem,
    Op, Region, Terminator, UnOp, Value, VecGlobal, Vector, Width,
};

/// Appends operations to the block being built. Constants are folded as they come, so a front end
/// may write the general form of an instruction and get the special one.
pub struct Builder {
    region: Region,
    ops: Vec<Op>,
    ints: u32,
    vectors: u32,
    constants: Vec<Option<u64>>,
}

impl Builder {
    /// A builder for a region entered at guest address `entry`, with block 0 open.
    #[must_use]
    pub fn new(entry: u64) -> Self {
        Self {
            region: Region {
                entry,
                blocks: Vec::new(),
                insns: 0,
                bytes: 0,
            },
            ops: Vec::with_capacity(64),
            ints: 0,
            vectors: 0,
            constants: Vec::new(),
        }
    }

    /// Marks the start of the guest instruction of `bytes` bytes at `pc`.
    pub fn insn(&mut self, pc: u64, bytes: u32) {
        self.region.insns += 1;
        let end = pc
            .wrapping_add(u64::from(bytes))
            .wrapping_sub(self.region.entry);
        // What lies before the entry seems far behind it.
        if let Ok(end) = u32::try_from(end) {
            self.region.bytes = self.region.bytes.max(end);
        }
        self.ops.push(Op::Insn { pc });
    }

    /// Closes the open block and opens the next.
    pub fn end_block(&mut self, end: Terminator) -> BlockId {
        let ops = std::mem::take(&mut self.ops);
        self.region.blocks.push(Block { ops, end });
        BlockId(self.region.blocks.len() as u16 - 1)
    }

    /// Closes the open block and returns the region.
    #[must_use]
    pub fn finish(mut self, end: Terminator) -> Region {
        self.end_block(end);
        self.region
    }

    /// Guest instructions marked so far.
    #[must_use]
    pub fn insns(&self) -> u32 {
        self.region.insns
    }

    fn new_int(&mut self) -> Int {
        self.ints += 1;
        self.constants.push(None);
        Int(self.ints - 1)
    }

    fn new_vector(&mut self) -> Vector {
        self.vectors += 1;
        Vector(self.vectors - 1)
    }

    /// The value of `a` where it is known now.
    #[must_use]
    pub fn known(&self, a: Int) -> Option<u64> {
        self.constants.get(a.0 as usize).copied().flatten()
    }

    /// A constant.
    pub fn iconst(&mut self, value: u64) -> Int {
        let d = self.new_int();
        self.constants[d.0 as usize] = Some(value);
        self.ops.push(Op::Const { d, value });
        d
    }

    /// Reads a global.
    pub fn get(&mut self, from: Global) -> Int {
        let d = self.new_int();
        self.ops.push(Op::Get { d, from });
        d
    }

    /// Writes a global.
    pub fn set(&mut self, to: Global, a: Int) {
        self.ops.push(Op::Set { to, a });
    }

    /// Reads a vector global.
    pub fn get_vec(&mut self, from: VecGlobal) -> Vector {
        let d = self.new_vector();
        self.ops.push(Op::GetVec { d, from });
        d
    }

    /// Writes a vector global.
    pub fn set_vec(&mut self, to: VecGlobal, a: Vector) {
        self.ops.push(Op::SetVec { to, a });
    }

    /// An operation of two operands.
    pub fn bin(&mut self, op: BinOp, w: Width, a: Int, b: Int) -> Int {
        let d = self.new_int();
        self.ops.push(Op::Bin { op, w, d, a, b });
        d
    }

    /// An operation with a constant second operand.
    pub fn bin_const(&mut self, op: BinOp, w: Width, a: Int, b: u64) -> Int {
        let b = self.iconst(b);
        self.bin(op, w, a, b)
    }

    /// An operation of one operand.
    pub fn un(&mut self, op: UnOp, w: Width, a: Int) -> Int {
        let d = self.new_int();
        self.ops.push(Op::Un { op, w, d, a });
        d
    }

    /// A bit field of `a`.
    pub fn extract(&mut self, w: Width, a: Int, lsb: u8, len: u8, signed: bool) -> Int {
        let d = self.new_int();
        self.ops.push(Op::Extract {
            d,
            w,
            a,
            lsb,
            len,
            signed,
        });
        d
    }

    /// `a` with a bit field replaced by the low bits of `b`.
    pub fn insert(&mut self, w: Width, a: Int, b: Int, lsb: u8, len: u8) -> Int {
        let d = self.new_int();
        self.ops.push(Op::Insert {
            d,
            w,
            a,
            b,
            lsb,
            len,
        });
        d
    }

    /// Bits of a concatenation.
    pub fn funnel(&mut self, w: Width, high: Int, low: Int, lsb: u8) -> Int {
        let d = self.new_int();
        self.ops.push(Op::Funnel {
            d,
            w,
            high,
            low,
            lsb,
        });
        d
    }

    /// A comparison.
    pub fn compare(&mut self, cc: Cc, w: Width, a: Int, b: Int) -> Int {
        let d = self.new_int();
        self.ops.push(Op::Compare { cc, w, d, a, b });
        d
    }

    /// A choice.
    pub fn select(&mut self, c: Int, a: Int, b: Int) -> Int {
        let d = self.new_int();
        self.ops.push(Op::Select { d, c, a, b });
        d
    }

    /// Sets the flags; `c` may be any value where the kind does not read it (pass `a`).
    pub fn set_flags(&mut self, kind: FlagKind, a: Int, b: Int, c: Int) {
        self.ops.push(Op::SetFlags { kind, a, b, c });
    }

    /// Sets the flags depending on `c`.
    pub fn set_flags_if(&mut self, c: Int, kind: FlagKind, a: Int, b: Int, otherwise: u32) {
        self.ops.push(Op::SetFlagsIf {
            c,
            kind,
            a,
            b,
            otherwise,
        });
    }

    /// Tests the flags.
    pub fn test(&mut self, cond: Condition) -> Int {
        let d = self.new_int();
        self.ops.push(Op::Test { d, cond });
        d
    }

    /// Reads the flags.
    pub fn get_nzcv(&mut self) -> Int {
        let d = self.new_int();
        self.ops.push(Op::GetNzcv { d });
        d
    }

    /// An integer load.
    pub fn load(&mut self, addr: Int, disp: i32, mem: Mem) -> Int {
        let d = self.new_int();
        self.ops.push(Op::Load { d, addr, disp, mem });
        d
    }

    /// An integer store.
    pub fn store(&mut self, addr: Int, disp: i32, a: Int, mem: Mem) {
        self.ops.push(Op::Store { addr, disp, a, mem });
    }

    /// A vector load.
    pub fn load_vec(&mut self, addr: Int, disp: i32, mem: Mem) -> Vector {
        let d = self.new_vector();
        self.ops.push(Op::LoadVec { d, addr, disp, mem });
        d
    }

    /// A vector store.
    pub fn store_vec(&mut self, addr: Int, disp: i32, a: Vector, mem: Mem) {
        self.ops.push(Op::StoreVec { addr, disp, a, mem });
    }

    /// A load that reserves.
    pub fn load_exclusive(&mut self, addr: Int, mem: Mem) -> Int {
        let d = self.new_int();
        self.ops.push(Op::LoadExclusive { d, addr, mem });
        d
    }

    /// A pair load that reserves.
    pub fn load_exclusive_pair(&mut self, addr: Int, mem: Mem) -> [Int; 2] {
        let d = [self.new_int(), self.new_int()];
        self.ops.push(Op::LoadExclusivePair { d, addr, mem });
        d
    }

    /// A conditional store: 0 when it happened.
    pub fn store_exclusive(&mut self, addr: Int, a: Int, mem: Mem) -> Int {
        let d = self.new_int();
        self.ops.push(Op::StoreExclusive { d, addr, a, mem });
        d
    }

    /// A conditional pair store: 0 when it happened.
    pub fn store_exclusive_pair(&mut self, addr: Int, a: [Int; 2], mem: Mem) -> Int {
        let d = self.new_int();
        self.ops.push(Op::StoreExclusivePair { d, addr, a, mem });
        d
    }

    /// Drops the reservation.
    pub fn clear_exclusive(&mut self) {
        self.ops.push(Op::ClearExclusive);
    }

    /// An atomic read-modify-write.
    pub fn atomic_rmw(&mut self, op: AtomicOp, addr: Int, a: Int, mem: Mem) -> Int {
        let d = self.new_int();
        self.ops.push(Op::AtomicRmw {
            op,
            d,
            addr,
            a,
            mem,
        });
        d
    }

    /// A compare-and-swap.
    pub fn atomic_cas(&mut self, addr: Int, old: Int, new: Int, mem: Mem) -> Int {
        let d = self.new_int();
        self.ops.push(Op::AtomicCas {
            d,
            addr,
            old,
            new,
            mem,
        });
        d
    }

    /// A compare-and-swap of a pair.
    pub fn atomic_cas_pair(
        &mut self,
        addr: Int,
        old: [Int; 2],
        new: [Int; 2],
        mem: Mem,
    ) -> [Int; 2] {
        let d = [self.new_int(), self.new_int()];
        self.ops.push(Op::AtomicCasPair {
            d,
            addr,
            old,
            new,
            mem,
        });
        d
    }

    /// A barrier.
    pub fn fence(&mut self, fence: Fence) {
        self.ops.push(Op::Fence(fence));
    }

    fn wide(
        &mut self,
        op: WideOp,
        shape: Shape,
        imm: u32,
        d: Value,
        v: &[Vector],
        int: Option<Int>,
    ) {
        let signature = op.signature();
        debug_assert_eq!(v.len(), usize::from(signature.vecs), "{op:?}");
        debug_assert_eq!(int.is_some(), signature.int, "{op:?}");
        let v = std::array::from_fn(|i| v.get(i).copied());
        self.ops.push(Op::Wide {
            op,
            shape,
            imm,
            d,
            v,
            int,
        });
    }

    /// A wide operation with a vector result.
    pub fn wide_vec(
        &mut self,
        op: WideOp,
        shape: Shape,
        imm: u32,
        v: &[Vector],
        int: Option<Int>,
    ) -> Vector {
        debug_assert_eq!(op.signature().dest, Dest::Vec, "{op:?}");
        let d = self.new_vector();
        self.wide(op, shape, imm, Value::Vector(d), v, int);
        d
    }

    /// A wide operation with an integer result.
    pub fn wide_int(
        &mut self,
        op: WideOp,
        shape: Shape,
        imm: u32,
        v: &[Vector],
        int: Option<Int>,
    ) -> Int {
        debug_assert_eq!(op.signature().dest, Dest::Int, "{op:?}");
        let d = self.new_int();
        self.wide(op, shape, imm, Value::Int(d), v, int);
        d
    }

    /// Calls a helper for its result.
    pub fn call(&mut self, helper: HelperId, args: &[Int]) -> Int {
        let d = self.new_int();
        let args = std::array::from_fn(|i| args.get(i).copied());
        self.ops.push(Op::Call {
            helper,
            args,
            d: Some(d),
        });
        d
    }

    /// Calls a helper for its effects.
    pub fn call_void(&mut self, helper: HelperId, args: &[Int]) {
        let args = std::array::from_fn(|i| args.get(i).copied());
        self.ops.push(Op::Call {
            helper,
            args,
            d: None,
        });
    }

    /// Calls `helper`, which leaves, if any bit of `mask` is set in `a`.
    pub fn guard(&mut self, a: Int, mask: u64, helper: HelperId) {
        self.ops.push(Op::Guard { a, mask, helper });
    }
}
