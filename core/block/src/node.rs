//! The `raw` format: a window of bytes as a disk.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use ferrite_machine::backend::{BlockBackend, BlockDone, BlockRequest};
use ferrite_machine::trace::{Point, Trace};

use crate::stats::{BlockStats, Operation};

/// Bytes in a sector: requests are made of whole ones.
const SECTOR: u64 = 512;

/// What becomes of discard requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiscardMode {
    /// They succeed without effect; QEMU's default.
    #[default]
    Ignore,
    /// They reach the storage.
    Unmap,
}

/// How a disk is made from storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeOptions {
    /// What QMP clients call the node.
    pub node_name: String,
    /// Refuses writes, even if the storage would take them.
    pub read_only: bool,
    /// What becomes of discard requests.
    pub discard: DiscardMode,
    /// Where the disk starts in the storage, in bytes.
    pub offset: u64,
    /// Bytes of the disk; `None` up to the storage's end.
    pub size: Option<u64>,
}

/// The storage has no such window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// It starts beyond the end.
    #[error("offset {offset} is beyond the end of the storage, which has {size} bytes")]
    Offset {
        /// Start of the window.
        offset: u64,
        /// Bytes in the storage.
        size: u64,
    },
    /// It ends beyond the end, or in the middle of a sector.
    #[error("size {0} does not fit the storage or is not a multiple of 512")]
    Size(u64),
}

/// What is known of a request in progress.
struct Pending {
    operation: Operation,
    bytes: u64,
    /// For a read: the bytes to answer, of which the storage may have fewer.
    answer: usize,
}

/// A disk over storage that deals in bytes.
///
/// A size that is not a multiple of 512 is rounded up, as in QEMU; what lies beyond the storage's end
/// reads as zeros, and a write there makes the storage grow if it can.
pub struct BlockNode {
    // Fixed.
    options: NodeOptions,
    // Wiring.
    storage: Box<dyn BlockBackend>,
    stats: BlockStats,
    trace: Trace,
    // Requests in progress.
    pending: BTreeMap<u64, Pending>,
    done: VecDeque<BlockDone>,
}

impl BlockNode {
    /// A disk on `storage`.
    pub fn new(storage: Box<dyn BlockBackend>, options: NodeOptions) -> Result<Self, NodeError> {
        let size = storage.size();
        let offset = options.offset;
        if offset > size {
            return Err(NodeError::Offset { offset, size });
        }
        if let Some(len) = options.size
            && (len > size - offset || !len.is_multiple_of(SECTOR))
        {
            return Err(NodeError::Size(len));
        }
        Ok(Self {
            options,
            storage,
            stats: BlockStats::default(),
            trace: Trace::default(),
            pending: BTreeMap::new(),
            done: VecDeque::new(),
        })
    }

    /// Tells of requests at these trace points.
    #[must_use]
    pub fn traced(self, trace: Trace) -> Self {
        Self { trace, ..self }
    }

    /// What QMP clients call the node.
    #[must_use]
    pub fn node_name(&self) -> &str {
        &self.options.node_name
    }

    /// The node's counters.
    #[must_use]
    pub fn stats(&self) -> BlockStats {
        self.stats.clone()
    }

    /// Bytes of the disk that the storage has.
    fn stored(&self) -> u64 {
        let there = self.storage.size().saturating_sub(self.options.offset);
        self.options.size.map_or(there, |size| size.min(there))
    }

