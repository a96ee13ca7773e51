//! Returns to calls of the same region: compared with where those go on.

use ferrite_ir::{
    Block, BlockId, Cc, Global, IndirectKind, Int, Op, Region, Target, Terminator, Value, Width,
};

/// Calls that a return is compared with at most.
const LIMIT: usize = 3;

/// What calls and returns a region has so far.
#[derive(Default)]
pub(super) struct Returns {
    /// Where the calls of what is in the page go on.
    calls: Vec<u64>,
    /// Whether there is a return.
    any: bool,
}

impl Returns {
    /// Notes a block that ends with the instruction `word` before `next`. Gives the addresses that
    /// returns may lead to.
    pub(super) fn after(
        &mut self,
        end: &Terminator,
        word: u32,
        next: u64,
    ) -> impl Iterator<Item = u64> {
        let mut known = 0;
        match *end {
            Terminator::Indirect {
                kind: IndirectKind::Return,
                ..
            } if !self.any => self.any = true,
            Terminator::Goto(Target::Guest(at))
                if is_call(word) && at / super::PAGE == next / super::PAGE =>
            {
                known = if self.any {
                    self.calls.len()
                } else {
                    usize::MAX
                };
                if !self.calls.contains(&next) {
                    self.calls.push(next);
                }
            }
            _ => known = usize::MAX,
        }
        let new = self.calls.get(known..).unwrap_or(&[]);
        new.iter().copied()
    }

    /// Compares every return with the calls, in a region whose blocks start at `starts`.
    pub(super) fn join(&self, region: &mut Region, starts: &[u64]) {
        let start = |&at: &u64| Some((at, starts.iter().position(|&start| start == at)?));
        let ways: Vec<(u64, usize)> = self.calls.iter().filter_map(start).take(LIMIT).collect();
        if ways.is_empty() {
            return;
        }
        let mut next = first_unused(region);
        for n in 0..region.blocks.len() {
            if let Some(from) = returns_to(&region.blocks[n]) {
                compare(region, n, from, &ways, &mut next);
            }
        }
    }
}

/// BL.
const fn is_call(word: u32) -> bool {
    word >> 26 == 0b10_0101
}

/// The first integer number that no value has.
fn first_unused(region: &Region) -> u32 {
    let mut next = 0;
    for op in region.blocks.iter().flat_map(|block| &block.ops) {
        op.defines(|v| {
            if let Value::Int(Int(n)) = v {
                next = next.max(n + 1);
            }
        });
    }
    next
}

/// The global with the address, if the block ends with a return.
fn returns_to(block: &Block) -> Option<Global> {
    let Terminator::Indirect {
        to,
        kind: IndirectKind::Return,
    } = block.end
    else {
        return None;
    };
    block.ops.iter().rev().find_map(|op| match *op {
        Op::Get { d, from } if d == to => Some(from),
        _ => None,
    })
}

/// Lets the return of block `n` go where it is compared with, in the block itself and in others at the
/// region's end, of which the last has the return.
fn compare(region: &mut Region, n: usize, from: Global, ways: &[(u64, usize)], next: &mut u32) {
    let mut new = || {
        *next += 1;
        Int(*next - 1)
    };
    let mut at = n;
    for &(pc, block) in ways {
        let (d, value, c) = (new(), new(), new());
        let rest = Block {
            ops: vec![Op::Get { d, from }],
            end: Terminator::Indirect {
                to: d,
                kind: IndirectKind::Return,
            },
        };
        let other = Target::Block(BlockId(region.blocks.len() as u16));
        region.blocks.push(rest);
        let block = Target::Block(BlockId(block as u16));
        let Terminator::Indirect { to, .. } = region.blocks[at].end else {
            return;
        };
        region.blocks[at].ops.extend([
            Op::Const {
                d: value,
                value: pc,
            },
            Op::Compare {
                cc: Cc::Eq,
                w: Width::W64,
                d: c,
                a: to,
                b: value,
            },
        ]);
        region.blocks[at].end = Terminator::Branch {
            c,
            then: block,
            other,
        };
        at = region.blocks.len() - 1;
    }
}
