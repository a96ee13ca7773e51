//! What is known about a block's values before its code is written.

use ferrite_ir::{BinOp, Block, FlagKind, Int, Op, Order, Terminator, Width};

use super::carries::Carries;
use super::file::{File, NONE};

/// Where the flags come from, within the block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Flags {
    /// From before the block, or from a helper.
    #[default]
    Unknown,
    /// From the last [`Op::SetFlags`].
    Of {
        /// The kind.
        kind: FlagKind,
        /// First operand.
        a: Int,
        /// Second operand.
        b: Int,
        /// Carry in.
        c: Int,
    },
    /// From the last [`Op::SetFlagsIf`].
    If {
        /// The condition.
        c: Int,
        /// The kind if it holds.
        kind: FlagKind,
        /// First operand.
        a: Int,
        /// Second operand.
        b: Int,
        /// The flags if it does not.
        otherwise: u32,
    },
}

impl Flags {
    /// The flags after an operation.
    pub(super) fn after(self, op: &Op) -> Self {
        match *op {
            Op::SetFlags { kind, a, b, c } => Self::Of { kind, a, b, c },
            Op::SetFlagsIf {
                c,
                kind,
                a,
                b,
                otherwise,
            } => Self::If {
                c,
                kind,
                a,
                b,
                otherwise,
            },
            Op::Call { .. } => Self::Unknown,
            _ => self,
        }
    }

    /// The values that they are computed from.
    pub(super) fn operands(self) -> impl Iterator<Item = Int> {
        let list = match self {
            Self::Unknown => [None; 3],
            Self::Of { kind, a, b, c } => [
                Some(a),
                kind.reads_b().then_some(b),
                kind.reads_c().then_some(c),
            ],
            Self::If { c, a, b, .. } => [Some(c), Some(a), Some(b)],
        };
        list.into_iter().flatten()
    }
}

/// Fills in what the block says about its values.
pub(super) fn block(block: &Block, ints: &mut File, vectors: &mut File, carries: &mut Carries) {
    count(block, ints, vectors);
    carries.clear();
    let mut flags = Flags::default();
    for (at, op) in block.ops.iter().enumerate() {
        let known = carries.note(&block.ops, at, flags, ints);
        match *op {
            Op::Test { .. } if !known => needed(ints, flags, at as u32),
            Op::Select { c, .. } => defer_condition(block, ints, c, at as u32),
            Op::Load { addr, .. }
            | Op::Store { addr, .. }
            | Op::LoadVec { addr, .. }
            | Op::StoreVec { addr, .. }
                if !carries.is_sum(addr) =>
            {
                defer_sum(block, ints, addr, at as u32);
            }
            _ => {}
        }
        flags = flags.after(op);
    }
    if let Terminator::Branch { c, .. } = block.end {
        defer_condition(block, ints, c, block.ops.len() as u32);
    }
}

fn count(block: &Block, ints: &mut File, vectors: &mut File) {
    for (at, op) in block.ops.iter().enumerate() {
        // Nothing is done about flags that nobody sees.
        let read = !(matches!(op, Op::SetFlags { .. }) && flags_are_replaced(&block.ops, at));
        let at = at as u32;
        op.reads(|v| {
            let value = match v {
                ferrite_ir::Value::Int(Int(n)) => ints.value_mut(n),
                ferrite_ir::Value::Vector(v) => vectors.value_mut(v.0),
            };
            value.uses += 1;
            if read {
                value.last = at;
            }
        });
        op.defines(|v| {
            let value = match v {
                ferrite_ir::Value::Int(Int(n)) => ints.value_mut(n),
                ferrite_ir::Value::Vector(v) => vectors.value_mut(v.0),
            };
            value.def = at;
            value.last = at;
        });
        match *op {
            Op::Const { d, value } => ints.value_mut(d.0).constant = Some(value),
            Op::Set { to, a } => set_home(ints, a.0, to.0, at, &block.ops),
            Op::SetVec { to, a } => set_home(vectors, a.0, to.0, at, &block.ops),
            _ => {}
        }
    }
    if let Some(a) = block.end.read() {
        let value = ints.value_mut(a.0);
        value.uses += 1;
        value.last = block.ops.len() as u32;
    }
}

/// Whether two operations, one behind the other, access memory side by side in the same way, so that
/// one check will do for both.
pub(super) fn is_pair(first: &Op, second: &Op) -> bool {
    let (at, next, mem, other) = match (first, second) {
        (
            &Op::Load {
                addr, disp, mem, ..
            },
            &Op::Load {
                addr: a,
                disp: n,
                mem: other,
                ..
            },
        )
        | (
            &Op::Store {
                addr, disp, mem, ..
            },
            &Op::Store {
                addr: a,
                disp: n,
                mem: other,
                ..
            },
        )
        | (
            &Op::LoadVec {
                addr, disp, mem, ..
            },
            &Op::LoadVec {
                addr: a,
                disp: n,
                mem: other,
                ..
            },
        )
        | (
            &Op::StoreVec {
                addr, disp, mem, ..
            },
            &Op::StoreVec {
                addr: a,
                disp: n,
                mem: other,
                ..
            },
        ) => ((addr, disp), (a, n), mem, other),
        _ => return false,
    };
    let step = mem.size.bytes() as i32;
    mem == other
        && !mem.swap
        && mem.order == Order::Plain
        && step >= 4
        && next.0 == at.0
        && at.1.checked_add(step) == Some(next.1)
}

