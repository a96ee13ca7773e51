//! What is known about a region's globals before its code is written.

use ferrite_ir::{Block, FlagKind, Op, Region, Target, Terminator, slot};

/// A set of slots below [`slot::FIRST_TEMP`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slots([u64; slot::FIRST_TEMP as usize / 64]);

impl Slots {
    pub(super) fn insert(&mut self, slot: u16) {
        if let Some(word) = self.0.get_mut(usize::from(slot) / 64) {
            *word |= 1 << (slot % 64);
        }
    }

    pub(super) fn contains(&self, slot: u16) -> bool {
        let word = self.0.get(usize::from(slot) / 64).copied().unwrap_or(0);
        word >> (slot % 64) & 1 != 0
    }

    fn join(&mut self, other: &Self) {
        for (to, from) in self.0.iter_mut().zip(other.0) {
            *to |= from;
        }
    }

    pub(super) fn iter(self) -> impl Iterator<Item = u16> {
        (0..slot::FIRST_TEMP).filter(move |&slot| self.contains(slot))
    }
}

/// What is known of the kind of the lazy flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing has led here yet.
    Unreached,
    Known(FlagKind),
    Any,
}

impl Kind {
    fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unreached, kind) | (kind, Self::Unreached) => kind,
            (a, b) if a == b => a,
            _ => Self::Any,
        }
    }
}

/// What a block does to globals.
struct Effect {
    /// Globals that it leaves changed but not stored.
    dirty: Slots,
    /// Whether it stores everything on its way.
    stores_all: bool,
    /// The kind of flags that it leaves, if it touches them.
    kind: Option<Kind>,
}

/// The slots of the lazy flags.
pub(super) const FLAGS: [u16; 4] = [slot::FLAG_KIND, slot::FLAG_A, slot::FLAG_B, slot::FLAG_C];

/// Which of the flags' operand slots a kind's flags are made of.
pub(super) fn flag_operands(kind: FlagKind) -> &'static [u16] {
    const OPERANDS: [u16; 3] = [slot::FLAG_A, slot::FLAG_B, slot::FLAG_C];
    let count = 1 + usize::from(kind.reads_b()) + usize::from(kind.reads_c());
    OPERANDS.get(..count).unwrap_or(&OPERANDS)
}

/// Whether a slot is a register of the guest, whose value code keeps to itself between the points
/// where somebody looks. The others are read and written where they are.
pub(super) fn is_kept(slot: u16) -> bool {
    (slot::FIRST_GUEST..slot::FIRST_TEMP).contains(&slot)
}

/// What is known of a region.
pub(super) struct Flow {
    /// Registers that are used as integers.
    pub ints: Slots,
    /// Even slots of registers that are used as vectors.
    pub vectors: Slots,
    /// Whether the flags are used.
    pub flags: bool,
    /// Of these, those whose value at the entry or after a call may be needed.
    pub loaded: Slots,
    /// For each block, the globals that may be changed but not stored on entry to it.
    pub dirty: Vec<Slots>,
    /// For each block, the kind of the flags on entry, where it is always the same.
    pub kinds: Vec<Option<FlagKind>>,
    /// For each block, whether a later block or itself leads to it.
    pub looped: Vec<bool>,
}

/// The blocks of the region that a terminator leads to.
pub(super) fn successors(end: &Terminator) -> impl Iterator<Item = usize> {
    let targets = match *end {
        Terminator::Goto(to) => [Some(to), None],
        Terminator::Branch { then, other, .. } => [Some(then), Some(other)],
        Terminator::Indirect { .. } | Terminator::Exit => [None, None],
    };
    targets.into_iter().flatten().filter_map(|to| match to {
        Target::Block(id) => Some(usize::from(id.0)),
        Target::Guest(_) => None,
    })
}

