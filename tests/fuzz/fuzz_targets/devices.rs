//! Register accesses of a guest to every device but virtio's: each answers or refuses, values are
//! no wider than the access, the host's disk is asked for sensible things only.
//!
//! The first byte chooses the device; then come accesses, time and resets.

#![no_main]

use std::sync::Arc;

use ferrite_devices::cfi_flash::CfiFlash;
use ferrite_devices::fw_cfg::FwCfg;
use ferrite_devices::gic::{Frame, Gic};
use ferrite_devices::gicv2::GicV2;
use ferrite_devices::gicv2m::GicV2m;
use ferrite_devices::gicv3::GicV3;
use ferrite_devices::pl011::Pl011;
use ferrite_devices::pl031::Pl031;
use ferrite_devices::pl061::Pl061;
use ferrite_devices::testbed::{RAM_BASE, Testbed};
use ferrite_fuzz::Input;
use ferrite_fuzz::host::{EmptyDisk, Peer};
use ferrite_machine::Device;
use ferrite_ram::{GuestPhys, GuestRam, RamOffset};
use libfuzzer_sys::fuzz_target;

/// Accesses to one device, each offset below the next power of two of `size`.
fn drive<D: Device>(mut bed: Testbed<D>, size: u64, input: &mut Input) {
    let mask = size.next_power_of_two() * 2 - 1;
    while !input.is_empty() {
        match input.u8() {
            0..0x60 => {
                let (bytes, offset) = (input.width(), input.value() & mask);
                let value = input.value();
                let _ = bed.try_write(offset, bytes, value);
            }
            0x60..0xb0 => {
                let (bytes, offset) = (input.width(), input.value() & mask);
                if let Ok(value) = bed.try_read(offset, bytes) {
                    assert!(bytes == 8 || value >> (bytes * 8) == 0, "{offset:#x}");
                }
            }
            0xb0..0xd0 => {
                // What a device reads by DMA.
                let (at, value) = (input.value() & 0xff8, input.u64());
                let _ = bed.dma.store(GuestPhys(RAM_BASE + at), value);
            }
            0xd0..0xe0 => bed.poll(),
            0xe0..0xf8 => bed.pass(input.value() & 0xff_ffff_ffff),
            _ => bed.reset(),
        }
    }
}

fn access_gic(mut gic: Gic, input: &mut Input) {
    let cpus = gic.cpus();
    while !input.is_empty() {
        let choice = input.u8();
        // One CPU more than there is.
        let cpu = usize::from(choice >> 3) % (cpus + 1);
        let frame = [
            Frame::Distributor,
            Frame::CpuInterface,
            Frame::Redistributors,
        ][usize::from(choice) % 3];
        match choice & 7 {
            0..=2 => {
                let (bytes, offset, value) = (input.width(), input.value(), input.value());
                let _ = gic.write(cpu, frame, offset, bytes, value);
            }
            3 => {
                let (bytes, offset) = (input.width(), input.value());
                if let Ok(value) = gic.read(cpu, frame, offset, bytes) {
                    assert!(bytes == 8 || value >> (bytes * 8) == 0, "{offset:#x}");
                }
            }
            // The CPU interface is op0 3, op1 0, CRn 12 (and CRn 4 for the priority mask).
            4 => {
                let _ = gic.sysreg_read(cpu, 0xc600 | u32::from(input.u16()));
            }
            5 => {
                let register = 0xc600 | u32::from(input.u8());
                let _ = gic.sysreg_write(cpu, register, input.value());
            }
            6 => gic.set_spi(input.value() as u32, choice & 8 != 0),
            _ if choice == 0xff => gic.reset(),
            _ => gic.set_ppi(cpu, u32::from(input.u8()), choice & 0x80 != 0),
        }
        for cpu in 0..=cpus {
            let _ = gic.outputs(cpu);
        }
        let _ = gic.take_changed();
    }
}

fn fw_cfg(input: &mut Input) -> FwCfg {
    let mut device = FwCfg::new();
    for name in ["etc/one", "opt/two"] {
        let len = usize::from(input.u8());
        device
            .add_file(name, input.bytes(len).to_vec())
            .expect("a new file");
    }
    device
}

fn flash(read_only: bool) -> Testbed<CfiFlash> {
    const LEN: u64 = 1 << 19;
    let ram = Arc::new(GuestRam::new(1 << 20).expect("1 MiB"));
    let disk = Box::new(EmptyDisk::new(LEN / 2, read_only));
    let device = CfiFlash::new(ram.clone(), RamOffset(LEN), LEN, Some(disk), read_only);
    Testbed::with_ram(device, ram)
}

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let input = &mut input;
    match input.u8() % 9 {
        0 => access_gic(Gic::V2(GicV2::new(3)), input),
        1 => access_gic(Gic::V3(GicV3::new(&[0, 1, 0x100, 0x101])), input),
        2 => {
            let frame = GicV2m::new(80, 64);
            while !input.is_empty() {
                let (bytes, offset) = (input.width(), input.value());
                let _ = frame.read(offset, bytes);
                if let Ok(Some(spi)) = frame.write(offset, bytes, input.value()) {
                    assert!((48..112).contains(&spi), "{spi}");
                }
            }
        }
        3 => drive(
            Testbed::new(Pl011::new(Peer::boxed(&data[..data.len() / 2]))),
            0x1000,
            input,
        ),
        4 => drive(Testbed::new(Pl031::new()), 0x1000, input),
        5 => drive(Testbed::new(Pl061::new()), 0x1000, input),
        6 => drive(Testbed::new(fw_cfg(input)), 24, input),
        7 => drive(flash(false), 1 << 19, input),
        _ => drive(flash(true), 1 << 19, input),
    }
}

fuzz_target!(|data: &[u8]| run(data));
