//! PCI functions as `query-pci` tells of them.

use ferrite_devices::pci::host::FunctionInfo;
use ferrite_devices::pci::spec::{bridge, reg};
use ferrite_devices::pci::{BarKind, ConfigSpace};
use ferrite_qmp::schema::{
    PciBridgeInfo, PciBusInfo, PciDeviceClass, PciDeviceId, PciDeviceInfo, PciMemoryRange,
    PciMemoryRegion,
};

/// Classes in words (PCI Code and ID Assignment, chapter 1).
const CLASSES: &[(u16, &str)] = &[
    (0x0100, "SCSI controller"),
    (0x0200, "Ethernet controller"),
    (0x0600, "Host bridge"),
    (0x0604, "PCI bridge"),
    (0x0780, "Communication controller"),
];

/// What is on the bus of this name.
#[must_use]
pub fn bus(functions: &[FunctionInfo<'_>], name: &str) -> Vec<PciDeviceInfo> {
    let on_bus = functions.iter().filter(|f| f.bus_name == name);
    on_bus.map(|f| device(functions, f)).collect()
}

fn device(functions: &[FunctionInfo<'_>], f: &FunctionInfo<'_>) -> PciDeviceInfo {
    let config = f.config;
    let class = config.u16(reg::CLASS + 1);
    let pin = config.u8(reg::INTERRUPT_PIN);
    let is_bridge = config.is_bridge();
    PciDeviceInfo {
        bus: f.bus_number.into(),
        slot: f.address.slot.into(),
        function: f.address.function.into(),
        class_info: PciDeviceClass {
            desc: CLASSES
                .iter()
                .find(|(number, _)| *number == class)
                .map(|(_, text)| (*text).to_owned()),
            class: class.into(),
        },
        id: PciDeviceId {
            device: config.u16(reg::DEVICE).into(),
            vendor: config.u16(reg::VENDOR).into(),
            subsystem: (!is_bridge).then(|| config.u16(reg::SUBSYSTEM).into()),
            subsystem_vendor: (!is_bridge).then(|| config.u16(reg::SUBSYSTEM_VENDOR).into()),
        },
        irq: (pin != 0).then(|| config.u8(reg::INTERRUPT_LINE).into()),
        irq_pin: pin.into(),
        qdev_id: f.name.unwrap_or_default().to_owned(),
        pci_bridge: is_bridge.then(|| PciBridgeInfo {
            bus: below(config),
            devices: f.secondary.map(|name| bus(functions, name)),
        }),
        regions: regions(config),
    }
}

fn below(config: &ConfigSpace) -> PciBusInfo {
    let windows = config.windows();
    let range = |window: Option<(u64, u64)>| {
        let (base, limit) = window.unwrap_or((0, 0));
        PciMemoryRange {
            base: base as i64,
            limit: limit as i64,
        }
    };
    PciBusInfo {
        number: config.u8(bridge::PRIMARY).into(),
        secondary: config.u8(bridge::SECONDARY).into(),
        subordinate: config.u8(bridge::SUBORDINATE).into(),
        io_range: range(windows.io),
        memory_range: range(windows.memory),
        prefetchable_range: range(windows.prefetchable),
    }
}

fn regions(config: &ConfigSpace) -> Vec<PciMemoryRegion> {
    let bars = config.bars().into_iter().enumerate();
    bars.filter_map(|(number, bar)| {
        let bar = bar?;
        let memory = !bar.kind.is_io();
        Some(PciMemoryRegion {
            bar: number as i64,
            r#type: if memory { "memory" } else { "io" }.into(),
            // Unmapped is -1.
            address: config.bar_address(number).map_or(-1, |at| at as i64),
            size: bar.size as i64,
            prefetch: memory.then_some(bar.kind == BarKind::Memory64Prefetchable),
            mem_type_64: memory.then(|| bar.kind.is_wide()),
        })
    })
    .collect()
}
