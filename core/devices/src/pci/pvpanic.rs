//! `pvpanic-pci`: a byte that a guest's kernel writes when it panics or crashes (QEMU
//! `docs/specs/pvpanic`).

use ferrite_machine::device::MachineRequest;

use super::config::{BarKind, ConfigSpace, Identity};
use super::function::{BusKind, PciCx, PciDevice};
use super::spec::{SUBSYSTEM_QEMU, VENDOR_QUMRANET, VENDOR_REDHAT};

/// The guest panicked.
pub const PANICKED: u8 = 1;
/// The guest's crash kernel takes over.
pub const CRASH_LOADED: u8 = 2;

/// The device.
#[derive(Clone, Copy, Debug)]
pub struct Pvpanic {
    /// The events that it takes.
    events: u8,
}

impl Default for Pvpanic {
    fn default() -> Self {
        Self::new(PANICKED | CRASH_LOADED)
    }
}

impl Pvpanic {
    /// A device that takes these events.
    #[must_use]
    pub const fn new(events: u8) -> Self {
        Self {
            events: events & (PANICKED | CRASH_LOADED),
        }
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
            0 => self.events.into(),
            _ => 0,
        }
    }

    fn write(&mut self, cx: &mut PciCx<'_>, _bar: usize, offset: u64, _bytes: u64, value: u32) {
        if offset != 0 {
            return;
        }
        // A panic is the last word: whatever else is said with it does not matter.
        match value as u8 & self.events {
            0 => {}
            told if told & PANICKED != 0 => cx.request(MachineRequest::Panicked),
            _ => cx.request(MachineRequest::CrashLoaded),
        }
    }

    fn reset(&mut self, _cx: &mut PciCx<'_>) {}
}
