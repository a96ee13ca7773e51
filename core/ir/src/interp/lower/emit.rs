//! Writing the instructions of a block.

use super::super::code::{Code, Instr, NO_SLOT, tables};
use super::super::lowered::{AtomicEntry, AtomicKind, LowerError, Mark, Tables, WideEntry};
use super::places::Places;
use super::plan::{Action, Plan, exchange, is_plain};
use crate::op::{
    BinOp, Block, Cc, Fence, FlagKind, IndirectKind, Int, Mem, Op, Region, Sign, Size, Target,
    Terminator, UnOp, Value, Vector, Width,
};
use crate::state::slot;

type Result<T> = std::result::Result<T, LowerError>;

/// An operand: a constant or a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operand {
    Imm(u64),
    Slot(u16),
}

/// A guest address.
enum Address {
    Displaced(u16, u64),
    Indexed { base: u16, index: u16, shift: u64 },
}

/// The flag update just written, for the operations that can be joined with it.
#[derive(Clone, Copy)]
struct LastFlags {
    /// Index of its instruction.
    at: usize,
    kind: FlagKind,
    a: Int,
    b: Int,
}

/// Codes of a comparison.
struct CompareCodes {
    set: [Code; 2],
    branch: [Code; 2],
    flags_branch: [Code; 2],
    subs_branch: Code,
    select: [Code; 2],
}

macro_rules! define_code_tables {
    (
        bin { $($bin_r:ident $bin_i:ident $bin_op:ident $bin_w:ident,)* }
        un { $($un:ident $un_op:ident $un_w:ident,)* }
        compare { $($set_r:ident $set_i:ident $br_r:ident $br_i:ident $flags_r:ident $flags_i:ident
                    $subs_i:ident $sel_r:ident $sel_i:ident $cc:ident $cc_w:ident,)* }
        shifted { $($sh:ident $sh_op:ident $sh_by:ident $sh_w:ident,)* }
        load { $($load:ident $load_x:ident $load_t:ident $load_size:ident $load_sign:ident,)* }
        store { $($store:ident $store_x:ident $store_t:ident $store_size:ident,)* }
        pair { $($pair_l:ident $pair_s:ident $pair_t:ident $pair_size:ident,)* }
    ) => {
        /// Register and immediate form.
        fn bin_code(op: BinOp, w: Width) -> [Code; 2] {
            match (op, w) {
                $((BinOp::$bin_op, Width::$bin_w) => [Code::$bin_r, Code::$bin_i],)*
            }
        }

        fn un_code(op: UnOp, w: Width) -> Code {
            match (op, w) {
                $((UnOp::$un_op, Width::$un_w) => Code::$un,)*
            }
        }

        /// Pairs are of register and immediate form.
        fn compare_codes(cc: Cc, w: Width) -> CompareCodes {
            match (cc, w) {
                $((Cc::$cc, Width::$cc_w) => CompareCodes {
                    set: [Code::$set_r, Code::$set_i],
                    branch: [Code::$br_r, Code::$br_i],
                    flags_branch: [Code::$flags_r, Code::$flags_i],
                    subs_branch: Code::$subs_i,
                    select: [Code::$sel_r, Code::$sel_i],
                },)*
            }
        }

        fn shifted_code(op: BinOp, by: BinOp, w: Width) -> Option<Code> {
            Some(match (op, by, w) {
                $((BinOp::$sh_op, BinOp::$sh_by, Width::$sh_w) => Code::$sh,)*
                _ => return None,
            })
        }

        /// Displaced and indexed form.
        fn load_code(size: Size, sign: Sign) -> Option<[Code; 2]> {
            Some(match (size, sign) {
                $((Size::$load_size, Sign::$load_sign) => [Code::$load, Code::$load_x],)*
                _ => return None,
            })
        }

        fn store_code(size: Size) -> Option<[Code; 2]> {
            Some(match size {
                $(Size::$store_size => [Code::$store, Code::$store_x],)*
                Size::B16 => return None,
            })
        }

        /// Load and store of a pair.
        fn pair_code(size: Size) -> Option<[Code; 2]> {
            Some(match size {
                $(Size::$pair_size => [Code::$pair_l, Code::$pair_s],)*
                _ => return None,
            })
        }
    };
}
tables!(define_code_tables);

fn vector_codes(size: Size) -> [Code; 2] {
    match size {
        Size::B1 => [Code::LoadVecB1, Code::StoreVecB1],
        Size::B2 => [Code::LoadVecB2, Code::StoreVecB2],
        Size::B4 => [Code::LoadVecB4, Code::StoreVecB4],
        Size::B8 => [Code::LoadVecB8, Code::StoreVecB8],
        Size::B16 => [Code::LoadVecB16, Code::StoreVecB16],
    }
}

