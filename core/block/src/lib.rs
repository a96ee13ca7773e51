//! Between a disk device and the host's storage: image formats and their nodes.
//!
//! A [`BlockNode`] gives a [`BlockBackend`](ferrite_machine::backend::BlockBackend) that deals in
//! bytes the manners of a disk: whole sectors, a window, a write lock, counters. [`MemoryBackend`]
//! is storage without a host, for tests and pages.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod memory;
mod node;
mod stats;

#[cfg(test)]
mod tests;

pub use memory::MemoryBackend;
pub use node::{BlockNode, DiscardMode, NodeError, NodeOptions};
pub use stats::{BlockStats, BlockStatsSnapshot, OperationStats};
