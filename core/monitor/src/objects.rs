//! The machine's part of the tree of objects, as QEMU arranges it.

use ferrite_devices::pci::host::FunctionInfo;
use ferrite_devices::pci::spec::{HEADER_MULTIFUNCTION, reg};
use ferrite_qmp::qom::Object;
use ferrite_vm::Vm;
use serde_json::Value;

/// What only the host knows of a device, added to the object that describes it.
pub type Detail<'a> = dyn Fn(&FunctionInfo<'_>, Object) -> Object + 'a;

/// The machine, as `/machine`; `more` are devices on other buses, with their paths.
#[must_use]
pub fn machine(vm: &Vm, detail: &Detail<'_>, more: Vec<(&str, Object)>) -> Object {
    let functions = functions(vm);
    let mut peripheral = Object::new("peripheral", "container");
    let mut anonymous = Object::new("peripheral-anon", "container");
    for function in &functions {
        let name = function.path.rsplit('/').next().unwrap_or_default();
        let device = || detail(function, device(&functions, function, name));
        if function.path.starts_with("/machine/peripheral/") {
            peripheral = peripheral.holding(device());
        } else if function.path.starts_with("/machine/peripheral-anon/") {
            anonymous = anonymous.holding(device());
        }
    }
    for (path, device) in more {
        if path.starts_with("/machine/peripheral/") {
            peripheral = peripheral.holding(device);
        } else {
            anonymous = anonymous.holding(device);
        }
    }
    Object::new("machine", "virt-10.0-machine")
        .with("gic-version", "string", gic_version(vm))
        .with("usb", "bool", false)
        .with("graphics", "bool", false)
        .with("memory-backend", "string", "mach-virt.ram")
        .holding(peripheral)
        .holding(anonymous)
        .holding(unattached(vm))
}

/// The path of a processor.
#[must_use]
pub fn cpu_path(n: usize) -> String {
    format!("/machine/unattached/device[{n}]")
}

fn functions(vm: &Vm) -> Vec<FunctionInfo<'_>> {
    let pci = vm.board().pci();
    pci.map(|pci| pci.functions()).unwrap_or_default()
}

fn gic_version(vm: &Vm) -> &'static str {
    let map = vm.board().map();
    let v3 = map.regions().iter().any(|r| r.name.starts_with("gicv3"));
    if v3 { "3" } else { "2" }
}

/// CPUs and the board's own devices.
fn unattached(vm: &Vm) -> Object {
    let mut container = Object::new("unattached", "container");
    let cpus = vm.cpus().len();
    for n in 0..cpus {
        let object = Object::new(format!("device[{n}]"), "arm-cpu")
            .with("realized", "bool", true)
            .with("hotpluggable", "bool", true)
            .with("core-id", "int32", n as i64)
            .with("start-powered-off", "bool", n != 0);
        container = container.holding(object);
    }
    for (n, device) in vm.board().devices().into_iter().enumerate() {
        let object = Object::new(format!("device[{}]", cpus + n), device.kind)
            .with("realized", "bool", true)
            .with("hotpluggable", "bool", false);
        container = container.holding(object);
    }
    container
}

/// The path of the bus that a function is on.
fn bus_path(functions: &[FunctionInfo<'_>], function: &FunctionInfo<'_>) -> String {
    let name = function.bus_name;
    let owner = functions.iter().find(|f| f.secondary == Some(name));
    let above = owner.map_or("/machine/unattached/gpex-pcihost", |owner| owner.path);
    format!("{above}/{name}")
}

fn device(functions: &[FunctionInfo<'_>], function: &FunctionInfo<'_>, name: &str) -> Object {
    let header = function.config.u8(reg::HEADER_TYPE);
    let hotpluggable = function.secondary.is_none();
    let mut object = Object::new(name, function.device.kind())
        .with("realized", "bool", true)
        .with("hotpluggable", "bool", hotpluggable)
        .with("parent_bus", "link<bus>", bus_path(functions, function))
        .with("addr", "int32", i64::from(function.address.devfn()))
        .with("multifunction", "bool", header & HEADER_MULTIFUNCTION != 0);
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
