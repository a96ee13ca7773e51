//! The cards: what differs between the 82540EM and the 82574L (Intel 82574 GbE Controller Family
//! Datasheet, 317694, chapters 6, 9 and 10).

use super::eeprom::WORDS;
use super::spec::{IO_LEN, REGION_LEN, express, reg, status};
use crate::pci::spec::{SUBSYSTEM_QEMU, VENDOR_QUMRANET, cap};
use crate::pci::{BarKind, BusKind, ConfigSpace, Identity};

const VENDOR_INTEL: u16 = 0x8086;

/// A card's fixed properties.
pub struct Model {
    /// Its name to users.
    pub kind: &'static str,
    /// Whether it is of the 82574's generation: PCI Express, MSI-X, extended descriptors.
    pub express: bool,
    /// Bytes of registers that are kept.
    pub kept: u64,
    /// EEPROM read register: where the address starts, and the bit that says that a read is done.
    pub eerd: (u32, u32),
    /// The transceiver's second identification register.
    pub transceiver: u16,
    /// Words of the EEPROM besides the address and the checksum; the others are all ones.
    pub eeprom: &'static [(usize, u16)],
    /// Registers with a value after reset.
    pub after_reset: &'static [(u64, u32)],
    /// Spans of registers that hold what was written to them and do nothing else here: first offset
    /// and one past the last.
    pub plain: &'static [(u64, u64)],
}

/// `e1000`.
pub const I82540EM: Model = Model {
    kind: "e1000",
    express: false,
    kept: 0x6000,
    eerd: (8, 1 << 4),
    transceiver: 0x0c20,
    // Compatibility, initialization control 1, subsystem, device and vendor IDs, control 2 and 3.
    eeprom: &[
        (0x03, 0),
        (0x05, 0),
        (0x06, 0),
        (0x07, 0),
        (0x0a, 0x6403),
        (0x0b, 0x1100),
        (0x0c, 0x1af4),
        (0x0d, 0x100e),
        (0x0e, 0x8086),
        (0x0f, 0x3040),
        (0x24, 0),
    ],
    after_reset: &[
        (reg::CTRL, 0x0014_0240),
        (reg::STATUS, status::AFTER_RESET),
        (reg::LEDCTL, 0x0607_0602),
        (reg::PBA, 0x0010_0030),
        (reg::VET, 0x8100),
        (reg::MANC, 0x0008_2380),
    ],
    plain: &[],
};

/// `e1000e`.
pub const I82574L: Model = Model {
    kind: "e1000e",
    express: true,
    kept: 0x6000,
    eerd: (2, 1 << 1),
    transceiver: 0x0cb1,
    // Compatibility, LEDs, version, initialization control 1, subsystem, device and vendor IDs,
    // control 2 and 3, management.
    eeprom: &[
        (0x03, 0x0420),
        (0x04, 0xf746),
        (0x05, 0x2010),
        (0x0a, 0x026b),
        (0x0b, 0),
        (0x0c, 0x8086),
        (0x0d, 0x10d3),
        (0x0e, 0x8086),
        (0x0f, 0x8058),
        (0x10, 0),
        (0x24, 0),
    ],
    after_reset: &[
        (reg::CTRL, 0x0014_0241),
        (reg::STATUS, 0x0008_0283),
        (reg::LEDCTL, 0x0006_8302),
        (reg::PBA, 0x0014_0014),
        (reg::VET, 0x8100),
        (reg::TIPG, 0x0060_2008),
        (reg::RXCSUM, 0x300),
        (reg::MANC, 0x1000_0000),
        (express::EEMNGCTL, express::CONFIGURED),
        (express::PSRCTL, 0x0004_0402),
        (reg::RXDCTL, 0x0001_0000),
        (express::TARC0, 0x403),
        (express::GCR, 0x0680_0200),
        (express::FACTPS, 0x2000_0004),
    ],
    plain: &[
        (express::EIAC, 0xe0),
        (express::IAM, 0xfc),
        (express::EXTCNF_CTRL, 0xf14),
        (express::PBS, 0x100c),
        (express::PSRCTL, 0x2174),
        (express::TARC0, 0x3844),
        (express::RFCTL, 0x500c),
        (express::MRQC, 0x581c),
        (express::GCR, 0x5b04),
        (express::SWSM, 0x5b54),
        (express::GCR2, 0x5b68),
        (express::RETA, 0x5ca8),
    ],
};

