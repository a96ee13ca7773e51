//! Arithmetic, choices and flags.

use super::super::code::Code;
use super::super::lowered::LowerError;
use super::codes::{arith_flags_code, bin_code, compare_codes, shifted_code};
use super::emit::{Emitter, Operand, Result};
use super::plan::exchange;
use crate::op::{BinOp, Block, FlagKind, Int, Op, Width};
use crate::state::slot;

/// The flag update just written, for the operations that can be joined with it.
#[derive(Clone, Copy)]
pub(super) struct LastFlags {
    /// Index of its instruction.
    pub at: usize,
    pub kind: FlagKind,
    pub a: Int,
    pub b: Int,
}

impl Emitter {
    pub(super) fn bin(
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

    pub(super) fn select(
        &mut self,
        block: &Block,
        at: u32,
        d: Int,
        c: Int,
        [a, b]: [Int; 2],
    ) -> Result<()> {
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

    pub(super) fn set_flags(
        &mut self,
        at: u32,
        kind: FlagKind,
        a: Int,
        b: Int,
        c: Int,
    ) -> Result<()> {
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
}

/// The flags that a sum or difference of that width is joined with.
fn flag_kind(op: BinOp, w: Width) -> FlagKind {
    match op {
        BinOp::Add => FlagKind::Add(w),
        BinOp::Sub => FlagKind::Sub(w),
        _ => FlagKind::Nzcv,
    }
}
