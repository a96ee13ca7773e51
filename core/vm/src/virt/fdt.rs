//! The device tree of the `virt` board: the same nodes, names and properties as QEMU's, for what is
//! really there.

use vm_fdt::{Error, FdtWriter};

use super::memory_map as map;
use crate::boot::Placement;
use crate::config::GicVersion;

/// Largest device tree that a guest is given, as with QEMU: 1 MiB.
pub const MAX_SIZE: u64 = 1 << 20;

/// What the firmware interface is compatible with.
pub const PSCI_COMPATIBLE: [&str; 3] = ["arm,psci-1.0", "arm,psci-0.2", "arm,psci"];

mod phandle {
    pub const CLOCK: u32 = 0x8000;
    pub const GIC: u32 = 0x8001;
    pub const GPIO: u32 = 0x8002;
    pub const V2M: u32 = 0x8003;
    pub const ITS: u32 = 0x8004;
    pub const CPU: u32 = 0x8010;
}

/// Interrupt types of the GIC binding.
const SPI: u32 = 0;
const PPI: u32 = 1;
/// Interrupt flags of the GIC binding.
const EDGE_RISING: u32 = 1;
const LEVEL_HIGH: u32 = 4;
/// Linux' input code of the power key.
const KEY_POWER: u32 = 116;

/// What the tree depends on.
pub struct Contents<'a> {
    /// Compatible string of the CPUs.
    pub cpu_compatible: &'a str,
    /// MPIDR affinity of each CPU.
    pub affinity: &'a [u64],
    /// Bytes of RAM.
    pub ram: u64,
    /// Interrupt controller.
    pub gic: GicVersion,
    /// Whether a GICv3 has an interrupt translation service.
    pub its: bool,
    /// Whether the CPUs have a performance monitor.
    pub pmu: bool,
    /// Kernel command line.
    pub append: Option<&'a str>,
    /// Initrd addresses, after a direct kernel boot.
    pub placement: Option<Placement>,
    /// 8 bytes of kaslr-seed, 32 of rng-seed.
    pub seed: [u8; 40],
}

/// The blob.
pub fn build(contents: &Contents<'_>) -> Result<Vec<u8>, Error> {
    let mut fdt = FdtWriter::new()?;
    let root = fdt.begin_node("")?;
    fdt.property_u32("interrupt-parent", phandle::GIC)?;
    fdt.property_string("model", "linux,dummy-virt")?;
    fdt.property_string("compatible", "linux,dummy-virt")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 2)?;
    chosen(&mut fdt, contents)?;
    aliases(&mut fdt)?;
    memory(&mut fdt, contents.ram)?;
    cpus(&mut fdt, contents)?;
    psci(&mut fdt)?;
    timer(&mut fdt, contents)?;
    pmu(&mut fdt, contents)?;
    flash(&mut fdt)?;
    gic(&mut fdt, contents)?;
    clock(&mut fdt)?;
    uart(&mut fdt)?;
    rtc(&mut fdt)?;
    gpio(&mut fdt)?;
    fw_cfg(&mut fdt)?;
    pcie(&mut fdt, contents)?;
    virtio(&mut fdt)?;
    fdt.end_node(root)?;
    fdt.finish()
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| (*s).to_owned()).collect()
}

fn chosen(fdt: &mut FdtWriter, contents: &Contents<'_>) -> Result<(), Error> {
    let node = fdt.begin_node("chosen")?;
    fdt.property_string("stdout-path", &format!("/pl011@{:x}", map::UART.base))?;
    fdt.property("kaslr-seed", &contents.seed[..8])?;
    fdt.property("rng-seed", &contents.seed[8..])?;
    if let Some(append) = contents.append {
        fdt.property_string("bootargs", append)?;
    }
    if let Some((start, end)) = contents.placement.and_then(|p| p.initrd) {
        fdt.property_u64("linux,initrd-start", start)?;
        fdt.property_u64("linux,initrd-end", end)?;
    }
    fdt.end_node(node)
}

fn aliases(fdt: &mut FdtWriter) -> Result<(), Error> {
    let node = fdt.begin_node("aliases")?;
    fdt.property_string("serial0", &format!("/pl011@{:x}", map::UART.base))?;
    fdt.end_node(node)
}

fn memory(fdt: &mut FdtWriter, bytes: u64) -> Result<(), Error> {
    let node = fdt.begin_node(&format!("memory@{:x}", map::RAM_BASE))?;
    fdt.property_string("device_type", "memory")?;
    fdt.property_array_u64("reg", &[map::RAM_BASE, bytes])?;
    fdt.end_node(node)
}

