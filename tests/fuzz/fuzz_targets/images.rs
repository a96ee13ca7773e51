//! Files as kernels and as device trees: unpacking and loading answers or refuses, within bounds; a
//! tree that was read is written and read again.
//!
//! The first byte says how the rest is presented: as it is, or behind a correct header of one of
//! the formats, so that the fuzzer need not find it.

#![no_main]

use std::sync::{Arc, RwLock};

use ferrite_fuzz::Input;
use ferrite_machine::bus::MappedRegion;
use ferrite_machine::{AddressMap, Dma, RegionKind};
use ferrite_ram::{GuestPhys, GuestRam, RamOffset};
use ferrite_vm::boot;
use ferrite_vm::boot::device_tree::DeviceTree;
use ferrite_vm::virt::memory_map::RAM_BASE;
use libfuzzer_sys::fuzz_target;

const RAM: u64 = 8 << 20;

fn zboot(format: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 64];
    file[..2].copy_from_slice(b"MZ");
    file[4..8].copy_from_slice(b"zimg");
    file[8..12].copy_from_slice(&64_u32.to_le_bytes());
    file[12..16].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    file[24..24 + format.len()].copy_from_slice(format);
    file.extend(payload);
    file
}

fn presented(kind: u8, content: &[u8]) -> Vec<u8> {
    let with = |magic: &[u8]| [magic, content].concat();
    match kind % 6 {
        0 => content.to_vec(),
        1 => with(b"\x1f\x8b\x08\0\0\0\0\0\0\x03"),
        2 => zboot(b"gzip", &with(b"\x1f\x8b\x08\0\0\0\0\0\0\x03")),
        3 => zboot(b"zstd", &with(b"\x28\xb5\x2f\xfd")),
        4 => with(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0\x01\0\0\0"),
        _ => {
            let mut image = content.to_vec();
            image.resize(image.len().max(64), 0);
            image[56..60].copy_from_slice(b"ARM\x64");
            image
        }
    }
}

fn device_tree(file: &[u8]) {
    if let Ok(tree) = DeviceTree::read(file) {
        assert_eq!(DeviceTree::read(&tree.write()), Ok(tree));
    }
}

fn run(data: &[u8]) {
    device_tree(data);
    let mut input = Input::new(data);
    let file = presented(input.u8(), data.get(1..).unwrap_or_default());
    let Ok(kernel) = boot::unpack(&file, RAM) else {
        return;
    };
    assert!(kernel.len() <= RAM as usize || kernel.len() <= file.len());
    let mut map = AddressMap::default();
    map.add(MappedRegion {
        name: "ram".into(),
        base: GuestPhys(RAM_BASE),
        len: RAM,
        kind: RegionKind::Ram(RamOffset(0)),
    })
    .expect("an empty map");
    let ram = Arc::new(GuestRam::new(RAM).expect("8 MiB"));
    let dma = Dma::new(ram, Arc::new(RwLock::new(map)));
    if let Ok(placement) = boot::load(&dma, RAM, &kernel, Some(b"initrd")) {
        let (start, end) = placement.initrd.expect("one was given");
        assert!(RAM_BASE <= start && end <= RAM_BASE + RAM, "{placement:x?}");
        assert!(end <= placement.dtb);
    }
}

fuzz_target!(|data: &[u8]| run(data));
