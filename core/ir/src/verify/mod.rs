//! The rules that a region keeps. Front ends are checked against them in debug builds and tests;
//! what comes after relies on them.
//!
//! 1. A value is defined once, in the block that reads it, before it is read.
//! 2. Globals are the guest's slots, the program counter and the floating-point words; the lazy
//!    flags are reached by the flag operations only.
//! 3. Fields and counts lie within their width.
//! 4. Accesses move what their operation can move, and extend where they load.
//! 5. A wide operation has a function at its shape, and the operands of its signature.
//! 6. Targets exist. A block that is the target of itself or of a later block starts with an
//!    instruction, at which the run can be interrupted.
//! 7. What may leave the region comes after the first instruction mark of its block, which says
//!    where the guest is then.

use std::collections::HashSet;

use ferrite_simd::Dest;

use crate::op::{
    Block, BlockId, FlagKind, Mem, Op, Region, Sign, Size, Target, Terminator, Value, Width,
};
use crate::state::slot;

/// A region breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {block}: {op}: {rule}")]
pub struct VerifyError {
    /// Number of the block.
    pub block: usize,
    /// The operation or terminator, in the text form.
    pub op: String,
    /// What is wrong.
    pub rule: Broken,
}

/// Which rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The region has no blocks.
    #[error("the region is empty")]
    Empty,
    /// The number of instructions is not that of the marks.
    #[error("the region counts {0} instructions and marks {1}")]
    Count(u32, u32),
    /// A value has two definitions.
    #[error("{0} is defined twice")]
    Redefined(Value),
    /// A value is read where it is not defined.
    #[error("{0} is not defined here")]
    Undefined(Value),
    /// A slot is not a global.
    #[error("slot {0} is not a global")]
    Slot(u16),
    /// A field or count exceeds the width.
    #[error("the field exceeds the width")]
    Field,
    /// The flags' kind is not possible here.
    #[error("these flags cannot be set conditionally")]
    Flags,
    /// The size of an access does not fit its operation.
    #[error("the access cannot have this size")]
    Size,
    /// An access extends that is no integer load.
    #[error("the access cannot extend")]
    Extends,
    /// A wide operation has no function at its shape.
    #[error("the operation has no such shape")]
    Shape,
    /// Operands or result of a wide operation are not those of its signature.
    #[error("the operands are not those of the operation")]
    Signature,
    /// A target is no block.
    #[error("there is no block {0}")]
    Target(u16),
    /// A loop header does not start with an instruction.
    #[error("block {0} is entered from behind but does not start with an instruction")]
    Header(u16),
    /// An operation that may leave belongs to no instruction.
    #[error("no instruction is marked before it in its block")]
    NoInsn,
}

/// Checks every rule.
pub fn verify(region: &Region) -> Result<(), VerifyError> {
    let error = |block, op: &dyn std::fmt::Display, rule| VerifyError {
        block,
        op: op.to_string(),
        rule,
    };
    if region.blocks.is_empty() {
        return Err(error(0, &"region", Broken::Empty));
    }
    let mut defined = HashSet::new();
    let mut insns = 0;
    for (n, block) in region.blocks.iter().enumerate() {
        let mut here = HashSet::new();
        let mut marked = false;
        for op in &block.ops {
            if matches!(op, Op::Insn { .. }) {
                marked = true;
                insns += 1;
            }
            check_reads(op, &here)
                .and_then(|()| check_op(op))
                .and_then(|()| check_mark(op, marked))
                .and_then(|()| define(op, &mut here, &mut defined))
                .map_err(|rule| error(n, op, rule))?;
        }
        check_end(region, n, block, &here).map_err(|rule| error(n, &block.end, rule))?;
    }
    if insns != region.insns {
        let rule = Broken::Count(region.insns, insns);
        return Err(error(0, &"region", rule));
    }
    Ok(())
}

type Check = Result<(), Broken>;

fn require(holds: bool, rule: Broken) -> Check {
    if holds { Ok(()) } else { Err(rule) }
}

fn check_reads(op: &Op, here: &HashSet<Value>) -> Check {
    let mut result = Ok(());
    op.reads(|v| {
        if !here.contains(&v) {
            result = Err(Broken::Undefined(v));
        }
    });
    result
}

fn define(op: &Op, here: &mut HashSet<Value>, defined: &mut HashSet<Value>) -> Check {
    let mut result = Ok(());
    op.defines(|v| {
        here.insert(v);
        if !defined.insert(v) {
            result = Err(Broken::Redefined(v));
        }
    });
    result
}

