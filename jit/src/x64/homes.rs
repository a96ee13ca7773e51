//! Globals that stay in registers throughout a region with loops.
//!
//! Between blocks each such global is in its *home* register, which then holds more than its slot
//! does: stores to the slot are left to where somebody looks, mostly the cold part and the exits.

use ferrite_ir::{Op, Region, Target, Terminator, slot};

use super::file::NONE;

/// Registers for homes: the others are for the values within blocks.
const INTEGERS: [u8; 7] = [3, 6, 7, 8, 9, 10, 11];
const VECTORS: [u8; 9] = [3, 4, 5, 6, 7, 8, 9, 10, 11];

/// How much more an access in a loop counts, for each loop around it up to [`DEPTH`].
const LOOP_SHIFT: u32 = 3;
const DEPTH: u32 = 3;

/// Registers, a bit each, of both classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Registers {
    pub ints: u16,
    pub vectors: u16,
}

/// Which globals have homes, and what is known at the start of each block.
#[derive(Debug, Default)]
pub(super) struct Homes {
    /// The global of each integer register, or [`NONE`].
    pub ints: [u16; 16],
    /// The same of vector registers.
    pub vectors: [u16; 16],
    /// The homes that hold something newer than their slots, perhaps, when a block starts.
    pub newer: Vec<Registers>,
    /// Whether a block is the target of a jump back.
    pub headers: Vec<bool>,
}

impl Homes {
    /// Chooses homes for a region: where it has no loop there are none.
    pub(super) fn choose(region: &Region) -> Self {
        let mut homes = Self {
            ints: [NONE; 16],
            vectors: [NONE; 16],
            newer: vec![Registers::default(); region.blocks.len()],
            headers: vec![false; region.blocks.len()],
        };
        let depths = homes.find_loops(region);
        if homes.headers.contains(&true) {
            let weights = Weights::of(region, &depths);
            assign(&mut homes.ints, &INTEGERS, &weights.ints);
            assign(&mut homes.vectors, &VECTORS, &weights.vectors);
            homes.find_newer(region);
        }
        homes
    }

    /// Whether any global has a home.
    pub(super) fn is_empty(&self) -> bool {
        let mut all = self.ints.iter().chain(&self.vectors);
        all.all(|&global| global == NONE)
    }

    /// Marks the headers; returns how many loops are around each block. Blocks come in the order in
    /// which control reaches them, so what lies between a header and the jump back is the loop.
    fn find_loops(&mut self, region: &Region) -> Vec<u32> {
        let mut depths = vec![0; region.blocks.len()];
        for (from, block) in region.blocks.iter().enumerate() {
            for to in successors(&block.end) {
                if to <= from && to < depths.len() {
                    self.headers[to] = true;
                    for depth in &mut depths[to..=from] {
                        *depth = DEPTH.min(*depth + 1);
                    }
                }
            }
        }
        depths
    }

    /// Follows what blocks write to homes until nothing changes.
    fn find_newer(&mut self, region: &Region) {
        let mut changed = true;
        while changed {
            changed = false;
            for (n, block) in region.blocks.iter().enumerate() {
                let out = self.after(self.newer[n], &block.ops);
                for to in successors(&block.end) {
                    let Some(at) = self.newer.get_mut(to) else {
                        continue;
                    };
                    let joined = Registers {
                        ints: at.ints | out.ints,
                        vectors: at.vectors | out.vectors,
                    };
                    changed |= joined != *at;
                    *at = joined;
                }
            }
        }
    }

    fn after(&self, mut newer: Registers, ops: &[Op]) -> Registers {
        let bit = |homes: &[u16; 16], global: u16| {
            let home = homes.iter().position(|&held| held == global);
            home.map_or(0, |register| 1 << register)
        };
        for op in ops {
            match *op {
                Op::Set { to, .. } => newer.ints |= bit(&self.ints, to.0),
                Op::SetVec { to, .. } => newer.vectors |= bit(&self.vectors, to.0),
                Op::Call { .. } => newer = Registers::default(),
                _ => {}
            }
        }
        newer
    }
}

/// Numbers of the blocks that a block's end leads to.
fn successors(end: &Terminator) -> impl Iterator<Item = usize> + use<> {
    let block = |target: Target| match target {
        Target::Block(id) => Some(usize::from(id.0)),
        Target::Guest(_) => None,
    };
    let both = match *end {
        Terminator::Goto(to) => [block(to), None],
        Terminator::Branch { then, other, .. } => [block(then), block(other)],
        Terminator::Indirect { .. } | Terminator::Exit => [None, None],
    };
    both.into_iter().flatten()
}

/// How often each global is accessed.
struct Weights {
    ints: Vec<u32>,
    vectors: Vec<u32>,
}

impl Weights {
    fn of(region: &Region, depths: &[u32]) -> Self {
        let mut weights = Self {
            ints: vec![0; slot::COUNT],
            vectors: vec![0; slot::COUNT],
        };
        for (block, &depth) in region.blocks.iter().zip(depths) {
            // What is outside of loops gains nothing.
            let weight = u32::from(depth > 0) << (LOOP_SHIFT * depth);
            for op in &block.ops {
                match *op {
                    Op::Get { from: global, .. } | Op::Set { to: global, .. } => {
                        weights.ints[usize::from(global.0)] += weight;
                    }
                    Op::GetVec { from: global, .. } | Op::SetVec { to: global, .. } => {
                        weights.vectors[usize::from(global.0)] += weight;
                    }
                    _ => {}
                }
            }
        }
        weights.separate(region);
        weights
    }

    /// Leaves out what may not be in a register: the slots that are this crate's own, and what is
    /// both a vector and an integer somewhere.
    fn separate(&mut self, region: &Region) {
        let first = usize::from(slot::FIRST_GUEST);
        self.ints[..first].fill(0);
        self.vectors[..first].fill(0);
        for op in region.blocks.iter().flat_map(|block| &block.ops) {
            match *op {
                Op::Get { from: global, .. } | Op::Set { to: global, .. } => {
                    let n = usize::from(global.0);
                    self.vectors[n] = 0;
                    self.vectors[n.saturating_sub(1)] = 0;
                }
                Op::GetVec { from: global, .. } | Op::SetVec { to: global, .. } => {
                    let n = usize::from(global.0);
                    self.ints[n] = 0;
                    self.ints[n + 1] = 0;
                }
                _ => {}
            }
        }
    }
}

/// Gives the heaviest globals a register each.
fn assign(homes: &mut [u16; 16], registers: &[u8], weights: &[u32]) {
    let weighty = weights
        .iter()
        .enumerate()
        .filter(|&(_, &weight)| weight > 0);
    let mut order: Vec<(u32, u16)> = weighty.map(|(n, &weight)| (weight, n as u16)).collect();
    order.sort_unstable_by_key(|&(weight, n)| (u32::MAX - weight, n));
    for (&register, (_, global)) in registers.iter().zip(order) {
        homes[usize::from(register)] = global;
    }
}