/// Sum or difference that stores its flags, register and immediate form.
fn arith_flags_code(kind: FlagKind) -> Option<[Code; 2]> {
    Some(match kind {
        FlagKind::Add(Width::W64) => [Code::AddsR64, Code::AddsI64],
        FlagKind::Add(Width::W32) => [Code::AddsR32, Code::AddsI32],
        FlagKind::Sub(Width::W64) => [Code::SubsR64, Code::SubsI64],
        FlagKind::Sub(Width::W32) => [Code::SubsR32, Code::SubsI32],
        _ => return None,
    })
}

/// State of lowering.
pub(super) struct Emitter {
    code: Vec<Instr>,
    tables: Tables,
    /// Where exits lead, by number.
    pub(super) targets: Vec<Target>,
    plan: Plan,
    places: Places,
    /// Temporaries of the operation being written, which go when it is.
    scratch: Vec<u16>,
    last_flags: Option<LastFlags>,
}

impl Emitter {
    pub(super) fn new(region: &Region) -> Self {
        let ops: usize = region.blocks.iter().map(|b| b.ops.len() / 2 + 1).sum();
        Self {
            code: Vec::with_capacity(ops),
            tables: Tables {
                marks: Vec::with_capacity(region.insns as usize + 1),
                ..Tables::default()
            },
            targets: Vec::new(),
            plan: Plan::default(),
            places: Places::new(),
            scratch: Vec::new(),
            last_flags: None,
        }
    }

    /// Index of the next instruction.
    pub(super) fn here(&self) -> u32 {
        self.code.len() as u32
    }

    pub(super) fn finish(self) -> (Vec<Instr>, Tables, Vec<Target>) {
        (self.code, self.tables, self.targets)
    }

    /// Writes a block of `insns` guest instructions.
    pub(super) fn block(&mut self, block: &Block, insns: u32) -> Result<()> {
        self.plan.make(block);
        self.places.begin(&self.plan);
        self.last_flags = None;
        let mut left = insns;
        for at in 0..self.plan.order.len() as u32 {
            let op = self.plan.op(block, at);
            match *op {
                Op::Insn { pc } => {
                    left = left.saturating_sub(1);
                    self.mark(left, Some(pc));
                }
                _ => match self.plan.actions[at as usize] {
                    Action::Emit => self.op(block, at, op)?,
                    Action::Pair(first) => self.pair(block, first, at)?,
                    Action::Sink(def) => self.op(block, at, self.plan.op(block, def))?,
                    Action::Skip => {}
                },
            }
            if matches!(op, Op::Set { to, .. } if to.0 == slot::PC) {
                self.mark(left, None);
            }
            self.release(at);
        }
        self.terminator(block)
    }

    fn mark(&mut self, left: u32, pc: Option<u64>) {
        let at = self.here();
        self.tables.marks.push(Mark { at, left, pc });
    }

    /// Gives back what the operation at `at` was the last to read.
    fn release(&mut self, at: u32) {
        for s in std::mem::take(&mut self.scratch) {
            self.places.free(s, false);
        }
        let _ = at;
    }

    fn push(&mut self, code: Code, a: u16, b: u16, c: u16, imm: u64) {
        self.code.push(Instr { code, a, b, c, imm });
    }

    // --- operands ---

    fn operand(&self, a: Int) -> Operand {
        match self.plan.constant(a) {
            Some(value) => Operand::Imm(value),
            None => Operand::Slot(self.places.place(Value::Int(a))),
        }
    }

    /// A slot that holds `a`.
    fn slot(&mut self, a: Int) -> Result<u16> {
        match self.operand(a) {
            Operand::Slot(s) => Ok(s),
            Operand::Imm(0) => Ok(slot::ZERO),
            Operand::Imm(value) => {
                let s = self.places.temporary(false)?;
                self.scratch.push(s);
                self.push(Code::MovI, s, 0, 0, value);
                Ok(s)
            }
        }
    }

    fn vector(&self, a: Vector) -> u16 {
        self.places.place(Value::Vector(a))
    }

    /// Makes way for a write to slots that values may be in.
    fn make_way(&mut self, to: u16, count: u16, at: u32) -> Result<()> {
        for m in self.places.make_way(&self.plan, to, count, at)? {
            let code = if m.vector { Code::MovVec } else { Code::Mov };
            self.push(code, m.to, m.from, 0, 0);
        }
        Ok(())
    }

