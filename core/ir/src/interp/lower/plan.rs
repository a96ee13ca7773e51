//! What is known about a block before its instructions are written.

use crate::op::{BinOp, Block, Cc, FlagKind, Int, Op, Size, Terminator, Value, Width};
use crate::state::slot;

/// What is known about one value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    /// Readers.
    pub uses: u32,
    /// Position of the first reader.
    pub first: u32,
    /// Position of the last reader: the value need not be kept beyond.
    pub last: u32,
    /// Position of the definition.
    pub def: u32,
    /// Global slot that it is computed into.
    pub home: Option<u16>,
    /// Its value, where constant.
    pub constant: Option<u64>,
}

/// What to do with the operation at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Write instructions for it.
    Emit,
    /// Nothing: it is computed inside its reader, or its effect happens elsewhere.
    Skip,
    /// A memory access that takes along the one at this position, which accesses the unit before.
    Pair(u32),
    /// A `Set` at which the value defined at this position is computed.
    Sink(u32),
}

/// The plan of a block. A *position* is an index into `order`; the terminator's is one past.
#[derive(Default)]
pub(super) struct Plan {
    /// Indices of the block's operations in the order of emission.
    pub order: Vec<u32>,
    /// By position.
    pub actions: Vec<Action>,
    /// By integer value.
    pub ints: Vec<Facts>,
    /// By vector value.
    pub vectors: Vec<Facts>,
}

impl Plan {
    pub(super) fn facts(&self, v: Value) -> &Facts {
        match v {
            Value::Int(v) => &self.ints[v.0 as usize],
            Value::Vector(v) => &self.vectors[v.0 as usize],
        }
    }

    pub(super) fn facts_mut(&mut self, v: Value) -> &mut Facts {
        let (list, n) = match v {
            Value::Int(v) => (&mut self.ints, v.0 as usize),
            Value::Vector(v) => (&mut self.vectors, v.0 as usize),
        };
        if n >= list.len() {
            list.resize(n + 1, Facts::default());
        }
        &mut list[n]
    }

