use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use ferrite_block::{BlockNode, MemoryBackend, NodeOptions};
use ferrite_machine::backend::{BlockBackend, BlockDone, BlockRequest};

use super::{BlkOptions, BlkOptionsError, CHUNK, VirtioBlk};
use crate::virtio::MmioVersion;
use crate::virtio::guest::{DRIVERS, EVENT_IDX, Guest, INDIRECT, Random};

const OK: u8 = 0;
const IOERR: u8 = 1;
const UNSUPP: u8 = 2;
const FLUSH_FEATURE: u64 = 1 << 9;
const WCE_FEATURE: u64 = 1 << 11;

/// What a backend was asked, in order.
type Log = Arc<Mutex<Vec<BlockRequest>>>;

/// Notes what it is asked, and answers the last request first.
struct Backwards {
    inner: MemoryBackend,
    log: Log,
    held: VecDeque<BlockDone>,
    fail: bool,
}

impl BlockBackend for Backwards {
    fn size(&self) -> u64 {
        self.inner.size()
    }
    fn read_only(&self) -> bool {
        self.inner.read_only()
    }
    fn submit(&mut self, tag: u64, request: BlockRequest) {
        self.log.lock().unwrap().push(request.clone());
        self.inner.submit(tag, request);
        let mut done = self.inner.poll().unwrap();
        if self.fail {
            done.result = Err(io::Error::other("the disk is on fire"));
        }
        self.held.push_back(done);
    }
    fn poll(&mut self) -> Option<BlockDone> {
        self.held.pop_back()
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n / 512 * 7 + n) as u8).collect()
}

fn backwards(data: Vec<u8>, fail: bool) -> (Box<Backwards>, Log) {
    let log = Log::default();
    let backend = Backwards {
        inner: MemoryBackend::new(data),
        log: Arc::clone(&log),
        held: VecDeque::new(),
        fail,
    };
    (Box::new(backend), log)
}

fn guest_on(backend: Box<dyn BlockBackend>, version: MmioVersion) -> Guest {
    let options = BlkOptions {
        serial: "FERRITE-0123".into(),
        ..BlkOptions::default()
    };
    Guest::new(version, Box::new(VirtioBlk::new(backend, options).unwrap()))
}

fn guest(len: usize) -> Guest {
    let mut guest = guest_on(
        Box::new(MemoryBackend::new(pattern(len))),
        MmioVersion::Modern,
    );
    guest.start(FLUSH_FEATURE, &[128]);
    guest
}

fn header(kind: u32, sector: u64) -> Vec<u8> {
    let mut header = kind.to_le_bytes().to_vec();
    header.extend([0; 4]);
    header.extend(sector.to_le_bytes());
    header
}

fn segment(sector: u64, sectors: u32, flags: u32) -> Vec<u8> {
    let mut segment = sector.to_le_bytes().to_vec();
    segment.extend(sectors.to_le_bytes());
    segment.extend(flags.to_le_bytes());
    segment
}

/// Reads sectors and returns status and data.
fn read(guest: &mut Guest, sector: u64, len: usize) -> (u8, Vec<u8>) {
    let mut answer = guest.request(0, &[&header(0, sector)], &[len, 1]);
    let status = answer.pop().unwrap();
    (status, answer)
}

#[test]
fn sectors_are_read_and_written_on_every_interface() {
    for (version, features) in DRIVERS {
        let (backend, _) = backwards(pattern(8192), false);
        let mut guest = guest_on(backend, version);
        guest.start(features | FLUSH_FEATURE, &[16]);
        let mut disk = pattern(8192);
        let written = vec![0xa5; 1024];
        // The header need not be a buffer of its own.
        let head = header(1, 3);
        let answer = guest.request(
            0,
            &[
                &head[..7],
                &[&head[7..], &written[..100]].concat(),
                &written[100..],
            ],
            &[1],
        );
        assert_eq!(answer, [OK]);
        disk[1536..2560].copy_from_slice(&written);
        let (status, data) = read(&mut guest, 0, 8192);
        assert_eq!((status, data), (OK, disk));
    }
}