    /// The slot that `d`, defined at `at`, is computed into.
    fn dest(&mut self, d: Value, at: u32) -> Result<u16> {
        let vector = matches!(d, Value::Vector(_));
        let to = match self.plan.facts(d).home {
            Some(home) => {
                self.make_way(home, if vector { 2 } else { 1 }, at)?;
                home
            }
            None => self.places.temporary(vector)?,
        };
        self.places.put(d, to);
        Ok(to)
    }

    fn dest_int(&mut self, d: Int, at: u32) -> Result<u16> {
        self.dest(Value::Int(d), at)
    }

    /// Saves every value that lives in a global before something may change the globals.
    fn save_globals(&mut self, at: u32) -> Result<()> {
        self.places.forget_flag_copies();
        for s in self.places.occupied() {
            self.make_way(s, 1, at)?;
        }
        Ok(())
    }

    // --- operations ---

    fn op(&mut self, block: &Block, at: u32, op: &Op) -> Result<()> {
        if op.may_leave() {
            // Its slow path sets the PC slot, before it reads its operands.
            self.make_way(slot::PC, 1, at.saturating_sub(1))?;
        }
        match *op {
            Op::Insn { .. } | Op::Const { .. } => {}
            Op::Get { d, from } => self.places.alias(&mut self.plan, Value::Int(d), from.0),
            Op::GetVec { d, from } => self.places.alias(&mut self.plan, Value::Vector(d), from.0),
            Op::Set { to, a } => self.set(at, to.0, a)?,
            Op::SetVec { to, a } => {
                let from = self.vector(a);
                if from != to.0 {
                    self.make_way(to.0, 2, at)?;
                    self.push(Code::MovVec, to.0, from, 0, 0);
                }
            }
            Op::Bin { op, w, d, a, b } => self.bin(block, at, op, w, d, [a, b])?,
            Op::Un { op, w, d, a } => {
                let b = self.slot(a)?;
                let to = self.dest_int(d, at)?;
                match (op, w) {
                    (UnOp::Mov, Width::W64) => self.push(Code::Mov, to, b, 0, 0),
                    _ => self.push(un_code(op, w), to, b, 0, 0),
                }
            }
            Op::Extract {
                d,
                w,
                a,
                lsb,
                len,
                signed,
            } => {
                let b = self.slot(a)?;
                let to = self.dest_int(d, at)?;
                let code = match (signed, w) {
                    (false, _) => Code::ExtractU,
                    (true, Width::W64) => Code::ExtractS64,
                    (true, Width::W32) => Code::ExtractS32,
                };
                self.push(code, to, b, 0, u64::from(lsb) | u64::from(len) << 8);
            }
            Op::Insert {
                d,
                w,
                a,
                b,
                lsb,
                len,
            } => {
                let (a, b) = (self.slot(a)?, self.slot(b)?);
                let to = self.dest_int(d, at)?;
                let code = match w {
                    Width::W64 => Code::Insert64,
                    Width::W32 => Code::Insert32,
                };
                self.push(code, to, a, b, u64::from(lsb) | u64::from(len) << 8);
            }
            Op::Funnel {
                d,
                w,
                high,
                low,
                lsb,
            } => {
                let (high, low) = (self.slot(high)?, self.slot(low)?);
                let to = self.dest_int(d, at)?;
                let code = match w {
                    Width::W64 => Code::Funnel64,
                    Width::W32 => Code::Funnel32,
                };
                self.push(code, to, high, low, u64::from(lsb));
            }
            Op::Compare { cc, w, d, a, b } => {
                let codes = compare_codes(cc, w).set;
                let a = self.slot(a)?;
                let b = self.operand(b);
                let to = self.dest_int(d, at)?;
                match b {
                    Operand::Slot(b) => self.push(codes[0], to, a, b, 0),
                    Operand::Imm(b) => self.push(codes[1], to, a, 0, b),
                }
            }
            Op::Select { d, c, a, b } => self.select(block, at, d, c, [a, b])?,
            Op::SetFlags { kind, a, b, c } => self.set_flags(at, kind, a, b, c)?,
            Op::SetFlagsIf {
                c,
                kind,
                a,
                b,
                otherwise,
            } => {
                let (c, a, b) = (self.slot(c)?, self.slot(a)?, self.slot(b)?);
                self.make_way(slot::FLAG_A, 2, at)?;
                let imm = kind.code() | u64::from(otherwise) << 32;
                self.push(Code::FlagsIf, c, a, b, imm);
            }
            Op::Test { d, cond } => {
                let to = self.dest_int(d, at)?;
                self.push(Code::Test, to, cond as u16, 0, 0);
            }
            Op::GetNzcv { d } => {
                let to = self.dest_int(d, at)?;
                self.push(Code::GetNzcv, to, 0, 0, 0);
            }
            Op::Load { d, addr, disp, mem } => {
                let address = self.address(block, addr, disp)?;
                let to = self.dest_int(d, at)?;
                self.access(
                    load_code(mem.size, mem.sign),
                    Code::LoadMem,
                    to,
                    address,
                    mem,
                )?;
            }
            Op::Store { addr, disp, a, mem } => {
                let address = self.address(block, addr, disp)?;
                let a = self.slot(a)?;
                self.access(store_code(mem.size), Code::StoreMem, a, address, mem)?;
            }
            Op::LoadVec { d, addr, disp, mem } => {
                let address = self.address(block, addr, disp)?;
                let to = self.dest(Value::Vector(d), at)?;
                let code = vector_codes(mem.size)[0];
                self.access(Some([code, code]), Code::LoadVecMem, to, address, mem)?;
            }
            Op::StoreVec { addr, disp, a, mem } => {
                let address = self.address(block, addr, disp)?;
                let a = self.vector(a);
                let code = vector_codes(mem.size)[1];
                self.access(Some([code, code]), Code::StoreVecMem, a, address, mem)?;
            }
            Op::ClearExclusive => self.push(Code::ClearExclusive, 0, 0, 0, 0),
            Op::Fence(fence) => {
                let kind = match fence {
                    Fence::Load => 0,
                    Fence::Store => 1,
                    Fence::Full => 2,
                };
                self.push(Code::Fence, kind, 0, 0, 0);
            }
            Op::Wide {
                op,
                shape,
                imm,
                d,
                v,
                int,
            } => {
                let run = ferrite_simd::resolve(op, shape).ok_or(LowerError::NoWideFunction)?;
                let signature = op.signature();
                let int = match int {
                    Some(a) => self.slot(a)?,
                    None => NO_SLOT,
                };
                let v = v.map(|v| v.map_or(0, |v| self.vector(v)));
                if signature.fp_env {
                    self.make_way(slot::FP_STATUS, 1, at)?;
                }
                let entry = WideEntry {
                    run,
                    imm,
                    d: self.dest(d, at)?,
                    vector: matches!(d, Value::Vector(_)),
                    vectors: signature.vecs,
                    fp_env: signature.fp_env,
                    v,
                    int,
                };
                let n = index(self.tables.wides.len())?;
                self.tables.wides.push(entry);
                self.push(Code::Wide, n, 0, 0, 0);
            }
            Op::Call { helper, args, d } => {
                let mut packed = 0;
                for (i, arg) in args.into_iter().enumerate() {
                    let s = match arg {
                        Some(a) => self.slot(a)?,
                        None => NO_SLOT,
                    };
                    packed |= u64::from(s) << (16 * i);
                }
                self.save_globals(at)?;
                let to = match d {
                    Some(d) => self.dest_int(d, at)?,
                    None => NO_SLOT,
                };
                let mark = self.last_mark()?;
                self.push(Code::Call, to, helper.0, mark, packed);
            }
            Op::Guard { a, mask, helper } => {
                let a = self.slot(a)?;
                let mark = self.last_mark()?;
                self.push(Code::Guard, a, helper.0, mark, mask);
            }
            Op::LoadExclusive { .. }
            | Op::LoadExclusivePair { .. }
            | Op::StoreExclusive { .. }
            | Op::StoreExclusivePair { .. }
            | Op::AtomicRmw { .. }
            | Op::AtomicCas { .. }
            | Op::AtomicCasPair { .. } => self.atomic(at, op)?,
        }
        let mut read = Vec::new();
        op.reads(|v| read.push(v));
        op.defines(|v| read.push(v));
        for v in read {
            self.release_value(block, v, at);
        }
        Ok(())
    }

