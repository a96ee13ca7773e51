//! The host's side of devices: back ends that do what the fuzzer's bytes say, or nothing.

use std::collections::VecDeque;
use std::io;

use ferrite_machine::backend::{BlockBackend, BlockDone, BlockRequest};
use ferrite_machine::backend::{CharBackend, NetBackend, RandomSource};

/// A peer that takes everything and has said `0` already.
pub struct Peer(pub VecDeque<u8>);

impl Peer {
    /// A peer that sends these bytes.
    #[must_use]
    pub fn boxed(input: &[u8]) -> Box<Self> {
        Box::new(Self(input.iter().copied().collect()))
    }
}

impl CharBackend for Peer {
    fn write(&mut self, data: &[u8]) -> usize {
        // Now and then not all of it.
        data.len().min(300)
    }

    fn read(&mut self, buf: &mut [u8]) -> usize {
        let len = buf.len().min(self.0.len());
        for (to, from) in buf.iter_mut().zip(self.0.drain(..len)) {
            *to = from;
        }
        len
    }
}

/// A network that answers each frame with the same frame.
#[derive(Default)]
pub struct Mirror(VecDeque<Vec<u8>>);

impl NetBackend for Mirror {
    fn send(&mut self, frame: &[u8]) {
        if self.0.len() < 64 {
            self.0.push_back(frame.to_vec());
        }
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        self.0.pop_front()
    }
}

/// Numbers that could not be less random.
pub struct Counting(pub u8);

impl RandomSource for Counting {
    fn fill(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.0 = self.0.wrapping_add(1);
        if self.0.is_multiple_of(16) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buf.fill(self.0);
        Ok(())
    }
}

/// A disk that keeps nothing and checks what it is asked for.
pub struct EmptyDisk {
    /// Bytes.
    pub size: u64,
    /// Whether writes fail.
    pub read_only: bool,
    done: VecDeque<BlockDone>,
}

impl EmptyDisk {
    /// A disk of this size.
    #[must_use]
    pub fn new(size: u64, read_only: bool) -> Self {
        Self {
            size,
            read_only,
            done: VecDeque::new(),
        }
    }

    fn check(&self, offset: u64, len: u64) {
        assert!(offset.is_multiple_of(512) && len.is_multiple_of(512));
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.size));
    }
}

impl BlockBackend for EmptyDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn submit(&mut self, tag: u64, request: BlockRequest) {
        let mut bytes = Vec::new();
        match request {
            BlockRequest::Read { offset, len } => {
                self.check(offset, len as u64);
                bytes = vec![0x5a; len];
            }
            BlockRequest::Write { offset, data } => {
                assert!(!self.read_only, "a write to a read-only disk");
                self.check(offset, data.len() as u64);
            }
            BlockRequest::Flush => {}
            BlockRequest::Discard { offset, len }
            | BlockRequest::WriteZeroes { offset, len, .. } => {
                assert!(!self.read_only, "a write to a read-only disk");
                self.check(offset, len);
            }
        }
        let result = match tag % 5 {
            4 => Err(io::ErrorKind::Other.into()),
            _ => Ok(bytes),
        };
        self.done.push_back(BlockDone { tag, result });
    }

    fn poll(&mut self) -> Option<BlockDone> {
        self.done.pop_front()
    }
}
