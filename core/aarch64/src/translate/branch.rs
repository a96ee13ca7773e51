//! Branches (Arm ARM C4.1.87).

use ferrite_ir::{BinOp, Condition, IndirectKind, Int, Target, Terminator, UnOp, Width};

use super::operand::{condition, sign_extend};
use super::{Flow, Outcome, Translator};
use crate::decode::branch::*;
use crate::state;

/// The link register.
const LR: u32 = 30;

impl Translator {
    /// The address `words` instructions away, a field of `width` bits.
    fn target(&self, words: u32, width: u32) -> Target {
        let offset = sign_extend(words, width) * 4;
        Target::Guest(self.pc.wrapping_add_signed(offset))
    }

    fn next(&self) -> u64 {
        self.pc.wrapping_add(4)
    }

    fn link(&mut self) {
        let next = self.b.iconst(self.next());
        self.b.set(state::x(LR), next);
    }

    /// Goes to `target` if `c` is not zero, or if it is, as `taken_if` says; else on.
    fn branch_if(&self, c: Int, taken_if: bool, target: Target) -> Outcome {
        let next = Target::Guest(self.next());
        let (then, other) = if taken_if {
            (target, next)
        } else {
            (next, target)
        };
        Ok(Flow::End(Terminator::Branch { c, then, other }))
    }

    fn compare_branch(&mut self, i: Cbz, taken_if: bool) -> Outcome {
        let target = self.target(i.imm19, 19);
        let mut a = self.x(i.rt);
        if i.sf == 0 {
            a = self.b.un(UnOp::ZeroExtend32, Width::W64, a);
        }
        self.branch_if(a, taken_if, target)
    }

    fn test_branch(&mut self, i: Tbz, taken_if: bool) -> Outcome {
        let target = self.target(i.imm14, 14);
        let a = self.x(i.rt);
        let bit = 1 << (i.b5 << 5 | i.b40);
        let c = self.b.bin_const(BinOp::And, Width::W64, a, bit);
        self.branch_if(c, taken_if, target)
    }

    fn branch_reg(&mut self, i: Br, kind: IndirectKind) -> Outcome {
        let to = self.x(i.rn);
        if kind == IndirectKind::Call {
            self.link();
        }
        Ok(Flow::End(Terminator::Indirect { to, kind }))
    }
}

impl Visitor for Translator {
    type Output = Outcome;

    fn b(&mut self, i: B) -> Outcome {
        Ok(Flow::End(Terminator::Goto(self.target(i.imm26, 26))))
    }

    fn bl(&mut self, i: Bl) -> Outcome {
        self.link();
        Ok(Flow::End(Terminator::Goto(self.target(i.imm26, 26))))
    }

    fn cbz(&mut self, i: Cbz) -> Outcome {
        self.compare_branch(i, false)
    }

    fn cbnz(&mut self, i: Cbnz) -> Outcome {
        self.compare_branch(i, true)
    }

    fn tbz(&mut self, i: Tbz) -> Outcome {
        self.test_branch(i, false)
    }

    fn tbnz(&mut self, i: Tbnz) -> Outcome {
        self.test_branch(i, true)
    }

    fn b_cond(&mut self, i: BCond) -> Outcome {
        let target = self.target(i.imm19, 19);
        match condition(i.cond) {
            Condition::Al | Condition::Nv => Ok(Flow::End(Terminator::Goto(target))),
            cond => {
                let c = self.b.test(cond);
                self.branch_if(c, true, target)
            }
        }
    }

    fn br(&mut self, i: Br) -> Outcome {
        self.branch_reg(i, IndirectKind::Jump)
    }

    fn blr(&mut self, i: Blr) -> Outcome {
        self.branch_reg(i, IndirectKind::Call)
    }

    fn ret(&mut self, i: Ret) -> Outcome {
        self.branch_reg(i, IndirectKind::Return)
    }
}
