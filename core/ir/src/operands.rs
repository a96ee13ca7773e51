//! What each operation reads, defines and may do, for everything that reasons about code.

use crate::op::{FlagKind, Int, Op, Terminator, Value, Vector};

/// Calls `$v.int(x)` or `$v.vector(x)` for every value that `$op` reads, in order.
macro_rules! walk_reads {
    ($op:expr, $v:expr) => {
        match $op {
            Op::Insn { .. }
            | Op::Const { .. }
            | Op::Get { .. }
            | Op::GetVec { .. }
            | Op::Test { .. }
            | Op::GetNzcv { .. }
            | Op::ClearExclusive
            | Op::Fence(_) => {}
            Op::Set { a, .. } | Op::Un { a, .. } | Op::Extract { a, .. } | Op::Guard { a, .. } => {
                $v.int(a);
            }
            Op::SetVec { a, .. } => $v.vector(a),
            Op::Bin { a, b, .. } | Op::Insert { a, b, .. } | Op::Compare { a, b, .. } => {
                $v.int(a);
                $v.int(b);
            }
            Op::Funnel { high, low, .. } => {
                $v.int(high);
                $v.int(low);
            }
            Op::Select { c, a, b, .. } | Op::SetFlagsIf { c, a, b, .. } => {
                $v.int(c);
                $v.int(a);
                $v.int(b);
            }
            Op::SetFlags { kind, a, b, c } => {
                $v.int(a);
                if kind.reads_b() {
                    $v.int(b);
                }
                if kind.reads_c() {
                    $v.int(c);
                }
            }
            Op::Load { addr, .. }
            | Op::LoadVec { addr, .. }
            | Op::LoadExclusive { addr, .. }
            | Op::LoadExclusivePair { addr, .. } => $v.int(addr),
            Op::Store { addr, a, .. }
            | Op::StoreExclusive { addr, a, .. }
            | Op::AtomicRmw { addr, a, .. } => {
                $v.int(addr);
                $v.int(a);
            }
            Op::StoreVec { addr, a, .. } => {
                $v.int(addr);
                $v.vector(a);
            }
            Op::StoreExclusivePair {
                addr, a: [a0, a1], ..
            } => {
                $v.int(addr);
                $v.int(a0);
                $v.int(a1);
            }
            Op::AtomicCas { addr, old, new, .. } => {
                $v.int(addr);
                $v.int(old);
                $v.int(new);
            }
            Op::AtomicCasPair {
                addr,
                old: [o0, o1],
                new: [n0, n1],
                ..
            } => {
                $v.int(addr);
                $v.int(o0);
                $v.int(o1);
                $v.int(n0);
                $v.int(n1);
            }
            Op::Wide {
                v: [v0, v1, v2],
                int,
                ..
            } => {
                for v in [v0, v1, v2] {
                    if let Some(v) = v {
                        $v.vector(v);
                    }
                }
                if let Some(a) = int {
                    $v.int(a);
                }
            }
            Op::Call {
                args: [a0, a1, a2, a3],
                ..
            } => {
                for a in [a0, a1, a2, a3] {
                    if let Some(a) = a {
                        $v.int(a);
                    }
                }
            }
        }
    };
}

struct Reads<F>(F);

impl<F: FnMut(Value)> Reads<F> {
    fn int(&mut self, a: &Int) {
        (self.0)(Value::Int(*a));
    }

    fn vector(&mut self, a: &Vector) {
        (self.0)(Value::Vector(*a));
    }
}

struct Replaces<I, V>(I, V);

impl<I: FnMut(Int) -> Int, V: FnMut(Vector) -> Vector> Replaces<I, V> {
    fn int(&mut self, a: &mut Int) {
        *a = (self.0)(*a);
    }

    fn vector(&mut self, a: &mut Vector) {
        *a = (self.1)(*a);
    }
}

impl FlagKind {
    /// Whether the flags depend on the second operand.
    #[must_use]
    pub const fn reads_b(self) -> bool {
        matches!(self, Self::Add(_) | Self::Sub(_) | Self::AddCarry(_))
    }

    /// Whether the flags depend on the third operand.
    #[must_use]
    pub const fn reads_c(self) -> bool {
        matches!(self, Self::AddCarry(_))
    }
}

impl Op {
    /// Calls `f` for every value that the operation reads, in the order of its fields.
    pub fn reads(&self, f: impl FnMut(Value)) {
        let mut v = Reads(f);
        walk_reads!(self, v);
    }

