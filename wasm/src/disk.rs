//! Disks whose bytes the page has: requests wait here until the worker has answered them.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferrite_machine::backend::{BlockBackend, BlockDone, BlockRequest};

use crate::bell;

#[derive(Debug, Default)]
struct Queues {
    asked: VecDeque<(u64, BlockRequest)>,
    done: VecDeque<BlockDone>,
}

/// The machine's end and the worker's end of a disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct PageDisk {
    size: u64,
    read_only: bool,
    queues: Arc<Mutex<Queues>>,
}

impl PageDisk {
    /// A disk of `size` bytes.
    #[must_use]
    pub fn new(size: u64, read_only: bool) -> Self {
        Self {
            size,
            read_only,
            queues: Arc::default(),
        }
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next request that the worker is to carry out, with its tag.
    #[must_use]
    pub fn take_request(&self) -> Option<(u64, BlockRequest)> {
        self.queues().asked.pop_front()
    }

    /// Answers a request: the bytes read, nothing for others, or what went wrong.
    pub fn answer(&self, tag: u64, result: Result<Vec<u8>, String>) {
        let result = result.map_err(io::Error::other);
        self.queues().done.push_back(BlockDone { tag, result });
    }
}

impl BlockBackend for PageDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn submit(&mut self, tag: u64, request: BlockRequest) {
        self.queues().asked.push_back((tag, request));
        bell::ring();
    }

    fn poll(&mut self) -> Option<BlockDone> {
        self.queues().done.pop_front()
    }
}
