//! The cards: what differs between the 82540EM and the 82574L (Intel 82574 GbE Controller Family
//! Datasheet, 317694, chapters 6, 9 and 10).

use super::eeprom::WORDS;
use super::spec::{IO_LEN, REGION_LEN, cause, express, reg, status};
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
    /// The transceiver's registers after reset that differ between cards, among them the second of
    /// its identification.
    pub transceiver: &'static [(usize, u16)],
    /// The transceiver's registers that there are; accesses to others fail.
    pub transceiver_registers: u32,
    /// The EEPROM, as QEMU's card has it, without the address at its start and the checksum at its end.
    pub eeprom: [u16; WORDS],
    /// Interrupt causes that can be enabled.
    pub causes: u32,
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
    transceiver: &[(3, 0x0c20)],
    transceiver_registers: 0x0033_067f,
    eeprom: [
        0, 0, 0, 0, 0xffff, 0, 0, 0, 0x3000, 0x1000, 0x6403, 0x100e, 0x8086, 0x100e, 0x8086,
        0x3040, 0x0008, 0x2000, 0x7e14, 0x0048, 0x1000, 0x00d8, 0, 0x2700, 0x6cc9, 0x3150, 0x0722,
        0x040b, 0x0984, 0, 0xc000, 0x0706, 0x1008, 0, 0x0f04, 0x7fff, 0x4d01, 0xffff, 0xffff,
        0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0x0100, 0x4000,
        0x121c, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff,
        0xffff, 0xffff, 0,
    ],
    causes: u32::MAX,
    after_reset: &[
        (reg::CTRL, 0x0014_0240),
        (reg::STATUS, status::AFTER_RESET),
        (reg::LEDCTL, 0x602),
        (reg::PBA, 0x0010_0030),
        (reg::VET, 0x8100),
        (reg::MANC, 0x0022_2300),
    ],
    plain: &[],
};

/// `e1000e`.
pub const I82574L: Model = Model {
    kind: "e1000e",
    express: true,
    kept: 0x6000,
    eerd: (2, 1 << 1),
    transceiver: &[
        (3, 0x0cb1),
        (5, 0x07e0),
        (6, 0x0004),
        (7, 0x2001),
        (9, 0x0f00),
        (16, 0x3360),
        (17, 0xac08),
        (20, 0),
    ],
    transceiver_registers: 0x667f_87ff,
    eeprom: [
        0, 0, 0, 0x0420, 0xf746, 0x2010, 0xffff, 0xffff, 0, 0, 0x026b, 0x10d3, 0x8086, 0x10d3, 0,
        0x8058, 0, 0x2001, 0x7e7c, 0xffff, 0x1000, 0x00c8, 0, 0x2704, 0x6cc9, 0x3150, 0x070e,
        0x460b, 0x2d84, 0x0100, 0xf000, 0x0706, 0x6000, 0x0080, 0x0f04, 0x7fff, 0x4f01, 0xc600, 0,
        0x20ff, 0x0028, 0x0003, 0, 0, 0, 0x0003, 0, 0xffff, 0x0100, 0xc000, 0x121c, 0xc007, 0xffff,
        0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0, 0x0120, 0xffff, 0,
    ],
    causes: cause::EXPRESS,
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
        (reg::EERD, 1 << 1),
        (express::EXTCNF_CTRL, 8),
        (express::PHY_CTRL, 0x30d),
        (express::PBS, 0x28),
        (express::RXDCTL1, 0x0001_0000),
        (express::TARC1, 0x403),
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
        let mut words = self.eeprom;
        for (word, bytes) in words.iter_mut().zip(mac.chunks_exact(2)) {
            *word = u16::from_le_bytes([bytes[0], bytes[1]]);
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
