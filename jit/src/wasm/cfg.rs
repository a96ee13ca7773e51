//! The shape of a region's control flow: what structured code needs to know.
//!
//! Blocks are numbered in reverse postorder. Where every edge against that order leads to a block that
//! dominates its source, the flow is written as nested `loop`s and `block`s along the dominator tree
//! (N. Ramsey, *Beyond Relooper*, ICFP 2022); else as a `loop` around a `br_table`.

use ferrite_ir::{Block, Op, Region, Target, Terminator};

/// A global that the code keeps in a local: a bit for each slot below
/// [`FIRST_TEMP`](ferrite_ir::slot::FIRST_TEMP).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slots([u64; 4]);

impl Slots {
    pub(super) fn insert(&mut self, slot: u16) {
        self.0[usize::from(slot >> 6) & 3] |= 1 << (slot & 63);
    }

    pub(super) fn contains(&self, slot: u16) -> bool {
        self.0[usize::from(slot >> 6) & 3] >> (slot & 63) & 1 != 0
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self(std::array::from_fn(|n| self.0[n] | other.0[n]))
    }

    pub(super) fn intersection(self, other: Self) -> Self {
        Self(std::array::from_fn(|n| self.0[n] & other.0[n]))
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(std::array::from_fn(|n| self.0[n] & !other.0[n]))
    }

    pub(super) fn range(slots: std::ops::Range<u16>) -> Self {
        let mut all = Self::default();
        slots.for_each(|slot| all.insert(slot));
        all
    }

    pub(super) fn iter(self) -> impl Iterator<Item = u16> {
        (0..).step_by(64).zip(self.0).flat_map(|(first, mut bits)| {
            std::iter::from_fn(move || {
                let slot = (bits != 0).then(|| first + bits.trailing_zeros() as u16);
                bits &= bits.wrapping_sub(1);
                slot
            })
        })
    }
}

/// The blocks of a region that can be reached, and how they hang together.
#[derive(Debug)]
pub(super) struct Cfg {
    /// Blocks in reverse postorder.
    pub order: Vec<usize>,
    /// Place of each block in the order; `None` if it is not reached.
    pub rank: Vec<Option<usize>>,
    /// By block: those that lead to it against the order.
    back: Vec<bool>,
    /// By block: those that lead to it along the order.
    pub forward: Vec<Vec<usize>>,
    /// By block: the children in the dominator tree, in the order.
    children: Vec<Vec<usize>>,
    /// Whether structured code can be written.
    pub reducible: bool,
    /// By block: globals that are read before they are written, from its start on.
    pub live: Vec<Slots>,
    /// Whether globals that are written stay in their locals until somebody may look: so it is in
    /// regions with loops.
    pub lazy: bool,
    /// By block: globals whose local may be newer than their slot at its start.
    pub newer: Vec<Slots>,
}

/// The blocks that a block leads to.
pub(super) fn successors(region: &Region, n: usize) -> impl Iterator<Item = usize> {
    let inner = |target| match target {
        Target::Block(id) => Some(usize::from(id.0)),
        Target::Guest(_) => None,
    };
    let both = match region.blocks[n].end {
        Terminator::Goto(target) => [inner(target), None],
        Terminator::Branch { then, other, .. } => [inner(then), inner(other)],
        Terminator::Indirect { .. } | Terminator::Exit => [None; 2],
    };
    both.into_iter().flatten()
}

/// The guest address of a block's first instruction.
pub(super) fn block_address(block: &Block) -> Option<u64> {
    block.ops.iter().find_map(|op| match op {
        Op::Insn { pc } => Some(*pc),
        _ => None,
    })
}

impl Cfg {
    pub(super) fn new(region: &Region) -> Self {
        let order = reverse_postorder(region);
        let count = region.blocks.len();
        let mut cfg = Self {
            rank: vec![None; count],
            back: vec![false; count],
            forward: vec![Vec::new(); count],
            children: vec![Vec::new(); count],
            reducible: true,
            live: vec![Slots::default(); count],
            lazy: false,
            newer: vec![Slots::default(); count],
            order,
        };
        for (rank, &n) in cfg.order.iter().enumerate() {
            cfg.rank[n] = Some(rank);
        }
        for &n in &cfg.order {
            for to in successors(region, n) {
                if cfg.rank[to] <= cfg.rank[n] {
                    cfg.back[to] = true;
                } else {
                    cfg.forward[to].push(n);
                }
            }
        }
        cfg.dominate(region);
        cfg.find_live(region);
        cfg.lazy = cfg.reducible && cfg.back.contains(&true);
        if cfg.lazy {
            cfg.find_newer(region);
        }
        cfg
    }

