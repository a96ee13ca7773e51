//! A machine inside WebAssembly: the core as an artefact of its own, run by wasmtime, which bounds
//! what it can touch, how much memory it takes and how long it computes.
//!
//! - [`limits`]: the bounds;
//! - `host`: what the artefact imports;
//! - `code`: modules that it makes while it runs;
//! - `exports`: what it exports, as a table;
//! - [`machine`]: the machine as its owner drives it.
//!
//! Nothing that the guest does reaches the host but through [`machine::Machine`]'s answers: bytes of
//! its serial port, lines of its monitors, requests to disks that the owner gave it.

#![forbid(unsafe_code)]

mod code;
mod exports;
mod host;
pub mod limits;
pub mod machine;

pub use limits::Limits;
pub use machine::{DiskRequest, Machine, Need, Next, Work};

use std::time::Duration;

/// Why a machine in a sandbox is no more, or never was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SandboxError {
    /// The artefact is not what it should be.
    #[error("the core for the sandbox cannot be loaded: {0}")]
    Artefact(String),
    /// The command line, or a file of it, cannot be obeyed.
    #[error("{0}")]
    Refused(String),
    /// It asked for more memory than it may have.
    #[error("the machine needs more memory than the sandbox gives: {asked} of {limit} bytes")]
    Memory {
        /// Bytes that it would have had.
        asked: u64,
        /// Bytes that it may have.
        limit: u64,
    },
    /// It computed for as long as it may.
    #[error("the machine has used up its computing time of {} seconds", .0.as_secs_f64())]
    Time(Duration),
    /// It broke.
    #[error("the machine broke: {0}")]
    Broke(String),
}
