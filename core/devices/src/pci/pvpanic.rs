//! `pvpanic-pci`: a byte that a guest's kernel writes when it panics or crashes (QEMU
//! `docs/specs/pvpanic`).

use super::config::{BarKind, ConfigSpace, Identity};
use super::function::{BusKind, PciCx, PciDevice};
use super::spec::{SUBSYSTEM_QEMU, VENDOR_QUMRANET, VENDOR_REDHAT};

/// The guest panicked.
pub const PANICKED: u8 = 1;
/// The guest's crash kernel takes over.
pub const CRASH_LOADED: u8 = 2;

/// The device. It remembers what it was told, for whoever asks.
#[derive(Debug, Default)]
pub struct Pvpanic {
    told: u8,
}

impl Pvpanic {
    /// Takes the events that the guest wrote since the last call, as [`PANICKED`] and
    /// [`CRASH_LOADED`] bits.
    pub fn take(&mut self) -> u8 {
        std::mem::take(&mut self.told)
    }
}

impl PciDevice for Pvpanic {
    fn kind(&self) -> &'static str {
        "pvpanic-pci"
    }

    fn config(&mut self, _bus: BusKind) -> ConfigSpace {
        let identity = Identity {
            vendor: VENDOR_REDHAT,
            device: 0x11,
            revision: 1,
            class: 0x08_8000,
            subsystem: (VENDOR_QUMRANET, SUBSYSTEM_QEMU),
        };
        let mut config = ConfigSpace::endpoint(identity, false);
        config.add_bar(0, BarKind::Memory32, 16);
        config
    }

    fn read(&mut self, _cx: &mut PciCx<'_>, _bar: usize, offset: u64, _bytes: u64) -> u32 {
        match offset {
            0 => u32::from(PANICKED | CRASH_LOADED),
            _ => 0,
        }
    }

    fn write(&mut self, _cx: &mut PciCx<'_>, _bar: usize, offset: u64, _bytes: u64, value: u32) {
        if offset == 0 {
            self.told |= value as u8 & (PANICKED | CRASH_LOADED);
        }
    }

    fn reset(&mut self, _cx: &mut PciCx<'_>) {
        self.told = 0;
    }
}
