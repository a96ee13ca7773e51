//! From a region's operations to Cranelift's intermediate representation.
//!
//! Globals are variables; what has changed is stored where somebody looks: at exits, before helpers,
//! on the cold paths of what may fault. One file per family of operations; this one has what they
//! share.

mod access;
mod atomic;
mod control;
mod flags;
mod float;
mod integer;
mod lanes;
mod permute;
mod state;
mod wide;

use cranelift_codegen::ir::{
    self, AbiParam, BlockArg, Function, InstBuilder, MemFlagsData, SigRef, Signature, Type, Value,
    condcodes::IntCC, types,
};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use ferrite_ir::{Int, Op, Region, Vector, slot};

use super::flow::{self, Flow, Slots};
use super::frame::{Site, Tables, What};
use super::thunks::Thunks;

/// Why a region has no code here. It stays in the interpreter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// A wide operation has no function at its shape.
    #[error("a wide operation has no function at its shape")]
    NoWideFunction,
    /// A value is used where it is not defined: the region breaks the rules.
    #[error("a value is used where it is not defined")]
    Undefined,
    /// There is no room for its code.
    #[error("there is no room for the code")]
    NoRoom,
    /// The code generator refuses the function.
    #[error("{0}")]
    Generator(String),
}

/// What generated code returns where the PC slot says where to go on.
pub(super) const LOOK_UP: u32 = u32::MAX;

/// What the host's processor can do, as far as code is chosen by it.
#[derive(Clone, Copy)]
pub(super) struct Host {
    /// Convention of the platform's C functions.
    pub convention: CallConv,
    /// What the code generator's front end has to know of the target.
    pub frontend: TargetFrontendConfig,
    /// Fused multiply-add.
    pub fma: bool,
    /// Loads are never reordered with loads, nor stores with stores.
    pub ordered: bool,
    /// SIMD operations beyond the baseline of every supported target.
    pub simd: bool,
}

/// Where a global is while code runs.
#[derive(Clone, Copy)]
enum Place {
    /// An integer.
    Int(Variable),
    /// A vector, named by its first slot.
    Vector(Variable),
}

/// What is known of the flags.
#[derive(Clone, Copy)]
enum Flags {
    Unknown,
    Of {
        kind: ferrite_ir::FlagKind,
        a: Value,
        b: Value,
        c: Value,
    },
    If {
        /// 0 or 1.
        c: Value,
        kind: ferrite_ir::FlagKind,
        a: Value,
        b: Value,
        otherwise: u32,
    },
}

/// What a region's code needs besides itself.
#[derive(Default)]
pub(super) struct Output {
    pub tables: Tables,
    /// Where its exits lead, by their numbers.
    pub exits: Vec<u64>,
}

struct Signatures {
    /// Of functions of the platform's convention.
    direct: SigRef,
    /// Of thunks.
    cold: SigRef,
    /// Of [`super::frame::nzcv`].
    nzcv: SigRef,
}

/// The state of one region's emission.
pub(super) struct Emitter<'a> {
    b: FunctionBuilder<'a>,
    region: &'a Region,
    thunks: &'a Thunks,
    host: Host,
    flow: Flow,
    out: Output,
    /// Address of the tables while the code lives.
    tables: u64,
    places: Vec<Option<Place>>,
    ints: Vec<Option<Value>>,
    /// Results of comparisons, before they were made 64 bits wide.
    conditions: Vec<Option<Value>>,
    vectors: Vec<Option<Value>>,
    blocks: Vec<ir::Block>,
    /// Returns to the engine with [`LOOK_UP`].
    leave: ir::Block,
    frame: Value,
    cpu: Value,
    memory: Value,
    dirty: Slots,
    flags: Flags,
    /// The present guest instruction, if the PC slot is still to be set to it.
    pc: Option<u64>,
    /// Guest instructions of the block that come after the present one.
    left: u32,
    signatures: Signatures,
    error: Option<EmitError>,
    /// Whether addresses in the region have bit 55 set.
    high: bool,
}

/// The signature of a region: frame, vCPU block and guest memory to the number of an exit.
pub(super) fn signature(convention: CallConv) -> Signature {
    let mut signature = Signature::new(convention);
    signature.params = vec![AbiParam::new(types::I64); 3];
    signature.returns = vec![AbiParam::new(types::I32)];
    signature
}

