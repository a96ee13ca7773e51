//! What Linux' `qemu_fw_cfg.c`, EDK2's QemuFwCfgLib and U-Boot do.

use ferrite_ram::{GuestPhys, RamOffset};

use super::*;
use crate::testbed::{RAM_BASE, Testbed};
use crate::told::told;

fn bench() -> Testbed<FwCfg> {
    let mut device = FwCfg::new();
    device.add_item(0x05, vec![2, 0]).unwrap();
    device.add_file("etc/table-loader", vec![7; 3000]).unwrap();
    device.add_file("bootorder", b"/disk".to_vec()).unwrap();
    device.add_file("etc/acpi/rsdp", (0..36).collect()).unwrap();
    Testbed::new(device)
}

fn select(bench: &mut Testbed<FwCfg>, key: u16) {
    bench.try_write(8, 2, key.swap_bytes().into()).unwrap();
}

fn bytes(bench: &mut Testbed<FwCfg>, count: usize) -> Vec<u8> {
    (0..count)
        .map(|_| bench.try_read(0, 1).unwrap() as u8)
        .collect()
}

#[test]
fn it_is_found_by_signature_and_version() {
    let mut bench = bench();
    select(&mut bench, 0);
    assert_eq!(bytes(&mut bench, 6), b"QEMU\0\0");
    select(&mut bench, 1);
    assert_eq!(bytes(&mut bench, 5), [3, 0, 0, 0, 0]);
    select(&mut bench, 0x4000);
    // Wide reads keep the order of bytes in memory.
    assert_eq!(
        bench.try_read(0, 2),
        Ok(u64::from(u16::from_le_bytes(*b"QE")))
    );
    assert_eq!(
        bench.try_read(0, 2),
        Ok(u64::from(u16::from_le_bytes(*b"MU")))
    );
    select(&mut bench, 0);
    assert_eq!(
        bench.try_read(0, 8),
        Ok(u64::from(u32::from_le_bytes(*b"QEMU")))
    );
    assert_eq!(bench.try_read(8, 2), Ok(0));
    assert_eq!(bench.try_read(16, 8), Ok(0x4746_4320_554d_4551));
    assert_eq!(bench.try_read(16, 4), Ok(0x554d_4551));
    assert_eq!(bench.try_read(20, 4), Ok(0x4746_4320));
}

#[test]
fn the_directory_lists_files_by_name() {
    let mut bench = bench();
    select(&mut bench, 0x19);
    assert_eq!(bytes(&mut bench, 4), [0, 0, 0, 3]);
    let expected = [
        ("bootorder", 5_u32, 0x20_u16),
        ("etc/acpi/rsdp", 36, 0x21),
        ("etc/table-loader", 3000, 0x22),
    ];
    for (name, size, key) in expected {
        let entry = bytes(&mut bench, 64);
        assert_eq!(entry[..4], size.to_be_bytes());
        assert_eq!(entry[4..6], key.to_be_bytes());
        assert_eq!(&entry[8..8 + name.len()], name.as_bytes());
        assert!(entry[8 + name.len()..].iter().all(|&byte| byte == 0));
    }
    select(&mut bench, 0x21);
    assert_eq!(
        bytes(&mut bench, 38),
        (0..36).chain([0, 0]).collect::<Vec<u8>>()
    );
    select(&mut bench, 0x23);
    assert_eq!(bytes(&mut bench, 4), [0; 4]);
}

/// Runs a request; the answer is its control word.
fn dma(bench: &mut Testbed<FwCfg>, control: u32, length: u32, address: u64) -> u32 {
    let mut request = control.to_be_bytes().to_vec();
    request.extend(length.to_be_bytes());
    request.extend(address.to_be_bytes());
    bench.ram.write_bytes(RamOffset(0x100), &request).unwrap();
    let at = RAM_BASE + 0x100;
    bench
        .try_write(16, 4, ((at >> 32) as u32).swap_bytes().into())
        .unwrap();
    bench
        .try_write(20, 4, (at as u32).swap_bytes().into())
        .unwrap();
    let word: u32 = bench.dma.load(GuestPhys(at)).unwrap();
    word.swap_bytes()
}

fn memory(bench: &Testbed<FwCfg>, at: u64, len: usize) -> Vec<u8> {
    let mut data = vec![0; len];
    bench.ram.read_bytes(RamOffset(at), &mut data).unwrap();
    data
}

