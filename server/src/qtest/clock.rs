//! Virtual time in a test tool's hands.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ferrite_machine::clock::HostClock;
use ferrite_vm::{Slice, Vm};

use crate::clock::SystemClock;

/// Timers that run at most on the way to a time; then the rest of the way is a single step.
const MAX_STEPS: usize = 1 << 20;

/// A clock that stands still unless it is moved. Clones are the same.
#[derive(Clone, Default)]
pub struct SteppedClock {
    now: Arc<AtomicU64>,
    wall: SystemClock,
}

impl HostClock for SteppedClock {
    fn monotonic_ns(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    fn wall_ns(&self) -> u64 {
        self.wall.wall_ns()
    }
}

impl SteppedClock {
    /// Moves time to `end`, unless that is past, stopping at each timer that is due on the way.
    pub(super) fn move_to(&self, vm: &mut Vm, end: u64) {
        for step in 0..=MAX_STEPS {
            let due = next(vm);
            let now = self.monotonic_ns();
            if now >= end {
                break;
            }
            let on_the_way = due.filter(|_| step < MAX_STEPS);
            let at = on_the_way.map_or(end, |due| due.clamp(now + 1, end));
            self.now.store(at, Ordering::Relaxed);
        }
    }

    /// Moves time to the next timer; not at all if none is set.
    pub(super) fn move_to_next(&self, vm: &mut Vm) {
        if let Some(due) = next(vm) {
            self.move_to(vm, due);
        }
    }
}

/// Runs the timers that are due. When the next one is, if one is set and the machine runs.
fn next(vm: &mut Vm) -> Option<u64> {
    match vm.run_slice() {
        Slice::Idle { until } => until.map(|at| at.0),
        Slice::Busy | Slice::Stopped | Slice::Ended => None,
    }
}
