//! Signals that ask the process to end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals as Incoming;

use crate::wake::Waker;

/// Notes SIGINT, SIGTERM and SIGHUP and wakes the machine's thread.
pub struct Signals {
    termination: Arc<AtomicBool>,
}

impl Signals {
    /// Starts to listen.
    pub fn listen(waker: Waker) -> io::Result<Self> {
        let termination = Arc::new(AtomicBool::new(false));
        let noted = termination.clone();
        let mut incoming = Incoming::new([SIGINT, SIGTERM, SIGHUP])?;
        thread::spawn(move || {
            for _ in incoming.forever() {
                noted.store(true, Ordering::Release);
                waker.wake();
            }
        });
        Ok(Self { termination })
    }

    /// Whether [`Self::take_termination`] would say so.
    #[must_use]
    pub fn has_termination(&self) -> bool {
        self.termination.load(Ordering::Acquire)
    }

    /// Whether the process was asked to end since the last call.
    #[must_use]
    pub fn take_termination(&self) -> bool {
        self.termination.swap(false, Ordering::AcqRel)
    }
}
