//! What stands between the balloon's device and those who look at it from outside.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::spec::{PAGE, STATS};

/// What both sides see.
#[derive(Debug)]
pub(super) struct Shared {
    /// Pages that the guest is to give up.
    pub(super) target: u32,
    /// Pages that it says it has given up.
    pub(super) actual: u32,
    /// Whether it has said so since the last look.
    pub(super) changed: bool,
    /// Seconds between statistics; 0 for none.
    pub(super) interval: u32,
    pub(super) stats: GuestStats,
}

/// What a guest told of its memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestStats {
    /// Values in the order of [`STATS`]; all ones for what it did not tell.
    pub values: [u64; STATS.len()],
    /// When it told them, in seconds since 1970 UTC; 0 if it never did.
    pub last_update: u64,
}

impl Default for GuestStats {
    fn default() -> Self {
        Self {
            values: [u64::MAX; STATS.len()],
            last_update: 0,
        }
    }
}

/// A hand on a balloon. Clones are the same. What is set reaches the guest when its devices are
/// polled next.
#[derive(Clone, Debug)]
pub struct BalloonControl(Arc<Mutex<Shared>>);

impl Default for BalloonControl {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Shared {
            target: 0,
            actual: 0,
            changed: false,
            interval: 0,
            stats: GuestStats::default(),
        })))
    }
}

impl BalloonControl {
    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the guest to give up so many bytes, rounded down to pages.
    pub fn set_target(&self, bytes: u64) {
        self.lock().target = u32::try_from(bytes / PAGE).unwrap_or(u32::MAX);
    }

    /// Bytes that the guest says it has given up.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        u64::from(self.lock().actual) * PAGE
    }

    /// The same, if the guest changed it since the last call.
    #[must_use]
    pub fn take_change(&self) -> Option<u64> {
        let mut shared = self.lock();
        std::mem::take(&mut shared.changed).then(|| u64::from(shared.actual) * PAGE)
    }

    /// Seconds between statistics; 0 while none are asked for.
    #[must_use]
    pub fn polling_interval(&self) -> u32 {
        self.lock().interval
    }

    /// Asks the guest for statistics every so many seconds, or no more with 0.
    pub fn set_polling_interval(&self, seconds: u32) {
        self.lock().interval = seconds;
    }

    /// What the guest told of its memory last.
    #[must_use]
    pub fn stats(&self) -> GuestStats {
        self.lock().stats.clone()
    }
}