    /// Gives back the temporary of `v`, or of what its deferred definition read.
    fn release_value(&mut self, block: &Block, v: Value, at: u32) {
        if let Value::Int(a) = v {
            if self.plan.constant(a).is_some() {
                return;
            }
            if let Some(op) = self.plan.deferred(block, a) {
                let mut inner = Vec::new();
                op.reads(|v| inner.push(v));
                for v in inner {
                    self.release_value(block, v, at);
                }
                return;
            }
        }
        self.places.release(&self.plan, v, at);
    }

    fn last_mark(&self) -> Result<u16> {
        index(self.tables.marks.len().saturating_sub(1))
    }

    fn set(&mut self, at: u32, to: u16, a: Int) -> Result<()> {
        let from = self.operand(a);
        if from == Operand::Slot(to) {
            return Ok(());
        }
        self.make_way(to, 1, at)?;
        match from {
            Operand::Imm(value) => self.push(Code::MovI, to, 0, 0, value),
            Operand::Slot(from) => self.push(Code::Mov, to, from, 0, 0),
        }
        Ok(())
    }

    fn bin(
        &mut self,
        block: &Block,
        at: u32,
        op: BinOp,
        w: Width,
        d: Int,
        [a, b]: [Int; 2],
    ) -> Result<()> {
        for (outer, inner) in [(a, b), (b, a)] {
            if let Some(deferred) = self.plan.deferred(block, inner) {
                return self.bin_of(at, op, w, d, outer, deferred);
            }
        }
        if let Some(flags) = self.last_flags
            && flags.at + 1 == self.code.len()
            && matches!(self.code[flags.at].code, Code::FlagsR | Code::FlagsI)
            && (flags.a, flags.b) == (a, b)
            && flags.kind == flag_kind(op, w)
            // A constant's temporary is gone by now.
            && self.plan.constant(a).is_none()
            && let Some(codes) = arith_flags_code(flags.kind)
        {
            return self.join_flags(at, codes, d);
        }
        let commutes = matches!(
            op,
            BinOp::Add | BinOp::Mul | BinOp::And | BinOp::Or | BinOp::Xor
        );
        let (a, b) = if commutes && self.plan.constant(a).is_some() {
            (b, a)
        } else {
            (a, b)
        };
        let codes = bin_code(op, w);
        let a = self.slot(a)?;
        let b = self.operand(b);
        let to = self.dest_int(d, at)?;
        match b {
            Operand::Slot(b) => self.push(codes[0], to, a, b, 0),
            Operand::Imm(b) => self.push(codes[1], to, a, 0, b),
        }
        Ok(())
    }

