//! The Cranelift back end: every host that Cranelift knows, and code that is worth waiting for.
//!
//! - [`engine`]: look-up, tiers, linking, invalidation: what [`ferrite_ir::Engine`] is to the
//!   interpreter;
//! - `translation`: what it keeps;
//! - `worker`: the thread that compiles what runs often;
//! - `compiler`: Cranelift, set up for the host;
//! - `emit`: operations to Cranelift's intermediate representation;
//! - `flow`: what is known about a region's globals before its code is written;
//! - `thunks`: how cold paths call into Rust;
//! - `frame`: what code is called with, and the functions that it calls.
//!
//! A region becomes one function of the platform's C convention. Within it the guest's registers and
//! flags are variables, in whatever registers the allocator likes; they are stored to the vCPU block
//! where somebody looks at them: at exits, before helpers, and on the cold paths of accesses that may
//! fault.

mod compiler;
mod emit;
pub mod engine;
mod flow;
mod frame;
mod thunks;
mod translation;
mod worker;

pub use emit::EmitError;
pub use engine::{Engine, Mode, Unavailable};
