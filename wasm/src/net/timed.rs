//! A network that tells when its timers run out: the worker sleeps until then at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ferrite_machine::backend::NetBackend;
use ferrite_net::UserNet;

use crate::bell;

/// No timer runs.
const NEVER: i64 = i64::MAX;

/// When a network's next timer runs out. Clones are the same.
#[derive(Clone, Debug)]
pub struct Timer(Arc<AtomicI64>);

impl Timer {
    /// The time by the page's clock, in milliseconds.
    #[must_use]
    pub fn due_ms(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|&at| at != NEVER)
    }
}

/// The network.
pub struct TimedNet {
    net: UserNet,
    timer: Timer,
}

impl TimedNet {
    /// A network, and its timer.
    #[must_use]
    pub fn new(net: UserNet) -> (Self, Timer) {
        let timer = Timer(Arc::new(AtomicI64::new(NEVER)));
        let kept = timer.clone();
        (Self { net, timer }, kept)
    }

    fn tell(&self) {
        let next = self.net.next_timer_ms().unwrap_or(NEVER);
        // A worker that sleeps for longer than that has to hear of it.
        if self.timer.0.swap(next, Ordering::Relaxed) > next {
            bell::ring();
        }
    }
}

impl NetBackend for TimedNet {
    fn send(&mut self, frame: &[u8]) {
        self.net.send(frame);
        self.tell();
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        let frame = self.net.receive();
        self.tell();
        frame
    }
}
