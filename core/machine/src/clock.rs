//! Virtual time: nanoseconds since the machine was powered on, standing still while it is stopped.

/// A point in virtual time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualTime(pub u64);

impl VirtualTime {
    /// The time `ns` nanoseconds later, saturating.
    #[must_use]
    pub const fn after(self, ns: u64) -> Self {
        Self(self.0.saturating_add(ns))
    }
}

/// The host's clocks, as a host hands them to the machine.
pub trait HostClock: Send + Sync {
    /// Monotonic nanoseconds from any origin.
    fn monotonic_ns(&self) -> u64;
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    fn wall_ns(&self) -> u64;
}
