//! The block device (the spec, section 5.2).
//!
//! Requests are cut into pieces of at most [`CHUNK`] bytes, one piece of a request at the backend at
//! a time, so that memory use does not depend on what the guest asks for.

pub mod spec;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use ferrite_machine::backend::{BlockBackend, BlockDone, BlockRequest};
use ferrite_machine::trace::Point;

use self::spec::{
    CONFIG_WRITEBACK, HEADER_BYTES, ID_BYTES, SECTOR, SEGMENT_BYTES, SEGMENT_UNMAP, Status,
    feature, request,
};
use super::device::{VirtioCx, VirtioDevice};
use super::queue::Chain;
use super::spec::{MAX_QUEUE_SIZE, device_type};

/// Most bytes of one request at the backend at a time.
pub const CHUNK: u64 = 1 << 20;
/// Bytes at the backend from which on no new request is started.
const MAX_BYTES_IN_FLIGHT: u64 = 32 << 20;
/// Most backend operations started or finished in one call.
const MAX_STEPS: usize = 128;
/// Most sectors of one discard or write-zeroes request.
const MAX_RANGE_SECTORS: u32 = 0x3f_ffff;
/// Entries of the queue where the transport does not offer more.
const QUEUE_SIZE: u16 = 256;

/// The geometry that disks of no particular one have.
const HEADS: u8 = 16;
const SECTORS_PER_TRACK: u8 = 63;

/// What a user can choose of a block device.
#[derive(Clone, Debug)]
pub struct BlkOptions {
    /// Serial number; its first 20 bytes are the answer to `GET_ID`.
    pub serial: String,
    /// Bytes in a logical block: a power of two from 512 to 32768.
    pub logical_block_size: u32,
    /// Bytes in a physical block: a power of two, at least the logical one.
    pub physical_block_size: u32,
    /// Whether the write cache is on after reset.
    pub write_cache: bool,
}

impl Default for BlkOptions {
    fn default() -> Self {
        Self {
            serial: String::new(),
            logical_block_size: 512,
            physical_block_size: 512,
            write_cache: true,
        }
    }
}

/// A device cannot have such options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlkOptionsError {
    /// The logical block size is not one that exists.
    #[error("logical_block_size must be a power of 2 between 512 and 32768, not {0}")]
    LogicalBlockSize(u32),
    /// The physical block size does not go with the logical one.
    #[error("physical_block_size must be a power of 2 and at least logical_block_size, not {0}")]
    PhysicalBlockSize(u32),
}

/// What a request in progress does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Flush,
    Discard,
    WriteZeroes { unmap: bool },
}

/// A request in progress.
struct Job {
    chain: Chain,
    kind: Kind,
    /// First byte on the disk.
    offset: u64,
    /// Bytes finished.
    done: u64,
    /// Bytes in all.
    total: u64,
    /// Bytes at the backend.
    chunk: u64,
}

/// `virtio-blk`.
pub struct VirtioBlk {
    // Fixed.
    options: BlkOptions,
    // Wiring.
    backend: Box<dyn BlockBackend>,
    // Guest-visible.
    features: u64,
    write_cache: bool,
    capacity: u64,
    // Requests at the backend, by tag. Tags are never used twice: what finishes after a reset finds
    // no job.
    jobs: BTreeMap<u64, Job>,
    next_tag: u64,
    bytes_in_flight: u64,
}

impl VirtioBlk {
    /// A disk with the contents of `backend`.
    pub fn new(
        backend: Box<dyn BlockBackend>,
        options: BlkOptions,
    ) -> Result<Self, BlkOptionsError> {
        let (logical, physical) = (options.logical_block_size, options.physical_block_size);
        if !logical.is_power_of_two() || !(512..=32768).contains(&logical) {
            return Err(BlkOptionsError::LogicalBlockSize(logical));
        }
        if !physical.is_power_of_two() || physical < logical {
            return Err(BlkOptionsError::PhysicalBlockSize(physical));
        }
        Ok(Self {
            features: 0,
            write_cache: options.write_cache,
            capacity: backend.size() / SECTOR,
            options,
            backend,
            jobs: BTreeMap::new(),
            next_tag: 0,
            bytes_in_flight: 0,
        })
    }

