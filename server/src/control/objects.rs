//! The tree of objects, as QEMU arranges it.

use ferrite_devices::pci::host::FunctionInfo;
use ferrite_devices::pci::spec::{HEADER_MULTIFUNCTION, reg};
use ferrite_qmp::qom::Object;
use ferrite_qmp::{HostControl, VmControl};
use serde_json::Value;

use super::Control;

/// The tree.
pub(super) fn tree(control: &Control<'_>) -> Object {
    let mut chardevs = Object::new("chardevs", "container");
    for facts in control.host.characters.facts() {
        chardevs = chardevs.holding(Object::new(&facts.label, "chardev"));
    }
    let mut objects = Object::new("objects", "container");
    for (id, kind) in control.host.objects() {
        objects = objects.holding(Object::new(id, kind.as_str()));
    }
    Object::new("", "container")
        .holding(machine(control))
        .holding(chardevs)
        .holding(objects)
}

fn machine(control: &Control<'_>) -> Object {
    let functions = control.functions();
    let mut peripheral = Object::new("peripheral", "container");
    let mut anonymous = Object::new("peripheral-anon", "container");
    for function in &functions {
        let name = function.path.rsplit('/').next().unwrap_or_default();
        let device = device(control, function, name);
        if function.path.starts_with("/machine/peripheral/") {
            peripheral = peripheral.holding(device);
        } else if function.path.starts_with("/machine/peripheral-anon/") {
            anonymous = anonymous.holding(device);
        }
    }
    for unit in control.facts.backends.scsi.units() {
        let name = unit.path.rsplit('/').next().unwrap_or_default();
        let device = Object::new(name, unit.kind.name())
            .with("realized", "bool", true)
            .with("hotpluggable", "bool", true)
            .with(
                "parent_bus",
                "link<bus>",
                format!("{}/virtio-backend/{}", unit.adapter, unit.bus),
            )
            .with("channel", "uint32", 0)
            .with("scsi-id", "uint32", unit.address.target)
            .with("lun", "uint32", unit.address.lun);
        if unit.path.starts_with("/machine/peripheral/") {
            peripheral = peripheral.holding(device);
        } else {
            anonymous = anonymous.holding(device);
        }
    }
    Object::new("machine", "virt-10.0-machine")
        .with("gic-version", "string", gic_version(control))
        .with("usb", "bool", false)
        .with("graphics", "bool", false)
        .with("memory-backend", "string", "mach-virt.ram")
        .holding(peripheral)
        .holding(anonymous)
        .holding(unattached(control))
}

fn gic_version(control: &Control<'_>) -> String {
    let map = control.vm.board().map();
    let v3 = map.regions().iter().any(|r| r.name.starts_with("gicv3"));
    if v3 { "3" } else { "2" }.into()
}

/// CPUs and the board's own devices.
fn unattached(control: &Control<'_>) -> Object {
    let mut container = Object::new("unattached", "container");
    let cpus = control.cpus();
    for cpu in &cpus {
        let name = cpu.qom_path.rsplit('/').next().unwrap_or_default();
        let object = Object::new(name, "arm-cpu")
            .with("realized", "bool", true)
            .with("hotpluggable", "bool", true)
            .with("core-id", "int32", cpu.cpu_index)
            .with("start-powered-off", "bool", cpu.cpu_index != 0);
        container = container.holding(object);
    }
    for (n, device) in control.vm.board().devices().into_iter().enumerate() {
        let object = Object::new(format!("device[{}]", cpus.len() + n), device.kind)
            .with("realized", "bool", true)
            .with("hotpluggable", "bool", false);
        container = container.holding(object);
    }
    container
}

/// The path of the bus that a function is on.
fn bus_path(control: &Control<'_>, function: &FunctionInfo<'_>) -> String {
    let name = function.bus_name;
    let functions = control.functions();
    let owner = functions.iter().find(|f| f.secondary == Some(name));
    let above = owner.map_or("/machine/unattached/gpex-pcihost", |owner| owner.path);
    format!("{above}/{name}")
}

fn device(control: &Control<'_>, function: &FunctionInfo<'_>, name: &str) -> Object {
    let header = function.config.u8(reg::HEADER_TYPE);
    let hotpluggable = function.secondary.is_none();
    let mut object = Object::new(name, function.device.kind())
        .with("realized", "bool", true)
        .with("hotpluggable", "bool", hotpluggable)
        .with("parent_bus", "link<bus>", bus_path(control, function))
        .with("addr", "int32", i64::from(function.address.devfn()))
        .with("multifunction", "bool", header & HEADER_MULTIFUNCTION != 0);
    let backends = &control.facts.backends;
    if let Some(card) = backends.cards.iter().find(|c| c.path == function.path) {
        let mac: Vec<String> = card.mac.iter().map(|b| format!("{b:02x}")).collect();
        let netdev = card.netdev.clone().unwrap_or_default();
        object = object
            .with("mac", "str", mac.join(":"))
            .with("netdev", "str", netdev);
    }
    if let Some((path, balloon)) = &backends.balloon
        && path == function.path
    {
        object = object
            .with(
                "guest-stats",
                "guest statistics",
                super::balloon::stats(balloon),
            )
            .with(
                super::balloon::INTERVAL,
                "int",
                i64::from(balloon.polling_interval()),
            );
    }
    if let Some(bus) = function.secondary {
        let below = Object::new(bus, "PCIE").with("hotpluggable", "bool", Value::Bool(true));
        object = object.holding(below);
    }
    if function.device.kind().starts_with("virtio-") {
        let inner = function.device.kind().replace("-pci", "-device");
        object = object.holding(Object::new("virtio-backend", inner));
    }
    object
}