fn check_mark(op: &Op, marked: bool) -> Check {
    require(marked || !op.may_leave(), Broken::NoInsn)
}

fn bits(w: Width) -> u32 {
    match w {
        Width::W32 => 32,
        Width::W64 => 64,
    }
}

fn check_global(from: u16) -> Check {
    let named = [slot::PC, slot::FP_CONTROL, slot::FP_STATUS].contains(&from);
    let guest = (slot::FIRST_GUEST..slot::FIRST_TEMP).contains(&from);
    require(named || guest, Broken::Slot(from))
}

fn check_vector_global(from: u16) -> Check {
    let guest = (slot::FIRST_GUEST..slot::FIRST_TEMP).contains(&from);
    require(guest && from.is_multiple_of(2), Broken::Slot(from))
}

fn check_op(op: &Op) -> Check {
    match *op {
        Op::Get { from, .. } => check_global(from.0),
        Op::Set { to, .. } => check_global(to.0),
        Op::GetVec { from, .. } => check_vector_global(from.0),
        Op::SetVec { to, .. } => check_vector_global(to.0),
        Op::Extract { w, lsb, len, .. } | Op::Insert { w, lsb, len, .. } => require(
            len > 0 && u32::from(lsb) + u32::from(len) <= bits(w),
            Broken::Field,
        ),
        Op::Funnel { w, lsb, .. } => require(u32::from(lsb) < bits(w), Broken::Field),
        Op::SetFlagsIf { kind, .. } => require(
            matches!(kind, FlagKind::Add(_) | FlagKind::Sub(_)),
            Broken::Flags,
        ),
        Op::Load { mem, .. } => require(mem.size != Size::B16, Broken::Size),
        Op::LoadExclusive { mem, .. } | Op::AtomicRmw { mem, .. } | Op::AtomicCas { mem, .. } => {
            require(mem.size != Size::B16, Broken::Size)
        }
        Op::Store { mem, .. } | Op::StoreExclusive { mem, .. } => {
            require(mem.size != Size::B16, Broken::Size)?;
            check_no_sign(mem)
        }
        Op::LoadVec { mem, .. } | Op::StoreVec { mem, .. } => check_no_sign(mem),
        Op::LoadExclusivePair { mem, .. }
        | Op::StoreExclusivePair { mem, .. }
        | Op::AtomicCasPair { mem, .. } => {
            require(matches!(mem.size, Size::B4 | Size::B8), Broken::Size)?;
            check_no_sign(mem)
        }
        Op::Wide {
            op,
            shape,
            d,
            v,
            int,
            ..
        } => {
            let signature = op.signature();
            let operands = v
                .iter()
                .enumerate()
                .all(|(i, v)| v.is_some() == (i < usize::from(signature.vecs)));
            let class = match signature.dest {
                Dest::Int => matches!(d, Value::Int(_)),
                Dest::Vec => matches!(d, Value::Vector(_)),
            };
            require(
                operands && class && int.is_some() == signature.int,
                Broken::Signature,
            )?;
            require(ferrite_simd::resolve(op, shape).is_some(), Broken::Shape)
        }
        _ => Ok(()),
    }
}

fn check_no_sign(mem: Mem) -> Check {
    require(mem.sign == Sign::Zero, Broken::Extends)
}

fn check_end(region: &Region, n: usize, block: &Block, here: &HashSet<Value>) -> Check {
    if let Some(a) = block.end.read() {
        let a = Value::Int(a);
        require(here.contains(&a), Broken::Undefined(a))?;
    }
    match block.end {
        Terminator::Goto(to) => check_target(region, n, to),
        Terminator::Branch { then, other, .. } => {
            check_target(region, n, then)?;
            check_target(region, n, other)
        }
        Terminator::Indirect { .. } | Terminator::Exit => Ok(()),
    }
}

fn check_target(region: &Region, from: usize, to: Target) -> Check {
    let Target::Block(BlockId(to)) = to else {
        return Ok(());
    };
    let block = region
        .blocks
        .get(usize::from(to))
        .ok_or(Broken::Target(to))?;
    let header = matches!(block.ops.first(), Some(Op::Insn { .. }));
    require(usize::from(to) > from || header, Broken::Header(to))
}

#[cfg(test)]
mod tests;
