//! Writing.

use std::fmt::{Display, Formatter, Result};

use ferrite_simd::{Lane, Shape, WideOp};

use super::Named;
use crate::op::{Block, FlagKind, Int, Mem, Op, Region, Target, Terminator, Value, Vector};

impl Display for Int {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "i{}", self.0)
    }
}

impl Display for Vector {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "v{}", self.0)
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Int(a) => a.fmt(f),
            Self::Vector(a) => a.fmt(f),
        }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Block(n) => write!(f, "block {}", n.0),
            Self::Guest(pc) => write!(f, "{pc:#x}"),
        }
    }
}

impl Display for Mem {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, ".{}", self.size.name())?;
        for name in [
            self.sign.name(),
            self.order.name(),
            self.align.name(),
            if self.swap { "swap" } else { "" },
            if self.unprivileged { "user" } else { "" },
        ] {
            if !name.is_empty() {
                write!(f, ".{name}")?;
            }
        }
        Ok(())
    }
}

/// The family and name of a wide operation.
pub(super) struct WideName(pub WideOp);

impl Display for WideName {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let family = match self.0 {
            WideOp::Lanes(_) => "lanes",
            WideOp::Float(_) => "float",
            WideOp::Crypto(_) => "crypto",
        };
        write!(f, "{family}.{}", self.0.name())
    }
}

/// A shape, as `4s`.
pub(super) struct ShapeName(pub Shape);

impl Display for ShapeName {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let lane = match self.0.lane {
            Lane::B => 'b',
            Lane::H => 'h',
            Lane::S => 's',
            Lane::D => 'd',
            Lane::Q => 'q',
        };
        write!(f, "{}{lane}", self.0.count)
    }
}

/// The operands that a kind of flags reads.
struct Flags(FlagKind, Int, Int, Int);

impl Display for Flags {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self(kind, a, b, c) = self;
        match kind {
            FlagKind::Nzcv => write!(f, "nzcv {a}"),
            FlagKind::Logic(w) => write!(f, "logic.{} {a}", w.name()),
            FlagKind::Add(w) => write!(f, "add.{} {a}, {b}", w.name()),
            FlagKind::Sub(w) => write!(f, "sub.{} {a}, {b}", w.name()),
            FlagKind::AddCarry(w) => write!(f, "add_carry.{} {a}, {b}, {c}", w.name()),
        }
    }
}

/// An address.
struct At(Int, i32);

