//! SCSI: disks and CD drives that take commands, and the bus that an adapter has them on.
//!
//! - [`disk`]: a unit: from a command to its answer, or to work on its medium;
//! - [`bus`]: units by target and number, coming and going;
//! - [`spec`]: operation and sense codes.

pub mod bus;
pub mod disk;
mod multimedia;
mod pages;
pub mod spec;

pub use bus::{AttachError, BusEvent, ScsiBus, UnitAddress};
pub use disk::{Outcome, ScsiDisk, UnitKind, UnitOptions, Work};

/// A big-endian number in a command, 0 where the command is too short.
fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    let bytes = bytes.get(at..at + len).unwrap_or_default();
    bytes
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}
