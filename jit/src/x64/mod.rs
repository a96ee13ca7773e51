//! The one-pass x86-64 back end.
//!
//! - [`engine`]: look-up, translation, linking, invalidation: what
//!   [`ferrite_ir::Engine`] is to the interpreter;
//! - `emit`: operations to machine code, a block at a time;
//! - `plan`: what is known about a block's values before its code is written;
//! - `carries`: which sums hand their carry on in the host's flag;
//! - `homes`: which globals stay in registers throughout a region with loops;
//! - `lookup`: how a computed address is turned into code, page by page;
//! - `file`: which register holds which value or global;
//! - `stubs`: the code that every region shares: entry, exits, look-up, calls into Rust;
//! - `frame`: what those calls find on the machine stack, and the functions called.
//!
//! # Registers
//! | register | holds |
//! |---|---|
//! | `rbp` | the vCPU block, plus a constant |
//! | `r14` | the instruction budget, which its slot holds while other code runs |
//! | `r15` | host address of guest memory's offset 0 |
//! | `rsp` | the frame |
//! | `rax`, `rcx`, `rdx`, `xmm0`, `xmm1` | scratch within an operation |
//! | others | values of the block, copies of globals |
//!
//! Within a block a global that was read or written stays in a register; every write goes to the vCPU
//! block at once as well, so that whatever looks at the guest's state finds it there. In a region with
//! loops the globals that matter have *homes* instead: registers that they stay in from block to
//! block, and that are stored only where somebody looks: before calls, in the cold part, at exits.

#![allow(
    clippy::useless_conversion,
    reason = "the assembler's macro converts every register number"
)]

mod carries;
mod emit;
pub mod engine;
mod file;
mod frame;
mod homes;
mod plan;
mod stubs;

pub use crate::buffer::MapError;
pub use engine::{Engine, Unavailable};

/// What `rbp` points behind the start of the vCPU block: this way the guest's general registers are
/// within reach of one-byte displacements.
const BIAS: i32 = 8 * (ferrite_ir::slot::FIRST_GUEST as i32 + 16);

/// Displacement of a slot from `rbp`.
const fn slot_at(slot: u16) -> i32 {
    slot as i32 * 8 - BIAS
}
