//! Writing the instructions of a block.

use super::super::code::{Code, Instr, NO_SLOT};
use super::super::lowered::{LowerError, Mark, Tables, WideEntry};
use super::arithmetic::LastFlags;
use super::codes::{compare_codes, load_code, store_code, un_code, vector_codes};
use super::places::Places;
use super::plan::{Action, Plan};
use crate::op::{Block, Fence, Int, Op, Region, Target, UnOp, Value, Vector, Width};
use crate::state::slot;

pub(super) type Result<T> = std::result::Result<T, LowerError>;

/// An operand: a constant or a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Imm(u64),
    Slot(u16),
}

/// State of lowering.
pub(super) struct Emitter {
    pub(super) code: Vec<Instr>,
    pub(super) tables: Tables,
    /// Where exits lead, by number.
    pub(super) targets: Vec<Target>,
    pub(super) plan: Plan,
    pub(super) places: Places,
    /// Temporaries of the operation being written, which go when it is.
    pub(super) scratch: Vec<u16>,
    pub(super) last_flags: Option<LastFlags>,
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
            self.release_scratch();
        }
        self.terminator(block)
    }

    pub(super) fn mark(&mut self, left: u32, pc: Option<u64>) {
        let at = self.here();
        self.tables.marks.push(Mark { at, left, pc });
    }

    /// Gives back the temporaries of constants.
    pub(super) fn release_scratch(&mut self) {
        for s in std::mem::take(&mut self.scratch) {
            self.places.free(s, false);
        }
    }

    pub(super) fn push(&mut self, code: Code, a: u16, b: u16, c: u16, imm: u64) {
        self.code.push(Instr { code, a, b, c, imm });
    }

    // --- operands ---

    pub(super) fn operand(&self, a: Int) -> Operand {
        match self.plan.constant(a) {
            Some(value) => Operand::Imm(value),
            None => Operand::Slot(self.places.place(Value::Int(a))),
        }
    }

    /// A slot that holds `a`.
    pub(super) fn slot(&mut self, a: Int) -> Result<u16> {
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

    pub(super) fn vector(&self, a: Vector) -> u16 {
        self.places.place(Value::Vector(a))
    }

    /// Makes way for a write to slots that values may be in.
    pub(super) fn make_way(&mut self, to: u16, count: u16, at: u32) -> Result<()> {
        for m in self.places.make_way(&self.plan, to, count, at)? {
            let code = if m.vector { Code::MovVec } else { Code::Mov };
            self.push(code, m.to, m.from, 0, 0);
        }
        Ok(())
    }

    /// The slot that `d`, defined at `at`, is computed into.
    pub(super) fn dest(&mut self, d: Value, at: u32) -> Result<u16> {
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

    pub(super) fn dest_int(&mut self, d: Int, at: u32) -> Result<u16> {
        self.dest(Value::Int(d), at)
    }

    /// Saves every value that lives in a global before something may change the globals.
    pub(super) fn save_globals(&mut self, at: u32) -> Result<()> {
        self.places.forget_flag_copies();
        for s in self.places.occupied() {
            self.make_way(s, 1, at)?;
        }
        Ok(())
    }

    // --- operations ---

    pub(super) fn op(&mut self, block: &Block, at: u32, op: &Op) -> Result<()> {
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
    pub(super) fn release_value(&mut self, block: &Block, v: Value, at: u32) {
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

    pub(super) fn last_mark(&self) -> Result<u16> {
        index(self.tables.marks.len().saturating_sub(1))
    }

    pub(super) fn set(&mut self, at: u32, to: u16, a: Int) -> Result<()> {
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
}

/// A table index.
pub(super) fn index(n: usize) -> Result<u16> {
    u16::try_from(n)
        .ok()
        .filter(|&n| n < NO_SLOT)
        .ok_or(LowerError::TooLarge)
}
