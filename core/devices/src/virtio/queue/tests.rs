//! Rings as hostile drivers make them. The device at hand is the entropy device, which takes
//! whatever chain it gets.

use std::io;

use ferrite_machine::backend::RandomSource;

use crate::virtio::guest::{
    BASE, DRIVERS, EVENT_IDX, Guest, INDIRECT, IS_INDIRECT, LEN, NEXT, Random, WRITE,
};
use crate::virtio::queue::QueueError;
use crate::virtio::rng::VirtioRng;
use crate::virtio::{MmioVersion, VirtioDevice};

struct Ones;

impl RandomSource for Ones {
    fn fill(&mut self, buf: &mut [u8]) -> io::Result<()> {
        buf.fill(0x11);
        Ok(())
    }
}

fn device() -> Box<dyn VirtioDevice> {
    Box::new(VirtioRng::new(Box::new(Ones)))
}

fn guest(features: u64) -> Guest {
    let mut guest = Guest::new(MmioVersion::Modern, device());
    guest.start(features, &[8]);
    guest
}

/// Offers descriptor 0 and expects the device to refuse it so.
fn refused(guest: &mut Guest, error: QueueError) {
    guest.offer(0, 0);
    guest.kick(0);
    assert_eq!(guest.mmio.transport().unwrap().broken(), Some(error));
    assert_eq!(guest.status() & 0x40, 0x40, "DEVICE_NEEDS_RESET");
    assert_eq!(guest.take_interrupt(), 2, "a configuration interrupt tells");
    assert_eq!(guest.used(0), None);
    // A device that needs a reset does nothing, and works again after it.
    guest.kick(0);
    assert_eq!(guest.used(0), None);
    guest.start(EVENT_IDX, &[8]);
    assert_eq!(guest.request(0, &[], &[16]), [0x11; 16]);
}

#[test]
fn chains_are_answered_on_every_interface() {
    for (version, features) in DRIVERS {
        let mut guest = Guest::new(version, device());
        guest.start(features, &[8]);
        // More than once around the ring.
        for n in 1..40 {
            let answer = guest.request(0, &[b"ignored"], &[n, 1, 2 * n]);
            assert_eq!(answer, vec![0x11; 3 * n + 1]);
            assert!(guest.irq());
            assert_eq!(guest.take_interrupt(), 1);
            assert!(!guest.irq());
        }
    }
}

#[test]
fn indices_wrap_at_65536() {
    let mut guest = guest(EVENT_IDX);
    for _ in 0..65_540 {
        let sent = guest.add(0, &[], &[1]);
        assert!(guest.wants_kick(0));
        guest.kick(0);
        assert_eq!(guest.used(0), Some((sent.head, 1)));
        assert_eq!(guest.take_interrupt(), 1);
    }
}

#[test]
fn several_chains_take_one_notification() {
    let mut guest = guest(0);
    let sent: Vec<_> = (0..8).map(|_| guest.add(0, &[], &[4]).head).collect();
    guest.kick(0);
    let used: Vec<_> = std::iter::from_fn(|| guest.used(0)).collect();
    assert_eq!(used, sent.iter().map(|h| (*h, 4)).collect::<Vec<_>>());
}

#[test]
fn a_driver_that_wants_no_interrupt_gets_none() {
    let mut guest = guest(0);
    let avail = guest.queues[0].avail;
    guest.store16(avail, 1);
    guest.request(0, &[], &[4]);
    assert!(!guest.irq());
    guest.store16(avail, 0);
    guest.request(0, &[], &[4]);
    assert!(guest.irq());
}

#[test]
fn the_used_event_says_when_to_interrupt() {
    let mut guest = guest(EVENT_IDX);
    guest.request(0, &[], &[1]);
    guest.take_interrupt();
    let q = guest.queues[0];
    // Not before the fourth used entry (number 3) is there.
    guest.store16(q.avail + 4 + 2 * 8, 3);
    for expected in [false, false, true] {
        guest.add(0, &[], &[1]);
        guest.kick(0);
        assert_eq!(guest.irq(), expected);
    }
}

#[test]
fn loops_end() {
    let mut guest = guest(0);
    let desc = guest.queues[0].desc;
    for (n, next) in [(0, 1), (1, 2), (2, 0)] {
        guest.describe(desc, n, BASE, 16, NEXT | WRITE, next);
    }
    refused(&mut guest, QueueError::ChainTooLong);
    let mut guest = self::guest(0);
    let desc = guest.queues[0].desc;
    guest.describe(desc, 0, BASE, 16, NEXT | WRITE, 0);
    refused(&mut guest, QueueError::ChainTooLong);
}

#[test]
fn a_chain_as_long_as_the_queue_is_fine() {
    let mut guest = guest(0);
    assert_eq!(guest.request(0, &[], &[3; 8]), [0x11; 24]);
}

#[test]
fn loops_in_indirect_tables_end() {
    let mut guest = guest(INDIRECT);
    let (desc, table) = (guest.queues[0].desc, guest.allocate(48));
    guest.describe(desc, 0, table, 48, IS_INDIRECT, 0);
    for (n, next) in [(0, 1), (1, 2), (2, 1)] {
        guest.describe(table, n, BASE, 16, NEXT | WRITE, next);
    }
    refused(&mut guest, QueueError::ChainTooLong);
}

#[test]
fn long_indirect_tables_end_too() {
    let mut guest = guest(INDIRECT);
    let (desc, table) = (guest.queues[0].desc, guest.allocate(16 * 2000));
    guest.describe(desc, 0, table, 16 * 2000, IS_INDIRECT, 0);
    for n in 0..2000 {
        guest.describe(table, n, BASE, 16, NEXT | WRITE, n + 1);
    }
    refused(&mut guest, QueueError::ChainTooLong);
}

