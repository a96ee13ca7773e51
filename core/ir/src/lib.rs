//! The intermediate representation: what guest code means, apart from any guest and any host.
//!
//! A guest front end translates machine code into a [`Region`]: a few basic blocks of [`Op`]s over
//! two classes of values, 64-bit integers ([`Int`]) and 128-bit vectors ([`Vector`]). Values are
//! defined once and live within their block; what outlives a block lives in *globals*, slots of the
//! vCPU's [`VcpuBlock`]: guest registers, the lazy flag state, the program counter.
//!
//! ```text
//!  guest bytes ──front end──> Builder ──> Region ──verify──> optimise ──┬─> interp::lower ──> run
//!                                                                       └─> code generators
//! ```
//!
//! Where to start reading:
//! - [`op`]: every operation, with its meaning;
//! - [`state`]: the vCPU block and its translation look-aside buffer;
//! - [`builder`]: how a front end makes regions;
//! - [`mod@verify`]: the rules that a region keeps;
//! - [`opt`]: the optimisations that every back end profits from;
//! - [`mod@env`]: what a guest provides to whoever runs its code (slow memory path, helpers, fetch);
//! - [`engine`]: the loop around translated code: look-up, translation, chaining, invalidation;
//! - [`interp`]: the interpreter, first tier everywhere and the oracle for every code generator.
//!
//! # Why it looks like this
//! The shape is chosen so that a one-pass emitter, Cranelift and wasm can each be *whole*. Integer
//! operations carry a [`Width`]: at 32 bits they read the low halves and zero-extend the result, as
//! both x86-64 and A64 do, so no conversion clutters the code. Floating-point scalars are lane 0 of
//! a vector value, as in the guests' and hosts' register files, so two register classes are enough.
//! Guest memory accesses, flag updates and conditions stay whole (macro operations), so that each
//! code generator expands the look-aside check and lazy flags in the way that suits it.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod builder;
pub mod engine;
pub mod env;
pub mod eval;
pub mod interp;
pub mod op;
mod operands;
pub mod opt;
pub mod state;
mod text;
pub mod verify;

pub use builder::Builder;
pub use engine::{Accelerator, CodeEngine, Engine};
pub use env::{CodeKey, Env, Extent, Fetched, Leave};
pub use op::{
    Align, AtomicOp, BinOp, Block, BlockId, Cc, Condition, Fence, FlagKind, Global, HelperId,
    IndirectKind, Int, Mem, Op, Order, Region, Sign, Size, Target, Terminator, UnOp, Value,
    VecGlobal, Vector, Width,
};
pub use state::{TLB_ENTRIES, TLB_INDEX, TLB_INDEX_SHIFT, TlbEntry, VcpuBlock, slot};
pub use text::ParseError;
pub use verify::verify;
