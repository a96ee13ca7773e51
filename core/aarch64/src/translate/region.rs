//! From a guest address to a region.

#[cfg(test)]
mod tests;

use ferrite_ir::{BlockId, Builder, Int, Region, Target, Terminator};

use super::{Context, Flow, Translator, dispatch, helper};
use crate::state;

/// Instructions in a region at most: long enough for straight code, short enough that little is
/// lost when an exception leaves in the middle or a store invalidates it.
const LIMIT: u32 = 64;

/// Regions lie within one page of this size, the smallest that memory is mapped by.
const PAGE: u64 = 4096;

/// Translates instructions from `pc` on, up to the first that ends a block, the end of the page, or
/// a limit. `fetch` reads the instruction at an address; where it gives `None` the region ends.
///
/// The region is one block. A branch back to its own entry stays within it.
pub fn region(cx: Context, pc: u64, fetch: &mut dyn FnMut(u64) -> Option<u32>) -> Region {
    let mut t = Translator {
        b: Builder::new(pc),
        pc,
        word: 0,
        cx,
    };
    let end = loop {
        let Some(word) = fetch(t.pc) else {
            break Terminator::Goto(Target::Guest(t.pc));
        };
        t.word = word;
        let flow = instruction(&mut t);
        t.pc = t.pc.wrapping_add(4);
        if cx.single_step {
            break step(&mut t, flow);
        }
        match flow {
            Flow::End(end) => break looped(end, pc),
            Flow::Next if t.pc.is_multiple_of(PAGE) || t.b.insns() == LIMIT => {
                break Terminator::Goto(Target::Guest(t.pc));
            }
            Flow::Next => {}
        }
    };
    t.b.finish(end)
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

/// Replaces guest addresses that are the region's entry by its first block.
fn looped(end: Terminator, entry: u64) -> Terminator {
    let target = |target| match target {
        Target::Guest(at) if at == entry => Target::Block(BlockId(0)),
        other => other,
    };
    match end {
        Terminator::Goto(to) => Terminator::Goto(target(to)),
        Terminator::Branch { c, then, other } => Terminator::Branch {
            c,
            then: target(then),
            other: target(other),
        },
        Terminator::Indirect { .. } | Terminator::Exit => end,
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