#[test]
fn dma_selects_skips_and_reads() {
    let mut bench = bench();
    bench
        .ram
        .write_bytes(RamOffset(0x1000), &[0xee; 64])
        .unwrap();
    assert_eq!(dma(&mut bench, 0x21 << 16 | 0x0a, 4, RAM_BASE + 0x1000), 0);
    assert_eq!(memory(&bench, 0x1000, 5), [0, 1, 2, 3, 0xee]);
    assert_eq!(dma(&mut bench, 4, 10, 0), 0);
    assert_eq!(dma(&mut bench, 2, 30, RAM_BASE + 0x1000), 0);
    let mut expected: Vec<u8> = (14..36).collect();
    expected.extend([0; 8]);
    expected.push(0xee);
    assert_eq!(memory(&bench, 0x1000, 31), expected);
    // The whole address in one write.
    let at = (RAM_BASE + 0x100).swap_bytes();
    bench
        .ram
        .write_bytes(RamOffset(0x100), &(0x20_000a_u32).to_be_bytes())
        .unwrap();
    bench.try_write(16, 8, at).unwrap();
    assert_eq!(memory(&bench, 0x1000, 5), b"/disk");
}

#[test]
fn dma_errors_are_told() {
    let mut bench = bench();
    assert_eq!(dma(&mut bench, 0x20_000a, 4, 0x10), 1, "no memory there");
    assert_eq!(
        dma(&mut bench, 0x20_0018, 4, RAM_BASE),
        1,
        "items are read-only"
    );
    assert_eq!(
        dma(&mut bench, 0x20_000a, u32::MAX, RAM_BASE),
        1,
        "too long for memory"
    );
    assert_eq!(
        dma(&mut bench, 0x3fff_000a, 4, RAM_BASE + 0x1000),
        0,
        "no such item"
    );
    assert_eq!(memory(&bench, 0x1000, 4), [0; 4]);
    // A request outside memory goes nowhere.
    bench.try_write(16, 8, 0x1234_u64.swap_bytes()).unwrap();
}

/// As Linux' driver tells where the notes of its kernel are.
#[test]
fn a_writable_file_takes_what_fits() {
    let mut device = FwCfg::new();
    device
        .add_writable_file("etc/vmcoreinfo", vec![1; 8])
        .unwrap();
    device.add_file("etc/zero", vec![0; 8]).unwrap();
    let mut bench = Testbed::new(device);
    let ram = std::sync::Arc::clone(&bench.ram);
    ram.write_bytes(RamOffset(0x1000), b"abcdefghij").unwrap();
    let write = |bench: &mut Testbed<FwCfg>, control, length| {
        dma(bench, control, length, RAM_BASE + 0x1000)
    };
    assert_eq!(write(&mut bench, 0x20_0018, 8), 0);
    select(&mut bench, 0x20);
    assert_eq!(bytes(&mut bench, 8), b"abcdefgh");
    assert_eq!(write(&mut bench, 0x20_0018, 2), 0);
    assert_eq!(write(&mut bench, 0x10, 6), 0, "it goes on where it was");
    assert_eq!(write(&mut bench, 0x10, 1), 1, "it is full");
    assert_eq!(write(&mut bench, 0x20_0018, 9), 1, "longer than it");
    assert_eq!(
        write(&mut bench, 0x21_0018, 1),
        1,
        "the other is not writable"
    );
    select(&mut bench, 0x20);
    assert_eq!(bytes(&mut bench, 8), b"ababcdef");
    bench.reset();
    select(&mut bench, 0x20);
    assert_eq!(bytes(&mut bench, 8), [1; 8]);
}

#[test]
fn transfers_are_told_of() {
    let mut bench = bench();
    let lines = told(bench.dma.trace());
    dma(&mut bench, 0x20_000a, 4, RAM_BASE);
    let expected = "fw_cfg_dma key 0x20 control Control(READ | SELECT) length 4";
    assert_eq!(*lines.lock().unwrap(), [expected]);
}

#[test]
fn bad_files_are_refused() {
    let mut device = FwCfg::new();
    assert!(device.add_file(&"x".repeat(55), vec![]).is_ok());
    let long = "x".repeat(56);
    assert_eq!(device.add_file(&long, vec![]), Err(AddError::BadName(long)));
    assert_eq!(
        device.add_file("", vec![]),
        Err(AddError::BadName(String::new()))
    );
    device.add_file("opt/a", vec![1]).unwrap();
    device.add_file("opt/a", vec![2]).unwrap();
    assert_eq!(device.file("opt/a"), Some(&[2][..]));
}

#[test]
fn random_accesses_are_survived() {
    bench().storm(6, 0x20, 50_000);
}