#[test]
fn malformed_indirect_descriptors_are_refused() {
    let table = BASE + LEN - 4096;
    // flags, length of the table, flags of its first entry
    let cases = [
        (IS_INDIRECT | NEXT, 16, WRITE),
        (IS_INDIRECT, 0, WRITE),
        (IS_INDIRECT, 17, WRITE),
        (IS_INDIRECT, 16, IS_INDIRECT),
    ];
    for (flags, len, inner) in cases {
        let mut guest = guest(INDIRECT);
        let desc = guest.queues[0].desc;
        guest.describe(desc, 0, table, len, flags, 1);
        guest.describe(table, 0, table, 16, inner, 0);
        refused(&mut guest, QueueError::BadIndirect);
    }
    let mut guest = guest(0);
    let desc = guest.queues[0].desc;
    guest.describe(desc, 0, table, 16, IS_INDIRECT, 0);
    refused(&mut guest, QueueError::BadIndirect);
}

#[test]
fn indices_beyond_the_table_are_refused() {
    let mut guest = guest(INDIRECT);
    let desc = guest.queues[0].desc;
    guest.describe(desc, 0, BASE, 16, NEXT | WRITE, 8);
    refused(&mut guest, QueueError::IndexOutOfRange);
    guest.offer(0, 8);
    guest.kick(0);
    assert_eq!(
        guest.mmio.transport().unwrap().broken(),
        Some(QueueError::IndexOutOfRange)
    );
}

#[test]
fn buffers_outside_memory_are_refused() {
    let end = BASE + LEN;
    let places = [
        (end - 8, 9),
        (BASE - 1, 4),
        (u64::MAX - 3, 8),
        (0, 1),
        (BASE, u32::MAX),
    ];
    for (at, len) in places {
        for flags in [0, WRITE] {
            let mut guest = guest(0);
            let desc = guest.queues[0].desc;
            guest.describe(desc, 0, at, len, flags, 0);
            refused(&mut guest, QueueError::BufferOutsideMemory);
        }
    }
}

#[test]
fn empty_and_misordered_buffers_are_refused() {
    let mut guest = guest(0);
    let desc = guest.queues[0].desc;
    guest.describe(desc, 0, BASE, 0, WRITE, 0);
    refused(&mut guest, QueueError::EmptyBuffer);
    let mut guest = self::guest(0);
    let desc = guest.queues[0].desc;
    guest.describe(desc, 0, BASE, 4, WRITE | NEXT, 1);
    guest.describe(desc, 1, BASE, 4, 0, 0);
    refused(&mut guest, QueueError::ReadableAfterWritable);
}

#[test]
fn jumps_of_the_available_index_are_refused() {
    let mut guest = guest(0);
    let avail = guest.queues[0].avail;
    guest.store16(avail + 2, 9);
    guest.kick(0);
    let broken = guest.mmio.transport().unwrap().broken();
    assert_eq!(broken, Some(QueueError::AvailableIndexJump));
}

#[test]
fn rings_outside_memory_are_refused() {
    let end = BASE + LEN;
    for area in [0x80, 0x90, 0xa0] {
        let mut guest = guest(EVENT_IDX);
        guest.set(0x44, 0);
        guest.set(area, (end - 2) as u32);
        guest.set(area + 4, (end >> 32) as u32);
        guest.set(0x44, 1);
        guest.add(0, &[], &[4]);
        guest.kick(0);
        assert!(guest.needs_reset(), "area {area:#x}");
    }
}

#[test]
fn odd_queue_sizes_are_not_taken() {
    let mut guest = guest(0);
    guest.set(0x44, 0);
    for size in [0, 3, 2048, 0x1_0008, u32::MAX] {
        guest.set(0x38, size);
        let queue = guest.mmio.transport().unwrap().queue(0).unwrap();
        assert_eq!(queue.size(), 8);
    }
}

/// Rings full of random numbers, some of them plausible, and buffers that overlap rings: nothing
/// panics or hangs.
#[test]
fn random_rings_do_no_harm() {
    for seed in 1..60 {
        let mut random = Random(seed);
        let mut guest = guest(EVENT_IDX | INDIRECT);
        let q = guest.queues[0];
        for round in 0..8 {
            for n in 0..8 {
                let (at, len, flags, next) = random_descriptor(&mut random, q.desc);
                guest.describe(q.desc, n, at, len, flags, next);
                guest.store16(q.avail + 4 + 2 * u64::from(n), random.below(9) as u16);
            }
            let index = match random.below(4) {
                0 => random.next() as u16,
                _ => guest
                    .load16(q.avail + 2)
                    .wrapping_add(random.below(9) as u16),
            };
            guest.store16(q.avail + 2, index);
            guest.kick(0);
            guest.poll();
            if guest.needs_reset() && round % 2 == 0 {
                guest.start(EVENT_IDX | INDIRECT, &[8]);
            }
        }
    }
}

fn random_descriptor(random: &mut Random, desc: u64) -> (u64, u32, u16, u16) {
    let at = match random.below(4) {
        0 => random.next(),
        // Descriptor tables and rings as buffers: what the device writes there it reads next.
        1 => desc + random.below(256),
        _ => BASE + random.below(LEN),
    };
    let len = match random.below(3) {
        0 => random.next() as u32,
        1 => 16 * random.below(100) as u32,
        _ => random.below(4096) as u32,
    };
    (at, len, random.below(8) as u16, random.below(9) as u16)
}