    /// The operation at a position.
    pub(super) fn op<'a>(&self, block: &'a Block, at: u32) -> &'a Op {
        &block.ops[self.order[at as usize] as usize]
    }

    /// The constant that `a` is.
    pub(super) fn constant(&self, a: Int) -> Option<u64> {
        self.ints[a.0 as usize].constant
    }

    /// The operation that defines `a`, if nothing else reads it and it may be computed later.
    pub(super) fn only_reader<'a>(&self, block: &'a Block, a: Int) -> Option<(u32, &'a Op)> {
        let facts = &self.ints[a.0 as usize];
        (facts.uses == 1 && self.actions[facts.def as usize] == Action::Emit)
            .then(|| (facts.def, self.op(block, facts.def)))
    }

    /// Whether the definition of `a` was left to its reader.
    pub(super) fn deferred<'a>(&self, block: &'a Block, a: Int) -> Option<&'a Op> {
        let def = self.ints[a.0 as usize].def;
        (self.ints[a.0 as usize].constant.is_none() && self.actions[def as usize] == Action::Skip)
            .then(|| self.op(block, def))
    }

    /// Plans a block.
    pub(super) fn make(&mut self, block: &Block) {
        self.order = order(block);
        self.actions.clear();
        self.actions.resize(self.order.len(), Action::Emit);
        self.count(block);
        self.drop_unread(block);
        self.fuse_pairs(block);
        self.fuse_terminator(block);
        for at in (0..self.order.len() as u32).rev() {
            if self.actions[at as usize] != Action::Skip {
                self.fuse_operands(block, at);
            }
        }
        self.assign_homes(block);
    }

    fn count(&mut self, block: &Block) {
        for at in 0..self.order.len() as u32 {
            let op = self.op(block, at);
            op.reads(|v| {
                let facts = self.facts_mut(v);
                if facts.uses == 0 {
                    facts.first = at;
                }
                facts.uses += 1;
                facts.last = at;
            });
            op.defines(|v| {
                *self.facts_mut(v) = Facts {
                    def: at,
                    last: at,
                    ..Facts::default()
                };
            });
            if let Op::Const { d, value } = *op {
                self.facts_mut(Value::Int(d)).constant = Some(value);
            }
        }
        if let Some(a) = block.end.read() {
            let end = self.order.len() as u32;
            let facts = self.facts_mut(Value::Int(a));
            facts.uses += 1;
            facts.last = end;
        }
    }

    /// Skips pure operations whose results nobody reads.
    fn drop_unread(&mut self, block: &Block) {
        for at in (0..self.order.len() as u32).rev() {
            let op = self.op(block, at);
            if !op.is_pure() {
                continue;
            }
            let mut unread = true;
            op.defines(|v| unread &= self.facts(v).uses == 0);
            if unread {
                self.actions[at as usize] = Action::Skip;
                op.reads(|v| self.facts_mut(v).uses -= 1);
            }
        }
    }

    /// Leaves the operation at `def` to its reader at `at`.
    fn defer(&mut self, block: &Block, def: u32, at: u32) {
        self.actions[def as usize] = Action::Skip;
        self.op(block, def).reads(|v| {
            let facts = self.facts_mut(v);
            facts.last = facts.last.max(at);
        });
    }

    fn fuse_terminator(&mut self, block: &Block) {
        let end = self.order.len() as u32;
        let Terminator::Branch { c, .. } = block.end else {
            return;
        };
        if let Some((def, op)) = self.only_reader(block, c) {
            let fits = match *op {
                Op::Compare { .. } | Op::Test { .. } => true,
                Op::Bin {
                    op: BinOp::And, b, ..
                } => self.constant(b).is_some(),
                Op::Extract { signed, .. } => !signed,
                _ => false,
            };
            // A test reads the flags as they are where it stands.
            let in_reach = !op.reads_flags() || self.no_flags_between(block, def, end);
            if fits && in_reach {
                self.defer(block, def, end);
            }
        }
    }

    fn no_flags_between(&self, block: &Block, from: u32, to: u32) -> bool {
        (from + 1..to).all(|at| {
            let op = self.op(block, at);
            !op.sets_flags() && !matches!(op, Op::Call { .. })
        })
    }

    fn fuse_operands(&mut self, block: &Block, at: u32) {
        match *self.op(block, at) {
            Op::Load {
                addr, mem, disp, ..
            }
            | Op::Store {
                addr, mem, disp, ..
            } => {
                let plain = is_plain(mem);
                let paired = self.actions[at as usize] != Action::Emit;
                self.fuse_address(block, at, addr, plain && !paired && disp == 0);
            }
            Op::LoadVec { addr, .. } | Op::StoreVec { addr, .. } => {
                self.fuse_address(block, at, addr, false);
            }
            Op::Select { c, .. } => {
                if let Some((def, Op::Compare { a, b, .. })) = self.only_reader(block, c) {
                    let fits = |a: Int| {
                        self.constant(a)
                            .is_none_or(|a| i64::from(a as i32) as u64 == a)
                    };
                    if fits(*a) && fits(*b) {
                        self.defer(block, def, at);
                    }
                }
            }
            Op::Bin { op, w, a, b, .. } => self.fuse_bin(block, at, op, w, a, b),
            _ => {}
        }
    }

    /// Leaves the computation of an address to the access.
    fn fuse_address(&mut self, block: &Block, at: u32, addr: Int, indexed: bool) {
        let Some((
            def,
            &Op::Bin {
                op: BinOp::Add,
                w: Width::W64,
                a,
                b,
                ..
            },
        )) = self.only_reader(block, addr)
        else {
            return;
        };
        if self.constant(a).is_some() {
            return;
        }
        if self.constant(b).is_some() {
            self.defer(block, def, at);
        } else if indexed {
            self.defer(block, def, at);
            if let Some((shift, op)) = self.only_reader(block, b)
                && self.shift_by(op, Width::W64) == Some(BinOp::Shl)
            {
                self.defer(block, shift, at);
            }
        }
    }

    /// The shift that `op` is, if it has a constant count.
    pub(super) fn shift_by(&self, op: &Op, width: Width) -> Option<BinOp> {
        match *op {
            Op::Bin {
                op: op @ (BinOp::Shl | BinOp::ShrU | BinOp::ShrS),
                w,
                a,
                b,
                ..
            } if w == width && self.constant(a).is_none() && self.constant(b).is_some() => Some(op),
            _ => None,
        }
    }

    fn fuse_bin(&mut self, block: &Block, at: u32, op: BinOp, w: Width, a: Int, b: Int) {
        if self.constant(a).is_some() || self.constant(b).is_some() {
            return;
        }
        let commutes = matches!(op, BinOp::Add | BinOp::And | BinOp::Or | BinOp::Xor);
        if !commutes && op != BinOp::Sub {
            return;
        }
        for (operand, allowed) in [(b, true), (a, commutes)] {
            let Some((def, inner)) = self.only_reader(block, operand) else {
                continue;
            };
            if !allowed {
                continue;
            }
            let product = matches!(op, BinOp::Add | BinOp::Sub)
                && matches!(inner, Op::Bin { op: BinOp::Mul, w: v, a, b, .. }
                    if *v == w && self.constant(*a).is_none() && self.constant(*b).is_none());
            if product || self.shift_by(inner, w).is_some() {
                self.defer(block, def, at);
                return;
            }
        }
    }

    /// Joins two accesses of one guest instruction to adjacent units.
    fn fuse_pairs(&mut self, block: &Block) {
        let mut previous: Option<u32> = None;
        for at in 0..self.order.len() as u32 {
            let op = self.op(block, at);
            if let Some(first) = previous
                && self.adjacent(self.op(block, first), op)
            {
                self.actions[first as usize] = Action::Skip;
                self.actions[at as usize] = Action::Pair(first);
                self.op(block, first).reads(|v| {
                    let facts = self.facts_mut(v);
                    facts.last = facts.last.max(at);
                });
                self.op(block, first)
                    .defines(|v| self.facts_mut(v).def = at);
                previous = None;
                continue;
            }
            match op {
                Op::Load { .. } | Op::Store { .. } => previous = Some(at),
                Op::Insn { .. } | Op::Set { .. } | Op::SetVec { .. } => previous = None,
                op if op.may_leave() => previous = None,
                _ => {}
            }
        }
        self.undo_early_reads(block);
    }

    /// A pair's first value is there only once the second is: no pair where it is read before.
    fn undo_early_reads(&mut self, block: &Block) {
        for at in 0..self.order.len() as u32 {
            let Action::Pair(first) = self.actions[at as usize] else {
                continue;
            };
            let mut early = false;
            self.op(block, first).defines(|d| {
                for between in first + 1..=at {
                    self.op(block, between).reads(|v| early |= v == d);
                }
            });
            if early {
                self.actions[first as usize] = Action::Emit;
                self.actions[at as usize] = Action::Emit;
                self.op(block, first)
                    .defines(|v| self.facts_mut(v).def = first);
            }
        }
    }

    fn adjacent(&self, first: &Op, second: &Op) -> bool {
        let (m, n, a, b) = match (first, second) {
            (
                Op::Load {
                    addr: a,
                    disp: i,
                    mem: m,
                    ..
                },
                Op::Load {
                    addr: b,
                    disp: j,
                    mem: n,
                    ..
                },
            )
            | (
                Op::Store {
                    addr: a,
                    disp: i,
                    mem: m,
                    ..
                },
                Op::Store {
                    addr: b,
                    disp: j,
                    mem: n,
                    ..
                },
            ) => (m, n, (*a, *i), (*b, *j)),
            _ => return false,
        };
        m == n
            && is_plain(*m)
            && matches!(m.size, Size::B4 | Size::B8)
            && m.sign == crate::op::Sign::Zero
            && a.0 == b.0
            && self.constant(a.0).is_none()
            && i64::from(b.1) - i64::from(a.1) == m.size.bytes() as i64
    }

    /// Finds values that can be computed straight into the global that they are set to.
    fn assign_homes(&mut self, block: &Block) {
        for at in 0..self.order.len() as u32 {
            let (value, to) = match *self.op(block, at) {
                Op::Set { to, a } => (Value::Int(a), to.0),
                Op::SetVec { to, a } => (Value::Vector(a), to.0),
                _ => continue,
            };
            let facts = *self.facts(value);
            let def = facts.def;
            let computed = !matches!(
                self.op(block, def),
                Op::Get { .. } | Op::GetVec { .. } | Op::Const { .. }
            );
            if facts.home.is_some() || !computed || def >= at {
                continue;
            }
            if self.actions[def as usize] == Action::Skip {
                continue;
            }
            if (def + 1..at).all(|n| self.untouched(block, n, span(value, to))) {
                self.facts_mut(value).home = Some(to);
                self.actions[at as usize] = Action::Skip;
            } else if facts.first == at && self.sinks(block, def) {
                self.defer(block, def, at);
                self.actions[at as usize] = Action::Sink(def);
                let facts = self.facts_mut(value);
                facts.home = Some(to);
                facts.def = at;
            }
        }
    }

    /// Whether the operation at `at` means the same later: it depends on values alone.
    fn sinks(&self, block: &Block, at: u32) -> bool {
        self.actions[at as usize] == Action::Emit
            && matches!(
                self.op(block, at),
                Op::Bin { .. }
                    | Op::Un { .. }
                    | Op::Extract { .. }
                    | Op::Insert { .. }
                    | Op::Funnel { .. }
                    | Op::Compare { .. }
                    | Op::Select { .. }
            )
    }

    /// Whether the operation at `at` neither sees nor changes the slots of `span`.
    fn untouched(&self, block: &Block, at: u32, span: (u16, u16)) -> bool {
        let overlaps = |from: u16, len: u16| from < span.1 && span.0 < from + len;
        let op = self.op(block, at);
        match *op {
            Op::Get { from, .. } => !overlaps(from.0, 1),
            Op::GetVec { from, .. } => !overlaps(from.0, 2),
            Op::Set { to, .. } => !overlaps(to.0, 1),
            Op::SetVec { to, .. } => !overlaps(to.0, 2),
            Op::Wide { op, .. } if op.signature().fp_env => !overlaps(slot::FP_CONTROL, 2),
            // What an instruction sets belongs to it, and PC is found by its mark.
            Op::Insn { .. } => !overlaps(slot::PC, 1),
            _ => !op.may_leave(),
        }
    }
}

