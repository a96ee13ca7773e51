//! How blocks begin and end, helpers, guards.

use ferrite_ir::{HelperId, Int, Op, Target, Terminator, Value, slot};
use ferrite_ram::PAGE_SIZE;
use wasm_encoder::{BlockType, ValType};

use super::super::cfg::{Slots, block_address};
use super::super::layout::{Callee, Cell, What, functions};
use super::{BLOCK, CONTEXT, Emitter, Exit};

/// A construct that encloses code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// An `if`.
    If,
    /// The `loop` that a block heads.
    Loop(usize),
    /// The `block` after which a block's code is.
    Before(usize),
    /// The `loop` around a `br_table`.
    Dispatch,
}

impl Emitter<'_> {
    /// The whole function.
    pub(super) fn whole(&mut self) {
        self.body();
        // Where accesses leave to: behind the body, in blocks around it.
        let body = std::mem::take(&mut self.code);
        let leaves = std::mem::take(&mut self.leaves);
        for _ in &leaves {
            self.code().block(BlockType::Empty);
        }
        self.code.extend(body);
        for late in leaves {
            self.code().end();
            self.save_globals(late);
            self.code().i32_const(0).return_();
        }
        self.code().end();
    }

    fn body(&mut self) {
        self.load_slot(slot::BUDGET);
        if self.cfg.lazy {
            let budget = self.locals.fixed(ValType::I64);
            self.budget = Some(budget);
            self.code().local_tee(budget);
        }
        self.code().i64_const(0).i64_le_s().if_(BlockType::Empty);
        self.leave_at(self.region.entry);
        self.code().end();
        let mut ops = self.region.blocks.iter().flat_map(|block| &block.ops);
        if ops.any(is_access) {
            self.context = Some(self.locals.fixed(ValType::I64));
            self.load_context();
        }
        if self.cfg.reducible {
            self.tree(0);
        } else {
            self.dispatch();
        }
        self.code().unreachable();
    }

    /// `budget -= insns`.
    pub(super) fn charge(&mut self, insns: u32) {
        if insns == 0 {
            return;
        }
        if self.budget.is_none() {
            self.code().local_get(BLOCK);
        }
        self.load_budget();
        self.code().i64_const(insns.into()).i64_sub();
        match self.budget {
            Some(budget) => {
                self.code().local_set(budget);
            }
            None => self.store_slot(slot::BUDGET),
        }
    }

    fn load_budget(&mut self) {
        match self.budget {
            Some(budget) => {
                self.code().local_get(budget);
            }
            None => self.load_slot(slot::BUDGET),
        }
    }

    /// Before anybody else may look at globals and the budget, or the function ends.
    pub(super) fn save(&mut self) {
        self.save_globals(self.newer);
        self.save_budget();
    }

    /// Before an access may look at the guest. The other globals are to be written if it leaves.
    pub(super) fn save_seen(&mut self) -> Slots {
        let late = self
            .newer
            .intersection(Slots::range(slot::UNSEEN_BY_ACCESSES));
        self.save_globals(self.newer.without(late));
        self.save_budget();
        late
    }

    fn save_budget(&mut self) {
        if let Some(budget) = self.budget {
            self.code().local_get(BLOCK).local_get(budget);
            self.store_slot(slot::BUDGET);
        }
    }

    /// After somebody else may have changed it.
    pub(super) fn reload_budget(&mut self) {
        if let Some(budget) = self.budget {
            self.load_slot(slot::BUDGET);
            self.code().local_set(budget);
        }
    }

    /// Pops whether the region is left, and writes these globals if it is. Constructs that are not in
    /// `labels` enclose this, as many as `within` says.
    pub(super) fn leave_if(&mut self, late: Slots, within: u32) {
        let known = self.leaves.iter().position(|&slots| slots == late);
        let leave = known.unwrap_or_else(|| {
            self.leaves.push(late);
            self.leaves.len() - 1
        });
        let depth = within + (self.labels.len() + leave) as u32;
        self.code().br_if(depth);
    }

    /// Leaves, to go on at `pc` some time.
    fn leave_at(&mut self, pc: u64) {
        self.code().local_get(BLOCK).i64_const(pc as i64);
        self.store_slot(slot::PC);
        self.code().i32_const(0).return_();
    }

    /// The code of a block and of those that it dominates.
    fn tree(&mut self, n: usize) {
        self.loaded = self.loaded_before(n);
        let newer = self.locals.keepable(self.cfg.newer[n]);
        if n != 0 {
            // Edges see to it.
            self.loaded = self.loaded.union(newer);
        }
        let merges = self.cfg.merges_below(n);
        if !self.cfg.is_loop(n) {
            return self.within(n, &merges);
        }
        let needed = self.cfg.live[n].union(newer);
        self.at = 0;
        self.sharers.clear();
        self.load_globals(needed);
        self.loaded = self.loaded.intersection(needed);
        self.code().loop_(BlockType::Empty);
        self.labels.push(Label::Loop(n));
        self.within(n, &merges);
        self.labels.pop();
        self.code().end();
    }

    /// The globals that are in their locals whichever way a block is come to along the order.
    fn loaded_before(&self, n: usize) -> Slots {
        let mut before = self.cfg.forward[n].iter().map(|&n| self.loaded_after[n]);
        let first = before.next().unwrap_or_default();
        before.fold(first, Slots::intersection)
    }

    /// The code of a block, followed by that of `merges`.
    fn within(&mut self, n: usize, merges: &[usize]) {
        let Some((&last, others)) = merges.split_last() else {
            return self.block(n);
        };
        // What is loaded belongs to the block, whose code comes first.
        self.code().block(BlockType::Empty);
        self.labels.push(Label::Before(last));
        self.within(n, others);
        self.labels.pop();
        self.code().end();
        self.tree(last);
    }

    /// Every block behind a `br_table`.
    fn dispatch(&mut self) {
        let next = self.locals.fixed(ValType::I32);
        self.next = Some(next);
        let order = self.cfg.order.clone();
        self.code().loop_(BlockType::Empty);
        self.labels.push(Label::Dispatch);
        for &n in order.iter().rev() {
            self.code().block(BlockType::Empty);
            self.labels.push(Label::Before(n));
        }
        let count = order.len() as u32;
        self.code()
            .local_get(next)
            .br_table(0..count - 1, count - 1);
        for &n in &order {
            self.labels.pop();
            self.code().end();
            self.loaded = Slots::default();
            self.block(n);
        }
        self.labels.pop();
        self.code().end();
    }

    fn block(&mut self, n: usize) {
        self.newer = self.locals.keepable(self.cfg.newer[n]);
        self.operations(n);
        self.loaded_after[n] = self.loaded;
        self.newer_after[n] = self.newer;
        match self.region.blocks[n].end {
            Terminator::Goto(target) => {
                self.end_values();
                self.go(n, target);
            }
            Terminator::Branch { c, then, other } => {
                self.condition(c);
                self.end_values();
                self.code().if_(BlockType::Empty);
                self.labels.push(Label::If);
                self.go(n, then);
                self.code().else_();
                self.go(n, other);
                self.labels.pop();
                self.code().end();
            }
            Terminator::Indirect { to, .. } => {
                self.save();
                self.code().local_get(BLOCK).local_get(CONTEXT);
                self.int(to);
                self.end_values();
                self.code().i32_const(0).return_call(functions::JUMP);
            }
            Terminator::Exit if self.called => {
                self.save();
                self.end_values();
                self.code().local_get(BLOCK).local_get(CONTEXT);
                self.load_slot(slot::PC);
                self.code().i32_const(0).return_call(functions::JUMP);
            }
            // Something that the code has written by itself may have changed the code generation.
            Terminator::Exit => {
                self.save();
                self.end_values();
                self.code().i32_const(0).return_();
            }
        }
    }

    /// No value of the block is read any more.
    fn end_values(&mut self) {
        self.locals.end_operation(u32::MAX);
    }

    fn go(&mut self, n: usize, target: Target) {
        self.loaded = self.loaded_after[n];
        self.newer = self.newer_after[n];
        match target {
            Target::Block(id) => self.edge(n, usize::from(id.0)),
            Target::Guest(pc) if pc / PAGE_SIZE == self.region.entry / PAGE_SIZE => {
                self.near_exit(pc);
            }
            Target::Guest(pc) => self.far_exit(pc),
        }
    }

    fn edge(&mut self, n: usize, to: usize) {
        if to <= n {
            self.load_budget();
            self.code().i64_const(0).i64_le_s().if_(BlockType::Empty);
            self.save();
            let pc = block_address(&self.region.blocks[to]);
            self.leave_at(pc.unwrap_or(self.region.entry));
            self.code().end();
        }
        if let (Some(next), Some(rank)) = (self.next, self.cfg.rank[to]) {
            self.code().i32_const(rank as i32).local_set(next);
            return self.branch_to(Label::Dispatch);
        }
        self.at = 0;
        self.sharers.clear();
        self.load_globals(self.cfg.newer[to]);
        if self.cfg.rank[to] <= self.cfg.rank[n] {
            self.load_globals(self.cfg.live[to]);
            self.branch_to(Label::Loop(to));
        } else if self.cfg.is_merge(to) {
            self.branch_to(Label::Before(to));
        } else {
            self.tree(to);
        }
    }

    fn branch_to(&mut self, label: Label) {
        let depth = self.labels.iter().rev().position(|&l| l == label);
        debug_assert!(depth.is_some(), "{label:?} encloses what leads to it");
        let depth = depth.unwrap_or(0) as u32;
        self.code().br(depth);
    }

    /// The address of a new exit's cell, and its number.
    fn exit(&mut self, pc: u64, far: bool) -> (u32, u32) {
        let number = self.first_exit + self.exits.len() as u32;
        self.exits.push(Exit { pc, far });
        let cell = self.layout.cells + number * size_of::<Cell>() as u32;
        (cell, number)
    }

    /// An exit within the page: whoever runs in a page has had its mapping checked.
    fn near_exit(&mut self, pc: u64) {
        self.save();
        let (cell, number) = self.exit(pc, false);
        let mut code = self.code();
        code.local_get(BLOCK).local_get(CONTEXT);
        code.i32_const(cell as i32).i32_const(number as i32 + 1);
        code.return_call(functions::NEAR);
    }

    /// An exit to another page, whose link holds for one code generation.
    fn far_exit(&mut self, pc: u64) {
        self.save();
        let (cell, number) = self.exit(pc, true);
        let mut code = self.code();
        code.local_get(BLOCK).local_get(CONTEXT);
        code.i64_const(pc as i64).i32_const(number as i32 + 1);
        code.i32_const(cell as i32).return_call(functions::FAR);
    }

    pub(super) fn call(&mut self, helper: HelperId, args: [Option<Int>; 4], d: Option<Int>) {
        let site = self.site(What::Call(helper));
        self.save();
        self.code().local_get(CONTEXT).i32_const(site);
        for arg in args {
            match arg {
                Some(a) => self.int(a),
                None => {
                    self.code().i64_const(0);
                }
            }
        }
        self.code().call(Callee::Call.index());
        self.leave_if(Slots::default(), 0);
        match d {
            Some(d) => self.define(Value::Int(d), ValType::I64),
            None => {
                self.code().drop();
            }
        }
        self.loaded = Slots::default();
        self.newer = Slots::default();
        self.stored_kind = None;
        self.reload_budget();
        self.load_context();
        self.called = true;
    }

    pub(super) fn guard(&mut self, a: Int, mask: u64, helper: HelperId) {
        let local = self.in_local(a);
        let site = self.site(What::Call(helper));
        let mut code = self.code();
        code.local_get(local).i64_const(mask as i64).i64_and();
        code.i64_const(0).i64_ne().if_(BlockType::Empty);
        self.save();
        let mut code = self.code();
        code.local_get(CONTEXT).i32_const(site).local_get(local);
        code.call(Callee::Guard.index()).drop();
        code.i32_const(0).return_().end();
    }
}

/// Whether an operation compares with the context.
fn is_access(op: &Op) -> bool {
    op.may_leave() && !matches!(op, Op::Call { .. } | Op::Guard { .. })
}
