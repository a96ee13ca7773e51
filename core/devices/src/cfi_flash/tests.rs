//! What EDK2's VirtNorFlashDxe, U-Boot's `cfi_flash.c` and Linux' `cfi_cmdset_0001.c` do. Values
//! are those of QEMU's virt.

use std::collections::VecDeque;
use std::sync::Mutex;

use ferrite_machine::backend::{BlockDone, BlockRequest};

use super::*;
use crate::testbed::Testbed;

const LEN: u64 = 64 << 20;

/// Records what is written.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<(Vec<BlockRequest>, VecDeque<u64>)>>);

impl BlockBackend for Disk {
    fn size(&self) -> u64 {
        0x8_0200
    }

    fn read_only(&self) -> bool {
        false
    }

    fn submit(&mut self, tag: u64, request: BlockRequest) {
        let mut state = self.0.lock().unwrap();
        state.0.push(request);
        state.1.push_back(tag);
    }

    fn poll(&mut self) -> Option<BlockDone> {
        let tag = self.0.lock().unwrap().1.pop_front()?;
        let result = Ok(Vec::new());
        Some(BlockDone { tag, result })
    }
}

fn bench_with(backend: Option<Box<dyn BlockBackend>>, read_only: bool) -> Testbed<CfiFlash> {
    let ram = Arc::new(GuestRam::new(LEN).unwrap());
    let flash = CfiFlash::new(ram.clone(), RamOffset(0), LEN, backend, read_only);
    Testbed::with_ram(flash, ram)
}

fn bench() -> Testbed<CfiFlash> {
    bench_with(None, false)
}

#[test]
fn the_query_table_is_that_of_virt() {
    let mut bench = bench();
    bench.write(0x154, 0x0098_0098);
    assert!(!bench.device.read_mode());
    let expected = [
        (0x10, 0x51),
        (0x11, 0x52),
        (0x12, 0x59),
        (0x13, 0x01),
        (0x15, 0x31),
        (0x1b, 0x45),
        (0x1c, 0x55),
        (0x1f, 0x07),
        (0x20, 0x07),
        (0x21, 0x0a),
        (0x23, 0x04),
        (0x24, 0x04),
        (0x25, 0x04),
        (0x27, 0x19),
        (0x28, 0x02),
        (0x2a, 0x0b),
        (0x2c, 0x01),
        (0x2d, 0xff),
        (0x30, 0x02),
        (0x31, 0x50),
        (0x32, 0x52),
        (0x33, 0x49),
        (0x34, 0x31),
        (0x35, 0x30),
        (0x3f, 0x01),
    ];
    for word in 0..0x40 {
        let byte = expected.iter().find(|row| row.0 == word);
        let byte = byte.map_or(0, |row| row.1);
        assert_eq!(bench.read(word * 4), byte * 0x0001_0001, "{word:#x}");
        assert_eq!(bench.try_read(word * 4, 1), Ok(byte.into()));
        assert_eq!(bench.try_read(word * 4 + 2, 2), Ok(byte.into()));
    }
    bench.write(0, 0x00ff_00ff);
    assert!(bench.device.read_mode());
    assert_eq!(bench.read(0x40), 0);
}

#[test]
fn identifiers_and_status_are_those_of_virt() {
    let mut bench = bench();
    bench.write(0, 0x0090_0090);
    let words = [0, 4, 8, 0x4_0000, 0x4_0008].map(|offset| bench.read(offset));
    assert_eq!(words, [0x0089_0089, 0x0018_0018, 0, 0x0089_0089, 0]);
    assert_eq!(bench.try_read(0, 8), Ok(0x0018_0018_0089_0089));
    bench.write(0, 0x0070_0070);
    assert_eq!(bench.read(0x1234), 0x0080_0080);
    for probe in [0x50, 0x55, 0xf0, 0xb0, 0xd0, 0x00] {
        bench.write(0, probe * 0x0001_0001);
        assert!(bench.device.read_mode(), "{probe:#x}");
    }
}

/// Erases the block at `block`, as EDK2 does: unlock, erase, wait, read array.
fn erase(bench: &mut Testbed<CfiFlash>, block: u64) -> u32 {
    for command in [0x60, 0xd0] {
        bench.write(block, command * 0x0001_0001);
    }
    assert_eq!(bench.read(block), 0x0080_0080);
    bench.write(block, 0x00ff_00ff);
    for command in [0x20, 0xd0] {
        bench.write(block, command * 0x0001_0001);
    }
    let status = bench.read(block);
    bench.write(block, 0x00ff_00ff);
    status
}