    /// Replaces every value that the operation reads.
    pub fn replace_reads(
        &mut self,
        int: impl FnMut(Int) -> Int,
        vector: impl FnMut(Vector) -> Vector,
    ) {
        let mut v = Replaces(int, vector);
        walk_reads!(self, v);
    }

    /// Calls `f` for every value that the operation defines.
    pub fn defines(&self, mut f: impl FnMut(Value)) {
        match *self {
            Self::Const { d, .. }
            | Self::Get { d, .. }
            | Self::Bin { d, .. }
            | Self::Un { d, .. }
            | Self::Extract { d, .. }
            | Self::Insert { d, .. }
            | Self::Funnel { d, .. }
            | Self::Compare { d, .. }
            | Self::Select { d, .. }
            | Self::Test { d, .. }
            | Self::GetNzcv { d }
            | Self::Load { d, .. }
            | Self::LoadExclusive { d, .. }
            | Self::StoreExclusive { d, .. }
            | Self::StoreExclusivePair { d, .. }
            | Self::AtomicRmw { d, .. }
            | Self::AtomicCas { d, .. }
            | Self::Call { d: Some(d), .. } => f(Value::Int(d)),
            Self::LoadExclusivePair { d, .. } | Self::AtomicCasPair { d, .. } => {
                f(Value::Int(d[0]));
                f(Value::Int(d[1]));
            }
            Self::GetVec { d, .. } | Self::LoadVec { d, .. } => f(Value::Vector(d)),
            Self::Wide { d, .. } => f(d),
            Self::Insn { .. }
            | Self::Set { .. }
            | Self::SetVec { .. }
            | Self::SetFlags { .. }
            | Self::SetFlagsIf { .. }
            | Self::Store { .. }
            | Self::StoreVec { .. }
            | Self::ClearExclusive
            | Self::Fence(_)
            | Self::Call { d: None, .. }
            | Self::Guard { .. } => {}
        }
    }

    /// Whether control may leave the region here (a fault, a helper), so that every global must
    /// hold what the guest expects at this point.
    #[must_use]
    pub const fn may_leave(&self) -> bool {
        matches!(
            self,
            Self::Load { .. }
                | Self::Store { .. }
                | Self::LoadVec { .. }
                | Self::StoreVec { .. }
                | Self::LoadExclusive { .. }
                | Self::LoadExclusivePair { .. }
                | Self::StoreExclusive { .. }
                | Self::StoreExclusivePair { .. }
                | Self::AtomicRmw { .. }
                | Self::AtomicCas { .. }
                | Self::AtomicCasPair { .. }
                | Self::Call { .. }
                | Self::Guard { .. }
        )
    }

    /// Whether the operation does nothing but define a value from values, globals and flags: where
    /// nothing reads the value, the operation may go.
    #[must_use]
    pub fn is_pure(&self) -> bool {
        match self {
            Self::Const { .. }
            | Self::Get { .. }
            | Self::GetVec { .. }
            | Self::Bin { .. }
            | Self::Un { .. }
            | Self::Extract { .. }
            | Self::Insert { .. }
            | Self::Funnel { .. }
            | Self::Compare { .. }
            | Self::Select { .. }
            | Self::Test { .. }
            | Self::GetNzcv { .. } => true,
            Self::Wide { op, .. } => !op.signature().fp_env,
            _ => false,
        }
    }

    /// Whether the operation reads the lazy flags by itself.
    #[must_use]
    pub const fn reads_flags(&self) -> bool {
        matches!(self, Self::Test { .. } | Self::GetNzcv { .. })
    }

    /// Whether the operation replaces the lazy flags.
    #[must_use]
    pub const fn sets_flags(&self) -> bool {
        matches!(self, Self::SetFlags { .. } | Self::SetFlagsIf { .. })
    }
}

impl Terminator {
    /// The value that it reads.
    #[must_use]
    pub const fn read(&self) -> Option<Int> {
        match *self {
            Self::Branch { c, .. } => Some(c),
            Self::Indirect { to, .. } => Some(to),
            Self::Goto(_) | Self::Exit => None,
        }
    }

    /// Replaces the value that it reads.
    pub fn replace_read(&mut self, mut f: impl FnMut(Int) -> Int) {
        match self {
            Self::Branch { c, .. } => *c = f(*c),
            Self::Indirect { to, .. } => *to = f(*to),
            Self::Goto(_) | Self::Exit => {}
        }
    }
}