#[test]
fn random_requests_agree_with_an_array() {
    const SECTORS: u64 = 64;
    let (backend, _) = backwards(vec![0; 512 * SECTORS as usize], false);
    let mut guest = guest_on(backend, MmioVersion::Modern);
    guest.start(EVENT_IDX | INDIRECT | FLUSH_FEATURE, &[64]);
    let mut disk = vec![0_u8; 512 * SECTORS as usize];
    let mut random = Random(7);
    for round in 0..300_u32 {
        let sector = random.below(SECTORS + 4);
        let sectors = random.below(8) + 1;
        let span = 512 * sector as usize..512 * (sector + sectors) as usize;
        let inside = span.end <= disk.len();
        let expected = if inside { OK } else { IOERR };
        let range = segment(sector, sectors as u32, 0);
        let answer = match random.below(3) {
            0 => {
                let data = vec![round as u8; span.len()];
                if inside {
                    disk[span].copy_from_slice(&data);
                }
                guest.request(0, &[&header(1, sector), &data], &[1])
            }
            1 => {
                if inside {
                    disk[span].fill(0);
                }
                guest.request(0, &[&header(13, 0), &range], &[1])
            }
            _ => {
                let (status, data) = read(&mut guest, sector, span.len());
                if inside {
                    assert_eq!(data, disk[span]);
                }
                vec![status]
            }
        };
        assert_eq!(answer, [expected]);
    }
}

#[test]
fn big_requests_go_in_pieces() {
    let len = 2 * CHUNK as usize + 512;
    let (backend, log) = backwards(pattern(len), false);
    let mut guest = guest_on(backend, MmioVersion::Modern);
    guest.start(FLUSH_FEATURE, &[8]);
    let (status, data) = read(&mut guest, 0, len);
    assert!(status == OK && data == pattern(len));
    let pieces: Vec<_> = log.lock().unwrap().clone();
    let chunk = CHUNK as usize;
    let read = |offset, len| BlockRequest::Read { offset, len };
    assert_eq!(
        pieces,
        [read(0, chunk), read(CHUNK, chunk), read(2 * CHUNK, 512)]
    );
}

#[test]
fn spans_outside_the_disk_fail() {
    let mut guest = guest(8192);
    for (sector, len) in [
        (16, 512),
        (15, 1024),
        (u64::MAX, 512),
        (1 << 55, 512),
        (0, 100),
        (0, 513),
    ] {
        let (status, data) = read(&mut guest, sector, len);
        assert_eq!(status, IOERR, "{sector:#x}+{len}");
        assert!(data.iter().all(|b| *b == 0xee), "nothing was read");
    }
    let answer = guest.request(0, &[&header(1, 16), &[0; 512]], &[1]);
    assert_eq!(answer, [IOERR]);
    assert_eq!(read(&mut guest, 15, 512).0, OK);
}

#[test]
fn the_id_is_the_serial_number() {
    let mut guest = guest(512);
    let answer = guest.request(0, &[&header(8, 0)], &[20, 1]);
    assert_eq!(answer, b"FERRITE-0123\0\0\0\0\0\0\0\0\0");
}

#[test]
fn discard_and_write_zeroes_have_rules() {
    let mut guest = guest(8192);
    let cases = [
        (11, segment(0, 8, 0), OK),
        (11, segment(0, 8, 1), UNSUPP),
        (13, segment(8, 8, 1), OK),
        (13, segment(8, 8, 2), UNSUPP),
        (13, segment(8, 9, 0), IOERR),
        (13, segment(u64::MAX, 1, 0), IOERR),
        (11, segment(0, 0x40_0000, 0), IOERR),
        (11, vec![0; 8], UNSUPP),
        (11, vec![0; 32], UNSUPP),
        (11, segment(0, 0, 0), OK),
    ];
    for (kind, range, status) in cases {
        let answer = guest.request(0, &[&header(kind, 0), &range], &[1]);
        assert_eq!(answer, [status], "{kind} {range:?}");
    }
    let (_, data) = read(&mut guest, 0, 8192);
    assert!(data.iter().all(|b| *b == 0));
}