/// Writes a region's code into a function.
pub(super) fn region(
    region: &Region,
    thunks: &Thunks,
    host: Host,
    tables: u64,
    function: &mut Function,
    builder: &mut FunctionBuilderContext,
) -> Result<Output, EmitError> {
    function.signature = signature(host.convention);
    let mut b = FunctionBuilder::new(function, builder);
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    b.seal_block(entry);
    let [frame, cpu, memory] = b.block_params(entry)[..] else {
        return Err(EmitError::Undefined);
    };
    let blocks = region.blocks.iter().map(|_| b.create_block()).collect();
    let leave = b.create_block();
    b.set_cold_block(leave);
    let signatures = Signatures {
        direct: b.import_signature(Thunks::function(host.convention)),
        cold: b.import_signature(Thunks::signature()),
        nzcv: b.import_signature(flags::nzcv_signature(host.convention)),
    };
    let mut e = Emitter {
        b,
        region,
        thunks,
        host,
        flow: Flow::of(region),
        out: Output::default(),
        tables,
        places: vec![None; usize::from(slot::FIRST_TEMP)],
        ints: Vec::new(),
        conditions: Vec::new(),
        vectors: Vec::new(),
        blocks,
        leave,
        frame,
        cpu,
        memory,
        dirty: Slots::default(),
        flags: Flags::Unknown,
        pc: None,
        left: 0,
        signatures,
        error: None,
        high: region.entry >> 55 & 1 != 0,
    };
    e.declare();
    e.reload();
    let first = e.blocks[0];
    e.b.ins().jump(first, &[]);
    for n in 0..region.blocks.len() {
        e.block(n);
    }
    e.leave_block();
    e.b.seal_all_blocks();
    e.b.finalize(host.frontend);
    match e.error {
        Some(error) => Err(error),
        None => Ok(e.out),
    }
}

/// Attributes of accesses to the vCPU block and the frame.
fn own() -> MemFlagsData {
    MemFlagsData::trusted()
}

/// Attributes of a change of type that keeps the bits.
fn same_bits() -> MemFlagsData {
    MemFlagsData::new().with_endianness(ir::Endianness::Little)
}

/// A constant's immediate.
fn imm(value: u64) -> i64 {
    value as i64
}

fn set<T: Copy>(list: &mut Vec<Option<T>>, n: u32, value: T) {
    let n = n as usize;
    if n >= list.len() {
        list.resize(n + 1, None);
    }
    list[n] = Some(value);
}

