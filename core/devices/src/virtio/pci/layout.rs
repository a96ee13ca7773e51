//! The configuration space of a virtio device.

use super::spec::{MODERN_DEVICE, Model, VENDOR, bar, part};
use crate::pci::spec::{SUBSYSTEM_QEMU, cap};
use crate::pci::{BarKind, ConfigSpace, Identity};

/// Offsets in the capability for access through configuration space (the spec, section 4.1.4.9).
pub const WINDOW_BAR: usize = 4;
/// Offset of the access.
pub const WINDOW_OFFSET: usize = 8;
/// Bytes of the access.
pub const WINDOW_LENGTH: usize = 12;
/// What is read or written.
pub const WINDOW_DATA: usize = 16;

/// Bytes of a capability that places a part of the interface.
const PART: usize = 0x10;
/// Bytes of those with a word more.
const LONG_PART: usize = 0x14;
/// Bytes of the PCI Express capability.
const EXPRESS: usize = 0x3c;
/// Bytes of the power management capability.
const POWER: usize = 8;

/// What the space depends on.
pub struct Layout {
    /// The type of device.
    pub model: &'static Model,
    /// Whether there is a legacy interface.
    pub legacy: bool,
    /// Whether the device sits on a PCI Express link.
    pub express: bool,
    /// MSI-X vectors.
    pub vectors: u16,
    /// Bytes of the legacy BAR: a power of two.
    pub legacy_len: u64,
}

impl Layout {
    /// The space, and where the capability for access through it is.
    pub fn build(&self) -> (ConfigSpace, usize) {
        let mut config = ConfigSpace::endpoint(self.identity(), self.express);
        config.set_interrupt_pin(1);
        let mut at = crate::pci::spec::reg::HEADER_END;
        if self.express {
            self.add_express(&mut config, at);
            at += EXPRESS + POWER;
        }
        if self.legacy {
            config.add_bar(bar::LEGACY, BarKind::Io, self.legacy_len);
        }
        if self.vectors > 0 {
            config.add_bar(bar::MSIX, BarKind::Memory32, 0x1000);
        }
        config.add_bar(bar::MODERN, BarKind::Memory64Prefetchable, part::END);
        for (kind, offset) in [
            (part::TYPE_COMMON, part::COMMON),
            (part::TYPE_ISR, part::ISR),
            (part::TYPE_DEVICE, part::DEVICE),
        ] {
            config.add_capability(at, cap::VENDOR, &place(PART, kind, offset));
            at += PART;
        }
        let mut notify = place(LONG_PART, part::TYPE_NOTIFY, part::NOTIFY);
        notify[PART - 2..].copy_from_slice(&(part::NOTIFY_MULTIPLIER as u32).to_le_bytes());
        config.add_capability(at, cap::VENDOR, &notify);
        at += LONG_PART;
        let window = at;
        let mut body = vec![0; LONG_PART - 2];
        body[..2].copy_from_slice(&[LONG_PART as u8, part::TYPE_PCI]);
        config.add_capability(window, cap::VENDOR, &body);
        config.allow(window + WINDOW_BAR, &[0xff]);
        config.allow(window + WINDOW_OFFSET, &[0xff; 12]);
        at += LONG_PART;
        if self.vectors > 0 {
            config.add_msix(at, self.vectors, bar::MSIX as u8, 0, 0x800);
        }
        (config, window)
    }

    fn identity(&self) -> Identity {
        let Model {
            device_type,
            transitional,
            class,
            ..
        } = *self.model;
        if !self.legacy {
            return Identity {
                vendor: VENDOR,
                device: MODERN_DEVICE + device_type as u16,
                revision: 1,
                class,
                subsystem: (VENDOR, SUBSYSTEM_QEMU),
            };
        }
        Identity {
            vendor: VENDOR,
            device: transitional,
            revision: 0,
            class,
            subsystem: (VENDOR, device_type as u16),
        }
    }

    /// PCI Express endpoint and power management, for devices on a link.
    fn add_express(&self, config: &mut ConfigSpace, at: usize) {
        let mut body = [0; EXPRESS - 2];
        // Version 2, endpoint; role-based error reporting; one lane of 2.5 GT/s.
        body[..2].copy_from_slice(&0x0002_u16.to_le_bytes());
        for (offset, word) in [(4, 0x8000_u32), (0x0c, 0x411), (0x10, 0x0011_0000)] {
            body[offset - 2..offset + 2].copy_from_slice(&word.to_le_bytes());
        }
        config.add_capability(at, cap::EXPRESS, &body);
        config.allow(at + 8, &[0x0f, 0x80]);
        config.add_capability(at + EXPRESS, cap::POWER, &[3, 0, 8, 0, 0, 0]);
    }
}

/// The body of a capability of `len` bytes that places a part of the interface.
fn place(len: usize, kind: u8, offset: u64) -> Vec<u8> {
    let mut body = vec![0; len - 2];
    body[..3].copy_from_slice(&[len as u8, kind, bar::MODERN as u8]);
    body[6..10].copy_from_slice(&(offset as u32).to_le_bytes());
    body[10..14].copy_from_slice(&part::LEN.to_le_bytes());
    body
}
