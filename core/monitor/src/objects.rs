//! The machine's part of the tree of objects, as QEMU arranges it.

use ferrite_devices::pci::host::FunctionInfo;
use ferrite_devices::pci::spec::{HEADER_MULTIFUNCTION, reg};
use ferrite_qmp::qom::Object;
use ferrite_vm::Vm;
use serde_json::Value;

/// The affinity fields of MPIDR_EL1.
const AFFINITY: u64 = 0xff_00ff_ffff;
/// Firmware is called by HVC: QEMU's number for that.
const PSCI_BY_HVC: u32 = 2;

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
    let (cpus, devices) = (vm.cpus().len(), vm.board().devices());
    for (n, cpu) in vm.cpus().iter().enumerate() {
        let kind = format!("{}-arm-cpu", cpu.model().name);
        let object = Object::new(format!("device[{n}]"), kind)
            .with("realized", "bool", true)
            .with("hotplugged", "bool", false)
            .with("hotpluggable", "bool", true)
            .with("core-id", "int32", n as i64)
            .with("mp-affinity", "uint64", cpu.mpidr() & AFFINITY)
            .with("aarch64", "bool", true)
            .with("has_el2", "bool", false)
            .with("has_el3", "bool", false)
            .with("psci-conduit", "uint32", PSCI_BY_HVC)
            .with("start-powered-off", "bool", n != 0);
        container = container.holding(object);
    }
    let gic = format!("device[{}]", cpus + devices.len());
    for (n, device) in devices.into_iter().enumerate() {
        let mut object = Object::new(format!("device[{}]", cpus + n), device.kind)
            .with("realized", "bool", true)
            .with("hotplugged", "bool", false)
            .with("hotpluggable", "bool", false);
        for (pin, spi) in device.spis.iter().enumerate() {
            let line = format!("/machine/unattached/{gic}/unnamed-gpio-in[{spi}]");
            object = object.with(format!("sysbus-irq[{pin}]"), "link<irq>", line);
        }
        container = container.holding(object);
    }
    let kind = match gic_version(vm) {
        "3" => "arm-gicv3",
        _ => "arm_gic",
    };
    let gic = Object::new(gic, kind)
        .with("realized", "bool", true)
        .with("hotplugged", "bool", false)
        .with("hotpluggable", "bool", false)
        .with("num-cpu", "uint32", cpus);
    container = container.holding(gic);
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
