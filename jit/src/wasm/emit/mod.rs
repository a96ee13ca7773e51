//! From operations to a function.

mod atomic;
mod control;
mod flags;
mod float;
mod fused;
mod integer;
mod lanes;
mod memory;
mod ordered;
mod values;
mod wide;

use std::collections::HashMap;

use ferrite_ir::interp::{AtomicEntry, WideEntry};
use ferrite_ir::{Block, Op, Region, Value, slot};
use ferrite_simd::{Shape, WideOp};
use wasm_encoder::{Function, InstructionSink, ValType};

use super::cfg::{Cfg, Slots};
use super::layout::{Layout, Site, What};
use super::plan::Plan;

/// The first parameter: address of the vCPU block.
const BLOCK: u32 = 0;
/// The second: address of [`Shared`](super::layout::Shared).
const CONTEXT: u32 = 1;
const PARAMETERS: u32 = 2;

/// Most blocks of a region: beyond, engines take disproportionately long.
const MAX_BLOCKS: usize = 256;

/// Why a region has no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum EmitError {
    #[error("the region has too many blocks")]
    TooLarge,
    #[error("a wide operation has no function at its shape")]
    NoWideFunction,
}

/// An exit of a region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exit {
    /// Where it leads.
    pub pc: u64,
    /// Whether its link holds for one code generation only.
    pub far: bool,
}

/// A region's function.
pub(super) struct Output {
    pub function: Function,
    pub exits: Vec<Exit>,
}

/// A list in two halves, of which one can be dropped. The lowest bit of a number says which it is in.
pub(super) struct Halves<T>([Vec<T>; 2]);

impl<T> Default for Halves<T> {
    fn default() -> Self {
        Self([const { Vec::new() }; 2])
    }
}

impl<T> Halves<T> {
    /// Adds to a half; the number.
    fn push(&mut self, half: usize, value: T) -> u32 {
        let list = &mut self.0[half & 1];
        list.push(value);
        (list.len() as u32 - 1) << 1 | (half as u32 & 1)
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.0[number as usize & 1].get(number as usize >> 1)
    }
}

/// What the functions of all regions refer to by number.
#[derive(Default)]
pub(super) struct Tables {
    /// The half that is being filled.
    half: usize,
    pub sites: Halves<Site>,
    pub wides: Vec<WideEntry>,
    pub atomics: Halves<AtomicEntry>,
    wide_numbers: HashMap<(WideOp, Shape, u32), u32>,
}

impl Tables {
    /// Empties a half, which is filled from now on.
    pub(super) fn clear(&mut self, half: usize) {
        self.half = half & 1;
        self.sites.0[self.half].clear();
        self.atomics.0[self.half].clear();
    }
}

/// A region on its way to code.
struct Emitter<'a> {
    region: &'a Region,
    layout: &'a Layout,
    tables: &'a mut Tables,
    cfg: Cfg,
    plan: Plan,
    code: Vec<u8>,
    locals: values::Locals,
    /// Operations of the present block.
    ops: &'a [Op],
    /// Index of the present operation.
    at: u32,
    /// Values of the block that are in the local of a global.
    sharers: Vec<(u32, Value)>,
    /// Globals whose local has their value.
    loaded: Slots,
    /// The same at the end of blocks that are done.
    loaded_after: Vec<Slots>,
    /// Globals whose local may be newer than their slot.
    newer: Slots,
    /// The same at the end of blocks that are done.
    newer_after: Vec<Slots>,
    /// Whether accesses compare with the context that runs in the upper half of the address space.
    high: bool,
    /// Local that has the context for that half, if some access needs it.
    context: Option<u32>,
    /// Local that has the budget while nobody else looks at it, in regions with loops.
    budget: Option<u32>,
    /// The guest instruction that operations belong to, until the code sets the PC slot itself.
    pc: Option<u64>,
    insns: u32,
    insns_before: u32,
    /// Code of the flags' kind that the flag slots are known to hold.
    stored_kind: Option<u64>,
    first_exit: u32,
    exits: Vec<Exit>,
    /// What encloses the code being written, innermost last.
    labels: Vec<control::Label>,
    /// What is written where accesses leave to: see `leave_if`.
    leaves: Vec<Slots>,
    /// The local that says which block comes next, where control flow is not structured.
    next: Option<u32>,
    /// The block has called a helper: the code generation may have changed, and the context knows.
    called: bool,
    error: Option<EmitError>,
}

