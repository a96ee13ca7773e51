//! The 9P device: a folder of the host in the guest's file tree (QEMU's `virtio-9p`; the spec
//! reserves its number only).
//!
//! Each chain of the one queue is a 9P message and room for its reply. The device hands messages to
//! a [`MessageServer`]; [`Server`] answers them from a
//! [`SharedFolder`](ferrite_machine::shared_folder::SharedFolder), inline or wherever the host lets
//! it run.

pub mod memory_folder;
pub mod message;
pub mod server;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use super::device::{VirtioCx, VirtioDevice};
use super::queue::Chain;
use super::spec::{MAX_QUEUE_SIZE, device_type};

pub use server::{MAX_MSIZE, Server, ServerOptions};

/// Feature: the configuration space has the mount tag.
const MOUNT_TAG: u64 = 1 << 0;
/// Longest mount tag, as in QEMU.
pub const MAX_TAG: usize = 31;
/// Most messages started or finished in one call.
const MAX_STEPS: usize = 64;
/// Bytes of messages at the server from which on no new one is taken.
const MAX_BYTES_IN_FLIGHT: usize = 16 << 20;

/// Answers 9P messages, perhaps elsewhere; never blocks.
pub trait MessageServer: Send {
    /// Starts on a message. The reply may have `limit` bytes.
    fn submit(&mut self, id: u64, message: Vec<u8>, limit: usize);
    /// Takes an answer, empty for a message that cannot be answered. Answers come in any order, but
    /// messages take effect in the order in which they were submitted.
    fn poll(&mut self) -> Option<(u64, Vec<u8>)>;
    /// Ends the session. Answers to what was submitted before may still come.
    fn reset(&mut self);
}

/// A server that answers as soon as it is asked.
pub struct InlineServer {
    server: Server,
    answers: VecDeque<(u64, Vec<u8>)>,
}

impl InlineServer {
    /// Asks `server`.
    #[must_use]
    pub fn new(server: Server) -> Self {
        let answers = VecDeque::new();
        Self { server, answers }
    }
}

impl MessageServer for InlineServer {
    fn submit(&mut self, id: u64, message: Vec<u8>, limit: usize) {
        let reply = self.server.handle(&message, limit);
        self.answers.push_back((id, reply));
    }

    fn poll(&mut self) -> Option<(u64, Vec<u8>)> {
        self.answers.pop_front()
    }

    fn reset(&mut self) {
        self.server.reset();
        self.answers.clear();
    }
}

/// A mount tag that no guest could use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mount tag '{0}' must have between 1 and {MAX_TAG} bytes")]
pub struct BadTag(String);

/// `virtio-9p`.
pub struct VirtioP9 {
    // Fixed.
    tag: String,
    // Wiring.
    server: Box<dyn MessageServer>,
    // Messages at the server: the chain, and the most bytes that message and reply take.
    jobs: BTreeMap<u64, (Chain, usize)>,
    next_id: u64,
    bytes_in_flight: usize,
}

impl VirtioP9 {
    /// A device that guests know by `tag`.
    pub fn new(tag: &str, server: Box<dyn MessageServer>) -> Result<Self, BadTag> {
        if tag.is_empty() || tag.len() > MAX_TAG {
            return Err(BadTag(tag.to_owned()));
        }
        Ok(Self {
            tag: tag.to_owned(),
            server,
            jobs: BTreeMap::new(),
            next_id: 0,
            bytes_in_flight: 0,
        })
    }

    fn pump(&mut self, cx: &mut VirtioCx<'_>) {
        for _ in 0..MAX_STEPS {
            if let Some((id, reply)) = self.server.poll() {
                self.answered(cx, id, &reply);
                continue;
            }
            let room = self.bytes_in_flight < MAX_BYTES_IN_FLIGHT
                && self.jobs.len() < usize::from(MAX_QUEUE_SIZE);
            let Some(chain) = room.then(|| cx.pop(0)).flatten() else {
                return;
            };
            let Some(message) = cx.read_vec(&chain, 0, MAX_MSIZE as usize) else {
                return;
            };
            // At most `MAX_MSIZE`.
            let limit = chain.writable_len().min(u64::from(MAX_MSIZE)) as usize;
            let bytes = message.len() + limit;
            self.bytes_in_flight += bytes;
            let id = self.next_id;
            self.next_id += 1;
            self.jobs.insert(id, (chain, bytes));
            self.server.submit(id, message, limit);
        }
        cx.again();
    }

    fn answered(&mut self, cx: &mut VirtioCx<'_>, id: u64, reply: &[u8]) {
        let Some((chain, bytes)) = self.jobs.remove(&id) else {
            return;
        };
        self.bytes_in_flight -= bytes;
        if reply.is_empty() {
            cx.bad_request("a 9P message has no header or no room for its reply");
        } else if let Some(written) = cx.write(&chain, 0, reply) {
            cx.push(0, chain, written as u64);
        }
    }

    fn forget(&mut self) {
        self.jobs.clear();
        self.bytes_in_flight = 0;
    }
}

impl VirtioDevice for VirtioP9 {
    fn device_type(&self) -> u32 {
        device_type::P9
    }

    fn name(&self) -> &'static str {
        "virtio-9p"
    }

    fn features(&self) -> u64 {
        MOUNT_TAG
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![128]
    }

    fn config(&self) -> Vec<u8> {
        let mut config = (self.tag.len() as u16).to_le_bytes().to_vec();
        config.extend_from_slice(self.tag.as_bytes());
        config
    }

    fn notify(&mut self, cx: &mut VirtioCx<'_>, _queue: usize) {
        self.pump(cx);
    }

    fn poll(&mut self, cx: &mut VirtioCx<'_>) {
        self.pump(cx);
    }

    fn reset(&mut self) {
        self.server.reset();
        self.forget();
    }

    fn reset_queue(&mut self, _queue: usize) {
        self.forget();
    }
}
