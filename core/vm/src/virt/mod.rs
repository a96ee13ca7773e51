//! The `virt` board, with QEMU's memory map, interrupt numbers and device tree.

pub(crate) mod board;
mod boot_source;
mod build;
pub mod fdt;
mod firmware;
mod given_tree;
pub mod memory_map;
pub(crate) mod tracing;
mod vmcoreinfo;
mod watch;

pub use board::{Board, DeviceInfo};
pub use boot_source::{BootSource, Start};
pub use build::build;
pub use watch::Watch;

/// The GPIO pin of the power key.
pub const POWER_KEY_PIN: u32 = 3;
