//! How cold paths call into Rust: through functions that keep every register, so that what is around
//! the call does not pay for it.

use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{AbiParam, InstBuilder, MemFlagsData, Signature, types};
use cranelift_codegen::isa::{CallConv, TargetIsa};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

use super::frame::{self, Frame, Function};
use crate::buffer::CodeBuffer;

/// Addresses of the thunks. Their result is in [`Frame::left`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Thunks {
    /// [`frame::load`].
    pub load: u64,
    /// [`frame::store`].
    pub store: u64,
    /// [`frame::load_vector`].
    pub load_vector: u64,
    /// [`frame::store_vector`].
    pub store_vector: u64,
    /// [`frame::guard`].
    pub guard: u64,
    /// [`frame::atomic`].
    pub atomic: u64,
    /// [`frame::wide`].
    pub wide: u64,
}

impl Thunks {
    /// The signature of the functions that are called.
    pub(super) fn function(convention: CallConv) -> Signature {
        let mut signature = Signature::new(convention);
        signature.params = vec![AbiParam::new(types::I64); 5];
        signature.returns = vec![AbiParam::new(types::I64)];
        signature
    }

    /// The signature of a thunk.
    pub(super) fn signature() -> Signature {
        let mut signature = Self::function(CallConv::PreserveAll);
        signature.returns.clear();
        signature
    }

    /// Makes them. `None` if the buffer is too small or the target has no such convention.
    pub(super) fn make(isa: &dyn TargetIsa, buffer: &mut CodeBuffer) -> Option<Self> {
        let mut make = |function: Function| {
            let code = thunk(isa, function)?;
            buffer.append_aligned(&code)
        };
        Some(Self {
            load: make(frame::load)?,
            store: make(frame::store)?,
            load_vector: make(frame::load_vector)?,
            store_vector: make(frame::store_vector)?,
            guard: make(frame::guard)?,
            atomic: make(frame::atomic)?,
            wide: make(frame::wide)?,
        })
    }
}

fn thunk(isa: &dyn TargetIsa, function: Function) -> Option<Vec<u8>> {
    let mut context = Context::new();
    let mut builder = FunctionBuilderContext::new();
    context.func.signature = Thunks::signature();
    let mut b = FunctionBuilder::new(&mut context.func, &mut builder);
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    b.seal_block(entry);
    let args = b.block_params(entry).to_vec();
    let signature = b.import_signature(Thunks::function(isa.default_call_conv()));
    let callee = b.ins().iconst(types::I64, function as usize as i64);
    let call = b.ins().call_indirect(signature, callee, &args);
    let left = b.inst_results(call)[0];
    let at = std::mem::offset_of!(Frame, left) as i32;
    let flags = MemFlagsData::trusted();
    b.ins().store(flags, left, args[0], at);
    b.ins().return_(&[]);
    b.finalize(isa.frontend_config());
    let compiled = context.compile(isa, &mut ControlPlane::default()).ok()?;
    Some(compiled.code_buffer().to_vec())
}