    /// Turns the flag update just written into the operation that also computes `d`.
    fn join_flags(&mut self, at: u32, codes: [Code; 2], d: Int) -> Result<()> {
        let Some(update) = self.code.pop() else {
            return Ok(());
        };
        let to = self.dest_int(d, at)?;
        if let Some(flags) = &mut self.last_flags {
            // A value that made way may have been written before.
            flags.at = self.code.len();
        }
        let code = codes[usize::from(update.code == Code::FlagsI)];
        self.push(code, to, update.b, update.c, update.imm);
        Ok(())
    }

    /// An operation one of whose operands was deferred: a shift or a product.
    fn bin_of(
        &mut self,
        at: u32,
        op: BinOp,
        w: Width,
        d: Int,
        outer: Int,
        inner: &Op,
    ) -> Result<()> {
        let Op::Bin {
            op: by, a: x, b: y, ..
        } = *inner
        else {
            return Ok(());
        };
        let outer = self.slot(outer)?;
        let x = self.slot(x)?;
        if by == BinOp::Mul {
            let y = self.slot(y)?;
            let to = self.dest_int(d, at)?;
            let code = match (op, w) {
                (BinOp::Sub, Width::W64) => Code::MulSub64,
                (BinOp::Sub, Width::W32) => Code::MulSub32,
                (_, Width::W64) => Code::MulAdd64,
                (_, Width::W32) => Code::MulAdd32,
            };
            self.push(code, to, x, y, u64::from(outer));
            return Ok(());
        }
        let count = self.plan.constant(y).unwrap_or(0);
        let to = self.dest_int(d, at)?;
        // The plan defers no other combination than the table has.
        let code = shifted_code(op, by, w).ok_or(LowerError::TooLarge)?;
        self.push(code, to, outer, x, count);
        Ok(())
    }