#[test]
fn blocks_are_erased_and_words_programmed() {
    let mut bench = bench();
    assert_eq!(erase(&mut bench, 0x4_0000), 0x0080_0080);
    assert_eq!(bench.read(0x3_fffc), 0);
    assert_eq!(bench.read(0x4_0000), u32::MAX);
    assert_eq!(bench.read(0x7_fffc), u32::MAX);
    assert_eq!(bench.read(0x8_0000), 0);
    for (code, value) in [(0x40, 0x1234_5678), (0x10, 0xffff_0000)] {
        bench.write(0x4_0000, code * 0x0001_0001);
        bench.write(0x4_0000, value);
        assert_eq!(bench.read(0x4_0000), 0x0080_0080);
    }
    bench.write(0x4_0000, 0x00ff_00ff);
    assert_eq!(bench.read(0x4_0000), 0xffff_0000, "as QEMU programs");
    assert_eq!(bench.read(0x4_0004), u32::MAX);
}

#[test]
fn buffered_programs_wait_for_their_confirmation() {
    let mut bench = bench();
    erase(&mut bench, 0);
    bench.write(0x100, 0x00e8_00e8);
    assert_eq!(bench.read(0x100) & 0x80, 0x80, "buffer available");
    bench.write(0x100, 0x0003_0003);
    for word in 0..4 {
        bench.write(0x100 + u64::from(word) * 4, 0x1111_1111 * (word + 1));
    }
    assert_eq!(bench.ram.load(RamOffset(0x100)), Some(u32::MAX));
    bench.write(0x100, 0x00d0_00d0);
    assert_eq!(bench.read(0x100), 0x0080_0080);
    bench.write(0x100, 0x00ff_00ff);
    let words = [0x100, 0x104, 0x108, 0x10c, 0x110].map(|offset| bench.read(offset));
    assert_eq!(
        words,
        [0x1111_1111, 0x2222_2222, 0x3333_3333, 0x4444_4444, u32::MAX]
    );
}

#[test]
fn wrong_sequences_are_errors_until_cleared() {
    let mut bench = bench();
    bench.write(0, 0x0020_0020);
    bench.write(0, 0x0011_0011);
    assert_eq!(bench.read(0), 0x00b0_00b0);
    assert_eq!(bench.ram.load(RamOffset(0)), Some(0_u32));
    bench.write(0, 0x0050_0050);
    bench.write(0, 0x0070_0070);
    assert_eq!(bench.read(0), 0x0080_0080);
    // More than the buffer holds.
    bench.write(0, 0x00e8_00e8);
    bench.write(0, 0x0400_0400);
    assert_eq!(bench.read(0), 0x00b0_00b0);
}

#[test]
fn a_read_only_bank_refuses() {
    let mut bench = bench_with(None, true);
    assert_eq!(erase(&mut bench, 0), 0x00a2_00a2);
    bench.write(0, 0x0040_0040);
    bench.write(0, 0);
    assert_eq!(bench.read(0) & 0x10, 0x10);
    assert_eq!(bench.ram.load(RamOffset(0)), Some(0_u32));
}

#[test]
fn changes_reach_the_backend() {
    let disk = Disk::default();
    let mut bench = bench_with(Some(Box::new(disk.clone())), false);
    erase(&mut bench, 0x4_0000);
    let requests = std::mem::take(&mut disk.0.lock().unwrap().0);
    let expected = BlockRequest::Write {
        offset: 0x4_0000,
        data: vec![0xff; 0x4_0000],
    };
    assert_eq!(requests, [expected, BlockRequest::Flush]);
    // As far as it reaches.
    bench.write(0x8_0000, 0x0040_0040);
    bench.write(0x8_01fc, 0);
    bench.write(0x8_0000, 0x00ff_00ff);
    let requests = std::mem::take(&mut disk.0.lock().unwrap().0);
    let expected = BlockRequest::Write {
        offset: 0x8_0000,
        data: vec![0; 0x200],
    };
    assert_eq!(requests, [expected, BlockRequest::Flush]);
    bench.poll();
    assert!(disk.0.lock().unwrap().0.is_empty());
}

#[test]
fn random_accesses_are_survived() {
    let disk = Disk::default();
    let mut bench = bench_with(Some(Box::new(disk.clone())), false);
    bench.storm(8, 0x1000, 20_000);
    bench.storm(9, LEN + 16, 5_000);
    bench.reset();
    assert!(bench.device.read_mode());
}