/// First slot and the one after the last.
fn span(value: Value, to: u16) -> (u16, u16) {
    match value {
        Value::Int(_) => (to, to + 1),
        Value::Vector(_) => (to, to + 2),
    }
}

/// Whether an access takes the common form.
pub(super) fn is_plain(mem: crate::op::Mem) -> bool {
    use crate::op::{Align, Order};
    let any = mem.align == Align::Any || (mem.align == Align::Natural && mem.size == Size::B1);
    any && mem.order == Order::Plain && !(mem.swap && mem.size != Size::B1) && !mem.unprivileged
}

/// The operations of a block, those that set the flags of a sum or difference just before the one
/// that computes it.
fn order(block: &Block) -> Vec<u32> {
    let mut order: Vec<u32> = (0..block.ops.len() as u32).collect();
    for at in 1..order.len() {
        let Op::SetFlags { kind, a, b, .. } = &block.ops[order[at] as usize] else {
            continue;
        };
        let (op, w) = match kind {
            FlagKind::Add(w) => (BinOp::Add, *w),
            FlagKind::Sub(w) => (BinOp::Sub, *w),
            _ => continue,
        };
        let is_pair = |o: &Op| matches!(o, Op::Bin { op: p, w: v, a: x, b: y, .. } if (*p, *v, x, y) == (op, w, a, b));
        let found = (at.saturating_sub(4)..at)
            .rev()
            .map(|n| (n, &block.ops[order[n] as usize]))
            .take_while(|(_, o)| {
                is_pair(o) || matches!(o, Op::Set { .. } | Op::Const { .. } | Op::Get { .. })
            })
            .find(|(_, o)| is_pair(o));
        if let Some((n, _)) = found {
            order[n..=at].rotate_right(1);
        }
    }
    order
}

/// `a cc b` as `b cc' a`, with whether that has to be negated: only a constant on the left asks
/// for it.
pub(super) fn exchange(cc: Cc) -> (Cc, bool) {
    match cc {
        Cc::Eq | Cc::Ne => (cc, false),
        // a < b is not (b <= a), and so on.
        Cc::LtU => (Cc::LeU, true),
        Cc::LeU => (Cc::LtU, true),
        Cc::LtS => (Cc::LeS, true),
        Cc::LeS => (Cc::LtS, true),
    }
}
