//! A disk in memory.

use std::collections::VecDeque;
use std::io;

use ferrite_machine::backend::{BlockBackend, BlockDone, BlockRequest};

/// Storage in the host's memory. Requests finish at once, in order.
#[derive(Debug, Default)]
pub struct MemoryBackend {
    data: Vec<u8>,
    read_only: bool,
    done: VecDeque<BlockDone>,
}

impl MemoryBackend {
    /// A disk of these contents.
    #[must_use]
    pub fn new(data: Vec<u8>) -> Self {
        Self {
            data,
            read_only: false,
            done: VecDeque::new(),
        }
    }

    /// The same, refusing writes.
    #[must_use]
    pub fn read_only(data: Vec<u8>) -> Self {
        Self {
            read_only: true,
            ..Self::new(data)
        }
    }

    /// The contents.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    fn span(&mut self, offset: u64, len: u64) -> io::Result<&mut [u8]> {
        let range = usize::try_from(offset)
            .ok()
            .zip(usize::try_from(len).ok())
            .and_then(|(start, len)| Some(start..start.checked_add(len)?));
        range
            .and_then(|range| self.data.get_mut(range))
            .ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidInput, "beyond the end of the disk")
            })
    }

    fn run(&mut self, request: BlockRequest) -> io::Result<Vec<u8>> {
        if self.read_only && !matches!(request, BlockRequest::Read { .. } | BlockRequest::Flush) {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        match request {
            BlockRequest::Read { offset, len } => {
                return self.span(offset, len as u64).map(|span| span.to_vec());
            }
            BlockRequest::Write { offset, data } => {
                self.span(offset, data.len() as u64)?.copy_from_slice(&data);
            }
            BlockRequest::Flush => {}
            BlockRequest::Discard { offset, len }
            | BlockRequest::WriteZeroes { offset, len, .. } => self.span(offset, len)?.fill(0),
        }
        Ok(Vec::new())
    }
}

impl BlockBackend for MemoryBackend {
    fn size(&self) -> u64 {
        self.data.len() as u64
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn submit(&mut self, tag: u64, request: BlockRequest) {
        let result = self.run(request);
        self.done.push_back(BlockDone { tag, result });
    }

    fn poll(&mut self) -> Option<BlockDone> {
        self.done.pop_front()
    }
}