#[test]
fn unknown_requests_are_unsupported() {
    let mut guest = guest(512);
    for kind in [2, 3, 5, 6, 7, 9, 10, 12, 14, 0x8000_0000, u32::MAX] {
        assert_eq!(guest.request(0, &[&header(kind, 0)], &[1]), [UNSUPP]);
    }
}

#[test]
fn requests_without_header_or_status_break_the_device() {
    let mut guest = guest(512);
    guest.add(0, &[&header(0, 0)], &[]);
    guest.kick(0);
    assert!(guest.needs_reset());
    guest.start(0, &[8]);
    guest.add(0, &[&[0; 15]], &[1]);
    guest.kick(0);
    assert!(guest.needs_reset());
}

#[test]
fn a_read_only_disk_refuses_changes() {
    let disk = MemoryBackend::read_only(pattern(8192));
    let mut guest = guest_on(Box::new(disk), MmioVersion::Modern);
    assert_eq!(guest.offered() & (1 << 5 | 1 << 13 | 1 << 14), 1 << 5);
    guest.start(0, &[8]);
    assert_eq!(guest.request(0, &[&header(1, 0), &[9; 512]], &[1]), [IOERR]);
    let range = segment(0, 1, 0);
    assert_eq!(guest.request(0, &[&header(11, 0), &range], &[1]), [IOERR]);
    assert_eq!(read(&mut guest, 0, 512), (OK, pattern(512)));
}

#[test]
fn host_errors_are_io_errors() {
    let (backend, _) = backwards(pattern(8192), true);
    let mut guest = guest_on(backend, MmioVersion::Modern);
    guest.start(FLUSH_FEATURE, &[8]);
    assert_eq!(read(&mut guest, 0, 512).0, IOERR);
    assert_eq!(guest.request(0, &[&header(1, 0), &[9; 512]], &[1]), [IOERR]);
    assert_eq!(guest.request(0, &[&header(4, 0)], &[1]), [IOERR]);
}

#[test]
fn without_flush_every_write_is_made_durable() {
    let flushes = |features: u64, write_cache: Option<u8>| {
        let (backend, log) = backwards(pattern(8192), false);
        let mut guest = guest_on(backend, MmioVersion::Modern);
        guest.start(features, &[8]);
        if let Some(mode) = write_cache {
            guest.write(0x100 + 32, 1, u64::from(mode));
        }
        assert_eq!(guest.request(0, &[&header(1, 0), &[9; 512]], &[1]), [OK]);
        let log = log.lock().unwrap();
        log.iter().filter(|r| **r == BlockRequest::Flush).count()
    };
    assert_eq!(flushes(0, None), 1);
    assert_eq!(flushes(FLUSH_FEATURE, None), 0);
    assert_eq!(flushes(FLUSH_FEATURE | WCE_FEATURE, Some(0)), 1);
    assert_eq!(flushes(FLUSH_FEATURE | WCE_FEATURE, Some(1)), 0);
}

#[test]
fn what_finishes_after_a_reset_is_dropped() {
    let (mut backend, _) = backwards(pattern(8192), false);
    // An answer to a request of nobody.
    backend.held.push_back(BlockDone {
        tag: 0,
        result: Ok(vec![1; 512]),
    });
    let mut guest = guest_on(backend, MmioVersion::Modern);
    guest.start(0, &[8]);
    guest.poll();
    assert_eq!(guest.used(0), None);
    assert_eq!(read(&mut guest, 0, 512).0, OK);
}

