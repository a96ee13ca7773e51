//! `testdev`: a back end through which a program in the guest ends this process, with a status of its
//! choosing. Suites of small test programs tell their outcome so.
//!
//! What it takes is decimal digits and a letter: `q` ends the process with the status *2n + 1*, as
//! far as the host keeps statuses; other letters mean nothing. A status is so never the one of a
//! machine that powered itself off.

use std::sync::{Arc, OnceLock};

use ferrite_machine::backend::CharBackend;

use crate::wake::Waker;

/// The status that the guest asked for; clones are the same.
#[derive(Clone)]
pub struct Verdict {
    status: Arc<OnceLock<u8>>,
    waker: Waker,
}

impl Verdict {
    /// None yet; `waker` is told when there is one.
    #[must_use]
    pub fn new(waker: Waker) -> Self {
        Self {
            status: Arc::default(),
            waker,
        }
    }

    /// What the process is to end with, once the guest has asked for that.
    #[must_use]
    pub fn status(&self) -> Option<u8> {
        self.status.get().copied()
    }

    /// The first is what counts: the guest runs on for a moment.
    fn give(&self, status: u8) {
        if self.status.set(status).is_ok() {
            self.waker.wake();
        }
    }
}

/// The back end.
pub struct TestDevice {
    number: u32,
    verdict: Verdict,
}

impl TestDevice {
    /// One that gives this verdict.
    #[must_use]
    pub fn new(verdict: Verdict) -> Self {
        Self { number: 0, verdict }
    }
}

impl CharBackend for TestDevice {
    fn write(&mut self, data: &[u8]) -> usize {
        for &byte in data {
            let number = std::mem::take(&mut self.number);
            match byte {
                b'0'..=b'9' => {
                    let digit = u32::from(byte - b'0');
                    self.number = number.wrapping_mul(10).wrapping_add(digit);
                }
                b'q' => self.verdict.give((number << 1 | 1) as u8),
                _ => {}
            }
        }
        data.len()
    }

    fn read(&mut self, _buf: &mut [u8]) -> usize {
        0
    }
}
