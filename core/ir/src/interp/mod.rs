//! The interpreter: first tier everywhere, and the oracle for every code generator.
//!
//! [`lower`] turns a verified region into [`Lowered`]: 16-byte instructions ([`code`]) whose
//! operands are slots of the vCPU block, so that what was `get; get; add; set` in the region is one
//! instruction on the guest's registers. [`run`] executes them.
//!
//! What is too long for a loop's body is public, for code generators to call as well: an atomic
//! access ([`atomic`]), a vector operation that they have no better code for ([`wide`]), the fast path
//! of an access ([`load_any`] and its kin).

pub mod code;
mod lower;
mod lowered;
mod memory;
mod rare;
mod run;
mod slow;

pub use lower::lower;
pub use lowered::{AtomicEntry, AtomicKind, Exit, LowerError, Lowered, WideEntry};
pub use memory::{load_any, load_vector_any, store_any, store_vector_any};
pub use rare::{atomic, wide};
pub use run::{BlockEnd, run};