fn cpus(fdt: &mut FdtWriter, contents: &Contents<'_>) -> Result<(), Error> {
    let cpus = fdt.begin_node("cpus")?;
    fdt.property_u32("#address-cells", 1)?;
    fdt.property_u32("#size-cells", 0)?;
    let cpu_map = fdt.begin_node("cpu-map")?;
    let socket = fdt.begin_node("socket0")?;
    let cluster = fdt.begin_node("cluster0")?;
    for (n, _) in contents.affinity.iter().enumerate() {
        let core = fdt.begin_node(&format!("core{n}"))?;
        fdt.property_u32("cpu", phandle::CPU + n as u32)?;
        fdt.end_node(core)?;
    }
    fdt.end_node(cluster)?;
    fdt.end_node(socket)?;
    fdt.end_node(cpu_map)?;
    for (n, affinity) in contents.affinity.iter().enumerate() {
        let cpu = fdt.begin_node(&format!("cpu@{affinity:x}"))?;
        fdt.property_string("device_type", "cpu")?;
        fdt.property_string("compatible", contents.cpu_compatible)?;
        if contents.affinity.len() > 1 {
            fdt.property_string("enable-method", "psci")?;
        }
        fdt.property_u32("reg", *affinity as u32)?;
        fdt.property_phandle(phandle::CPU + n as u32)?;
        fdt.end_node(cpu)?;
    }
    fdt.end_node(cpus)
}

fn psci(fdt: &mut FdtWriter) -> Result<(), Error> {
    use crate::psci::function;
    let node = fdt.begin_node("psci")?;
    fdt.property_string_list("compatible", strings(&PSCI_COMPATIBLE))?;
    fdt.property_string("method", "hvc")?;
    fdt.property_u32("cpu_suspend", function::CPU_SUSPEND_64)?;
    fdt.property_u32("cpu_off", function::CPU_OFF)?;
    fdt.property_u32("cpu_on", function::CPU_ON_64)?;
    fdt.end_node(node)
}

/// Flags of a private interrupt: a GICv2's carry a mask of the CPUs in bits 15:8.
fn ppi_flags(contents: &Contents<'_>) -> u32 {
    match contents.gic {
        GicVersion::V2 => LEVEL_HIGH | ((1 << contents.affinity.len().min(8)) - 1) << 8,
        GicVersion::V3 => LEVEL_HIGH,
    }
}

fn timer(fdt: &mut FdtWriter, contents: &Contents<'_>) -> Result<(), Error> {
    let node = fdt.begin_node("timer")?;
    fdt.property_string_list(
        "compatible",
        strings(&["arm,armv8-timer", "arm,armv7-timer"]),
    )?;
    fdt.property_null("always-on")?;
    let flags = ppi_flags(contents);
    let timers = [
        map::ppi::TIMER_SECURE,
        map::ppi::TIMER_PHYS,
        map::ppi::TIMER_VIRT,
        map::ppi::TIMER_HYP,
    ];
    let cells: Vec<u32> = timers
        .iter()
        .flat_map(|intid| [PPI, intid - 16, flags])
        .collect();
    fdt.property_array_u32("interrupts", &cells)?;
    fdt.end_node(node)
}

fn pmu(fdt: &mut FdtWriter, contents: &Contents<'_>) -> Result<(), Error> {
    if !contents.pmu {
        return Ok(());
    }
    let node = fdt.begin_node("pmu")?;
    fdt.property_string("compatible", "arm,armv8-pmuv3")?;
    fdt.property_array_u32(
        "interrupts",
        &[PPI, map::ppi::PMU - 16, ppi_flags(contents)],
    )?;
    fdt.end_node(node)
}

fn flash(fdt: &mut FdtWriter) -> Result<(), Error> {
    let node = fdt.begin_node(&format!("flash@{:x}", map::FLASH.base))?;
    fdt.property_string("compatible", "cfi-flash")?;
    let (base, len) = (map::FLASH.base, map::FLASH.len);
    fdt.property_array_u64("reg", &[base, len, base + len, len])?;
    fdt.property_u32("bank-width", 4)?;
    fdt.end_node(node)
}