impl Display for At {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self(addr, disp) = self;
        match disp {
            0 => write!(f, "[{addr}]"),
            1.. => write!(f, "[{addr} + {disp}]"),
            _ => write!(f, "[{addr} - {}]", disp.unsigned_abs()),
        }
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Insn { pc } => write!(f, "insn {pc:#x}"),
            Self::Const { d, value } => write!(f, "{d} = const {value:#x}"),
            Self::Get { d, from } => write!(f, "{d} = get {}", from.0),
            Self::Set { to, a } => write!(f, "set {}, {a}", to.0),
            Self::GetVec { d, from } => write!(f, "{d} = get_vec {}", from.0),
            Self::SetVec { to, a } => write!(f, "set_vec {}, {a}", to.0),
            Self::Bin { op, w, d, a, b } => {
                write!(f, "{d} = {}.{} {a}, {b}", op.name(), w.name())
            }
            Self::Un { op, w, d, a } => write!(f, "{d} = {}.{} {a}", op.name(), w.name()),
            Self::Extract {
                d,
                w,
                a,
                lsb,
                len,
                signed,
            } => {
                let sign = if *signed { 's' } else { 'u' };
                write!(f, "{d} = extract_{sign}.{} {a}, {lsb}, {len}", w.name())
            }
            Self::Insert {
                d,
                w,
                a,
                b,
                lsb,
                len,
            } => write!(f, "{d} = insert.{} {a}, {b}, {lsb}, {len}", w.name()),
            Self::Funnel {
                d,
                w,
                high,
                low,
                lsb,
            } => write!(f, "{d} = funnel.{} {high}, {low}, {lsb}", w.name()),
            Self::Compare { cc, w, d, a, b } => {
                write!(f, "{d} = {}.{} {a}, {b}", cc.name(), w.name())
            }
            Self::Select { d, c, a, b } => write!(f, "{d} = select {c}, {a}, {b}"),
            Self::SetFlags { kind, a, b, c } => {
                write!(f, "set_flags {}", Flags(*kind, *a, *b, *c))
            }
            Self::SetFlagsIf {
                c,
                kind,
                a,
                b,
                otherwise,
            } => {
                let flags = Flags(*kind, *a, *b, *a);
                write!(f, "set_flags_if {c}, {otherwise:#x}, {flags}")
            }
            Self::Test { d, cond } => write!(f, "{d} = test {}", cond.name()),
            Self::GetNzcv { d } => write!(f, "{d} = get_nzcv"),
            Self::Load { d, addr, disp, mem } => {
                write!(f, "{d} = load{mem} {}", At(*addr, *disp))
            }
            Self::Store { addr, disp, a, mem } => {
                write!(f, "store{mem} {}, {a}", At(*addr, *disp))
            }
            Self::LoadVec { d, addr, disp, mem } => {
                write!(f, "{d} = load_vec{mem} {}", At(*addr, *disp))
            }
            Self::StoreVec { addr, disp, a, mem } => {
                write!(f, "store_vec{mem} {}, {a}", At(*addr, *disp))
            }
            Self::LoadExclusive { d, addr, mem } => {
                write!(f, "{d} = load_exclusive{mem} [{addr}]")
            }
            Self::LoadExclusivePair { d, addr, mem } => {
                write!(f, "{}, {} = load_exclusive_pair{mem} [{addr}]", d[0], d[1])
            }
            Self::StoreExclusive { d, addr, a, mem } => {
                write!(f, "{d} = store_exclusive{mem} [{addr}], {a}")
            }
            Self::StoreExclusivePair { d, addr, a, mem } => {
                let [x, y] = a;
                write!(f, "{d} = store_exclusive_pair{mem} [{addr}], {x}, {y}")
            }
            Self::ClearExclusive => write!(f, "clear_exclusive"),
            Self::AtomicRmw {
                op,
                d,
                addr,
                a,
                mem,
            } => write!(f, "{d} = {}{mem} [{addr}], {a}", op.name()),
            Self::AtomicCas {
                d,
                addr,
                old,
                new,
                mem,
            } => write!(f, "{d} = cas{mem} [{addr}], {old}, {new}"),
            Self::AtomicCasPair {
                d,
                addr,
                old,
                new,
                mem,
            } => write!(
                f,
                "{}, {} = cas_pair{mem} [{addr}], {}, {}, {}, {}",
                d[0], d[1], old[0], old[1], new[0], new[1]
            ),
            Self::Fence(fence) => write!(f, "fence {}", fence.name()),
            Self::Wide {
                op,
                shape,
                imm,
                d,
                v,
                int,
            } => {
                write!(f, "{d} = {} {}", WideName(*op), ShapeName(*shape))?;
                for v in v.iter().flatten() {
                    write!(f, ", {v}")?;
                }
                if let Some(a) = int {
                    write!(f, ", {a}")?;
                }
                write!(f, ", {imm:#x}")
            }
            Self::Call { helper, args, d } => {
                if let Some(d) = d {
                    write!(f, "{d} = ")?;
                }
                write!(f, "call {}", helper.0)?;
                for a in args.iter().flatten() {
                    write!(f, ", {a}")?;
                }
                Ok(())
            }
            Self::Guard { a, mask, helper } => write!(f, "guard {a}, {mask:#x}, {}", helper.0),
        }
    }
}

impl Display for Terminator {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Goto(to) => write!(f, "goto {to}"),
            Self::Branch { c, then, other } => write!(f, "branch {c}, {then}, {other}"),
            Self::Indirect { to, kind } => write!(f, "indirect.{} {to}", kind.name()),
            Self::Exit => write!(f, "exit"),
        }
    }
}

impl Display for Region {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self {
            entry,
            blocks,
            insns,
            bytes,
        } = self;
        writeln!(f, "region {entry:#x}, insns {insns}, bytes {bytes}")?;
        for (n, Block { ops, end }) in blocks.iter().enumerate() {
            writeln!(f, "block {n}:")?;
            for op in ops {
                writeln!(f, "  {op}")?;
            }
            writeln!(f, "  {end}")?;
        }
        Ok(())
    }
}