    /// Checks a span of the disk and returns its place in the storage.
    fn place(&self, offset: u64, len: u64) -> io::Result<u64> {
        let whole = offset.is_multiple_of(SECTOR) && len.is_multiple_of(SECTOR);
        let inside = offset
            .checked_add(len)
            .is_some_and(|end| end <= self.size());
        if whole && inside {
            Ok(self.options.offset + offset)
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not whole sectors of the disk",
            ))
        }
    }

    /// The request as the storage is to get it; `None` when there is nothing for it to do.
    fn translate(&self, request: BlockRequest) -> io::Result<Option<BlockRequest>> {
        let changes = !matches!(request, BlockRequest::Read { .. } | BlockRequest::Flush);
        if changes && self.read_only() {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        Ok(Some(match request {
            BlockRequest::Read { offset, len } => {
                let place = self.place(offset, len as u64)?;
                let there = self.stored().saturating_sub(offset).min(len as u64);
                if there == 0 {
                    return Ok(None);
                }
                BlockRequest::Read {
                    offset: place,
                    // At most `len`.
                    len: there as usize,
                }
            }
            BlockRequest::Write { offset, data } => BlockRequest::Write {
                offset: self.place(offset, data.len() as u64)?,
                data,
            },
            BlockRequest::Flush => BlockRequest::Flush,
            BlockRequest::Discard { offset, len } => {
                let offset = self.place(offset, len)?;
                if self.options.discard == DiscardMode::Ignore {
                    return Ok(None);
                }
                BlockRequest::Discard { offset, len }
            }
            BlockRequest::WriteZeroes { offset, len, unmap } => BlockRequest::WriteZeroes {
                offset: self.place(offset, len)?,
                len,
                unmap: unmap && self.options.discard == DiscardMode::Unmap,
            },
        }))
    }

    #[cold]
    fn tell(&self, tag: u64, request: &BlockRequest) {
        let name = &self.options.node_name;
        let (point, offset, bytes) = match request {
            BlockRequest::Read { offset, len } => (Point::BlockRead, *offset, *len as u64),
            BlockRequest::Write { offset, data } => (Point::BlockWrite, *offset, data.len() as u64),
            BlockRequest::Flush => (Point::BlockFlush, 0, 0),
            BlockRequest::Discard { offset, len } => (Point::BlockDiscard, *offset, *len),
            BlockRequest::WriteZeroes { offset, len, .. } => (Point::BlockZeroes, *offset, *len),
        };
        self.trace.tell(point, || {
            format!("blk {name} tag {tag} offset {offset} bytes {bytes}")
        });
    }

    fn finish(&mut self, tag: u64, pending: &Pending, result: io::Result<Vec<u8>>) -> BlockDone {
        let result = result.map(|mut data| {
            data.resize(pending.answer, 0);
            data
        });
        self.trace.tell(Point::BlockDone, || {
            let name = &self.options.node_name;
            let outcome = match &result {
                Ok(_) => "done".to_owned(),
                Err(error) => format!("failed: {error}"),
            };
            format!("blk {name} tag {tag} {outcome}")
        });
        self.stats
            .count(pending.operation, pending.bytes, result.is_ok());
        BlockDone { tag, result }
    }
}

fn describe(request: &BlockRequest) -> Pending {
    let (operation, bytes, answer) = match request {
        BlockRequest::Read { len, .. } => (Operation::Read, *len as u64, *len),
        BlockRequest::Write { data, .. } => (Operation::Write, data.len() as u64, 0),
        BlockRequest::Flush => (Operation::Flush, 0, 0),
        BlockRequest::Discard { len, .. } => (Operation::Unmap, *len, 0),
        BlockRequest::WriteZeroes { len, .. } => (Operation::Write, *len, 0),
    };
    Pending {
        operation,
        bytes,
        answer,
    }
}

impl BlockBackend for BlockNode {
    fn size(&self) -> u64 {
        // Storage has less than 2^63 bytes; what claimed more would be cut off here.
        let stored = self.stored();
        stored
            .checked_next_multiple_of(SECTOR)
            .unwrap_or(stored - stored % SECTOR)
    }

    fn read_only(&self) -> bool {
        self.options.read_only || self.storage.read_only()
    }

    fn submit(&mut self, tag: u64, request: BlockRequest) {
        let pending = describe(&request);
        if self.trace.any() {
            self.tell(tag, &request);
        }
        match self.translate(request) {
            Ok(Some(request)) => {
                self.pending.insert(tag, pending);
                self.storage.submit(tag, request);
            }
            Ok(None) => {
                let done = self.finish(tag, &pending, Ok(Vec::new()));
                self.done.push_back(done);
            }
            Err(error) => {
                let done = self.finish(tag, &pending, Err(error));
                self.done.push_back(done);
            }
        }
    }

    fn poll(&mut self) -> Option<BlockDone> {
        if let Some(done) = self.done.pop_front() {
            return Some(done);
        }
        loop {
            let BlockDone { tag, result } = self.storage.poll()?;
            // Storage that answers what it was not asked is not passed on.
            if let Some(pending) = self.pending.remove(&tag) {
                return Some(self.finish(tag, &pending, result));
            }
        }
    }
}
