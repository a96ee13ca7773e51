//! What `info` shows of devices, and the commands that add and remove them.

use serde_json::{Map, Value};

use super::Human;
use super::arguments::Arguments;
use crate::error::Error;
use crate::schema::{PciDeviceInfo, PciMemoryRange};

type Shown = Result<(), Error>;

/// `info pci`.
pub(super) fn pci(human: &mut Human<'_>, _: &Arguments) -> Shown {
    let buses = human.vm.devices().map(|devices| devices.pci());
    let Some(buses) = buses.filter(|buses| !buses.is_empty()) else {
        human.out += "PCI not supported\n";
        return Ok(());
    };
    for device in buses.iter().flat_map(|bus| &bus.devices) {
        function(&mut human.out, device);
    }
    Ok(())
}

fn function(out: &mut String, device: &PciDeviceInfo) {
    let PciDeviceInfo {
        bus,
        slot,
        function: number,
        ..
    } = device;
    *out += &format!("  Bus {bus:2}, device {slot:3}, function {number}:\n    ");
    *out += &match &device.class_info.desc {
        Some(text) => text.clone(),
        None => format!("Class {:04}", device.class_info.class),
    };
    let id = &device.id;
    *out += &format!(": PCI device {:04x}:{:04x}\n", id.vendor, id.device);
    if let (Some(vendor), Some(subsystem)) = (id.subsystem_vendor, id.subsystem) {
        *out += &format!("      PCI subsystem {vendor:04x}:{subsystem:04x}\n");
    }
    if let Some(irq) = device.irq {
        let pin = (b'A' + (device.irq_pin - 1).clamp(0, 3) as u8) as char;
        *out += &format!("      IRQ {irq}, pin {pin}\n");
    }
    if let Some(bridge) = &device.pci_bridge {
        let bus = &bridge.bus;
        *out += &format!("      BUS {}.\n", bus.number);
        *out += &format!("      secondary bus {}.\n", bus.secondary);
        *out += &format!("      subordinate bus {}.\n", bus.subordinate);
        let range = |r: &PciMemoryRange, width| {
            format!("range [{:#0width$x}, {:#0width$x}]\n", r.base, r.limit)
        };
        *out += &format!("      IO {}", range(&bus.io_range, 6));
        *out += &format!("      memory {}", range(&bus.memory_range, 10));
        *out += &format!(
            "      prefetchable memory {}",
            range(&bus.prefetchable_range, 10)
        );
    }
    for region in &device.regions {
        let (address, last) = (region.address, region.address.wrapping_add(region.size - 1));
        *out += &format!("      BAR{}: ", region.bar);
        *out += &match region.r#type.as_str() {
            "io" => format!("I/O at {address:#06x} [{last:#06x}].\n"),
            _ => format!(
                "{} bit{} memory at {address:#010x} [{last:#010x}].\n",
                if region.mem_type_64 == Some(true) {
                    64
                } else {
                    32
                },
                if region.prefetch == Some(true) {
                    " prefetchable"
                } else {
                    ""
                },
            ),
        };
    }
    *out += &format!("      id \"{}\"\n", device.qdev_id);
    let below = device
        .pci_bridge
        .iter()
        .flat_map(|b| b.devices.iter().flatten());
    for device in below {
        function(out, device);
    }
}

/// `info qom-tree`.
pub(super) fn tree(human: &mut Human<'_>, _: &Arguments) -> Shown {
    let Some(tree) = human.vm.devices().map(|devices| devices.objects()) else {
        return Err(Error::unsupported());
    };
    let machine = tree.children.iter().find(|child| child.name == "machine");
    for (depth, object) in machine.unwrap_or(&tree).walk() {
        human.out += &format!("{:1$}/{2} ({3})\n", "", 2 * depth, object.name, object.kind);
    }
    Ok(())
}

/// `device_add driver[,property=value]…`.
pub(super) fn device_add(human: &mut Human<'_>, arguments: &Arguments) -> Shown {
    let mut properties = Map::new();
    let mut driver = String::new();
    for (n, part) in arguments.word(0).split(',').enumerate() {
        match part.split_once('=') {
            Some(("driver", value)) => driver = value.to_owned(),
            Some((name, value)) => {
                properties.insert(name.to_owned(), Value::String(value.to_owned()));
            }
            None if n == 0 => driver = part.to_owned(),
            None => {
                properties.insert(part.to_owned(), Value::String("on".into()));
            }
        }
    }
    let devices = human.vm.devices().ok_or_else(Error::unsupported)?;
    devices.device_add(&driver, properties)
}

/// `device_del id`.
pub(super) fn device_del(human: &mut Human<'_>, arguments: &Arguments) -> Shown {
    let devices = human.vm.devices().ok_or_else(Error::unsupported)?;
    devices.device_del(arguments.word(0))
}

/// `set_link name on|off`.
pub(super) fn set_link(human: &mut Human<'_>, arguments: &Arguments) -> Shown {
    let up = match arguments.word(1) {
        "on" => true,
        "off" => false,
        _ => return Err(Error::generic("Parameter 'up' expects 'on' or 'off'")),
    };
    let devices = human.vm.devices().ok_or_else(Error::unsupported)?;
    devices.set_link(arguments.word(0), up)
}
