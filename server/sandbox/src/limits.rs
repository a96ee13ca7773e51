//! How much a machine in a sandbox may take.

use std::time::Duration;

/// Bytes that the core takes beside its guest's memory: translations, buffers, files in the making.
const OVERHEAD: u64 = 512 << 20;
/// Bytes that WebAssembly can address.
const MOST: u64 = 1 << 32;

/// The bounds of a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory, the guest's and the core's own.
    pub memory: u64,
    /// How long it may compute in all; time that it sleeps does not count.
    pub time: Option<Duration>,
}

impl Limits {
    /// Enough for a guest with this much memory, without a limit of time.
    #[must_use]
    pub fn for_guest(ram: u64) -> Self {
        Self {
            memory: ram.saturating_add(OVERHEAD).min(MOST),
            time: None,
        }
    }
}
