//! `pci-testdev`: registers for measuring accesses (QEMU `docs/specs/pci-testdev`).
//!
//! Each of its two BARs starts with a header that says which test is selected, how wide an access it
//! wants, at which offset and with which data, how often that access was seen, and the test's name.

use super::config::{BarKind, ConfigSpace, Identity};
use super::function::{BusKind, PciCx, PciDevice};
use super::spec::{SUBSYSTEM_QEMU, VENDOR_QUMRANET, VENDOR_REDHAT};

/// Offsets in the header.
mod header {
    pub const TEST: u64 = 0;
    pub const WIDTH: u64 = 1;
    pub const OFFSET: u64 = 4;
    pub const DATA: u64 = 8;
    pub const COUNT: u64 = 12;
    pub const NAME: u64 = 16;
    pub const NAME_END: u64 = 48;
}

/// Where the accesses of a test go.
const TARGET: u32 = 0x800;
/// What they write, and what those write whose data do not matter.
const DATA: u8 = 0xfa;
/// The latter.
const ANY_DATA: u8 = 0xce;
/// The test in which any data do.
const WILDCARD: u8 = 1;
/// Tests by BAR, memory first. Without an accelerator in the host's kernel all are plain accesses.
const TESTS: [[&str; 3]; 2] = [
    [
        "mmio-no-eventfd",
        "mmio-wildcard-eventfd",
        "mmio-datamatch-eventfd",
    ],
    [
        "portio-no-eventfd",
        "portio-wildcard-eventfd",
        "portio-datamatch-eventfd",
    ],
];

/// Where the accesses of a test go: each has a byte of its own.
fn target(bar: usize, test: u8) -> u32 {
    let first = if bar == 0 { TARGET } else { 0x80 };
    first + u32::from(test)
}

/// What the accesses of a test write.
fn data(test: u8) -> u8 {
    match test {
        WILDCARD => ANY_DATA,
        _ => DATA,
    }
}

/// The device.
#[derive(Debug, Default)]
pub struct TestDevice {
    /// The selected test of each BAR, and how often its access was seen.
    selected: [(Option<u8>, u32); 2],
}

impl PciDevice for TestDevice {
    fn kind(&self) -> &'static str {
        "pci-testdev"
    }

    fn config(&mut self, _bus: BusKind) -> ConfigSpace {
        let identity = Identity {
            vendor: VENDOR_REDHAT,
            device: 5,
            revision: 0,
            class: 0x00_ff00,
            subsystem: (VENDOR_QUMRANET, SUBSYSTEM_QEMU),
        };
        let mut config = ConfigSpace::endpoint(identity, false);
        config.add_bar(0, BarKind::Memory32, 0x1000);
        config.add_bar(1, BarKind::Io, 0x100);
        config
    }

    fn read(&mut self, _cx: &mut PciCx<'_>, bar: usize, offset: u64, bytes: u64) -> u32 {
        let Some((Some(test), count)) = self.selected.get(bar) else {
            return 0;
        };
        let Some(name) = TESTS[bar].get(usize::from(*test)) else {
            return 0;
        };
        let target = target(bar, *test);
        let byte = |at: u64| -> u8 {
            let part = |value: u32, start: u64| value.to_le_bytes()[(at - start) as usize & 3];
            match at {
                header::TEST => *test,
                header::WIDTH => 1,
                header::OFFSET..header::DATA => part(target, header::OFFSET),
                header::DATA => data(*test),
                header::COUNT..header::NAME => part(*count, header::COUNT),
                header::NAME..header::NAME_END => {
                    let index = (at - header::NAME) as usize;
                    name.as_bytes().get(index).copied().unwrap_or(0)
                }
                _ => 0,
            }
        };
        (0..bytes.min(4)).fold(0, |value, n| value | u32::from(byte(offset + n)) << (8 * n))
    }

    fn write(&mut self, _cx: &mut PciCx<'_>, bar: usize, offset: u64, bytes: u64, value: u32) {
        let Some((test, count)) = self.selected.get_mut(bar) else {
            return;
        };
        let number = test.unwrap_or(0);
        if offset == header::TEST {
            let number = value as u8;
            *test = (usize::from(number) < TESTS[bar].len()).then_some(number);
            *count = 0;
        } else if offset == u64::from(target(bar, number))
            && bytes == 1
            && value == data(number).into()
            && test.is_some()
        {
            *count = count.wrapping_add(1);
        }
    }

    fn reset(&mut self, _cx: &mut PciCx<'_>) {
        self.selected = Default::default();
    }
}