    /// Cylinders of the geometry, from 2 to 16383 as in QEMU.
    fn cylinders(&self) -> u16 {
        let per_cylinder = u64::from(HEADS) * u64::from(SECTORS_PER_TRACK);
        (self.capacity / per_cylinder).clamp(2, 16383) as u16
    }

    /// Works until there is nothing to do or enough was done for one call.
    fn pump(&mut self, cx: &mut VirtioCx<'_>) {
        self.note_resize(cx);
        for _ in 0..MAX_STEPS {
            if let Some(done) = self.backend.poll() {
                self.piece_done(cx, done);
                continue;
            }
            let room = self.bytes_in_flight < MAX_BYTES_IN_FLIGHT
                && self.jobs.len() < usize::from(MAX_QUEUE_SIZE);
            let Some(chain) = room.then(|| cx.pop(0)).flatten() else {
                return;
            };
            self.start(cx, chain);
        }
        cx.again();
    }

    fn note_resize(&mut self, cx: &mut VirtioCx<'_>) {
        let capacity = self.backend.size() / SECTOR;
        if capacity != self.capacity {
            self.capacity = capacity;
            cx.config_changed();
        }
    }

    fn start(&mut self, cx: &mut VirtioCx<'_>, chain: Chain) {
        if chain.writable_len() == 0 {
            cx.bad_request("a block request has no status byte");
            return;
        }
        let Some(header) = cx.read_array::<{ HEADER_BYTES as usize }>(&chain, 0) else {
            cx.bad_request("a block request has no header");
            return;
        };
        let [t0, t1, t2, t3, _, _, _, _, sector @ ..] = header;
        let sector = u64::from_le_bytes(sector);
        let result = match u32::from_le_bytes([t0, t1, t2, t3]) {
            request::IN => {
                let total = chain.writable_len() - 1;
                self.check_span(sector, total)
                    .map(|offset| (Kind::Read, offset, total))
            }
            request::OUT => {
                let total = chain.readable_len() - HEADER_BYTES;
                self.check_writable()
                    .and_then(|()| self.check_span(sector, total))
                    .map(|offset| (Kind::Write, offset, total))
            }
            request::FLUSH => Ok((Kind::Flush, 0, 0)),
            request::GET_ID => {
                self.answer_id(cx, chain);
                return;
            }
            request::DISCARD => self.range(cx, &chain, true),
            request::WRITE_ZEROES => self.range(cx, &chain, false),
            _ => Err(Status::Unsupported),
        };
        match result {
            Err(status) => complete(cx, chain, status),
            Ok((kind, _, 0)) if kind != Kind::Flush => complete(cx, chain, Status::Ok),
            Ok((kind, offset, total)) => self.submit(
                cx,
                Job {
                    chain,
                    kind,
                    offset,
                    done: 0,
                    total,
                    chunk: 0,
                },
            ),
        }
    }

    fn check_writable(&self) -> Result<(), Status> {
        if self.backend.read_only() {
            Err(Status::IoError)
        } else {
            Ok(())
        }
    }

    /// The first byte of `bytes` bytes from `sector` on, if they are whole blocks of the disk.
    fn check_span(&self, sector: u64, bytes: u64) -> Result<u64, Status> {
        let size = self.capacity * SECTOR;
        let block = u64::from(self.options.logical_block_size);
        sector
            .checked_mul(SECTOR)
            .filter(|offset| offset.is_multiple_of(block) && bytes.is_multiple_of(block))
            .filter(|offset| *offset <= size && bytes <= size - offset)
            .ok_or(Status::IoError)
    }