    fn select(&mut self, block: &Block, at: u32, d: Int, c: Int, [a, b]: [Int; 2]) -> Result<()> {
        let (a, b) = (self.slot(a)?, self.slot(b)?);
        let Some(&Op::Compare {
            cc, w, a: x, b: y, ..
        }) = self.plan.deferred(block, c)
        else {
            let c = self.slot(c)?;
            let to = self.dest_int(d, at)?;
            self.push(Code::Select, to, a, b, u64::from(c));
            return Ok(());
        };
        let (cc, x, y, a, b) = if self.plan.constant(x).is_some() {
            let (cc, negate) = exchange(cc);
            let (a, b) = if negate { (b, a) } else { (a, b) };
            (cc, y, x, a, b)
        } else {
            (cc, x, y, a, b)
        };
        let codes = compare_codes(cc, w).select;
        let x = self.slot(x)?;
        let y = self.operand(y);
        let to = self.dest_int(d, at)?;
        match y {
            Operand::Slot(y) => {
                self.push(codes[0], to, a, b, u64::from(x) | u64::from(y) << 16);
            }
            Operand::Imm(y) => self.push(codes[1], to, a, b, u64::from(x) | y << 32),
        }
        Ok(())
    }

    fn set_flags(&mut self, at: u32, kind: FlagKind, a: Int, b: Int, c: Int) -> Result<()> {
        let code = kind.code() as u16;
        let first = self.slot(a)?;
        let second = if kind.reads_b() {
            self.operand(b)
        } else {
            Operand::Imm(0)
        };
        if kind.reads_c() {
            let second = self.slot(b)?;
            let carry = self.slot(c)?;
            self.make_way(slot::FLAG_A, 3, at)?;
            self.push(Code::FlagsCarry, code, first, second, u64::from(carry));
        } else {
            self.make_way(slot::FLAG_A, 2, at)?;
            match second {
                Operand::Slot(second) => self.push(Code::FlagsR, code, first, second, 0),
                Operand::Imm(value) => self.push(Code::FlagsI, code, first, 0, value),
            }
        }
        let variable = |v: Int| self.plan.constant(v).is_none().then_some(v);
        let copies = [variable(a), if kind.reads_b() { variable(b) } else { None }];
        self.places.set_flag_copy(0, copies[0]);
        self.places.set_flag_copy(1, copies[1]);
        self.last_flags = kind.reads_b().then_some(LastFlags {
            at: self.code.len() - 1,
            kind,
            a,
            b,
        });
        Ok(())
    }

    // --- memory ---

    fn address(&mut self, block: &Block, addr: Int, disp: i32) -> Result<Address> {
        let disp = i64::from(disp) as u64;
        if let Some(value) = self.plan.constant(addr) {
            return Ok(Address::Displaced(slot::ZERO, value.wrapping_add(disp)));
        }
        let Some(&Op::Bin { a, b, .. }) = self.plan.deferred(block, addr) else {
            return Ok(Address::Displaced(self.slot(addr)?, disp));
        };
        let base = self.slot(a)?;
        if let Some(value) = self.plan.constant(b) {
            return Ok(Address::Displaced(base, disp.wrapping_add(value)));
        }
        Ok(match self.plan.deferred(block, b) {
            Some(&Op::Bin { a: x, b: count, .. }) => Address::Indexed {
                base,
                index: self.slot(x)?,
                shift: self.plan.constant(count).unwrap_or(0),
            },
            _ => Address::Indexed {
                base,
                index: self.slot(b)?,
                shift: 0,
            },
        })
    }

    /// An access in its plain form, or with its attributes in a table.
    fn access(
        &mut self,
        plain: Option<[Code; 2]>,
        general: Code,
        value: u16,
        address: Address,
        mem: Mem,
    ) -> Result<()> {
        let plain = plain.filter(|_| is_plain(mem));
        match (address, plain) {
            (Address::Displaced(base, disp), Some(codes)) => {
                self.push(codes[0], value, base, 0, disp);
            }
            (Address::Indexed { base, index, shift }, Some(codes)) => {
                self.push(codes[1], value, base, index, shift);
            }
            (Address::Displaced(base, disp), None) => {
                let known = self.tables.mems.iter().position(|&m| m == mem);
                let n = index(known.unwrap_or(self.tables.mems.len()))?;
                if known.is_none() {
                    self.tables.mems.push(mem);
                }
                self.push(general, value, base, n, disp);
            }
            // The plan makes indexed addresses for plain accesses only.
            (Address::Indexed { .. }, None) => return Err(LowerError::TooLarge),
        }
        Ok(())
    }

