//! What is known about a block's values before its code is written.

use ferrite_ir::{Block, FlagKind, Int, Op, Region, Value};

/// Deepest tree of operations that is written as one expression.
const MAX_DEPTH: u8 = 24;

/// Where a value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere yet; a deferred operation computes it where it is read.
    #[default]
    Nowhere,
    /// In a local of its own.
    Own(u32),
    /// In the local of the global that it was read from.
    Shared(u32),
}

/// What is known of a value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// How often it is read.
    pub uses: u32,
    /// Index of the operation that defines it.
    pub def: u32,
    /// Index of the last operation whose code reads it.
    pub last: u32,
    /// Its value, if that is constant.
    pub constant: Option<u64>,
    /// Whether its only reader computes it.
    pub deferred: bool,
    /// Height of its tree of deferred operations.
    depth: u8,
    pub place: Place,
}

/// Where the flags come from, within the block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Flags {
    /// From before the block, or from a helper.
    #[default]
    Unknown,
    /// From the last [`Op::SetFlags`].
    Of {
        kind: FlagKind,
        a: Int,
        b: Int,
        c: Int,
    },
    /// From the last [`Op::SetFlagsIf`].
    If {
        c: Int,
        kind: FlagKind,
        a: Int,
        b: Int,
        otherwise: u32,
    },
}

impl Flags {
    fn after(self, op: &Op) -> Self {
        match *op {
            Op::SetFlags { kind, a, b, c } => Self::Of { kind, a, b, c },
            Op::SetFlagsIf {
                c,
                kind,
                a,
                b,
                otherwise,
            } => Self::If {
                c,
                kind,
                a,
                b,
                otherwise,
            },
            Op::Call { .. } => Self::Unknown,
            _ => self,
        }
    }

    fn operands(self) -> impl Iterator<Item = Int> {
        let list = match self {
            Self::Unknown => [None; 3],
            Self::Of { kind, a, b, c } => [
                Some(a),
                kind.reads_b().then_some(b),
                kind.reads_c().then_some(c),
            ],
            Self::If { c, a, b, .. } => [Some(c), Some(a), Some(b)],
        };
        list.into_iter().flatten()
    }
}

/// The values of a region, and where each test's flags come from.
#[derive(Debug, Default)]
pub(super) struct Plan {
    ints: Vec<Known>,
    vectors: Vec<Known>,
    /// By the index of the operation, for the present block.
    tests: Vec<(u32, Flags)>,
}

impl Plan {
    /// Room for every value of a region.
    pub(super) fn new(region: &Region) -> Self {
        let (mut ints, mut vectors) = (0, 0);
        for op in region.blocks.iter().flat_map(|block| &block.ops) {
            op.defines(|value| match value {
                Value::Int(Int(n)) => ints = ints.max(n as usize + 1),
                Value::Vector(v) => vectors = vectors.max(v.0 as usize + 1),
            });
        }
        Self {
            ints: vec![Known::default(); ints],
            vectors: vec![Known::default(); vectors],
            tests: Vec::new(),
        }
    }

    pub(super) fn value(&self, value: Value) -> &Known {
        match value {
            Value::Int(Int(n)) => &self.ints[n as usize],
            Value::Vector(v) => &self.vectors[v.0 as usize],
        }
    }

    pub(super) fn value_mut(&mut self, value: Value) -> &mut Known {
        match value {
            Value::Int(Int(n)) => &mut self.ints[n as usize],
            Value::Vector(v) => &mut self.vectors[v.0 as usize],
        }
    }

    pub(super) fn int(&self, a: Int) -> &Known {
        &self.ints[a.0 as usize]
    }

    /// Where the flags come from that the test at `at` reads.
    pub(super) fn flags(&self, at: u32) -> Flags {
        let found = self.tests.binary_search_by_key(&at, |&(at, _)| at);
        found.map_or(Flags::Unknown, |n| self.tests[n].1)
    }

    /// Fills in what a block says about its values.
    pub(super) fn block(&mut self, block: &Block) {
        self.count(block);
        self.defer(block);
        self.last_reads(block);
    }

    fn count(&mut self, block: &Block) {
        self.tests.clear();
        let mut flags = Flags::default();
        for (at, op) in block.ops.iter().enumerate() {
            op.reads(|v| self.value_mut(v).uses += 1);
            op.defines(|v| self.value_mut(v).def = at as u32);
            match *op {
                Op::Const { d, value } => {
                    self.value_mut(Value::Int(d)).constant = Some(value);
                }
                Op::Test { .. } => {
                    self.tests.push((at as u32, flags));
                    for a in flags.operands() {
                        self.value_mut(Value::Int(a)).uses += 1;
                    }
                }
                _ => {}
            }
            flags = flags.after(op);
        }
        if let Some(a) = block.end.read() {
            self.value_mut(Value::Int(a)).uses += 1;
        }
    }

    fn defer(&mut self, block: &Block) {
        for (at, op) in block.ops.iter().enumerate() {
            let (mut target, mut deepest) = (None, 0);
            op.defines(|v| target = Some(v));
            op.reads(|v| deepest = deepest.max(self.value(v).depth));
            let Some(target) = target else { continue };
            let depth = deepest + 1;
            let value = self.value(target);
            if value.uses == 1 && depth < MAX_DEPTH && self.may_wait(op, at as u32) {
                let value = self.value_mut(target);
                value.deferred = true;
                value.depth = depth;
            }
        }
    }

    /// Whether the operation may be computed later than where it is.
    fn may_wait(&self, op: &Op, at: u32) -> bool {
        match op {
            Op::Const { .. } | Op::Get { .. } | Op::GetVec { .. } | Op::GetNzcv { .. } => false,
            Op::Test { .. } => self.flags(at) != Flags::Unknown,
            // These work through slots.
            Op::Wide { .. } => false,
            _ => op.is_pure(),
        }
    }

    fn last_reads(&mut self, block: &Block) {
        let end = block.ops.len() as u32;
        if let Some(a) = block.end.read() {
            self.read_at(Value::Int(a), end);
        }
        for (at, op) in block.ops.iter().enumerate().rev() {
            let (mut when, mut defined) = (at as u32, Vec::new());
            op.defines(|v| defined.push(v));
            for v in defined {
                let value = self.value_mut(v);
                if value.deferred {
                    when = value.last;
                } else {
                    value.last = value.last.max(at as u32);
                }
            }
            let mut reads = Vec::new();
            op.reads(|v| reads.push(v));
            if let Op::Test { .. } = op {
                reads.extend(self.flags(at as u32).operands().map(Value::Int));
            }
            for v in reads {
                self.read_at(v, when);
            }
        }
    }

    fn read_at(&mut self, v: Value, when: u32) {
        let value = self.value_mut(v);
        value.last = value.last.max(when);
    }
}
