//! Descriptor chains (the spec, sections 2.7.4 and 2.7.5).

use ferrite_machine::{BusError, Dma};
use ferrite_ram::GuestPhys;

use super::{DESCRIPTOR_BYTES, QueueError};
use crate::virtio::spec::MAX_QUEUE_SIZE;

/// The chain continues in `next`.
const NEXT: u16 = 1;
/// The buffer is for the device to write.
const WRITE: u16 = 2;
/// The buffer is a table of descriptors.
const INDIRECT: u16 = 4;

/// A span of guest memory, checked to be memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    at: GuestPhys,
    len: u32,
}

/// A request: buffers for the device to read, then buffers for it to write.
///
/// Offsets count from the first readable (or writable) byte, across buffers.
#[derive(Debug)]
pub struct Chain {
    head: u16,
    readable: Vec<Segment>,
    writable: Vec<Segment>,
}

struct Descriptor {
    at: GuestPhys,
    len: u32,
    flags: u16,
    next: u16,
}

impl Descriptor {
    fn load(dma: &Dma, table: GuestPhys, index: u16) -> Result<Self, QueueError> {
        let mut raw = [0; DESCRIPTOR_BYTES as usize];
        dma.read(table.offset(DESCRIPTOR_BYTES * u64::from(index)), &mut raw)?;
        let [
            a0,
            a1,
            a2,
            a3,
            a4,
            a5,
            a6,
            a7,
            l0,
            l1,
            l2,
            l3,
            f0,
            f1,
            n0,
            n1,
        ] = raw;
        Ok(Self {
            at: GuestPhys(u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7])),
            len: u32::from_le_bytes([l0, l1, l2, l3]),
            flags: u16::from_le_bytes([f0, f1]),
            next: u16::from_le_bytes([n0, n1]),
        })
    }
}

impl Chain {
    /// Collects the chain that starts at `head` in the table of `size` descriptors at `table`.
    pub(super) fn walk(
        dma: &Dma,
        table: GuestPhys,
        size: u16,
        head: u16,
        indirect: bool,
    ) -> Result<Self, QueueError> {
        let mut chain = Self {
            head,
            readable: Vec::new(),
            writable: Vec::new(),
        };
        let (mut table, mut entries, mut index) = (table, u32::from(size), head);
        let mut in_indirect = false;
        // Descriptors seen in the table at hand: more than it has is a loop.
        let mut seen = 0;
        loop {
            if u32::from(index) >= entries {
                return Err(QueueError::IndexOutOfRange);
            }
            seen += 1;
            if seen > entries || chain.segments() >= usize::from(MAX_QUEUE_SIZE) {
                return Err(QueueError::ChainTooLong);
            }
            let d = Descriptor::load(dma, table, index)?;
            if d.flags & INDIRECT != 0 {
                let whole = d.len > 0 && u64::from(d.len).is_multiple_of(DESCRIPTOR_BYTES);
                if !indirect || in_indirect || d.flags & NEXT != 0 || !whole {
                    return Err(QueueError::BadIndirect);
                }
                in_indirect = true;
                (table, entries, index) = (d.at, d.len / DESCRIPTOR_BYTES as u32, 0);
                seen = 0;
                continue;
            }
            chain.append(dma, &d)?;
            if d.flags & NEXT == 0 {
                return Ok(chain);
            }
            index = d.next;
        }
    }

    fn segments(&self) -> usize {
        self.readable.len() + self.writable.len()
    }

    fn append(&mut self, dma: &Dma, d: &Descriptor) -> Result<(), QueueError> {
        let write = d.flags & WRITE != 0;
        if d.len == 0 {
            return Err(QueueError::EmptyBuffer);
        }
        if !write && !self.writable.is_empty() {
            return Err(QueueError::ReadableAfterWritable);
        }
        if !dma.is_memory(d.at, u64::from(d.len), write) {
            return Err(QueueError::BufferOutsideMemory);
        }
        let segment = Segment {
            at: d.at,
            len: d.len,
        };
        let side = if write {
            &mut self.writable
        } else {
            &mut self.readable
        };
        side.push(segment);
        Ok(())
    }

    /// The index of the first descriptor: the chain's name in the used ring.
    #[must_use]
    pub fn head(&self) -> u16 {
        self.head
    }

    /// Bytes for the device to read.
    #[must_use]
    pub fn readable_len(&self) -> u64 {
        self.readable.iter().map(|s| u64::from(s.len)).sum()
    }

    /// Bytes for the device to write.
    #[must_use]
    pub fn writable_len(&self) -> u64 {
        self.writable.iter().map(|s| u64::from(s.len)).sum()
    }

    /// Where the writable buffers are: first address and bytes.
    pub fn writable_spans(&self) -> impl Iterator<Item = (GuestPhys, u32)> + '_ {
        self.writable.iter().map(|s| (s.at, s.len))
    }

    /// Copies readable bytes from `offset` on into `into` and returns how many there were.
    ///
    /// # Errors
    /// A buffer stopped being memory since the chain was taken.
    pub fn read_at(&self, dma: &Dma, offset: u64, into: &mut [u8]) -> Result<usize, BusError> {
        each_span(&self.readable, offset, into.len(), |at, from, len| {
            dma.read(at, &mut into[from..from + len])
        })
    }

    /// Copies the readable bytes from `offset` on, at most `limit` of them.
    ///
    /// # Errors
    /// As for [`Self::read_at`].
    pub fn read_vec(&self, dma: &Dma, offset: u64, limit: usize) -> Result<Vec<u8>, BusError> {
        let there = self.readable_len().saturating_sub(offset);
        let mut bytes = vec![0; usize::try_from(there).map_or(limit, |there| there.min(limit))];
        self.read_at(dma, offset, &mut bytes)?;
        Ok(bytes)
    }

    /// Copies `from` to the writable bytes at `offset` on and returns how many fitted.
    ///
    /// # Errors
    /// A buffer stopped being memory since the chain was taken.
    pub fn write_at(&self, dma: &Dma, offset: u64, from: &[u8]) -> Result<usize, BusError> {
        each_span(&self.writable, offset, from.len(), |at, start, len| {
            dma.write(at, &from[start..start + len])
        })
    }
}

/// Calls `copy(address, place in the caller's buffer, bytes)` for each contiguous part of the `len`
/// bytes from `offset` on, and returns how many bytes that were.
fn each_span(
    segments: &[Segment],
    mut offset: u64,
    len: usize,
    mut copy: impl FnMut(GuestPhys, usize, usize) -> Result<(), BusError>,
) -> Result<usize, BusError> {
    let mut done = 0;
    for s in segments {
        if done == len {
            break;
        }
        let here = u64::from(s.len);
        if offset >= here {
            offset -= here;
            continue;
        }
        // At most `len - done`, so it fits a `usize`.
        let part = (here - offset).min((len - done) as u64) as usize;
        copy(s.at.offset(offset), done, part)?;
        done += part;
        offset = 0;
    }
    Ok(done)
}
