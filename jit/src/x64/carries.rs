//! Long additions: sums that hand their carry on to the next one.
//!
//! `ADDS` and the `ADCS` that follow it are, as operations, sums whose carries are tests of flags
//! that nobody else looks at. The host has one flag for that: where nothing in between changes it,
//! the carry stays there, and elsewhere it is put in a register at once, before the operands that it
//! follows from are gone.

use ferrite_ir::{BinOp, Condition, FlagKind, Int, Op, Value, Width, slot};

use super::file::File;
use super::plan::{Flags, flags_are_replaced};

/// A sum of two values and maybe a carry, which the host adds by one instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    /// Index of its first operation.
    pub at: u32,
    /// Operations that it stands for.
    pub len: u32,
    pub w: Width,
    pub d: Int,
    pub a: Int,
    /// The second operand; none is zero.
    pub b: Option<Int>,
    /// The carry that comes in.
    pub c: Option<Int>,
    /// Whether the carry that comes in is in the host's flag.
    pub kept: bool,
    /// Whether a kept carry is read elsewhere too: flags that are stored consist of it.
    pub wants_carry: bool,
}

/// A carry that a later sum takes in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carry {
    /// Index of the operation that sets the flags.
    pub at: u32,
    /// What the sum reads.
    pub to: Int,
    /// Index of the sum, where the carry stays in the host's flag until then.
    pub kept: Option<u32>,
}

/// The long additions of a block, in the order of the operations.
#[derive(Debug, Default)]
pub(super) struct Carries {
    sums: Vec<Sum>,
    carries: Vec<Carry>,
    /// Index of the last operation that sets flags.
    set: Option<u32>,
}

impl Carries {
    /// The sum that begins with the operation of that index.
    pub(super) fn sum(&self, at: u32) -> Option<Sum> {
        let found = self.sums.binary_search_by_key(&at, |sum| sum.at).ok()?;
        self.sums.get(found).copied()
    }

    /// The carry that is wanted of the flags that the operation of that index sets.
    pub(super) fn carry(&self, at: u32) -> Option<Carry> {
        let found = self.carries.binary_search_by_key(&at, |c| c.at).ok()?;
        self.carries.get(found).copied()
    }

    pub(super) fn clear(&mut self) {
        self.sums.clear();
        self.carries.clear();
        self.set = None;
    }

    /// Takes note of the next operation. True for a test that has its outcome from the sum before.
    pub(super) fn note(&mut self, ops: &[Op], at: usize, flags: Flags, ints: &mut File) -> bool {
        match ops[at] {
            Op::SetFlags { .. } | Op::SetFlagsIf { .. } => self.set = Some(at as u32),
            Op::Call { .. } => self.set = None,
            Op::Bin { op: BinOp::Add, .. } => self.note_sum(ops, at, ints),
            Op::Test { cond, d } => {
                if cond == Condition::Cs && self.note_test(ops, at, flags, d, ints) {
                    return true;
                }
                self.keep_operands();
            }
            _ => {}
        }
        false
    }

    /// The flags that were set last are looked at: whatever they consist of is wanted.
    fn keep_operands(&mut self) {
        let Some(set) = self.set else { return };
        let sets = |sum: &&mut Sum| sum.at + sum.len == set;
        if let Some(sum) = self.sums.iter_mut().rev().find(sets) {
            sum.wants_carry = true;
        }
    }

    /// Whether a value is the outcome of such a sum.
    pub(super) fn is_sum(&self, d: Int) -> bool {
        self.sums.iter().rev().any(|sum| sum.d == d)
    }

    fn note_sum(&mut self, ops: &[Op], at: usize, ints: &File) {
        if self
            .sums
            .last()
            .is_some_and(|sum| at < (sum.at + sum.len) as usize)
        {
            return;
        }
        let Some(mut sum) = sum_at(ops, at, ints) else {
            return;
        };
        let set = at + sum.len as usize;
        match ops.get(set) {
            Some(Op::SetFlags { .. }) => sum.wants_carry = !flags_are_replaced(ops, set),
            // Without flags it is a sum as any other, unless its carry is here only.
            _ if sum.c.is_some_and(|c| ints.value(c.0).early) => {}
            _ => return,
        }
        let kept = self.carries.last().and_then(|last| last.kept);
        sum.kept = kept == Some(at as u32);
        self.sums.push(sum);
    }

