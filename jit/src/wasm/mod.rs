//! The WebAssembly back end.
//!
//! A region becomes a function `(block, context) -> exit`; functions are gathered into modules, which
//! the host compiles on the memory and the table that this artefact itself uses. So generated code
//! addresses guest memory directly, and reaches everything else through table slots: the address of a
//! Rust function *is* its slot.
//!
//! - `plan`: what is known about a block's values before its code is written;
//! - `cfg`: the shape of a region's control flow;
//! - `emit`: operations to wasm, a region at a time;
//! - `thunks`: what every module has beside regions;
//! - `module`: functions to a module;
//! - [`engine`]: look-up, the interpreter as first tier, linking, invalidation;
//! - `frame`: what generated code calls, and how it is called.
//!
//! # What a function keeps where
//! Values are locals, or stay on the operand stack when their only reader is near. A guest register
//! has a local from its first use on. In regions without loops every write goes to the vCPU block at
//! once as well; in those with loops, before anybody may look: at exits, helpers and slow paths. What
//! accesses do not look at is written only where one leaves the region. The budget is kept likewise.
//! Exits look at a cell in memory that says which function comes next: linking and unlinking are
//! stores.
//!
//! # Threads
//! Where the artefact has threads, its memory is shared, each vCPU has an engine, and each thread a table
//! of its own: modules are installed by the thread that runs the engine. Barriers, ordered
//! and atomic accesses then are WebAssembly's. With one thread for all vCPUs they are nothing, or plain.

mod cfg;
mod emit;
pub mod engine;
mod frame;
mod layout;
mod module;
mod plan;
mod thunks;
pub use engine::{Engine, Host};

/// Whether vCPUs run at the same time.
const THREADS: bool = cfg!(target_feature = "atomics");
