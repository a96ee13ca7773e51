//! How blocks begin and end, helpers, guards, barriers.

use std::mem::offset_of;

use cranelift_codegen::ir::{self, InstBuilder, condcodes::IntCC, types};
use ferrite_ir::{Fence, HelperId, Int, Op, Target, Terminator, slot};

use super::super::frame::{self, Frame, What};
use super::{Emitter, Flags, LOOK_UP, imm, own};

impl Emitter<'_> {
    /// Takes a block's instructions from the budget.
    pub(super) fn charge(&mut self, insns: u32) {
        if insns > 0 {
            let budget = self.load_slot(types::I64, slot::BUDGET);
            let left = self.b.ins().iadd_imm_s(budget, -i64::from(insns));
            self.store_slot(slot::BUDGET, left);
        }
    }

    pub(super) fn terminator(&mut self, n: usize, end: &Terminator) {
        match *end {
            Terminator::Goto(target) => self.goto(n, target),
            Terminator::Branch { c, then, other } => {
                let condition = self.condition(c);
                let (to_then, late_then) = self.landing(n, then);
                let (to_other, late_other) = self.landing(n, other);
                self.branch(condition, to_then, to_other);
                for (block, target, late) in
                    [(to_then, then, late_then), (to_other, other, late_other)]
                {
                    if late {
                        self.enter(block);
                        self.goto(n, target);
                    }
                }
            }
            Terminator::Indirect { to, .. } => {
                let to = self.int(to);
                self.store_slot(slot::PC, to);
                self.exit(LOOK_UP);
            }
            Terminator::Exit => self.exit(LOOK_UP),
        }
    }

    /// The block that a branch to a target leads to, and whether it is still to be written.
    fn landing(&mut self, n: usize, target: Target) -> (ir::Block, bool) {
        match target {
            Target::Block(id) if usize::from(id.0) > n => (self.blocks[usize::from(id.0)], false),
            _ => (self.new_block(&[]), true),
        }
    }

    fn goto(&mut self, n: usize, target: Target) {
        match target {
            Target::Block(id) => {
                let to = usize::from(id.0);
                if to <= n {
                    self.check_budget(to);
                }
                let to = self.blocks[to];
                self.jump(to, &[]);
            }
            Target::Guest(pc) => {
                let number = self.out.exits.len() as u32;
                self.out.exits.push(pc);
                self.exit(number);
            }
        }
    }

    /// Leaves at the start of a block if the budget is used up.
    fn check_budget(&mut self, to: usize) {
        let budget = self.load_slot(types::I64, slot::BUDGET);
        let more = self.b.ins().icmp_imm_s(IntCC::SignedGreaterThan, budget, 0);
        let (go_on, stop) = (self.new_block(&[]), self.cold_block());
        self.branch(more, go_on, stop);
        self.enter(stop);
        let pc = self.block_address(to);
        let pc = self.constant(pc);
        self.store_slot(slot::PC, pc);
        self.exit(LOOK_UP);
        self.enter(go_on);
    }

    /// The address of a block's first instruction.
    fn block_address(&self, n: usize) -> u64 {
        let mut ops = self.region.blocks.get(n).into_iter().flat_map(|b| &b.ops);
        ops.find_map(|op| match op {
            Op::Insn { pc } => Some(*pc),
            _ => None,
        })
        .unwrap_or(self.region.entry)
    }

    /// Returns to the engine.
    fn exit(&mut self, number: u32) {
        self.store_dirty();
        let number = self.b.ins().iconst(types::I32, i64::from(number));
        self.b.ins().return_(&[number]);
    }

    pub(super) fn call(&mut self, helper: HelperId, args: [Option<Int>; 4], d: Option<Int>) {
        self.sync();
        for (n, arg) in args.into_iter().enumerate() {
            let value = match arg {
                Some(a) => self.int(a),
                None => self.constant(0),
            };
            self.set_frame_field(offset_of!(Frame, args) + 8 * n, value);
        }
        let site = self.site(What::Call(helper));
        let left = self.call_direct(frame::call, site);
        self.leave_if(left);
        self.dirty = Default::default();
        self.flags = Flags::Unknown;
        self.reload();
        if let Some(d) = d {
            let value = self.frame_field(types::I64, offset_of!(Frame, value));
            self.define(d, value);
        }
    }

    pub(super) fn guard(&mut self, a: Int, mask: u64, helper: HelperId) {
        let a = self.int(a);
        let bits = self.b.ins().band_imm_u(a, imm(mask));
        let (go_on, stop) = (self.new_block(&[]), self.cold_block());
        self.branch(bits, stop, go_on);
        self.enter(stop);
        self.sync();
        let zero = self.constant(0);
        for (n, value) in [a, zero, zero, zero].into_iter().enumerate() {
            self.set_frame_field(offset_of!(Frame, args) + 8 * n, value);
        }
        let site = self.site(What::Call(helper));
        self.call_cold(self.thunks.guard, site, None, None);
        self.jump(self.leave, &[]);
        self.enter(go_on);
    }

    pub(super) fn fence(&mut self, fence: Fence) {
        if fence == Fence::Full || !self.host.ordered {
            self.b.ins().fence();
        } else {
            // The host keeps loads in order, and stores; the code generator takes an atomic load as
            // a barrier, and makes a plain one of it.
            self.b.ins().atomic_load(types::I64, own(), self.cpu);
        }
    }
}
