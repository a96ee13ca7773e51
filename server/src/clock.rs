//! The host's clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ferrite_machine::clock::HostClock;

/// The operating system's monotonic and wall clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl Default for SystemClock {
    /// A clock whose monotonic time begins now.
    fn default() -> Self {
        Self {
            origin: Instant::now(),
        }
    }
}

impl HostClock for SystemClock {
    fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn wall_ns(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }
}
