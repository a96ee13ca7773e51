//! Bridges: the PCI Express root port, the bridge from PCI Express to conventional PCI, and the
//! bridge between conventional buses, with the IDs that QEMU gave them.

use super::config::{BarKind, ConfigSpace, Identity};
use super::function::{BusKind, PciCx, PciDevice, Secondary};
use super::hotplug::{HotplugSlot, SlotRegisters};
use super::spec::{SUBSYSTEM_QEMU, VENDOR_QUMRANET, VENDOR_REDHAT, bridge, cap, reg};

const BRIDGE_CLASS: u32 = 0x06_0400;

fn identity(device: u16) -> Identity {
    Identity {
        vendor: VENDOR_REDHAT,
        device,
        revision: 0,
        class: BRIDGE_CLASS,
        subsystem: (VENDOR_QUMRANET, SUBSYSTEM_QEMU),
    }
}

/// `pcie-root-port`: one slot, which devices may be put into and taken out of at any time.
pub struct RootPort {
    slot: u16,
    port: u8,
    registers: SlotRegisters,
}

/// Offsets of a root port's capabilities.
mod root_port {
    pub const SUBSYSTEM: usize = 0x40;
    pub const MSIX: usize = 0x48;
    pub const EXPRESS: usize = 0x54;
    pub const ERRORS: usize = 0x100;
    pub const ACCESS_CONTROL: usize = 0x148;
}

/// Physical slot numbers have 13 bits.
pub const MAX_SLOT: u16 = (1 << 13) - 1;

impl RootPort {
    /// A port with this physical slot number (at most [`MAX_SLOT`]) and port number.
    #[must_use]
    pub fn new(slot: u16, port: u8) -> Self {
        Self {
            slot: slot.min(MAX_SLOT),
            port,
            registers: SlotRegisters::new(root_port::EXPRESS, 0),
        }
    }

    /// The PCI Express capability after its ID and link (PCI Express Base 2.0, section 7.8): root
    /// port with a slot, links of up to 16 GT/s and 32 lanes.
    fn express(&self) -> [u8; 0x3a] {
        let mut body = [0; 0x3a];
        let slot = 0x2_007b | u32::from(self.slot) << 19;
        let link = 0x0030_0604 | u32::from(self.port) << 24;
        let words: [(usize, u32); 8] = [
            // Device capabilities: role-based error reporting.
            (0x04, 0x8000),
            (0x0c, link),
            (0x10, 0x0204_0000),
            (0x14, slot),
            (0x18, 0x07c0),
            // Device capabilities 2: ARI forwarding, extended format fields, prefixes.
            (0x24, 0x0030_0020),
            (0x2c, 0x1e),
            (0x30, 4),
        ];
        body[..2].copy_from_slice(&0x0142_u16.to_le_bytes());
        for (at, word) in words {
            body[at - 2..at + 2].copy_from_slice(&word.to_le_bytes());
        }
        body
    }
}

impl PciDevice for RootPort {
    fn kind(&self) -> &'static str {
        "pcie-root-port"
    }

    fn config(&mut self, _bus: BusKind) -> ConfigSpace {
        let mut config = ConfigSpace::bridge(identity(0x0c), true);
        config.set_interrupt_pin(1);
        config.add_bar(0, BarKind::Memory32, 0x1000);
        // Every window is shut: its base is above its limit.
        config.put(bridge::IO_BASE, &[0xf0, 0]);
        config.put_u32(bridge::MEMORY_BASE, 0x0000_fff0);
        config.put_u32(bridge::PREFETCH_BASE, 0x0001_fff1);
        let subsystem = [0, 0, 0x36, 0x1b, 0, 0];
        config.add_capability(root_port::SUBSYSTEM, cap::BRIDGE_SUBSYSTEM, &subsystem);
        config.add_msix(root_port::MSIX, 1, 0, 0, 0x800);
        let express = root_port::EXPRESS;
        config.add_capability(express, cap::EXPRESS, &self.express());
        self.registers.lay_out(&mut config);
        // Error reporting, root control, ARI forwarding.
        config.allow(express + 0x08, &[0x0f, 0]);
        config.clear_on_write(express + 0x0a, &[0x0f, 0]);
        config.allow(express + 0x1c, &[0x0f, 0]);
        config.allow(express + 0x28, &[0x20, 0]);
        add_error_reporting(&mut config, root_port::ERRORS);
        let access_control = [0x5f, 0, 0, 0];
        config.add_extended_capability(root_port::ACCESS_CONTROL, 0x0d, 1, &access_control);
        config.allow(root_port::ACCESS_CONTROL + 6, &[0x5f, 0]);
        config
    }

    fn config_write(&mut self, cx: &mut PciCx<'_>, offset: usize, bytes: usize, value: u32) {
        let before = self.registers.before(cx.config);
        cx.config.write(offset, bytes, value);
        let control = self.registers.is_control(offset, bytes);
        self.registers.written(cx, before, control);
    }

    fn reset(&mut self, _cx: &mut PciCx<'_>) {}

    fn secondary(&self) -> Option<Secondary> {
        Some(Secondary {
            kind: BusKind::Express,
            first_slot: 0,
            slots: 1,
        })
    }

    fn slot(&mut self) -> Option<&mut dyn HotplugSlot> {
        Some(&mut self.registers)
    }
}

