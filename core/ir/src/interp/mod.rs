//! The interpreter: first tier everywhere, and the oracle for every code generator.
//!
//! [`lower`] turns a verified region into [`Lowered`]: 16-byte instructions ([`code`]) whose
//! operands are slots of the vCPU block, so that what was `get; get; add; set` in the region is one
//! instruction on the guest's registers. [`run`] executes them.

pub mod code;
mod lower;
mod lowered;
mod memory;
mod rare;
mod run;
mod slow;

pub use lower::lower;
pub use lowered::{Exit, LowerError, Lowered};
pub use run::{BlockEnd, run};