#[test]
fn odd_images_have_whole_sectors() {
    let node = BlockNode::new(
        Box::new(MemoryBackend::new(vec![1; 700])),
        NodeOptions::default(),
    );
    let mut guest = guest_on(Box::new(node.unwrap()), MmioVersion::Modern);
    assert_eq!(guest.read(0x100, 8), 2);
    guest.start(0, &[8]);
    let (status, data) = read(&mut guest, 1, 512);
    assert_eq!(status, OK);
    assert_eq!(data[..188], [1; 188]);
    assert_eq!(data[188..], [0; 324]);
}

#[test]
fn the_configuration_tells_of_blocks() {
    let options = BlkOptions {
        logical_block_size: 1024,
        physical_block_size: 4096,
        ..BlkOptions::default()
    };
    let disk = Box::new(MemoryBackend::new(vec![0; 16384]));
    let device = VirtioBlk::new(disk, options).unwrap();
    let mut guest = Guest::new(MmioVersion::Modern, Box::new(device));
    assert_eq!(guest.read(0x100, 8), 32, "capacity");
    assert_eq!(guest.read(0x100 + 12, 4), 254, "seg_max");
    assert_eq!(guest.read(0x100 + 20, 4), 1024, "blk_size");
    assert_eq!(guest.read(0x100 + 24, 1), 2, "physical_block_exp");
    assert_eq!(guest.read(0x100 + 34, 2), 1, "num_queues");
    assert_eq!(guest.read(0x100 + 40, 4), 1, "max_discard_seg");
    assert_eq!(guest.read(0x100 + 44, 4), 2, "discard_sector_alignment");
    guest.start(0, &[8]);
    // Half a block.
    assert_eq!(read(&mut guest, 0, 512).0, IOERR);
    assert_eq!(read(&mut guest, 1, 1024).0, IOERR);
    assert_eq!(read(&mut guest, 2, 1024).0, OK);
}

/// What QEMU 7.2 shows for a disk of 700 bytes (`-M virt`, read through its test protocol).
#[test]
fn the_configuration_is_that_of_qemu() {
    const QEMU: [u8; 57] = [
        2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0, 0, 0, 2, 0, 0x10, 0x3f, 0, 2, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 1, 0, 1, 0, 0xff, 0xff, 0x3f, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0x3f,
        0, 1, 0, 0, 0, 1,
    ];
    let storage = Box::new(MemoryBackend::new(vec![1; 700]));
    let node = BlockNode::new(storage, NodeOptions::default()).unwrap();
    let mut guest = guest_on(Box::new(node), MmioVersion::Modern);
    assert_eq!(guest.config::<57>(0), QEMU);
    assert_eq!(guest.offered(), 0x101_3000_6e54);
}

#[test]
fn impossible_block_sizes_are_refused() {
    let make = |logical_block_size, physical_block_size| {
        let options = BlkOptions {
            logical_block_size,
            physical_block_size,
            ..BlkOptions::default()
        };
        VirtioBlk::new(Box::new(MemoryBackend::default()), options).err()
    };
    assert_eq!(make(256, 512), Some(BlkOptionsError::LogicalBlockSize(256)));
    assert_eq!(
        make(1000, 4096),
        Some(BlkOptionsError::LogicalBlockSize(1000))
    );
    assert_eq!(
        make(4096, 512),
        Some(BlkOptionsError::PhysicalBlockSize(512))
    );
    assert_eq!(make(512, 4096), None);
}

/// Headers, ranges and lengths of random bytes: every request is answered or breaks the device.
#[test]
fn random_bytes_do_no_harm() {
    let mut random = Random(99);
    let mut guest = guest(65536);
    for _ in 0..3000 {
        let len = random.below(64) as usize + 1;
        let mut bytes: Vec<_> = (0..len).map(|_| random.next() as u8).collect();
        bytes[0] %= 16;
        for n in 1..bytes.len().min(4) {
            bytes[n] = 0;
        }
        let room = random.below(1100) as usize + 1;
        guest.add(0, &[&bytes], &[room]);
        guest.kick(0);
        if guest.needs_reset() {
            guest.start(FLUSH_FEATURE, &[128]);
        } else {
            assert!(guest.used(0).is_some());
        }
    }
}
