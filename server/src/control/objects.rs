//! The tree of objects: the machine, and what belongs to the process.

use ferrite_devices::pci::host::FunctionInfo;
use ferrite_monitor::objects;
use ferrite_qmp::HostControl;
use ferrite_qmp::qom::Object;

use super::Control;
use crate::launch::{Port, Unit};

/// The tree.
pub(super) fn tree(control: &Control<'_>) -> Object {
    let mut chardevs = Object::new("chardevs", "container");
    for facts in control.host.characters.facts() {
        chardevs = chardevs.holding(Object::new(&facts.label, "chardev"));
    }
    let mut below = Object::new("objects", "container");
    for (id, kind) in control.host.objects() {
        let mut object = Object::new(&id, kind.as_str());
        object.properties = control.host.object_properties(&id);
        below = below.holding(object);
    }
    let detail = |function: &FunctionInfo<'_>, object| {
        balloon(control, function, card(control, function, object))
    };
    Object::new("", "container")
        .holding(objects::machine(control.vm, &detail, units(control)))
        .holding(chardevs)
        .holding(below)
}

/// What a network card is connected to.
fn card(control: &Control<'_>, function: &FunctionInfo<'_>, object: Object) -> Object {
    let cards = &control.facts.backends.cards;
    let Some(card) = cards.iter().find(|c| c.path == function.path) else {
        return object;
    };
    let mac: Vec<String> = card.mac.iter().map(|b| format!("{b:02x}")).collect();
    let netdev = card.netdev.clone().unwrap_or_default();
    object
        .with("mac", "str", mac.join(":"))
        .with("netdev", "str", netdev)
}

/// What a balloon knows of its guest.
fn balloon(control: &Control<'_>, function: &FunctionInfo<'_>, object: Object) -> Object {
    let Some((path, balloon)) = &control.facts.backends.balloon else {
        return object;
    };
    if path != function.path {
        return object;
    }
    let stats = super::balloon::stats(balloon);
    let interval = i64::from(balloon.polling_interval());
    object.with("guest-stats", "guest statistics", stats).with(
        super::balloon::INTERVAL,
        "int",
        interval,
    )
}

/// What keeps the guest kernel's notes for dumps; it is on no bus.
fn vmcoreinfo(path: &str) -> (&str, Object) {
    let name = path.rsplit('/').next().unwrap_or_default();
    let object = Object::new(name, "vmcoreinfo")
        .with("parent_bus", "link<bus>", "")
        .with("realized", "bool", true)
        .with("hotplugged", "bool", false)
        .with("hotpluggable", "bool", false);
    (path, object)
}

/// The units on SCSI buses, the ports of serial adapters, and what is on no bus, with their paths.
fn units<'a>(control: &'a Control<'_>) -> Vec<(&'a str, Object)> {
    let unit = |unit: &'a Unit| {
        let name = unit.path.rsplit('/').next().unwrap_or_default();
        let bus = format!("{}/virtio-backend/{}", unit.adapter, unit.bus);
        let object = Object::new(name, unit.kind.name())
            .with("realized", "bool", true)
            .with("hotpluggable", "bool", true)
            .with("parent_bus", "link<bus>", bus)
            .with("channel", "uint32", 0)
            .with("scsi-id", "uint32", unit.address.target)
            .with("lun", "uint32", unit.address.lun);
        (unit.path.as_str(), object)
    };
    let port = |port: &'a Port| {
        let name = port.path.rsplit('/').next().unwrap_or_default();
        let bus = format!("{}/virtio-backend/{}", port.adapter, port.bus);
        let object = Object::new(name, port.kind)
            .with("realized", "bool", true)
            .with("hotpluggable", "bool", true)
            .with("parent_bus", "link<bus>", bus)
            .with("chardev", "str", port.chardev.as_str())
            .with("nr", "uint32", port.number);
        (port.path.as_str(), object)
    };
    let backends = &control.facts.backends;
    let ports = backends.serial.ports().iter().map(port);
    backends
        .scsi
        .units()
        .iter()
        .map(unit)
        .chain(ports)
        .chain(backends.vmcoreinfo.as_deref().map(vmcoreinfo))
        .collect()
}
