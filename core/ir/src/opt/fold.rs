//! Folding of constants and copies, of globals that are known, of conditions over known flags, of
//! address arithmetic, and of checks that were made before.

use crate::eval::{self, Known};
use crate::op::{
    BinOp, Block, Cc, Condition, FlagKind, Global, HelperId, Int, Op, Region, Terminator, UnOp,
    Value, VecGlobal, Vector, Width,
};
use crate::state::slot;

/// The first integer number that no value of the region has.
pub(super) fn first_unused(region: &Region) -> u32 {
    let mut next = 0;
    for op in region.blocks.iter().flat_map(|b| &b.ops) {
        op.defines(|v| {
            if let Value::Int(Int(n)) = v {
                next = next.max(n + 1);
            }
        });
    }
    next
}

/// A check that was passed: `a & mask` is zero.
struct Passed {
    a: Int,
    mask: u64,
    helper: HelperId,
}

/// What is known at a point of a block.
struct Folder<'a> {
    out: Vec<Op>,
    next: &'a mut u32,
    /// By value: what to read in its place.
    ints: Vec<Option<Int>>,
    vectors: Vec<Option<Vector>>,
    /// By value.
    constants: Vec<Option<u64>>,
    /// By value: the value and constant that it is the sum of.
    sums: Vec<Option<(Int, u64)>>,
    globals: Vec<(Global, Int)>,
    vec_globals: Vec<(VecGlobal, Vector)>,
    flags: Option<(FlagKind, Int, Int)>,
    passed: Vec<Passed>,
}

fn at<T: Copy>(list: &[Option<T>], n: u32) -> Option<T> {
    list.get(n as usize).copied().flatten()
}

fn set<T: Copy>(list: &mut Vec<Option<T>>, n: u32, value: T) {
    let n = n as usize;
    if n >= list.len() {
        list.resize(n + 1, None);
    }
    list[n] = Some(value);
}

/// Folds a block; `next` is the first unused number.
pub(super) fn block(block: &mut Block, next: &mut u32) {
    let ops = std::mem::take(&mut block.ops);
    let mut f = Folder {
        out: Vec::with_capacity(ops.len()),
        next,
        ints: Vec::new(),
        vectors: Vec::new(),
        constants: Vec::new(),
        sums: Vec::new(),
        globals: Vec::new(),
        vec_globals: Vec::new(),
        flags: None,
        passed: Vec::new(),
    };
    for mut op in ops {
        op.replace_reads(
            |a| at(&f.ints, a.0).unwrap_or(a),
            |a| at(&f.vectors, a.0).unwrap_or(a),
        );
        f.op(op);
    }
    block.end.replace_read(|a| at(&f.ints, a.0).unwrap_or(a));
    if let Terminator::Branch { c, then, other } = block.end
        && let Some(value) = f.constant(c)
    {
        block.end = Terminator::Goto(if value != 0 { then } else { other });
    }
    block.ops = f.out;
}

