//! The machine's clock: virtual time made from the host's.

use std::sync::Arc;

use ferrite_machine::VirtualTime;
use ferrite_machine::clock::HostClock;

/// Virtual time: the host's monotonic time, less the time that the machine was stopped. A clone goes
/// on like the original, as long as neither is stopped or started.
#[derive(Clone)]
pub struct Clock {
    host: Arc<dyn HostClock>,
    /// Host time (modulo 2^64) at which virtual time would have been 0; meaningful while running.
    origin: u64,
    /// Virtual time while the machine is stopped.
    frozen: Option<VirtualTime>,
    /// What to add to the host's wall clock for the guest's.
    wall_offset: i64,
}

impl Clock {
    /// A stopped clock at 0. The guest's wall clock differs from the host's by `wall_offset`
    /// nanoseconds.
    #[must_use]
    pub fn new(host: Box<dyn HostClock>, wall_offset: i64) -> Self {
        Self {
            host: Arc::from(host),
            origin: 0,
            frozen: Some(VirtualTime(0)),
            wall_offset,
        }
    }

    /// Virtual time now.
    #[must_use]
    pub fn now(&self) -> VirtualTime {
        self.frozen
            .unwrap_or_else(|| VirtualTime(self.host.monotonic_ns().wrapping_sub(self.origin)))
    }

    /// The guest's wall clock, nanoseconds since 1970 UTC. It goes on while the machine is stopped.
    #[must_use]
    pub fn wall_ns(&self) -> u64 {
        self.host.wall_ns().saturating_add_signed(self.wall_offset)
    }

    /// Freezes virtual time.
    pub fn stop(&mut self) {
        self.frozen = Some(self.now());
    }

    /// Lets virtual time go on from where it stopped.
    pub fn start(&mut self) {
        if let Some(at) = self.frozen.take() {
            self.origin = self.host.monotonic_ns().wrapping_sub(at.0);
        }
    }
}
