//! A bounded queue of bytes between a host thread and the machine's thread.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Bytes that wait on either side before the producer has to.
const CAPACITY: usize = 64 * 1024;

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    /// The consumer has bytes that it took and is not done with.
    taken: bool,
    closed: bool,
}

/// The queue; clones are the same queue.
#[derive(Clone, Default)]
pub struct ByteQueue {
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl ByteQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared
            .0
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
    }

    /// Takes as much of `data` as there is room for, at once.
    pub fn try_push(&self, data: &[u8]) -> usize {
        let mut state = self.lock();
        if state.closed {
            return data.len();
        }
        let room = CAPACITY - state.bytes.len();
        let taken = data.len().min(room);
        state.bytes.extend(&data[..taken]);
        self.shared.1.notify_all();
        taken
    }

    /// Takes all of `data`, waiting for room. False once the queue is closed.
    pub fn push(&self, mut data: &[u8]) -> bool {
        let mut state = self.lock();
        while !data.is_empty() {
            if state.closed {
                return false;
            }
            let taken = data.len().min(CAPACITY - state.bytes.len());
            state.bytes.extend(&data[..taken]);
            data = &data[taken..];
            self.shared.1.notify_all();
            if !data.is_empty() {
                state = self
                    .shared
                    .1
                    .wait(state)
                    .unwrap_or_else(|poison| poison.into_inner());
            }
        }
        true
    }

    /// Fills `buf` with what is there, at once.
    pub fn try_pop(&self, buf: &mut [u8]) -> usize {
        let mut state = self.lock();
        let count = buf.len().min(state.bytes.len());
        for (to, from) in buf.iter_mut().zip(state.bytes.drain(..count)) {
            *to = from;
        }
        if count > 0 {
            self.shared.1.notify_all();
        }
        count
    }

    /// Waits for bytes and takes up to `most` of them; `None` once the queue is closed and empty.
    pub fn pop(&self, most: usize) -> Option<Vec<u8>> {
        let mut state = self.lock();
        state.taken = false;
        self.shared.1.notify_all();
        while state.bytes.is_empty() {
            if state.closed {
                return None;
            }
            state = self
                .shared
                .1
                .wait(state)
                .unwrap_or_else(|poison| poison.into_inner());
        }
        let count = most.min(state.bytes.len());
        let taken = state.bytes.drain(..count).collect();
        state.taken = true;
        self.shared.1.notify_all();
        Some(taken)
    }

    /// Waits until a consumer that uses [`Self::pop`] is done with everything, at most for `limit`.
    pub fn drain(&self, limit: Duration) {
        let busy = |state: &mut State| (state.taken || !state.bytes.is_empty()) && !state.closed;
        // A consumer that is stuck does not hold up the end for longer.
        drop(self.shared.1.wait_timeout_while(self.lock(), limit, busy));
    }

    /// No more bytes go in; what waits on either side wakes up.
    pub fn close(&self) {
        self.lock().closed = true;
        self.shared.1.notify_all();
    }

    /// Forgets waiting bytes.
    pub fn clear(&self) {
        self.lock().bytes.clear();
        self.shared.1.notify_all();
    }
}