fn gic(fdt: &mut FdtWriter, contents: &Contents<'_>) -> Result<(), Error> {
    let node = fdt.begin_node(&format!("intc@{:x}", map::GIC_DIST.base))?;
    fdt.property_u32("#interrupt-cells", 3)?;
    fdt.property_null("interrupt-controller")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 2)?;
    fdt.property_null("ranges")?;
    let dist = [map::GIC_DIST.base, map::GIC_DIST.len];
    match contents.gic {
        GicVersion::V2 => {
            fdt.property_string("compatible", "arm,cortex-a15-gic")?;
            fdt.property_array_u64(
                "reg",
                &[dist[0], dist[1], map::GIC_CPU.base, map::GIC_CPU.len],
            )?;
            fdt.property_phandle(phandle::GIC)?;
            let v2m = fdt.begin_node(&format!("v2m@{:x}", map::GIC_V2M.base))?;
            fdt.property_string("compatible", "arm,gic-v2m-frame")?;
            fdt.property_null("msi-controller")?;
            fdt.property_array_u64("reg", &[map::GIC_V2M.base, map::GIC_V2M.len])?;
            fdt.property_phandle(phandle::V2M)?;
            fdt.end_node(v2m)?;
        }
        GicVersion::V3 => {
            fdt.property_string("compatible", "arm,gic-v3")?;
            fdt.property_u32("#redistributor-regions", 1)?;
            fdt.property_array_u64(
                "reg",
                &[dist[0], dist[1], map::GIC_REDIST.base, map::GIC_REDIST.len],
            )?;
            fdt.property_phandle(phandle::GIC)?;
            if contents.its {
                let its = fdt.begin_node(&format!("its@{:x}", map::GIC_ITS.base))?;
                fdt.property_string("compatible", "arm,gic-v3-its")?;
                fdt.property_null("msi-controller")?;
                fdt.property_u32("#msi-cells", 1)?;
                fdt.property_array_u64("reg", &[map::GIC_ITS.base, map::GIC_ITS.len])?;
                fdt.property_phandle(phandle::ITS)?;
                fdt.end_node(its)?;
            }
        }
    }
    fdt.end_node(node)
}

fn clock(fdt: &mut FdtWriter) -> Result<(), Error> {
    let node = fdt.begin_node("apb-pclk")?;
    fdt.property_string("compatible", "fixed-clock")?;
    fdt.property_u32("#clock-cells", 0)?;
    fdt.property_u32("clock-frequency", 24_000_000)?;
    fdt.property_string("clock-output-names", "clk24mhz")?;
    fdt.property_phandle(phandle::CLOCK)?;
    fdt.end_node(node)
}

/// Opens a node for a PrimeCell peripheral and writes what all of them have.
fn primecell(
    fdt: &mut FdtWriter,
    kind: &str,
    span: map::Span,
    spi: u32,
) -> Result<vm_fdt::FdtWriterNode, Error> {
    let node = fdt.begin_node(&format!("{kind}@{:x}", span.base))?;
    fdt.property_string_list(
        "compatible",
        strings(&[&format!("arm,{kind}"), "arm,primecell"]),
    )?;
    fdt.property_array_u64("reg", &[span.base, span.len])?;
    fdt.property_array_u32("interrupts", &[SPI, spi, LEVEL_HIGH])?;
    Ok(node)
}

fn uart(fdt: &mut FdtWriter) -> Result<(), Error> {
    let node = primecell(fdt, "pl011", map::UART, map::spi::UART)?;
    fdt.property_array_u32("clocks", &[phandle::CLOCK, phandle::CLOCK])?;
    fdt.property_string_list("clock-names", strings(&["uartclk", "apb_pclk"]))?;
    fdt.end_node(node)
}

fn rtc(fdt: &mut FdtWriter) -> Result<(), Error> {
    let node = primecell(fdt, "pl031", map::RTC, map::spi::RTC)?;
    fdt.property_u32("clocks", phandle::CLOCK)?;
    fdt.property_string("clock-names", "apb_pclk")?;
    fdt.end_node(node)
}

