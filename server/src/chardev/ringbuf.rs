//! A ring of the last bytes written, read and filled by monitors (`ringbuf-read`, `ringbuf-write`).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use ferrite_machine::backend::CharBackend;

/// The ring; clones are the same ring.
#[derive(Clone)]
pub struct RingBuf {
    size: usize,
    bytes: Arc<Mutex<VecDeque<u8>>>,
}

impl RingBuf {
    /// A ring of `size` bytes, a power of two.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self {
            size,
            bytes: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.bytes
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
    }

    /// Appends; the oldest bytes give way.
    pub fn append(&self, data: &[u8]) {
        let mut bytes = self.lock();
        bytes.extend(data.iter().skip(data.len().saturating_sub(self.size)));
        let excess = bytes.len().saturating_sub(self.size);
        bytes.drain(..excess);
    }

    /// Takes up to `most` of the oldest bytes.
    #[must_use]
    pub fn take(&self, most: usize) -> Vec<u8> {
        let mut bytes = self.lock();
        let count = most.min(bytes.len());
        bytes.drain(..count).collect()
    }
}

impl CharBackend for RingBuf {
    fn write(&mut self, data: &[u8]) -> usize {
        self.append(data);
        data.len()
    }

    fn read(&mut self, _buf: &mut [u8]) -> usize {
        0
    }
}