impl Folder<'_> {
    fn constant(&self, a: Int) -> Option<u64> {
        at(&self.constants, a.0)
    }

    fn define(&mut self, d: Int, value: u64) {
        set(&mut self.constants, d.0, value);
        self.out.push(Op::Const { d, value });
    }

    fn copy(&mut self, d: Int, a: Int) {
        set(&mut self.ints, d.0, a);
    }

    /// A new constant value.
    fn new_constant(&mut self, value: u64) -> Int {
        let d = Int(*self.next);
        *self.next += 1;
        self.define(d, value);
        d
    }

    fn op(&mut self, mut op: Op) {
        match op {
            Op::Const { d, value } => return self.define(d, value),
            Op::Get { d, from } => {
                if let Some(&(_, a)) = self.globals.iter().find(|(g, _)| *g == from) {
                    return self.copy(d, a);
                }
                self.know(from, d);
            }
            Op::GetVec { d, from } => {
                if let Some(&(_, a)) = self.vec_globals.iter().find(|(g, _)| *g == from) {
                    return set(&mut self.vectors, d.0, a);
                }
                self.vec_globals.push((from, d));
            }
            Op::Set { to, a } => {
                if to.0 != slot::PC && self.globals.contains(&(to, a)) {
                    return;
                }
                self.forget(to.0, 1);
                self.know(to, a);
            }
            Op::SetVec { to, a } => {
                if self.vec_globals.contains(&(to, a)) {
                    return;
                }
                self.forget(to.0, 2);
                self.vec_globals.push((to, a));
            }
            Op::Bin { op, w, d, a, b } => return self.bin(op, w, d, a, b),
            Op::Un { op, w, d, a } => {
                if let Some(a) = self.constant(a) {
                    return self.define(d, eval::un(op, w, a));
                }
                if (op, w) == (UnOp::Mov, Width::W64) {
                    return self.copy(d, a);
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
                if let Some(a) = self.constant(a) {
                    return self.define(d, eval::extract(w, a, lsb, len, signed));
                }
                if len == 64 {
                    return self.copy(d, a);
                }
            }
            Op::Insert {
                d,
                w,
                a,
                b,
                lsb,
                len,
            } => {
                if let (Some(a), Some(b)) = (self.constant(a), self.constant(b)) {
                    return self.define(d, eval::insert(w, a, b, lsb, len));
                }
                if len == 64 {
                    return self.copy(d, b);
                }
            }
            Op::Funnel {
                d,
                w,
                high,
                low,
                lsb,
            } => {
                if let (Some(high), Some(low)) = (self.constant(high), self.constant(low)) {
                    return self.define(d, eval::funnel(w, high, low, lsb));
                }
            }
            Op::Compare { cc, w, d, a, b } => return self.compare(cc, w, d, a, b),
            Op::Select { d, c, a, b } => match self.constant(c) {
                Some(0) => return self.copy(d, b),
                Some(_) => return self.copy(d, a),
                None if a == b => return self.copy(d, a),
                None => {}
            },
            Op::SetFlags { kind, a, b, .. } => self.flags = Some((kind, a, b)),
            Op::SetFlagsIf {
                c,
                kind,
                a,
                b,
                otherwise,
            } => return self.set_flags_if(c, kind, a, b, otherwise),
            Op::Test { d, cond } => return self.test(d, cond),
            Op::Load {
                ref mut addr,
                ref mut disp,
                ..
            }
            | Op::Store {
                ref mut addr,
                ref mut disp,
                ..
            }
            | Op::LoadVec {
                ref mut addr,
                ref mut disp,
                ..
            }
            | Op::StoreVec {
                ref mut addr,
                ref mut disp,
                ..
            } => self.address(addr, disp),
            Op::Wide { op, .. } if op.signature().fp_env => self.forget(slot::FP_STATUS, 1),
            Op::Call { .. } => {
                self.globals.clear();
                self.vec_globals.clear();
                self.flags = None;
            }
            Op::Guard { a, mask, helper } => {
                if self.passes(a, mask, helper) {
                    return;
                }
                self.passed.push(Passed { a, mask, helper });
            }
            _ => {}
        }
        self.out.push(op);
    }

    /// Notes that `to` holds `a`. The program counter changes behind the code's back.
    fn know(&mut self, to: Global, a: Int) {
        if to.0 != slot::PC {
            self.globals.push((to, a));
        }
    }

    /// Forgets what slots hold.
    fn forget(&mut self, from: u16, count: u16) {
        let clear = |s: u16, n: u16| s + n <= from || from + count <= s;
        self.globals.retain(|(g, _)| clear(g.0, 1));
        self.vec_globals.retain(|(g, _)| clear(g.0, 2));
    }

    fn bin(&mut self, op: BinOp, w: Width, d: Int, a: Int, b: Int) {
        let (mut a, mut b) = (a, b);
        let commutes = matches!(
            op,
            BinOp::Add | BinOp::Mul | BinOp::And | BinOp::Or | BinOp::Xor
        );
        match (self.constant(a), self.constant(b)) {
            (Some(a), Some(b)) => return self.define(d, eval::bin(op, w, a, b)),
            (Some(_), None) if commutes => std::mem::swap(&mut a, &mut b),
            _ => {}
        }
        if let Some(value) = self.constant(b) {
            if let Some(same) = self.identity(op, w, d, a, eval::truncate(w, value)) {
                return same;
            }
            if w == Width::W64 && matches!(op, BinOp::Add | BinOp::Sub) {
                let k = if op == BinOp::Add {
                    value
                } else {
                    value.wrapping_neg()
                };
                let (base, before) = at(&self.sums, a.0).unwrap_or((a, 0));
                set(&mut self.sums, d.0, (base, before.wrapping_add(k)));
            }
        }
        self.out.push(Op::Bin { op, w, d, a, b });
    }

    /// Operations with a constant that change nothing, or leave nothing.
    fn identity(&mut self, op: BinOp, w: Width, d: Int, a: Int, b: u64) -> Option<()> {
        let all = eval::truncate(w, u64::MAX);
        let unchanged = match op {
            BinOp::Add | BinOp::Sub | BinOp::Or | BinOp::Xor | BinOp::AndNot => b == 0,
            BinOp::Shl | BinOp::ShrU | BinOp::ShrS | BinOp::Ror => {
                b & (if w == Width::W32 { 31 } else { 63 }) == 0
            }
            BinOp::And | BinOp::OrNot | BinOp::XorNot => b == all,
            BinOp::Mul | BinOp::DivU => b == 1,
            _ => false,
        };
        if unchanged {
            match w {
                Width::W64 => self.copy(d, a),
                Width::W32 => self.out.push(Op::Un {
                    op: UnOp::Mov,
                    w,
                    d,
                    a,
                }),
            }
            return Some(());
        }
        if b == 0 && matches!(op, BinOp::And | BinOp::Mul) {
            self.define(d, 0);
            return Some(());
        }
        None
    }

    fn compare(&mut self, cc: Cc, w: Width, d: Int, a: Int, b: Int) {
        let value = match (self.constant(a), self.constant(b)) {
            (Some(a), Some(b)) => Some(eval::compare(cc, w, a, b)),
            _ if a == b => Some(matches!(cc, Cc::Eq | Cc::LeU | Cc::LeS)),
            _ => None,
        };
        match value {
            Some(value) => self.define(d, u64::from(value)),
            None => self.out.push(Op::Compare { cc, w, d, a, b }),
        }
    }

    fn set_flags_if(&mut self, c: Int, kind: FlagKind, a: Int, b: Int, otherwise: u32) {
        self.flags = None;
        match self.constant(c) {
            Some(0) => {
                let a = self.new_constant(u64::from(otherwise));
                self.flags = Some((FlagKind::Nzcv, a, a));
                let kind = FlagKind::Nzcv;
                self.out.push(Op::SetFlags {
                    kind,
                    a,
                    b: a,
                    c: a,
                });
            }
            Some(_) => {
                self.flags = Some((kind, a, b));
                self.out.push(Op::SetFlags { kind, a, b, c: a });
            }
            None => self.out.push(Op::SetFlagsIf {
                c,
                kind,
                a,
                b,
                otherwise,
            }),
        }
    }

    fn test(&mut self, d: Int, cond: Condition) {
        if let Some((FlagKind::Nzcv, a, _)) = self.flags
            && let Some(value) = self.constant(a)
        {
            return self.define(d, u64::from(eval::holds(cond, value as u32)));
        }
        let known = match self.flags {
            Some((kind, a, b)) => eval::simplify(cond, kind).map(|known| (known, a, b)),
            None if matches!(cond, Condition::Al | Condition::Nv) => return self.define(d, 1),
            None => None,
        };
        match known {
            None => self.out.push(Op::Test { d, cond }),
            Some((Known::Always(value), ..)) => self.define(d, u64::from(value)),
            Some((Known::Compare { cc, w, zero, sense }, a, b)) => {
                let b = if zero { self.new_constant(0) } else { b };
                // Not below is the other way round at or below.
                let (cc, a, b) = match (cc, sense) {
                    (Cc::LtU, false) => (Cc::LeU, b, a),
                    (Cc::LeU, false) => (Cc::LtU, b, a),
                    (Cc::LtS, false) => (Cc::LeS, b, a),
                    (Cc::LeS, false) => (Cc::LtS, b, a),
                    (Cc::Eq, false) => (Cc::Ne, a, b),
                    (Cc::Ne, false) => (Cc::Eq, a, b),
                    (cc, true) => (cc, a, b),
                };
                self.compare(cc, w, d, a, b);
            }
        }
    }

    /// Moves constant parts of an address into the displacement, unless that would keep a value
    /// alive that has left its global, beside one that is in a global.
    fn address(&self, addr: &mut Int, disp: &mut i32) {
        let in_global = |a: Int| self.globals.iter().any(|&(_, held)| held == a);
        if in_global(*addr) && !at(&self.sums, addr.0).is_some_and(|(base, _)| in_global(base)) {
            return;
        }
        if let Some((base, k)) = at(&self.sums, addr.0)
            && let Ok(sum) = i32::try_from((k as i64).wrapping_add(i64::from(*disp)))
        {
            (*addr, *disp) = (base, sum);
        }
    }

    /// Whether a check of alignment was made before, for the same value or one that differs by a
    /// multiple of the alignment, or is of a constant that passes.
    fn passes(&self, a: Int, mask: u64, helper: HelperId) -> bool {
        if let Some(value) = self.constant(a) {
            return value & mask == 0;
        }
        let sum = |a: Int| at(&self.sums, a.0).unwrap_or((a, 0));
        let (base, k) = sum(a);
        self.passed.iter().any(|p| {
            let (other, n) = sum(p.a);
            let same = p.a == a
                || (base == other
                    && mask & mask.wrapping_add(1) == 0
                    && k.wrapping_sub(n) & mask == 0);
            p.helper == helper && p.mask == mask && same
        })
    }
}

#[cfg(test)]
#[path = "fold_tests.rs"]
mod tests;