    /// Whether a block is entered from one that is not before it in the order.
    pub(super) fn is_loop(&self, n: usize) -> bool {
        self.back[n]
    }

    /// Whether a block is entered from several along the order.
    pub(super) fn is_merge(&self, n: usize) -> bool {
        self.forward[n].len() > 1
    }

    /// The blocks that code directly below `n` in the dominator tree has to be followed by.
    pub(super) fn merges_below(&self, n: usize) -> Vec<usize> {
        let children = self.children[n].iter().copied();
        children.filter(|&child| self.is_merge(child)).collect()
    }

    /// Immediate dominators (Cooper, Harvey and Kennedy's algorithm; without back edges one pass in
    /// the order is enough).
    fn dominate(&mut self, region: &Region) {
        let mut parent = vec![0; self.order.len()];
        for rank in 1..self.order.len() {
            let mut all = self.forward[self.order[rank]]
                .iter()
                .filter_map(|&n| self.rank[n]);
            let first = all.next().unwrap_or(0);
            parent[rank] = all.fold(first, |a, b| meet(&parent, a, b));
            self.children[self.order[parent[rank]]].push(self.order[rank]);
        }
        for (rank, &n) in self.order.iter().enumerate() {
            for to in successors(region, n).filter_map(|to| self.rank[to]) {
                if to <= rank && meet(&parent, to, rank) != to {
                    self.reducible = false;
                }
            }
        }
    }

    fn find_live(&mut self, region: &Region) {
        let facts: Vec<_> = region
            .blocks
            .iter()
            .map(|b| reads_and_writes(&b.ops))
            .collect();
        loop {
            let mut changed = false;
            for &n in self.order.iter().rev() {
                let after = successors(region, n)
                    .fold(Slots::default(), |all, to| all.union(self.live[to]));
                let (reads, writes, calls) = facts[n];
                let through = if calls {
                    Slots::default()
                } else {
                    after.without(writes)
                };
                let live = reads.union(through);
                changed |= live != self.live[n];
                self.live[n] = live;
            }
            if !changed {
                return;
            }
        }
    }

    fn find_newer(&mut self, region: &Region) {
        let facts: Vec<_> = region.blocks.iter().map(|b| last_writes(&b.ops)).collect();
        loop {
            let mut changed = false;
            for &n in &self.order {
                let (writes, calls) = facts[n];
                let before = if calls {
                    Slots::default()
                } else {
                    self.newer[n]
                };
                let after = before.union(writes);
                for to in successors(region, n) {
                    let newer = self.newer[to].union(after);
                    changed |= newer != self.newer[to];
                    self.newer[to] = newer;
                }
            }
            if !changed {
                return;
            }
        }
    }
}

fn meet(parent: &[usize], mut a: usize, mut b: usize) -> usize {
    while a != b {
        if a > b {
            a = parent[a];
        } else {
            b = parent[b];
        }
    }
    a
}

fn reverse_postorder(region: &Region) -> Vec<usize> {
    let mut seen = vec![false; region.blocks.len()];
    let mut order = Vec::with_capacity(region.blocks.len());
    let mut path = vec![(0, successors(region, 0).collect::<Vec<_>>())];
    seen[0] = true;
    while let Some((n, rest)) = path.last_mut() {
        match rest.pop() {
            Some(to) if seen[to] => {}
            Some(to) => {
                seen[to] = true;
                path.push((to, successors(region, to).collect()));
            }
            None => {
                order.push(*n);
                path.pop();
            }
        }
    }
    order.reverse();
    order
}

/// The slots that operations read before they write them, those that they write, and whether they
/// call what may change any.
fn reads_and_writes(ops: &[Op]) -> (Slots, Slots, bool) {
    let (mut reads, mut writes) = (Slots::default(), Slots::default());
    for op in ops {
        match *op {
            Op::Get { from, .. } if !writes.contains(from.0) => reads.insert(from.0),
            Op::GetVec { from, .. } if !writes.contains(from.0) => reads.insert(from.0),
            Op::Set { to, .. } => writes.insert(to.0),
            Op::SetVec { to, .. } => writes.insert(to.0),
            Op::Call { .. } => return (reads, writes, true),
            _ => {}
        }
    }
    (reads, writes, false)
}

/// The slots that operations write after the last call, and whether there is one.
fn last_writes(ops: &[Op]) -> (Slots, bool) {
    let mut writes = Slots::default();
    for op in ops.iter().rev() {
        match *op {
            Op::Set { to, .. } => writes.insert(to.0),
            Op::SetVec { to, .. } => writes.insert(to.0),
            Op::Call { .. } => return (writes, true),
            _ => {}
        }
    }
    (writes, false)
}