    /// Reads the one segment of a discard or write-zeroes request.
    fn range(
        &self,
        cx: &mut VirtioCx<'_>,
        chain: &Chain,
        discard: bool,
    ) -> Result<(Kind, u64, u64), Status> {
        self.check_writable()?;
        if chain.readable_len() != HEADER_BYTES + SEGMENT_BYTES {
            return Err(Status::Unsupported);
        }
        let segment: [u8; SEGMENT_BYTES as usize] = cx
            .read_array(chain, HEADER_BYTES)
            .ok_or(Status::Unsupported)?;
        let [s @ .., n0, n1, n2, n3, f0, f1, f2, f3] = segment;
        let sectors = u32::from_le_bytes([n0, n1, n2, n3]);
        let flags = u32::from_le_bytes([f0, f1, f2, f3]);
        let unmap = flags & SEGMENT_UNMAP != 0;
        if flags & !SEGMENT_UNMAP != 0 || discard && unmap {
            return Err(Status::Unsupported);
        }
        if sectors > MAX_RANGE_SECTORS {
            return Err(Status::IoError);
        }
        let total = u64::from(sectors) * SECTOR;
        let offset = self.check_span(u64::from_le_bytes(s), total)?;
        let kind = if discard {
            Kind::Discard
        } else {
            Kind::WriteZeroes { unmap }
        };
        Ok((kind, offset, total))
    }

    fn answer_id(&self, cx: &mut VirtioCx<'_>, chain: Chain) {
        let mut id = [0; ID_BYTES];
        for (to, from) in id.iter_mut().zip(self.options.serial.bytes()) {
            *to = from;
        }
        let room = (chain.writable_len() - 1).min(ID_BYTES as u64);
        if cx.write(&chain, 0, &id[..room as usize]).is_some() {
            complete(cx, chain, Status::Ok);
        }
    }

    /// Hands the next piece of a request to the backend.
    fn submit(&mut self, cx: &mut VirtioCx<'_>, mut job: Job) {
        let offset = job.offset + job.done;
        let left = job.total - job.done;
        let point = match job.kind {
            Kind::Read => Some(Point::VirtioBlkRead),
            Kind::Write => Some(Point::VirtioBlkWrite),
            _ => None,
        };
        if let Some(point) = point {
            let text = || format!("offset {offset} bytes {left}");
            cx.dma.trace().tell(point, text);
        }
        job.chunk = left.min(CHUNK);
        // At most `CHUNK`.
        let len = job.chunk as usize;
        let request = match job.kind {
            Kind::Read => BlockRequest::Read { offset, len },
            Kind::Write => {
                let Some(data) = cx.read_vec(&job.chain, HEADER_BYTES + job.done, len) else {
                    return;
                };
                BlockRequest::Write { offset, data }
            }
            Kind::Flush => BlockRequest::Flush,
            Kind::Discard => {
                job.chunk = left;
                BlockRequest::Discard { offset, len: left }
            }
            Kind::WriteZeroes { unmap } => {
                job.chunk = left;
                BlockRequest::WriteZeroes {
                    offset,
                    len: left,
                    unmap,
                }
            }
        };
        self.bytes_in_flight += job.memory();
        let tag = self.next_tag;
        self.next_tag += 1;
        self.jobs.insert(tag, job);
        self.backend.submit(tag, request);
    }

    fn piece_done(&mut self, cx: &mut VirtioCx<'_>, done: BlockDone) {
        let Some(mut job) = self.jobs.remove(&done.tag) else {
            return;
        };
        self.bytes_in_flight -= job.memory();
        let good = match done.result {
            Ok(data) if job.kind == Kind::Read && data.len() as u64 != job.chunk => false,
            Ok(data) if job.kind == Kind::Read => {
                if cx.write(&job.chain, job.done, &data).is_none() {
                    return;
                }
                true
            }
            Ok(_) => true,
            Err(_) => false,
        };
        if !good {
            complete(cx, job.chain, Status::IoError);
            return;
        }
        job.done += job.chunk;
        if job.done < job.total {
            self.submit(cx, job);
        } else if job.kind != Kind::Read && job.kind != Kind::Flush && !self.caches_writes() {
            job.kind = Kind::Flush;
            self.submit(cx, job);
        } else {
            complete(cx, job.chain, Status::Ok);
        }
    }