/// Advanced error reporting (PCI Express Base 2.0, section 7.10) with its severities and masks after
/// reset: no error ever happens.
pub(crate) fn add_error_reporting(config: &mut ConfigSpace, at: usize) {
    let mut body = [0; 0x44];
    // Uncorrectable error severity, correctable error mask, capabilities.
    for (offset, word) in [(0x0c, 0x0046_2030_u32), (0x14, 0xe000), (0x18, 0xa0)] {
        body[offset - 4..offset].copy_from_slice(&word.to_le_bytes());
    }
    config.add_extended_capability(at, 1, 2, &body);
    config.allow(at + 0x08, &[0x30, 0xf0, 0x7f, 0]);
    config.allow(at + 0x0c, &[0x30, 0xf0, 0x7f, 0]);
    config.allow(at + 0x14, &[0xc1, 0xf1, 0, 0]);
}

/// A bridge to a conventional bus whose devices stay: `pcie-pci-bridge` or `pci-bridge`.
pub struct ConventionalBridge {
    express: bool,
}

impl ConventionalBridge {
    /// `pcie-pci-bridge`.
    #[must_use]
    pub fn from_express() -> Self {
        Self { express: true }
    }

    /// `pci-bridge`.
    #[must_use]
    pub fn from_conventional() -> Self {
        Self { express: false }
    }
}

impl PciDevice for ConventionalBridge {
    fn kind(&self) -> &'static str {
        match self.express {
            true => "pcie-pci-bridge",
            false => "pci-bridge",
        }
    }

    fn config(&mut self, _bus: BusKind) -> ConfigSpace {
        let mut config =
            ConfigSpace::bridge(identity(if self.express { 0x0e } else { 1 }), self.express);
        // 66 MHz and fast back-to-back transfers, on both sides.
        config.put_u16(reg::STATUS, 0xa0);
        config.put_u16(bridge::SECONDARY_STATUS, 0xa0);
        if !self.express {
            return config;
        }
        let mut body = [0; 0x3a];
        // A bridge to conventional PCI, version 2 of the capability, one lane of 2.5 GT/s.
        body[..2].copy_from_slice(&0x0072_u16.to_le_bytes());
        body[2..6].copy_from_slice(&0x8000_u32.to_le_bytes());
        body[10..14].copy_from_slice(&0x0411_u32.to_le_bytes());
        body[14..18].copy_from_slice(&0x0011_0000_u32.to_le_bytes());
        config.add_capability(0x48, cap::EXPRESS, &body);
        // Power management, version 3, no states but full power.
        config.add_capability(0x84, cap::POWER, &[3, 0, 8, 0, 0, 0]);
        add_error_reporting(&mut config, 0x100);
        config
    }

    fn reset(&mut self, _cx: &mut PciCx<'_>) {}

    fn secondary(&self) -> Option<Secondary> {
        // Slot 0 stays empty, as with a bridge that has a hot-plug controller.
        Some(Secondary {
            kind: BusKind::Conventional,
            first_slot: 1,
            slots: 32,
        })
    }
}