    fn pair(&mut self, block: &Block, first: u32, at: u32) -> Result<()> {
        self.make_way(slot::PC, 1, first.saturating_sub(1))?;
        let (one, two) = (self.plan.op(block, first), self.plan.op(block, at));
        let values = match (one, two) {
            (&Op::Load { d, addr, disp, mem }, &Op::Load { d: e, .. }) => {
                let base = self.slot(addr)?;
                let to = [self.dest_int(d, at)?, self.dest_int(e, at)?];
                let code = pair_code(mem.size).ok_or(LowerError::TooLarge)?[0];
                self.push(code, to[0], base, to[1], i64::from(disp) as u64);
                [addr, d, e]
            }
            (&Op::Store { addr, disp, a, mem }, &Op::Store { a: b, .. }) => {
                let base = self.slot(addr)?;
                let from = [self.slot(a)?, self.slot(b)?];
                let code = pair_code(mem.size).ok_or(LowerError::TooLarge)?[1];
                self.push(code, from[0], base, from[1], i64::from(disp) as u64);
                [addr, a, b]
            }
            _ => return Ok(()),
        };
        for v in values {
            self.release_value(block, Value::Int(v), at);
        }
        Ok(())
    }

    fn atomic(&mut self, at: u32, op: &Op) -> Result<()> {
        let mut entry = AtomicEntry {
            what: AtomicKind::LoadExclusive { pair: false },
            mem: Mem::plain(Size::B8),
            addr: slot::ZERO,
            d: [NO_SLOT; 2],
            a: [NO_SLOT; 2],
            old: [NO_SLOT; 2],
        };
        match *op {
            Op::LoadExclusive { addr, mem, .. } | Op::LoadExclusivePair { addr, mem, .. } => {
                let pair = matches!(op, Op::LoadExclusivePair { .. });
                entry.what = AtomicKind::LoadExclusive { pair };
                (entry.addr, entry.mem) = (self.slot(addr)?, mem);
            }
            Op::StoreExclusive { addr, a, mem, .. } => {
                entry.what = AtomicKind::StoreExclusive { pair: false };
                (entry.addr, entry.mem) = (self.slot(addr)?, mem);
                entry.a[0] = self.slot(a)?;
            }
            Op::StoreExclusivePair { addr, a, mem, .. } => {
                entry.what = AtomicKind::StoreExclusive { pair: true };
                (entry.addr, entry.mem) = (self.slot(addr)?, mem);
                entry.a = [self.slot(a[0])?, self.slot(a[1])?];
            }
            Op::AtomicRmw {
                op, addr, a, mem, ..
            } => {
                entry.what = AtomicKind::Rmw(op);
                (entry.addr, entry.mem) = (self.slot(addr)?, mem);
                entry.a[0] = self.slot(a)?;
            }
            Op::AtomicCas {
                addr,
                old,
                new,
                mem,
                ..
            } => {
                entry.what = AtomicKind::Cas { pair: false };
                (entry.addr, entry.mem) = (self.slot(addr)?, mem);
                entry.old[0] = self.slot(old)?;
                entry.a[0] = self.slot(new)?;
            }
            Op::AtomicCasPair {
                addr,
                old,
                new,
                mem,
                ..
            } => {
                entry.what = AtomicKind::Cas { pair: true };
                (entry.addr, entry.mem) = (self.slot(addr)?, mem);
                entry.old = [self.slot(old[0])?, self.slot(old[1])?];
                entry.a = [self.slot(new[0])?, self.slot(new[1])?];
            }
            _ => {}
        }
        let mut defined = Vec::new();
        op.defines(|d| defined.push(d));
        for (to, d) in entry.d.iter_mut().zip(defined) {
            *to = self.dest(d, at)?;
        }
        let n = index(self.tables.atomics.len())?;
        self.tables.atomics.push(entry);
        self.push(Code::Atomic, n, 0, 0, 0);
        Ok(())
    }

    // --- the end ---

    fn exit(&mut self, target: Target) -> Result<u16> {
        self.targets.push(target);
        index(self.targets.len() - 1)
    }

    fn exits(&mut self, then: Target, other: Target) -> Result<u16> {
        let first = self.exit(then)?;
        self.exit(other)?;
        Ok(first)
    }

    fn terminator(&mut self, block: &Block) -> Result<()> {
        match block.end {
            Terminator::Goto(target) => self.goto(target)?,
            Terminator::Indirect { to, kind } => {
                let kind = match kind {
                    IndirectKind::Jump => 0,
                    IndirectKind::Call => 1,
                    IndirectKind::Return => 2,
                };
                let to = self.slot(to)?;
                self.push(Code::Indirect, to, kind, 0, 0);
            }
            Terminator::Exit => self.push(Code::Exit, 0, 0, 0, 0),
            Terminator::Branch { c, then, other } => self.branch(block, c, then, other)?,
        }
        self.release(0);
        Ok(())
    }

    fn goto(&mut self, target: Target) -> Result<()> {
        let n = self.exit(target)?;
        self.push(Code::Goto, n, 0, 0, 0);
        Ok(())
    }