/// Writes a region's function. Its exits are numbered from `first_exit` on.
pub(super) fn region(
    region: &Region,
    layout: &Layout,
    tables: &mut Tables,
    first_exit: u32,
) -> Result<Output, EmitError> {
    if region.blocks.len() > MAX_BLOCKS {
        return Err(EmitError::TooLarge);
    }
    let mut emitter = Emitter {
        region,
        layout,
        tables,
        cfg: Cfg::new(region),
        plan: Plan::new(region),
        code: Vec::with_capacity(1024),
        locals: values::Locals::new(region),
        ops: &[],
        at: 0,
        sharers: Vec::new(),
        loaded: Slots::default(),
        loaded_after: vec![Slots::default(); region.blocks.len()],
        newer: Slots::default(),
        newer_after: vec![Slots::default(); region.blocks.len()],
        high: region.entry >> 55 & 1 != 0,
        context: None,
        budget: None,
        pc: None,
        insns: 0,
        insns_before: 0,
        stored_kind: None,
        first_exit,
        exits: Vec::new(),
        labels: Vec::new(),
        leaves: Vec::new(),
        next: None,
        called: false,
        error: None,
    };
    emitter.whole();
    if let Some(error) = emitter.error {
        return Err(error);
    }
    let mut function = Function::new_with_locals_types(emitter.locals.types());
    function.raw(emitter.code);
    Ok(Output {
        function,
        exits: emitter.exits,
    })
}

impl<'a> Emitter<'a> {
    /// Where instructions go.
    fn code(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.code)
    }

    /// The operations of block `n`.
    fn operations(&mut self, n: usize) {
        let block: &'a Block = &self.region.blocks[n];
        self.plan.block(block);
        self.ops = &block.ops;
        self.pc = None;
        self.stored_kind = None;
        self.sharers.clear();
        self.insns = count_insns(block);
        self.insns_before = 0;
        self.called = false;
        self.charge(self.insns);
        for (at, op) in block.ops.iter().enumerate() {
            self.at = at as u32;
            if self.is_wanted(op) {
                self.operation(op);
            }
            self.locals.end_operation(at as u32);
        }
        self.at = block.ops.len() as u32;
    }

    /// Whether code is to be written for an operation where it is.
    fn is_wanted(&self, op: &Op) -> bool {
        if !op.is_pure() {
            return true;
        }
        let mut wanted = false;
        op.defines(|v| {
            let value = self.plan.value(v);
            wanted |= value.uses > 0 && !value.deferred;
        });
        wanted
    }

    fn operation(&mut self, op: &Op) {
        match *op {
            Op::Insn { pc } => {
                self.pc = Some(pc);
                self.insns_before += 1;
            }
            Op::Const { .. } => {}
            Op::Get { d, from } => self.get(d, from),
            Op::Set { to, a } => self.set(to, a),
            Op::GetVec { d, from } => self.get_vector(d, from),
            Op::SetVec { to, a } => self.set_vector(to, a),
            Op::Bin { d, .. }
            | Op::Un { d, .. }
            | Op::Extract { d, .. }
            | Op::Insert { d, .. }
            | Op::Funnel { d, .. }
            | Op::Compare { d, .. }
            | Op::Select { d, .. }
            | Op::Test { d, .. }
            | Op::GetNzcv { d } => {
                self.compute(op);
                self.define(Value::Int(d), ValType::I64);
            }
            Op::SetFlags { kind, a, b, c } => self.set_flags(kind, a, b, c),
            Op::SetFlagsIf {
                c,
                kind,
                a,
                b,
                otherwise,
            } => self.set_flags_if(c, kind, [a, b], otherwise),
            Op::Load { d, addr, disp, mem } => self.load(d, addr, disp, mem),
            Op::Store { addr, disp, a, mem } => self.store(addr, disp, a, mem),
            Op::LoadVec { d, addr, disp, mem } => self.load_vector(d, addr, disp, mem),
            Op::StoreVec { addr, disp, a, mem } => self.store_vector(addr, disp, a, mem),
            Op::LoadExclusive { .. }
            | Op::LoadExclusivePair { .. }
            | Op::StoreExclusive { .. }
            | Op::StoreExclusivePair { .. }
            | Op::AtomicRmw { .. }
            | Op::AtomicCas { .. }
            | Op::AtomicCasPair { .. } => self.atomic(op),
            Op::ClearExclusive => {
                self.code()
                    .local_get(BLOCK)
                    .i64_const(slot::NO_EXCLUSIVE as i64);
                self.store_slot(slot::EXCLUSIVE_AT);
            }
            Op::Fence(_) => self.fence(),
            Op::Wide {
                op,
                shape,
                imm,
                d,
                v,
                int,
            } => self.wide(op, shape, imm, &wide::Operands { d, v, int }),
            Op::Call { helper, args, d } => self.call(helper, args, d),
            Op::Guard { a, mask, helper } => self.guard(a, mask, helper),
        }
    }

    /// The number of a new site.
    fn site(&mut self, what: What) -> i32 {
        let site = Site {
            pc: self.pc,
            left: self.insns - self.insns_before,
            what,
        };
        self.tables.sites.push(self.tables.half, site) as i32
    }

    fn fail(&mut self, error: EmitError) {
        self.error.get_or_insert(error);
    }
}

fn count_insns(block: &Block) -> u32 {
    let marks = block.ops.iter().filter(|op| matches!(op, Op::Insn { .. }));
    marks.count() as u32
}
