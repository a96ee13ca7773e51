//! From a region to the interpreter's instructions.
//!
//! Block by block: [`plan`] counts uses, orders flag updates beside the arithmetic that they belong
//! to, decides which operations are computed inside their only reader, and which values are
//! computed straight into the global that they are set to; [`places`] tracks where each value is;
//! [`emit`] writes the instructions, with [`arithmetic`], [`memory`] and [`branch`].

mod arithmetic;
mod branch;
mod codes;
mod emit;
mod memory;
mod places;
mod plan;

use super::lowered::{Exit, LowerError, Lowered};
use crate::op::{Block, BlockId, Op, Region, Target};

use emit::Emitter;

/// Lowers a verified region.
pub fn lower(region: &Region) -> Result<Lowered, LowerError> {
    let mut emitter = Emitter::new(region);
    let mut starts = Vec::with_capacity(region.blocks.len());
    let mut targets = Vec::new();
    for (n, block) in region.blocks.iter().enumerate() {
        starts.push(emitter.here());
        emitter.block(block, insns(block))?;
        // The exits of this block are those added since the last.
        targets.resize(emitter.targets.len(), n);
    }
    let (code, mut tables, exits) = emitter.finish();
    tables.exits = exits
        .iter()
        .zip(&targets)
        .map(|(&target, &from)| resolve(region, &starts, target, from))
        .collect();
    if tables.exits.len() > usize::from(u16::MAX) || tables.marks.len() > usize::from(u16::MAX) {
        return Err(LowerError::TooLarge);
    }
    Ok(Lowered {
        code: code.into(),
        entry_insns: region.blocks.first().map_or(0, insns),
        has_inner_exits: tables.exits.iter().any(|exit| !exit.leaves()),
        tables: Box::new(tables),
    })
}

/// Guest instructions that start in a block.
fn insns(block: &Block) -> u32 {
    block
        .ops
        .iter()
        .filter(|op| matches!(op, Op::Insn { .. }))
        .count() as u32
}

fn resolve(region: &Region, starts: &[u32], target: Target, from: usize) -> Exit {
    match target {
        Target::Guest(pc) => Exit {
            pc,
            start: Exit::GUEST,
            insns: 0,
            back: false,
        },
        Target::Block(BlockId(to)) => {
            let to = usize::from(to);
            let block = &region.blocks[to];
            let first = block.ops.iter().find_map(|op| match op {
                Op::Insn { pc } => Some(*pc),
                _ => None,
            });
            Exit {
                pc: first.unwrap_or(region.entry),
                start: starts[to],
                insns: insns(block),
                back: to <= from && first.is_some(),
            }
        }
    }
}