    fn branch(&mut self, block: &Block, c: Int, then: Target, other: Target) -> Result<()> {
        if let Some(value) = self.plan.constant(c) {
            return self.goto(if value != 0 { then } else { other });
        }
        match self.plan.deferred(block, c).cloned() {
            Some(Op::Compare { cc, w, a, b, .. }) => self.branch_if(cc, w, [a, b], then, other),
            Some(Op::Test { cond, .. }) => {
                let n = self.exits(then, other)?;
                self.push(Code::BrTest, cond as u16, 0, n, 0);
                Ok(())
            }
            Some(Op::Extract { a, lsb, len, .. }) => {
                self.branch_mask(a, crate::eval::mask(len) << lsb, then, other)
            }
            Some(Op::Bin { w, a, b, .. }) => {
                let mask = self.plan.constant(b).unwrap_or(0);
                self.branch_mask(a, crate::eval::truncate(w, mask), then, other)
            }
            _ => {
                let c = self.slot(c)?;
                let n = self.exits(then, other)?;
                let code = compare_codes(Cc::Ne, Width::W64).branch[1];
                self.push(code, c, 0, n, 0);
                Ok(())
            }
        }
    }

    fn branch_mask(&mut self, a: Int, mask: u64, then: Target, other: Target) -> Result<()> {
        let a = self.slot(a)?;
        let n = self.exits(then, other)?;
        self.push(Code::BrMask, a, 0, n, mask);
        Ok(())
    }

    fn branch_if(
        &mut self,
        cc: Cc,
        w: Width,
        [a, b]: [Int; 2],
        then: Target,
        other: Target,
    ) -> Result<()> {
        if let Some(flags) = self.last_flags
            && flags.at + 1 == self.code.len()
            && flags.kind == FlagKind::Sub(w)
        {
            if (flags.a, flags.b) == (a, b) {
                return self.branch_flags(cc, w, then, other);
            }
            if (flags.a, flags.b) == (b, a) {
                let (cc, negate) = exchange(cc);
                let (then, other) = if negate { (other, then) } else { (then, other) };
                return self.branch_flags(cc, w, then, other);
            }
        }
        if self.plan.constant(a).is_some() && self.plan.constant(b).is_none() {
            let (cc, negate) = exchange(cc);
            let (then, other) = if negate { (other, then) } else { (then, other) };
            return self.branch_plain(cc, w, [b, a], then, other);
        }
        self.branch_plain(cc, w, [a, b], then, other)
    }

    fn branch_plain(
        &mut self,
        cc: Cc,
        w: Width,
        [a, b]: [Int; 2],
        then: Target,
        other: Target,
    ) -> Result<()> {
        let codes = compare_codes(cc, w).branch;
        let a = self.slot(a)?;
        let b = self.operand(b);
        let n = self.exits(then, other)?;
        match b {
            Operand::Slot(b) => self.push(codes[0], a, b, n, 0),
            Operand::Imm(b) => self.push(codes[1], a, 0, n, b),
        }
        Ok(())
    }

    /// Joins the branch with the flag update (or difference) just written, on the same operands.
    fn branch_flags(&mut self, cc: Cc, w: Width, then: Target, other: Target) -> Result<()> {
        let n = self.exits(then, other)?;
        let codes = compare_codes(cc, w);
        let Some(update) = self.code.pop() else {
            return Ok(());
        };
        match update.code {
            Code::FlagsR => self.push(codes.flags_branch[0], update.b, update.c, n, 0),
            Code::FlagsI => self.push(codes.flags_branch[1], update.b, 0, n, update.imm),
            Code::SubsI64 | Code::SubsI32 => {
                self.push(codes.subs_branch, update.b, update.a, n, update.imm);
            }
            _ => {
                // Stored operands outlive the difference.
                self.code.push(update);
                self.push(codes.branch[0], slot::FLAG_A, slot::FLAG_B, n, 0);
            }
        }
        Ok(())
    }
}

/// The flags that a sum or difference of that width is joined with.
fn flag_kind(op: BinOp, w: Width) -> FlagKind {
    match op {
        BinOp::Add => FlagKind::Add(w),
        BinOp::Sub => FlagKind::Sub(w),
        _ => FlagKind::Nzcv,
    }
}

/// A table index.
fn index(n: usize) -> Result<u16> {
    u16::try_from(n)
        .ok()
        .filter(|&n| n < NO_SLOT)
        .ok_or(LowerError::TooLarge)
}