    /// Whether the outcome of a test for a carry is only what the sum behind it takes in. If so it
    /// is known once the flags are set.
    fn note_test(&mut self, ops: &[Op], at: usize, flags: Flags, d: Int, ints: &mut File) -> bool {
        let (Some(set), Flags::Of { kind, .. }) = (self.set, flags) else {
            return false;
        };
        if !matches!(kind, FlagKind::Add(_) | FlagKind::AddCarry(_)) {
            return false;
        }
        if self.carries.last().is_some_and(|last| last.at == set) {
            return false;
        }
        let summed = self.sums.iter().rev().any(|sum| sum.at + sum.len == set);
        let next = sum_at(ops, at + 1, ints).filter(|sum| sum.c == Some(d));
        let kept = match next {
            Some(sum) if only_sum_reads(ops, d, &sum, ints) => {
                let between = &ops[set as usize + 1..at];
                between.iter().all(|op| keeps_carry(op, ints))
            }
            _ if summed && !is_condition(ops, at, d, ints) => false,
            _ => return false,
        };
        if !summed {
            // They are computed once more when the flags are set.
            flags.operands().for_each(|a| ints.value_mut(a.0).need(set));
        }
        self.carries.push(Carry {
            at: set,
            to: d,
            kept: kept.then_some(at as u32 + 1),
        });
        ints.value_mut(d.0).early = true;
        true
    }
}

/// Whether a carry is read by a sum, and the flags that are set with it, alone.
fn only_sum_reads(ops: &[Op], c: Int, sum: &Sum, ints: &File) -> bool {
    let behind = ops.get((sum.at + sum.len) as usize);
    let in_flags = matches!(behind, Some(&Op::SetFlags { c: third, kind, .. }) if third == c && kind.reads_c());
    ints.value(c.0).uses == 1 + u32::from(in_flags)
}

/// Whether the value that a test defines only decides something: its reader tests for itself.
fn is_condition(ops: &[Op], at: usize, d: Int, ints: &File) -> bool {
    let reads = |op: &&Op| {
        let mut reads = false;
        op.reads(|v| reads |= v == Value::Int(d));
        reads
    };
    ints.value(d.0).uses == 1
        && match ops[at + 1..].iter().find(reads) {
            Some(Op::Select { c, .. }) => *c == d,
            Some(_) => false,
            None => true,
        }
}

/// The sum that begins with an operation.
fn sum_at(ops: &[Op], at: usize, ints: &File) -> Option<Sum> {
    let &Op::Bin {
        op: BinOp::Add,
        w,
        d,
        a,
        b,
    } = ops.get(at)?
    else {
        return None;
    };
    let sum = Sum {
        at: at as u32,
        len: 1,
        w,
        d,
        a,
        b: Some(b),
        c: None,
        kept: false,
        wants_carry: false,
    };
    let read = |d: Int| ints.value(d.0).uses > 0;
    let is_carry = |c: Int| {
        let def = ints.value(c.0).def as usize;
        matches!(ops.get(def), Some(&Op::Test { d, cond: Condition::Cs }) if d == c)
    };
    let sum = match ops.get(at + 1) {
        Some(&Op::Bin {
            op: BinOp::Add,
            w: width,
            d: whole,
            a: part,
            b: c,
        }) if width == w && part == d && ints.value(d.0).uses == 1 && c != d => {
            let sets = matches!(ops.get(at + 2), Some(&Op::SetFlags { kind, a: x, b: y, c: z })
                if kind == FlagKind::AddCarry(w) && (x, y, z) == (a, b, c));
            (sets || is_carry(c)).then_some(Sum {
                len: 2,
                d: whole,
                c: Some(c),
                ..sum
            })
        }
        Some(&Op::SetFlags {
            kind,
            a: x,
            b: y,
            c,
        }) if kind == FlagKind::AddCarry(w)
            && (x, c) == (a, b)
            && ints.value(y.0).constant == Some(0) =>
        {
            Some(Sum {
                b: None,
                c: Some(b),
                ..sum
            })
        }
        Some(&Op::SetFlags {
            kind, a: x, b: y, ..
        }) if kind == FlagKind::Add(w) && (x, y) == (a, b) => Some(sum),
        _ if is_carry(b) => Some(Sum {
            b: None,
            c: Some(b),
            ..sum
        }),
        _ => None,
    };
    sum.filter(|sum| read(sum.d))
}

/// Whether the host's carry flag survives an operation, where that is asked for: see
/// `Emitter::keeping_carry`.
fn keeps_carry(op: &Op, ints: &File) -> bool {
    match *op {
        Op::Insn { .. } | Op::Const { .. } => true,
        Op::Get { from, .. } => from.0 != slot::FP_STATUS,
        Op::Set { to, .. } => to.0 != slot::FP_STATUS,
        Op::Bin { op, w, a, b, .. } => match op {
            BinOp::Add => true,
            // As the sum of what is left of it and the negated constant.
            BinOp::Sub => {
                let constant = ints.value(b.0).constant;
                a != b && constant.is_some_and(|n| n < 1 << 31)
            }
            BinOp::Mul | BinOp::MulHighU => w == Width::W64,
            _ => false,
        },
        _ => false,
    }
}