impl Emitter<'_> {
    fn fail(&mut self, error: EmitError) {
        self.error.get_or_insert(error);
    }

    fn constant(&mut self, value: u64) -> Value {
        self.b.ins().iconst(types::I64, imm(value))
    }

    fn int(&mut self, a: Int) -> Value {
        match self.ints.get(a.0 as usize).copied().flatten() {
            Some(value) => value,
            None => {
                self.fail(EmitError::Undefined);
                self.constant(0)
            }
        }
    }

    fn define(&mut self, d: Int, value: Value) {
        set(&mut self.ints, d.0, value);
    }

    /// Defines a condition, 0 or 1 in 8 bits.
    fn define_condition(&mut self, d: Int, condition: Value) {
        set(&mut self.conditions, d.0, condition);
        let value = self.b.ins().uextend(types::I64, condition);
        self.define(d, value);
    }

    /// What is not zero where `a` is not: a condition where it is one.
    fn condition(&mut self, a: Int) -> Value {
        match self.conditions.get(a.0 as usize).copied().flatten() {
            Some(condition) => condition,
            None => self.int(a),
        }
    }

    fn vector(&mut self, a: Vector) -> Value {
        match self.vectors.get(a.0 as usize).copied().flatten() {
            Some(value) => value,
            None => {
                self.fail(EmitError::Undefined);
                self.zero_vector()
            }
        }
    }

    fn zero_vector(&mut self) -> Value {
        let zero = self.constant(0);
        self.b.ins().splat(types::I64X2, zero)
    }

    fn define_vector(&mut self, d: Vector, value: Value) {
        set(&mut self.vectors, d.0, value);
    }

    /// The same bits as another type.
    fn cast(&mut self, to: Type, value: Value) -> Value {
        if self.b.func.dfg.value_type(value) == to {
            value
        } else {
            self.b.ins().bitcast(to, same_bits(), value)
        }
    }

    /// A block outside the region's flow, with the given parameters.
    fn new_block(&mut self, params: &[Type]) -> ir::Block {
        let block = self.b.create_block();
        for &ty in params {
            self.b.append_block_param(block, ty);
        }
        block
    }

    /// Goes on in a block that nothing else will lead to.
    fn enter(&mut self, block: ir::Block) {
        self.b.switch_to_block(block);
        self.b.seal_block(block);
    }

    fn site(&mut self, what: What) -> u64 {
        self.out.tables.sites.push(Site {
            left: self.left,
            what,
        });
        self.out.tables.sites.len() as u64 - 1
    }

    /// Calls a function through its thunk, which keeps every register: for cold paths.
    fn call_cold(&mut self, thunk: u64, number: u64, at: Option<Value>, value: Option<Value>) {
        let args = self.arguments(number, at, value);
        let callee = self.constant(thunk);
        self.b
            .ins()
            .call_indirect(self.signatures.cold, callee, &args);
    }

    /// Calls a function straight; returns whether the region is to be left.
    fn call_direct(&mut self, function: super::frame::Function, number: u64) -> Value {
        let args = self.arguments(number, None, None);
        let callee = self.constant(function as usize as u64);
        let call = self
            .b
            .ins()
            .call_indirect(self.signatures.direct, callee, &args);
        self.b.inst_results(call)[0]
    }

    fn arguments(&mut self, number: u64, at: Option<Value>, value: Option<Value>) -> [Value; 5] {
        let tables = self.constant(self.tables);
        let number = self.constant(number);
        let at = at.unwrap_or(number);
        [self.frame, tables, number, at, value.unwrap_or(number)]
    }

    /// Leaves the region if `left`, else goes on in a new block.
    fn leave_if(&mut self, left: Value) {
        let stay = self.new_block(&[]);
        self.b.ins().brif(left, self.leave, &[], stay, &[]);
        self.enter(stay);
    }

    fn frame_field(&mut self, ty: Type, offset: usize) -> Value {
        self.b.ins().load(ty, own(), self.frame, offset as i32)
    }

    fn set_frame_field(&mut self, offset: usize, value: Value) {
        self.b.ins().store(own(), value, self.frame, offset as i32);
    }

    /// Branches to `then` if the condition is not zero, else to `other`, with no arguments.
    fn branch(&mut self, condition: Value, then: ir::Block, other: ir::Block) {
        self.b.ins().brif(condition, then, &[], other, &[]);
    }

    fn jump(&mut self, to: ir::Block, args: &[Value]) {
        let args: Vec<BlockArg> = args.iter().map(|&value| value.into()).collect();
        self.b.ins().jump(to, &args);
    }

    fn leave_block(&mut self) {
        self.enter(self.leave);
        let end = self.b.ins().iconst(types::I32, i64::from(LOOK_UP));
        self.b.ins().return_(&[end]);
    }

    fn block(&mut self, n: usize) {
        let region = self.region;
        let block = &region.blocks[n];
        let here = self.blocks[n];
        self.b.switch_to_block(here);
        if !self.flow.looped[n] {
            self.b.seal_block(here);
        }
        let insns = block.ops.iter();
        let insns = insns.filter(|op| matches!(op, Op::Insn { .. })).count() as u32;
        self.charge(insns);
        self.left = insns;
        self.pc = None;
        self.dirty = self.flow.dirty[n];
        self.flags = self.flags_on_entry(n);
        for op in &block.ops {
            self.op(op);
        }
        self.terminator(n, &block.end);
    }

    fn flags_on_entry(&mut self, n: usize) -> Flags {
        match self.flow.kinds[n] {
            Some(kind) => Flags::Of {
                kind,
                a: self.get_kept(slot::FLAG_A),
                b: self.get_kept(slot::FLAG_B),
                c: self.get_kept(slot::FLAG_C),
            },
            None => Flags::Unknown,
        }
    }

    fn op(&mut self, op: &Op) {
        match *op {
            Op::Insn { pc } => {
                self.pc = Some(pc);
                self.left = self.left.saturating_sub(1);
            }
            Op::Const { d, value } => {
                let value = self.constant(value);
                self.define(d, value);
            }
            Op::Get { d, from } => {
                let value = self.get_kept(from.0);
                self.define(d, value);
            }
            Op::Set { to, a } => {
                let value = self.int(a);
                self.set_kept(to.0, value);
                if to.0 == slot::PC {
                    self.pc = None;
                }
            }
            Op::GetVec { d, from } => {
                let value = self.get_vector(from.0);
                self.define_vector(d, value);
            }
            Op::SetVec { to, a } => {
                let value = self.vector(a);
                self.set_vector(to.0, value);
            }
            Op::Bin { op, w, d, a, b } => self.bin(op, w, d, a, b),
            Op::Un { op, w, d, a } => self.un(op, w, d, a),
            Op::Extract {
                d,
                w,
                a,
                lsb,
                len,
                signed,
            } => self.extract(d, w, a, lsb, len, signed),
            Op::Insert {
                d,
                w,
                a,
                b,
                lsb,
                len,
            } => self.insert(d, w, [a, b], lsb, len),
            Op::Funnel {
                d,
                w,
                high,
                low,
                lsb,
            } => self.funnel(d, w, [high, low], lsb),
            Op::Compare { cc, w, d, a, b } => {
                let (a, b) = (self.int(a), self.int(b));
                let condition = self.compare(cc, w, a, b, true);
                self.define_condition(d, condition);
            }
            Op::Select { d, c, a, b } => {
                let (c, a, b) = (self.condition(c), self.int(a), self.int(b));
                let value = self.b.ins().select(c, a, b);
                self.define(d, value);
            }
            Op::SetFlags { kind, a, b, c } => self.set_flags(kind, a, b, c),
            Op::SetFlagsIf {
                c,
                kind,
                a,
                b,
                otherwise,
            } => self.set_flags_if(c, kind, a, b, otherwise),
            Op::Test { d, cond } => {
                let condition = self.test(cond);
                self.define_condition(d, condition);
            }
            Op::GetNzcv { d } => {
                let value = self.nzcv();
                self.define(d, value);
            }
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
                let none = self.constant(slot::NO_EXCLUSIVE);
                self.store_slot(slot::EXCLUSIVE_AT, none);
            }
            Op::Fence(fence) => self.fence(fence),
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

    /// Whether `a` is zero, as a condition.
    fn is_zero(&mut self, a: Value) -> Value {
        self.b.ins().icmp_imm_s(IntCC::Equal, a, 0)
    }
}