    /// Whether a write may be reported before it is durable: a driver without flush cannot make it
    /// so later (the spec, section 5.2.6.2).
    fn caches_writes(&self) -> bool {
        self.write_cache && self.features & (feature::FLUSH | feature::CONFIG_WCE) != 0
    }

    fn forget(&mut self) {
        self.jobs.clear();
        self.bytes_in_flight = 0;
    }
}

impl Job {
    /// Bytes of host memory that the piece at the backend takes.
    fn memory(&self) -> u64 {
        match self.kind {
            Kind::Read | Kind::Write => self.chunk,
            Kind::Flush | Kind::Discard | Kind::WriteZeroes { .. } => 0,
        }
    }
}

/// Writes the status byte, the last of the request, and hands the request back. All of its writable
/// bytes count as written, since the last one is.
fn complete(cx: &mut VirtioCx<'_>, chain: Chain, status: Status) {
    let (len, status) = (chain.writable_len(), status as u8);
    cx.dma
        .trace()
        .tell(Point::VirtioBlkComplete, || format!("status {status}"));
    if cx.write(&chain, len - 1, &[status]).is_some() {
        cx.push(0, chain, len);
    }
}

impl VirtioDevice for VirtioBlk {
    fn device_type(&self) -> u32 {
        device_type::BLOCK
    }

    fn name(&self) -> &'static str {
        "virtio-blk"
    }

    fn features(&self) -> u64 {
        let shape = feature::SEG_MAX | feature::GEOMETRY | feature::BLK_SIZE | feature::TOPOLOGY;
        shape
            | feature::FLUSH
            | if self.backend.read_only() {
                feature::RO
            } else {
                feature::CONFIG_WCE | feature::DISCARD | feature::WRITE_ZEROES
            }
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![QUEUE_SIZE]
    }

    fn config(&self) -> Vec<u8> {
        let logical = self.options.logical_block_size;
        let exponent = (self.options.physical_block_size / logical).trailing_zeros() as u8;
        let block_sectors = logical / SECTOR as u32;
        let mut config = Vec::with_capacity(57);
        config.extend(self.capacity.to_le_bytes());
        config.extend(0_u32.to_le_bytes()); // size_max: not offered
        config.extend((u32::from(QUEUE_SIZE) - 2).to_le_bytes()); // seg_max
        config.extend(self.cylinders().to_le_bytes());
        config.extend([HEADS, SECTORS_PER_TRACK]);
        config.extend(logical.to_le_bytes());
        config.extend([exponent, 0]); // physical_block_exp, alignment_offset
        config.extend([0; 2]); // min_io_size
        config.extend([0; 4]); // opt_io_size
        config.extend([u8::from(self.write_cache), 0]);
        config.extend(1_u16.to_le_bytes()); // num_queues
        config.extend(MAX_RANGE_SECTORS.to_le_bytes()); // max_discard_sectors
        config.extend(1_u32.to_le_bytes()); // max_discard_seg
        config.extend(block_sectors.to_le_bytes()); // discard_sector_alignment
        config.extend(MAX_RANGE_SECTORS.to_le_bytes()); // max_write_zeroes_sectors
        config.extend(1_u32.to_le_bytes()); // max_write_zeroes_seg
        config.push(1); // write_zeroes_may_unmap
        config
    }

    fn write_config(&mut self, offset: usize, data: &[u8]) {
        if let (CONFIG_WRITEBACK, [mode]) = (offset, data) {
            self.write_cache = mode & 1 != 0;
        }
    }

    fn activate(&mut self, features: u64) {
        self.features = features;
    }

    fn notify(&mut self, cx: &mut VirtioCx<'_>, _queue: usize) {
        self.pump(cx);
    }

    fn poll(&mut self, cx: &mut VirtioCx<'_>) {
        self.pump(cx);
    }

    fn reset(&mut self) {
        self.features = 0;
        self.write_cache = self.options.write_cache;
        self.forget();
    }

    fn reset_queue(&mut self, _queue: usize) {
        self.forget();
    }
}