/// Operations between a value's definition and its being written to a global, at most, for
/// [`Value::direct`](super::file::Value::direct).
const DIRECT: usize = 16;

fn set_home(file: &mut File, v: u32, global: u16, at: u32, ops: &[Op]) {
    let value = file.value_mut(v);
    if value.home == NONE {
        value.home = global;
        let mut between = ops.get(value.def as usize + 1..at as usize).unwrap_or(&[]);
        // Neither of a pair is written before both accesses are certain.
        if let (Some(first), [second, rest @ ..]) = (ops.get(value.def as usize), between)
            && is_pair(first, second)
        {
            between = rest;
        }
        let looks = |op: &Op| {
            op.may_leave()
                || match *op {
                    Op::Get { from, .. } => from.0 == global,
                    Op::GetVec { from, .. } => from.0 == global,
                    Op::Set { to, .. } => to.0 == global,
                    Op::SetVec { to, .. } => to.0 == global,
                    _ => false,
                }
        };
        value.direct = between.len() <= DIRECT && !between.iter().any(looks);
    }
}

/// Whether other flags replace those that the operation of index `at` sets before anybody looks at
/// the stored ones: tests in the block compute theirs from what was compared.
pub(super) fn flags_are_replaced(ops: &[Op], at: usize) -> bool {
    let rest = ops.get(at + 1..).unwrap_or_default();
    let seen = |op: &&Op| op.may_leave() || op.sets_flags() || matches!(op, Op::GetNzcv { .. });
    rest.iter().find(seen).is_some_and(Op::sets_flags)
}

/// The operands of the flags are needed at `at`.
fn needed(ints: &mut File, flags: Flags, at: u32) {
    flags.operands().for_each(|a| ints.value_mut(a.0).need(at));
}

/// The operation that defines `v`, if its only reader may compute it instead.
fn only_reader<'a>(block: &'a Block, ints: &File, v: Int) -> Option<&'a Op> {
    let value = ints.value(v.0);
    if value.uses != 1 || value.constant.is_some() {
        return None;
    }
    block.ops.get(value.def as usize)
}

fn defer(ints: &mut File, v: Int, operands: impl Iterator<Item = Int>, at: u32) {
    ints.value_mut(v.0).deferred = true;
    operands.for_each(|a| ints.value_mut(a.0).need(at));
}

/// Lets whoever reads the condition `c` at `at` compute it into the host's flags.
fn defer_condition(block: &Block, ints: &mut File, c: Int, at: u32) {
    let Some(op) = only_reader(block, ints, c) else {
        return;
    };
    match *op {
        Op::Compare { a, b, .. } => defer(ints, c, [a, b].into_iter(), at),
        Op::Bin {
            op: BinOp::And,
            w: Width::W64,
            a,
            b,
            ..
        } if ints.value(b.0).constant.is_some() => defer(ints, c, [a].into_iter(), at),
        Op::Test { .. } => {
            let def = ints.value(c.0).def as usize;
            let flags = |ops: &[Op]| ops.iter().fold(Flags::default(), Flags::after);
            let between = &block.ops[def..at as usize];
            let changes = |op: &Op| op.sets_flags() || matches!(op, Op::Call { .. });
            if !between.iter().any(changes) {
                let flags = flags(&block.ops[..def]);
                defer(ints, c, flags.operands(), at);
            }
        }
        _ => {}
    }
}

/// Lets an access compute the sum that is its address.
fn defer_sum(block: &Block, ints: &mut File, addr: Int, at: u32) {
    if let Some(&Op::Bin {
        op: BinOp::Add,
        w: Width::W64,
        a,
        b,
        ..
    }) = only_reader(block, ints, addr)
    {
        let shifted = shifted(block, ints, b);
        defer(ints, addr, [a].into_iter(), at);
        match shifted {
            Some(index) => defer(ints, b, [index].into_iter(), at),
            None => ints.value_mut(b.0).need(at),
        }
    }
}

/// What `b` is a small multiple of, if only one operation reads it.
fn shifted(block: &Block, ints: &File, b: Int) -> Option<Int> {
    match *only_reader(block, ints, b)? {
        Op::Bin {
            op: BinOp::Shl,
            w: Width::W64,
            a,
            b: count,
            ..
        } if ints.value(count.0).constant.is_some_and(|n| n <= 3) => Some(a),
        _ => None,
    }
}