impl Model {
    /// The base address register of the I/O space.
    pub fn io_bar(&self) -> usize {
        if self.express { 2 } else { 1 }
    }

    /// The EEPROM of a card of this address: all words add up to 0xbaba.
    pub fn eeprom(&self, mac: [u8; 6]) -> [u16; WORDS] {
        let mut words = [0xffff; WORDS];
        for (word, bytes) in words.iter_mut().zip(mac.chunks_exact(2)) {
            *word = u16::from_le_bytes([bytes[0], bytes[1]]);
        }
        for (place, word) in self.eeprom {
            words[*place] = *word;
        }
        let sum = words[..WORDS - 1]
            .iter()
            .fold(0_u16, |sum, word| sum.wrapping_add(*word));
        words[WORDS - 1] = super::eeprom::CHECKSUM.wrapping_sub(sum);
        words
    }

    /// The configuration space of a card of this address.
    pub fn config(&self, bus: BusKind, mac: [u8; 6]) -> ConfigSpace {
        if self.express {
            return express_config(bus, mac);
        }
        let identity = Identity {
            vendor: VENDOR_INTEL,
            device: 0x100e,
            revision: 3,
            class: 0x02_0000,
            subsystem: (VENDOR_QUMRANET, SUBSYSTEM_QEMU),
        };
        let mut config = ConfigSpace::endpoint(identity, false);
        config.set_interrupt_pin(1);
        config.add_bar(0, BarKind::Memory32, REGION_LEN);
        config.add_bar(1, BarKind::Io, IO_LEN);
        config
    }
}

/// The 82574's: registers, flash (there is none), I/O, MSI-X table.
fn express_config(bus: BusKind, mac: [u8; 6]) -> ConfigSpace {
    let identity = Identity {
        vendor: VENDOR_INTEL,
        device: 0x10d3,
        revision: 0,
        class: 0x02_0000,
        subsystem: (VENDOR_INTEL, 0),
    };
    let mut config = ConfigSpace::endpoint(identity, true);
    config.set_interrupt_pin(1);
    config.add_bar(0, BarKind::Memory32, REGION_LEN);
    config.add_bar(1, BarKind::Memory32, REGION_LEN);
    config.add_bar(2, BarKind::Io, express::IO_LEN);
    config.add_bar(express::MSIX_BAR, BarKind::Memory32, 0x4000);
    config.add_msix(
        0xa0,
        express::VECTORS,
        express::MSIX_BAR as u8,
        0,
        express::MSIX_PENDING,
    );
    // PCI Express, version 1: an endpoint, integrated in the root complex on its bus; one lane of
    // 2.5 GT/s.
    let kind: u16 = match bus {
        BusKind::Root => 0x91,
        BusKind::Express | BusKind::Conventional => 0x01,
    };
    let mut body = [0; 0x12];
    body[..2].copy_from_slice(&kind.to_le_bytes());
    let link = [(4, 0x8000_u32), (0x0c, 0x411), (0x10, 0x0011_0000)];
    for (offset, word) in link {
        body[offset - 2..offset + 2].copy_from_slice(&word.to_le_bytes());
    }
    if bus == BusKind::Root {
        // An integrated endpoint has no link.
        body[0x0a..].fill(0);
    }
    config.add_capability(0xe0, cap::EXPRESS, &body);
    config.allow(0xe8, &[0x0f, 0x80]);
    config.add_msi(0xd0);
    // Power management, version 2, specific initialization, no events.
    config.add_capability(0xc8, cap::POWER, &[0x22, 0, 0, 0, 0, 0]);
    config.allow(0xcc, &[3, 0x1f]);
    crate::pci::ports::add_error_reporting(&mut config, 0x100);
    // A serial number made of the address, as the datasheet has it.
    let [a, b, c, d, e, f] = mac;
    config.add_extended_capability(0x140, 3, 1, &[f, e, d, 0xff, 0xff, c, b, a]);
    config
}
