//! A command that works on a medium.

use ferrite_machine::BusError;
use ferrite_machine::backend::BlockRequest;

use super::CHUNK;
use crate::scsi::spec::Sense;
use crate::scsi::{UnitAddress, Work};
use crate::virtio::device::VirtioCx;
use crate::virtio::queue::Chain;

/// A command in progress.
pub(super) struct Job {
    pub(super) chain: Chain,
    pub(super) unit: UnitAddress,
    /// The driver's number for it.
    pub(super) id: u64,
    work: Work,
    /// Bytes, or ranges, that are finished.
    done: u64,
    /// Bytes at the backend.
    chunk: u64,
    /// Whether the flush after a durable write is out.
    flushed: bool,
}

impl Job {
    pub(super) fn new(chain: Chain, unit: UnitAddress, id: u64, work: Work) -> Self {
        Self {
            chain,
            unit,
            id,
            work,
            done: 0,
            chunk: 0,
            flushed: false,
        }
    }

    /// Whether the driver sent as much data, or has as much room for it, as the command says.
    pub(super) fn has_room(&self, sent: u64, room: u64) -> bool {
        match self.work {
            Work::Read { len, .. } => len <= room,
            Work::Write { len, .. } => len <= sent,
            _ => true,
        }
    }

    /// The next piece of work; `None` when all is done.
    pub(super) fn next(
        &mut self,
        cx: &VirtioCx<'_>,
        data_at: u64,
    ) -> Option<Result<BlockRequest, BusError>> {
        let piece = |len: u64, done: u64| (len - done).min(CHUNK);
        let done = self.done;
        let request = match &self.work {
            Work::Read { len, .. } | Work::Fill { len, .. } | Work::Zero { len, .. }
                if done >= *len =>
            {
                return None;
            }
            Work::Write { len, durable, .. } if done >= *len => {
                if !*durable || std::mem::replace(&mut self.flushed, true) {
                    return None;
                }
                self.chunk = 0;
                BlockRequest::Flush
            }
            Work::Read { offset, len } => {
                self.chunk = piece(*len, done);
                BlockRequest::Read {
                    offset: offset + done,
                    len: self.chunk as usize,
                }
            }
            Work::Write { offset, len, .. } => {
                self.chunk = piece(*len, done);
                let data = self
                    .chain
                    .read_vec(cx.dma, data_at + done, self.chunk as usize);
                match data {
                    Ok(data) => BlockRequest::Write {
                        offset: offset + done,
                        data,
                    },
                    Err(error) => return Some(Err(error)),
                }
            }
            Work::Fill {
                offset,
                len,
                pattern,
            } => {
                self.chunk = piece(*len, done);
                let times = self.chunk as usize / pattern.len().max(1);
                BlockRequest::Write {
                    offset: offset + done,
                    data: pattern.repeat(times),
                }
            }
            Work::Zero { offset, len, unmap } => {
                self.chunk = *len;
                BlockRequest::WriteZeroes {
                    offset: *offset,
                    len: *len,
                    unmap: *unmap,
                }
            }
            Work::Discard(ranges) => {
                let rest = ranges.get(done as usize..).unwrap_or_default();
                let skipped = rest.iter().take_while(|(_, len)| *len == 0).count();
                let (offset, len) = *rest.get(skipped)?;
                self.chunk = skipped as u64 + 1;
                BlockRequest::Discard { offset, len }
            }
            Work::Flush if done > 0 => return None,
            Work::Flush => {
                self.chunk = 1;
                BlockRequest::Flush
            }
        };
        Some(Ok(request))
    }

    /// Whether the answer of the backend is what was asked for.
    pub(super) fn takes(&self, data: &[u8]) -> bool {
        match self.work {
            Work::Read { .. } => data.len() as u64 == self.chunk,
            _ => data.is_empty(),
        }
    }

    /// The piece at the backend is finished.
    pub(super) fn piece_done(&mut self) {
        self.done += self.chunk;
    }

    /// Bytes of data moved to or from the driver.
    pub(super) fn moved(&self) -> u64 {
        match &self.work {
            Work::Read { .. } | Work::Write { .. } => self.done,
            Work::Fill { pattern, .. } => pattern.len() as u64,
            // Whatever came as parameters was read whole.
            Work::Zero { .. } | Work::Discard(_) | Work::Flush => u64::MAX,
        }
    }

    /// Bytes of host memory that the piece at the backend takes.
    pub(super) fn memory(&self) -> u64 {
        match self.work {
            Work::Read { .. } | Work::Write { .. } | Work::Fill { .. } => self.chunk,
            Work::Zero { .. } | Work::Discard(_) | Work::Flush => 0,
        }
    }

    /// What is told when the backend fails.
    pub(super) fn failure(&self) -> Sense {
        match self.work {
            Work::Read { .. } => Sense::READ_ERROR,
            _ => Sense::WRITE_ERROR,
        }
    }
}