impl Flow {
    pub(super) fn of(region: &Region) -> Self {
        let count = region.blocks.len();
        let mut flow = Self {
            ints: Slots::default(),
            vectors: Slots::default(),
            flags: false,
            loaded: Slots::default(),
            dirty: vec![Slots::default(); count],
            kinds: Vec::new(),
            looped: vec![false; count],
        };
        for op in region.blocks.iter().flat_map(|block| &block.ops) {
            flow.note(op);
        }
        for (n, block) in region.blocks.iter().enumerate() {
            for to in successors(&block.end).filter(|&to| to <= n) {
                if let Some(looped) = flow.looped.get_mut(to) {
                    *looped = true;
                }
            }
        }
        if count > 1 || flow.looped.contains(&true) {
            // What one way changes is stored where ways have met.
            let used = flow.ints.iter().chain(flow.vectors.iter());
            for slot in used.collect::<Vec<_>>() {
                flow.loaded.insert(slot);
            }
        }
        flow.solve(region);
        flow
    }

    fn note(&mut self, op: &Op) {
        match *op {
            Op::Get { from, .. } if is_kept(from.0) => {
                self.ints.insert(from.0);
                self.loaded.insert(from.0);
            }
            Op::Set { to, .. } if is_kept(to.0) => self.ints.insert(to.0),
            Op::GetVec { from, .. } => {
                self.vectors.insert(from.0);
                self.loaded.insert(from.0);
            }
            Op::SetVec { to, .. } => self.vectors.insert(to.0),
            _ => self.flags |= op.reads_flags() || op.sets_flags(),
        }
    }

    /// Whether a vector's halves are used as integers, too.
    pub(super) fn is_split(&self, vector: u16) -> bool {
        self.ints.contains(vector) || self.ints.contains(vector + 1)
    }

    /// The slots that a write to a vector changes.
    pub(super) fn halves(&self, vector: u16) -> impl Iterator<Item = u16> + use<> {
        let high = self.is_split(vector).then_some(vector + 1);
        [Some(vector), high].into_iter().flatten()
    }

    fn effect(&self, block: &Block) -> Effect {
        let mut effect = Effect {
            dirty: Slots::default(),
            stores_all: false,
            kind: None,
        };
        for op in &block.ops {
            match *op {
                Op::Set { to, .. } if is_kept(to.0) => effect.dirty.insert(to.0),
                Op::SetVec { to, .. } => {
                    for slot in self.halves(to.0) {
                        effect.dirty.insert(slot);
                    }
                }
                Op::SetFlags { kind, .. } => {
                    effect.dirty.insert(slot::FLAG_KIND);
                    for &slot in flag_operands(kind) {
                        effect.dirty.insert(slot);
                    }
                    effect.kind = Some(Kind::Known(kind));
                }
                Op::SetFlagsIf { .. } => {
                    for slot in [slot::FLAG_KIND, slot::FLAG_A, slot::FLAG_B] {
                        effect.dirty.insert(slot);
                    }
                    effect.kind = Some(Kind::Any);
                }
                Op::Call { .. } => {
                    effect = Effect {
                        dirty: Slots::default(),
                        stores_all: true,
                        kind: Some(Kind::Any),
                    };
                }
                _ => {}
            }
        }
        effect
    }

    /// Carries what blocks leave behind to where they lead, until nothing changes.
    fn solve(&mut self, region: &Region) {
        let effects: Vec<Effect> = region.blocks.iter().map(|b| self.effect(b)).collect();
        let mut kinds = vec![Kind::Unreached; region.blocks.len()];
        if let Some(entry) = kinds.first_mut() {
            *entry = Kind::Any;
        }
        loop {
            let mut changed = false;
            for (n, (block, effect)) in region.blocks.iter().zip(&effects).enumerate() {
                let mut dirty = effect.dirty;
                if !effect.stores_all {
                    dirty.join(&self.dirty[n]);
                }
                let kind = effect.kind.unwrap_or(kinds[n]);
                for to in successors(&block.end) {
                    let (Some(slots), Some(k)) = (self.dirty.get_mut(to), kinds.get_mut(to)) else {
                        continue;
                    };
                    let before = (*slots, *k);
                    slots.join(&dirty);
                    *k = k.join(kind);
                    changed |= before != (*slots, *k);
                }
            }
            if !changed {
                break;
            }
        }
        self.kinds = kinds
            .into_iter()
            .map(|kind| match kind {
                Kind::Known(kind) => Some(kind),
                Kind::Unreached | Kind::Any => None,
            })
            .collect();
    }
}
