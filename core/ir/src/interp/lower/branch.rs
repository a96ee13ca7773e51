//! The end of a block.

use super::super::code::Code;
use super::codes::compare_codes;
use super::emit::{Emitter, Operand, Result, index};
use super::plan::exchange;
use crate::op::{Block, Cc, FlagKind, IndirectKind, Int, Op, Target, Terminator, Width};
use crate::state::slot;

impl Emitter {
    fn exit(&mut self, target: Target) -> Result<u16> {
        self.targets.push(target);
        index(self.targets.len() - 1)
    }

    fn exits(&mut self, then: Target, other: Target) -> Result<u16> {
        let first = self.exit(then)?;
        self.exit(other)?;
        Ok(first)
    }

    pub(super) fn terminator(&mut self, block: &Block) -> Result<()> {
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
        self.release_scratch();
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
