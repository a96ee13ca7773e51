//! Bytes between the guest's character devices and the page.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferrite_machine::backend::CharBackend;

use crate::bell;

/// Bytes of output that wait at most; the guest's device keeps what does not fit.
const CAPACITY: usize = 256 << 10;

/// Both directions of one character device. Clones are the same stream.
#[derive(Clone, Debug, Default)]
pub struct PageStream(Arc<Mutex<Queues>>);

#[derive(Debug, Default)]
struct Queues {
    to_guest: VecDeque<u8>,
    from_guest: Vec<u8>,
}

impl PageStream {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the guest input; it takes it at its own speed.
    pub fn input(&self, bytes: &[u8]) {
        self.queues().to_guest.extend(bytes);
    }

    /// Takes what the guest has put out.
    #[must_use]
    pub fn take_output(&self) -> Vec<u8> {
        std::mem::take(&mut self.queues().from_guest)
    }
}

impl CharBackend for PageStream {
    fn write(&mut self, data: &[u8]) -> usize {
        let mut queues = self.queues();
        let count = data.len().min(CAPACITY - queues.from_guest.len());
        queues.from_guest.extend(&data[..count]);
        drop(queues);
        bell::ring();
        count
    }

    fn read(&mut self, buf: &mut [u8]) -> usize {
        let mut queues = self.queues();
        let count = buf.len().min(queues.to_guest.len());
        for (to, from) in buf.iter_mut().zip(queues.to_guest.drain(..count)) {
            *to = from;
        }
        count
    }
}

/// A stream that leads nowhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl CharBackend for Nowhere {
    fn write(&mut self, data: &[u8]) -> usize {
        data.len()
    }

    fn read(&mut self, _buf: &mut [u8]) -> usize {
        0
    }
}
