use crate::virtio::MmioVersion;
use crate::virtio::blk::{BlkOptions, VirtioBlk};
use crate::virtio::guest::{Guest, VERSION_1};

use ferrite_machine::backend::{BlockBackend, BlockDone, BlockRequest};

/// A disk of a size that can be changed, and without contents.
struct Hollow(std::sync::Arc<std::sync::atomic::AtomicU64>);

impl BlockBackend for Hollow {
    fn size(&self) -> u64 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
    fn read_only(&self) -> bool {
        false
    }
    fn submit(&mut self, _tag: u64, _request: BlockRequest) {}
    fn poll(&mut self) -> Option<BlockDone> {
        None
    }
}

fn guest(version: MmioVersion) -> (Guest, std::sync::Arc<std::sync::atomic::AtomicU64>) {
    let size = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(1 << 20));
    let backend = Box::new(Hollow(std::sync::Arc::clone(&size)));
    let device = VirtioBlk::new(backend, BlkOptions::default()).unwrap();
    (Guest::new(version, Box::new(device)), size)
}

#[test]
fn an_empty_slot_has_an_identity_and_nothing_else() {
    for (version, number) in [(MmioVersion::Legacy, 1), (MmioVersion::Modern, 2)] {
        let mut guest = Guest::with_slot(version, None);
        assert_eq!(guest.get(0), 0x7472_6976);
        assert_eq!(guest.get(4), number);
        assert_eq!(guest.get(0xc), 0x554d_4551);
        for offset in (8..0x200).step_by(4).filter(|o| *o != 0xc) {
            assert_eq!(guest.get(offset), 0, "{offset:#x}");
            guest.set(offset, u32::MAX);
            assert_eq!(guest.get(offset), 0, "{offset:#x}");
        }
        guest.poll();
        guest.reset();
        assert!(!guest.irq());
    }
}

#[test]
fn registers_are_32_bits_wide() {
    let (mut guest, _) = guest(MmioVersion::Modern);
    for bytes in [1, 2] {
        assert_eq!(guest.read(0, bytes), 0);
    }
    assert_eq!(guest.read(0, 8), 0x2_7472_6976);
    guest.write(0x70, 1, 1);
    assert_eq!(guest.status(), 0);
    // Not a register, and not aligned.
    assert_eq!(guest.get(0x18), 0);
    assert_eq!(guest.get(2), 0);
}

#[test]
fn the_configuration_space_has_any_width() {
    let (mut guest, _) = guest(MmioVersion::Modern);
    let sectors = (1_u64 << 20) / 512;
    assert_eq!(guest.read(0x100, 8), sectors);
    assert_eq!(guest.read(0x100, 4), sectors);
    assert_eq!(guest.read(0x101, 1), sectors >> 8);
    // Beyond the end, or halfway.
    assert_eq!(guest.read(0x1fc, 4), 0xffff_ffff);
    assert_eq!(guest.read(0x100 + 56, 1), 1);
    assert_eq!(guest.read(0x100 + 56, 2), 0xffff);
    guest.write(0x1f8, 8, u64::MAX);
}

#[test]
fn features_come_in_words() {
    let (mut modern, _) = guest(MmioVersion::Modern);
    assert_ne!(modern.offered() & VERSION_1, 0);
    modern.set(0x14, 2);
    assert_eq!(modern.get(0x10), 0);
    let (mut legacy, _) = guest(MmioVersion::Legacy);
    assert_eq!(legacy.offered() >> 32, 0);
}

#[test]
fn features_that_are_not_on_offer_are_refused() {
    // Neither an unknown bit nor a modern device without VERSION_1.
    for (low, high) in [(1 << 31, 1), (0, 0), (0, 1 | 1 << 31)] {
        let (mut guest, _) = guest(MmioVersion::Modern);
        guest.set(0x70, 3);
        guest.set(0x24, 0);
        guest.set(0x20, low);
        guest.set(0x24, 1);
        guest.set(0x20, high);
        guest.set(0x70, 11);
        assert_eq!(guest.status(), 3, "{low:#x} {high:#x}");
    }
}

#[test]
fn features_stand_once_they_are_agreed_on() {
    let (mut guest, _) = guest(MmioVersion::Modern);
    guest.start(0, &[8]);
    guest.set(0x24, 0);
    guest.set(0x20, u32::MAX);
    guest.set(0x70, 15);
    assert_eq!(guest.status(), 15);
}

#[test]
fn a_zero_status_resets() {
    for version in [MmioVersion::Legacy, MmioVersion::Modern] {
        let (mut guest, size) = guest(version);
        guest.start(0, &[8]);
        size.store(2 << 20, std::sync::atomic::Ordering::Relaxed);
        guest.poll();
        assert!(guest.irq());
        guest.set(0x70, 0);
        assert_eq!(guest.status(), 0);
        assert!(!guest.irq());
        assert_eq!(guest.get(0x60), 0);
        assert_eq!(guest.get(0x40), 0);
        assert_eq!(guest.get(0x44), 0);
        guest.start(0, &[8]);
    }
}

#[test]
fn a_new_size_is_a_new_configuration() {
    let (mut guest, size) = guest(MmioVersion::Modern);
    guest.start(0, &[8]);
    let before = guest.get(0xfc);
    size.store(3 << 20, std::sync::atomic::Ordering::Relaxed);
    guest.poll();
    assert_ne!(guest.get(0xfc), before);
    assert_eq!(guest.take_interrupt(), 2);
    assert_eq!(guest.read(0x100, 8), (3 << 20) / 512);
}

#[test]
fn there_is_no_shared_memory() {
    let (mut guest, _) = guest(MmioVersion::Modern);
    for offset in [0xb0, 0xb4, 0xb8, 0xbc] {
        assert_eq!(guest.get(offset), u32::MAX);
    }
}

#[test]
fn a_queue_is_reset_alone() {
    let (mut guest, _) = guest(MmioVersion::Modern);
    guest.start(0, &[8]);
    guest.set(0x30, 0);
    guest.set(0xc0, 1);
    assert_eq!(guest.get(0xc0), 0);
    assert_eq!(guest.get(0x44), 0);
    assert_eq!(guest.status(), 15);
}

#[test]
fn queues_that_are_not_there_say_so() {
    for version in [MmioVersion::Legacy, MmioVersion::Modern] {
        let (mut guest, _) = guest(version);
        for queue in [1, 64, u32::MAX] {
            guest.set(0x30, queue);
            assert_eq!(guest.get(0x34), 0);
            for offset in [0x38, 0x3c, 0x40, 0x44, 0x80, 0x90, 0xa0, 0xc0] {
                guest.set(offset, 1);
                assert_eq!(guest.get(offset), 0);
            }
            guest.set(0x50, queue);
        }
    }
}

#[test]
fn the_interfaces_do_not_mix() {
    let (mut modern, _) = guest(MmioVersion::Modern);
    modern.set(0x28, 4096);
    modern.set(0x40, 0x40000);
    assert_eq!(modern.get(0x40), 0);
    assert_eq!(modern.get(0x44), 0);
    let (mut legacy, _) = guest(MmioVersion::Legacy);
    legacy.set(0x44, 1);
    assert_eq!(legacy.get(0x44), 0);
    assert_eq!(legacy.get(0xfc), 0);
    assert_eq!(legacy.get(0xb0), 0);
}
