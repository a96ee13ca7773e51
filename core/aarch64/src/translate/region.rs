//! From a guest address to a region.

mod returns;
#[cfg(test)]
mod tests;

use ferrite_ir::{BlockId, Builder, Int, Region, Target, Terminator};

use returns::Returns;

use super::{Context, Flow, Translator, dispatch, helper};
use crate::state;

/// Instructions in a block at most: long enough for straight code, short enough that little is lost
/// when an exception leaves in the middle or a store invalidates it.
const BLOCK_LIMIT: u32 = 64;

/// Instructions in a region of several blocks at most, and blocks.
const REGION_LIMIT: u32 = 256;
const BLOCKS_LIMIT: usize = 32;

/// Regions lie within one page of this size, the smallest that memory is mapped by.
const PAGE: u64 = 4096;

/// How much a region holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One block; a branch back to its own entry stays within it.
    Block,
    /// What direct branches reach from the entry within the page, and returns from calls among them,
    /// as far as limits allow: loops whole.
    Reach,
}

/// Translates what `scope` says from `pc` on. A block ends with the first instruction that may lead
/// elsewhere, at the end of the page, where another block of the region starts, or at a limit.
/// `fetch` reads the instruction at an address; where it gives `None` the block ends.
pub fn region(
    cx: Context,
    pc: u64,
    scope: Scope,
    fetch: &mut dyn FnMut(u64) -> Option<u32>,
) -> Region {
    let mut t = Translator {
        b: Builder::new(pc),
        pc,
        word: 0,
        cx,
    };
    if fetch(pc).is_none() {
        return t.b.finish(Terminator::Goto(Target::Guest(pc)));
    }
    let first = block(&mut t, &[pc], fetch);
    if scope == Scope::Block || cx.single_step {
        let mut region = t.b.finish(first);
        join(&mut region, &[pc]);
        return region;
    }
    let mut starts = vec![pc];
    let mut todo = Vec::new();
    let mut returns = Returns::default();
    let mut end = first;
    loop {
        todo.extend(returns.after(&end, t.word, t.pc));
        // What lies behind the block is to be behind it in the region as well.
        let mut ways = successors(&end);
        if ways[0] == Some(t.pc) {
            ways.swap(0, 1);
        }
        todo.extend(ways.into_iter().flatten());
        let next = std::iter::from_fn(|| todo.pop())
            .find(|&at| at / PAGE == pc / PAGE && !starts.contains(&at) && fetch(at).is_some());
        match next {
            Some(at) if starts.len() < BLOCKS_LIMIT && t.b.insns() < REGION_LIMIT => {
                t.b.end_block(end);
                starts.push(at);
                t.pc = at;
                end = block(&mut t, &starts, fetch);
            }
            _ => {
                let mut region = t.b.finish(end);
                returns.join(&mut region, &starts);
                join(&mut region, &starts);
                return region;
            }
        }
    }
}

/// Translates the block at `t.pc`, the last of `starts`; tells how it ends.
fn block(
    t: &mut Translator,
    starts: &[u64],
    fetch: &mut dyn FnMut(u64) -> Option<u32>,
) -> Terminator {
    let limit = t.b.insns() + BLOCK_LIMIT;
    loop {
        let Some(word) = fetch(t.pc) else {
            return Terminator::Goto(Target::Guest(t.pc));
        };
        t.word = word;
        let flow = instruction(t);
        t.pc = t.pc.wrapping_add(4);
        if t.cx.single_step {
            return step(t, flow);
        }
        match flow {
            Flow::End(end) => return end,
            Flow::Next
                if t.pc.is_multiple_of(PAGE) || t.b.insns() == limit || starts.contains(&t.pc) =>
            {
                return Terminator::Goto(Target::Guest(t.pc));
            }
            Flow::Next => {}
        }
    }
}

/// The guest addresses that a block's end names.
fn successors(end: &Terminator) -> [Option<u64>; 2] {
    let address = |target| match target {
        Target::Guest(at) => Some(at),
        Target::Block(_) => None,
    };
    match *end {
        Terminator::Goto(to) => [None, address(to)],
        Terminator::Branch { then, other, .. } => [address(then), address(other)],
        Terminator::Indirect { .. } | Terminator::Exit => [None, None],
    }
}

/// The region of an instruction at `pc` that is UNDEFINED, whatever it is.
#[must_use]
pub fn refusal(pc: u64) -> Region {
    let mut b = Builder::new(pc);
    b.insn(pc, 4);
    b.call_void(helper::UNDEFINED, &[]);
    b.finish(Terminator::Exit)
}

fn instruction(t: &mut Translator) -> Flow {
    t.b.insn(t.pc, 4);
    if t.cx.breakpoints {
        t.b.call_void(helper::BREAKPOINT, &[]);
    }
    dispatch::instruction(t)
}

/// Replaces guest addresses at which the region's blocks start by those blocks.
fn join(region: &mut Region, starts: &[u64]) {
    let join = |target: &mut Target| {
        if let Target::Guest(at) = *target
            && let Some(n) = starts.iter().position(|&start| start == at)
        {
            *target = Target::Block(BlockId(n as u16));
        }
    };
    for block in &mut region.blocks {
        match &mut block.end {
            Terminator::Goto(to) => join(to),
            Terminator::Branch { then, other, .. } => {
                join(then);
                join(other);
            }
            Terminator::Indirect { .. } | Terminator::Exit => {}
        }
    }
}

/// Ends a single-stepped instruction: where it leads to goes to the program counter, then the step
/// completes.
fn step(t: &mut Translator, flow: Flow) -> Terminator {
    let next = match flow {
        Flow::Next => Some(t.b.iconst(t.pc)),
        Flow::End(Terminator::Goto(to)) => Some(address(t, to)),
        Flow::End(Terminator::Branch { c, then, other }) => {
            let then = address(t, then);
            let other = address(t, other);
            Some(t.b.select(c, then, other))
        }
        Flow::End(Terminator::Indirect { to, .. }) => Some(to),
        Flow::End(Terminator::Exit) => None,
    };
    if let Some(next) = next {
        t.b.set(state::PC, next);
    }
    let exclusive = t.b.iconst(u64::from(is_load_exclusive(t.word)));
    t.b.call_void(helper::STEP_DONE, &[exclusive]);
    Terminator::Exit
}

/// LDXR, LDAXR, LDXP, LDAXP and their narrower forms, which the syndrome of a step tells apart.
const fn is_load_exclusive(word: u32) -> bool {
    word & 0x3fc0_0000 == 0x0840_0000
}

/// Instructions name guest addresses only; a block is the region's own entry.
fn address(t: &mut Translator, target: Target) -> Int {
    match target {
        Target::Guest(at) => t.b.iconst(at),
        Target::Block(_) => t.b.iconst(t.pc.wrapping_sub(4)),
    }
}
