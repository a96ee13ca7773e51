//! An Ethernet segment that several machines share (`-netdev socket,mcast=…`): the worker carries its
//! frames to other tabs of the same page.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferrite_machine::backend::NetBackend;

use crate::bell;

/// Frames that wait in one direction; more are lost, as on any Ethernet.
const MAX_FRAMES: usize = 1024;
/// Longest frame: that of a device, without checksum.
const MAX_FRAME: usize = 65_550;

#[derive(Default)]
struct Queues {
    out: VecDeque<Vec<u8>>,
    arrived: VecDeque<Vec<u8>>,
}

/// A machine's end of the segment, and the worker's. Clones are the same.
#[derive(Clone, Default)]
pub struct Cable {
    /// What all machines on the segment call it.
    pub name: String,
    queues: Arc<Mutex<Queues>>,
}

impl Cable {
    /// An end of the segment of this name.
    #[must_use]
    pub fn new(name: String) -> Self {
        Self {
            name,
            queues: Arc::default(),
        }
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next frame that the machine has sent.
    #[must_use]
    pub fn take(&self) -> Option<Vec<u8>> {
        self.queues().out.pop_front()
    }

    /// Gives the machine a frame of another.
    pub fn give(&self, frame: Vec<u8>) {
        put(&mut self.queues().arrived, frame);
    }
}

fn put(queue: &mut VecDeque<Vec<u8>>, frame: Vec<u8>) {
    if queue.len() < MAX_FRAMES && frame.len() <= MAX_FRAME {
        queue.push_back(frame);
    }
}

impl NetBackend for Cable {
    fn send(&mut self, frame: &[u8]) {
        put(&mut self.queues().out, frame.to_vec());
        bell::ring();
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        self.queues().arrived.pop_front()
    }
}