fn gpio(fdt: &mut FdtWriter) -> Result<(), Error> {
    let node = primecell(fdt, "pl061", map::GPIO, map::spi::GPIO)?;
    fdt.property_null("gpio-controller")?;
    fdt.property_u32("#gpio-cells", 2)?;
    fdt.property_u32("clocks", phandle::CLOCK)?;
    fdt.property_string("clock-names", "apb_pclk")?;
    fdt.property_phandle(phandle::GPIO)?;
    fdt.end_node(node)?;
    let keys = fdt.begin_node("gpio-keys")?;
    fdt.property_string("compatible", "gpio-keys")?;
    let key = fdt.begin_node("poweroff")?;
    fdt.property_string("label", "GPIO Key Poweroff")?;
    fdt.property_u32("linux,code", KEY_POWER)?;
    fdt.property_array_u32("gpios", &[phandle::GPIO, super::POWER_KEY_PIN, 0])?;
    fdt.end_node(key)?;
    fdt.end_node(keys)
}

fn fw_cfg(fdt: &mut FdtWriter) -> Result<(), Error> {
    let node = fdt.begin_node(&format!("fw-cfg@{:x}", map::FW_CFG.base))?;
    fdt.property_string("compatible", "qemu,fw-cfg-mmio")?;
    fdt.property_array_u64("reg", &[map::FW_CFG.base, map::FW_CFG.len])?;
    fdt.property_null("dma-coherent")?;
    fdt.end_node(node)
}

/// The generic PCI Express host (Linux `pci/host-generic-pci`; IEEE 1275 PCI binding): slots take
/// turns with its four interrupt lines.
fn pcie(fdt: &mut FdtWriter, contents: &Contents<'_>) -> Result<(), Error> {
    const IO: u64 = 0x0100_0000;
    const MEMORY: u64 = 0x0200_0000;
    const MEMORY_64: u64 = 0x0300_0000;
    let node = fdt.begin_node(&format!("pcie@{:x}", map::PCIE_MEMORY.base))?;
    fdt.property_string("compatible", "pci-host-ecam-generic")?;
    fdt.property_string("device_type", "pci")?;
    fdt.property_u32("#address-cells", 3)?;
    fdt.property_u32("#size-cells", 2)?;
    fdt.property_u32("linux,pci-domain", 0)?;
    fdt.property_array_u32("bus-range", &[0, 0xff])?;
    fdt.property_null("dma-coherent")?;
    let messages = match contents.gic {
        GicVersion::V2 => Some(phandle::V2M),
        GicVersion::V3 => contents.its.then_some(phandle::ITS),
    };
    if let Some(messages) = messages {
        fdt.property_array_u32("msi-map", &[0, messages, 0, 0x1_0000])?;
    }
    fdt.property_array_u64("reg", &[map::PCIE_ECAM.base, map::PCIE_ECAM.len])?;
    let mut ranges = Vec::new();
    for (space, bus, span) in [
        (IO, 0, map::PCIE_IO),
        (MEMORY, map::PCIE_MEMORY.base, map::PCIE_MEMORY),
        (MEMORY_64, map::PCIE_HIGH_MEMORY.base, map::PCIE_HIGH_MEMORY),
    ] {
        ranges.push(space as u32);
        let cells = [bus, span.base, span.len];
        ranges.extend(cells.iter().flat_map(|n| [(n >> 32) as u32, *n as u32]));
    }
    fdt.property_array_u32("ranges", &ranges)?;
    fdt.property_u32("#interrupt-cells", 1)?;
    let mut interrupts = Vec::new();
    for slot in 0..4 {
        for pin in 0..4 {
            let line = map::spi::PCIE + (slot + pin) % 4;
            let device = slot << 11;
            let parent = [phandle::GIC, 0, 0, SPI, line, LEVEL_HIGH];
            interrupts.extend([device, 0, 0, pin + 1]);
            interrupts.extend(parent);
        }
    }
    fdt.property_array_u32("interrupt-map", &interrupts)?;
    fdt.property_array_u32("interrupt-map-mask", &[0x1800, 0, 0, 7])?;
    fdt.end_node(node)
}

fn virtio(fdt: &mut FdtWriter) -> Result<(), Error> {
    for n in 0..map::VIRTIO_MMIO_COUNT as u32 {
        let base = map::VIRTIO_MMIO.base + u64::from(n) * map::VIRTIO_MMIO.len;
        let node = fdt.begin_node(&format!("virtio_mmio@{base:x}"))?;
        fdt.property_string("compatible", "virtio,mmio")?;
        fdt.property_array_u64("reg", &[base, map::VIRTIO_MMIO.len])?;
        fdt.property_array_u32("interrupts", &[SPI, map::spi::VIRTIO_MMIO + n, EDGE_RISING])?;
        fdt.property_null("dma-coherent")?;
        fdt.end_node(node)?;
    }
    Ok(())
}
