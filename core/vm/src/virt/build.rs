//! From a configuration to a machine: devices, wiring, memory map, device tree.

use std::sync::Arc;

use ferrite_aarch64::cpu::{Cpu, CpuConfig};
use ferrite_aarch64::features::Features;
use ferrite_aarch64::model::Model;
use ferrite_devices::cfi_flash::CfiFlash;
use ferrite_devices::gic::Gic;
use ferrite_devices::gicv2::GicV2;
use ferrite_devices::gicv3::GicV3;
use ferrite_devices::pci::PciHost;
use ferrite_devices::pci::host::region;
use ferrite_devices::pl011::Pl011;
use ferrite_devices::pl031::Pl031;
use ferrite_devices::pl061::Pl061;
use ferrite_devices::virtio::{MmioVersion, VirtioMmio};
use ferrite_machine::backend::CharBackend;
use ferrite_machine::bus::MappedRegion;
use ferrite_machine::clock::HostClock;
use ferrite_machine::{AddressMap, Device, DeviceId, MapError, RegionKind, Wiring};
use ferrite_ram::{GuestPhys, GuestRam, RamOffset};

use super::BootSource;
use super::board::{Board, GIC, Parts, Slot, frame};
use super::memory_map::{self as map, Span};
use crate::clock::Clock;
use crate::config::{
    BuildError, GICV2_MAX_CPUS, GICV3_MAX_CPUS, GicVersion, MachineConfig, PciSlot, VirtioSlot,
};
use crate::machine::Vm;
use crate::psci::Psci;

const MIB: u64 = 1 << 20;
/// Affinity levels 0 to 2 of MPIDR_EL1, and level 3.
const AFFINITY_MASK: u64 = 0xff_00ff_ffff;
/// Bytes of a redistributor's two frames.
const REDISTRIBUTOR: u64 = 0x2_0000;

/// Collects devices and regions while the board is put together.
struct Assembly {
    map: AddressMap,
    slots: Vec<Slot>,
}

impl Assembly {
    fn region(&mut self, name: &str, span: Span, kind: RegionKind) -> Result<(), MapError> {
        let Span { base, len } = span;
        self.map.add(MappedRegion {
            name: name.to_owned(),
            base: GuestPhys(base),
            len,
            kind,
        })
    }

    fn device(&mut self, name: &str, device: Box<dyn Device>, spis: &[u32]) -> DeviceId {
        self.slots.push(Slot {
            name: name.to_owned(),
            device,
            wiring: Wiring::default(),
            driven: 0,
            spis: spis.to_vec(),
        });
        DeviceId(self.slots.len() - 1)
    }

    /// A device with one register region.
    fn mmio(
        &mut self,
        name: &str,
        span: Span,
        device: Box<dyn Device>,
        spis: &[u32],
    ) -> Result<DeviceId, MapError> {
        let id = self.device(name, device, spis);
        self.region(name, span, RegionKind::Device(id, 0))?;
        Ok(id)
    }
}

/// Builds the machine, stopped, in its state after power-on.
pub fn build(mut config: MachineConfig, host: Box<dyn HostClock>) -> Result<Vm, BuildError> {
    let model = check(&config)?;
    let given = config.cpu_properties.iter();
    let features = model.with_properties(given.map(|(name, on)| (name.as_str(), *on)))?;
    let ram = Arc::new(GuestRam::new(2 * map::FLASH.len + config.ram)?);
    let mut assembly = Assembly {
        map: AddressMap::default(),
        slots: Vec::new(),
    };
    assembly.region(
        "mach-virt.ram",
        Span {
            base: map::RAM_BASE,
            len: config.ram,
        },
        RegionKind::Ram(RamOffset(2 * map::FLASH.len)),
    )?;
    map_gic(&mut assembly, &config)?;
    let flash = flash(&mut assembly, &mut config, &ram)?;
    let fw_cfg = super::firmware::items(&config)?;
    assembly.mmio("fw_cfg", map::FW_CFG, Box::new(fw_cfg), &[])?;
    let serial = Pl011::new(
        config
            .serial
            .take()
            .unwrap_or_else(|| Box::new(Unconnected)),
    );
    assembly.mmio("pl011", map::UART, Box::new(serial), &[map::spi::UART])?;
    assembly.mmio("pl031", map::RTC, Box::new(Pl031::new()), &[map::spi::RTC])?;
    let power_key = assembly.mmio(
        "pl061",
        map::GPIO,
        Box::new(Pl061::new()),
        &[map::spi::GPIO],
    )?;
    let pci = pci(&mut assembly, std::mem::take(&mut config.pci))?;
    virtio(
        &mut assembly,
        std::mem::take(&mut config.virtio),
        config.virtio_legacy,
    )?;

    let cpus = cpus(&config, model, features);
    let affinity: Vec<u64> = cpus.iter().map(|cpu| cpu.mpidr() & AFFINITY_MASK).collect();
    let gic = match config.gic {
        GicVersion::V2 => Gic::V2(GicV2::new(config.cpus)),
        GicVersion::V3 => {
            let gic = GicV3::new(&affinity.iter().map(|a| *a as u32).collect::<Vec<_>>());
            Gic::V3(if config.its { gic.with_lpis() } else { gic })
        }
    };
    let board = Board::new(Parts {
        ram,
        map: assembly.map,
        slots: assembly.slots,
        gic,
        clock: Clock::new(host, config.wall_offset),
        psci: Psci::new(affinity.clone()),
        power_key,
        flash,
        pci,
    });
    let boot = boot_source(config, model, features, affinity)?;
    Ok(Vm::assemble(cpus, board, boot)?)
}

/// Checks the numbers and finds the CPU model.
fn check(config: &MachineConfig) -> Result<&'static Model, BuildError> {
    let max = match config.gic {
        GicVersion::V2 => GICV2_MAX_CPUS,
        GicVersion::V3 => GICV3_MAX_CPUS,
    };
    if config.cpus == 0 || config.cpus > max {
        return Err(BuildError::Cpus {
            asked: config.cpus,
            max,
        });
    }
    if config.ram < MIB || config.ram > map::RAM_LIMIT - map::RAM_BASE {
        return Err(BuildError::Ram { bytes: config.ram });
    }
    if let Some(firmware) = &config.firmware
        && firmware.len() as u64 > map::FLASH.len
    {
        return Err(BuildError::FirmwareSize {
            bytes: firmware.len(),
        });
    }
    Model::find(&config.cpu).ok_or_else(|| BuildError::Model(config.cpu.clone()))
}

fn boot_source(
    config: MachineConfig,
    model: &'static Model,
    features: Features,
    affinity: Vec<u64>,
) -> Result<BootSource, BuildError> {
    let direct = config.firmware.is_none() && config.flash[0].is_none();
    let kernel = match config.kernel {
        Some(file) if direct => Some(crate::boot::unpack(&file, config.ram)?.into_owned()),
        _ => None,
    };
    Ok(BootSource {
        ram: config.ram,
        gic: config.gic,
        its: config.its,
        cpu_compatible: compatible(model),
        pmu: features.contains(Features::PMU),
        affinity,
        seed: config.seed,
        kernel,
        initrd: config.initrd,
        append: config.append,
        dtb: config.dtb,
    })
}

/// The CPUs, in clusters as large as the GIC can address at once.
fn cpus(config: &MachineConfig, model: &'static Model, features: Features) -> Vec<Cpu> {
    let (cluster, gic_registers) = match config.gic {
        GicVersion::V2 => (8, false),
        GicVersion::V3 => (16, true),
    };
    let cpu = |n| {
        let config = CpuConfig::new(n, model, cluster, gic_registers);
        Cpu::new(CpuConfig { features, ..config })
    };
    (0..config.cpus).map(cpu).collect()
}

/// The device tree's name for a model; `max` is no core that a kernel could know.
fn compatible(model: &Model) -> String {
    match model.name {
        "max" => "arm,armv8".to_owned(),
        name => format!("arm,{name}"),
    }
}

/// Maps the GIC's frames.
fn map_gic(assembly: &mut Assembly, config: &MachineConfig) -> Result<(), MapError> {
    let place = |number| RegionKind::Device(GIC, number);
    match config.gic {
        GicVersion::V2 => {
            assembly.region("gic_dist", map::GIC_DIST, place(frame::DISTRIBUTOR))?;
            assembly.region("gic_cpu", map::GIC_CPU, place(frame::CPU_INTERFACE))?;
            assembly.region("gicv2m", map::GIC_V2M, place(frame::MESSAGES))
        }
        GicVersion::V3 => {
            assembly.region("gicv3_dist", map::GIC_DIST, place(frame::DISTRIBUTOR))?;
            if config.its {
                assembly.region("gits", map::GIC_ITS, place(frame::ITS))?;
            }
            let len = (config.cpus as u64 * REDISTRIBUTOR).min(map::GIC_REDIST.len);
            let span = Span {
                len,
                ..map::GIC_REDIST
            };
            assembly.region("gicv3_redist_region[0]", span, place(frame::REDISTRIBUTORS))
        }
    }
}

/// Makes the two flash banks; firmware goes into the first.
fn flash(
    assembly: &mut Assembly,
    config: &mut MachineConfig,
    ram: &Arc<GuestRam>,
) -> Result<Vec<DeviceId>, BuildError> {
    let mut ids = Vec::new();
    for (bank, image) in std::mem::take(&mut config.flash).into_iter().enumerate() {
        let array = RamOffset(bank as u64 * map::FLASH.len);
        let contents = match (&image, &config.firmware) {
            (Some(image), _) if image.contents.len() as u64 != map::FLASH.len => {
                return Err(BuildError::FlashSize {
                    bytes: image.contents.len() as u64,
                });
            }
            (Some(image), _) => &image.contents,
            (None, Some(firmware)) if bank == 0 => firmware,
            (None, _) => &Vec::new(),
        };
        ram.write_bytes(array, contents)
            .ok_or(BuildError::FirmwareSize {
                bytes: contents.len(),
            })?;
        let read_only = image
            .as_ref()
            .map_or(bank == 0, |image| image.disk.read_only());
        let disk = image.map(|image| image.disk);
        let flash = CfiFlash::new(ram.clone(), array, map::FLASH.len, disk, read_only);
        let id = assembly.device(&format!("virt.flash{bank}"), Box::new(flash), &[]);
        let base = map::FLASH.base + bank as u64 * map::FLASH.len;
        assembly.region(
            &format!("virt.flash{bank}"),
            Span {
                base,
                len: map::FLASH.len,
            },
            RegionKind::Rom(array, Some((id, 0))),
        )?;
        ids.push(id);
    }
    Ok(ids)
}

/// Makes the PCI Express host with its devices.
fn pci(assembly: &mut Assembly, devices: Vec<PciSlot>) -> Result<DeviceId, BuildError> {
    let mut host = PciHost::new(map::PCIE_MEMORY.base, map::PCIE_HIGH_MEMORY.base);
    for PciSlot { request, device } in devices {
        host.plug(request, device)?;
    }
    let lines = [0, 1, 2, 3].map(|line| map::spi::PCIE + line);
    let id = assembly.device("gpex-pcihost", Box::new(host), &lines);
    for (name, span, number) in [
        ("gpex_mmio_window", map::PCIE_MEMORY, region::MEMORY),
        ("gpex_ioport_window", map::PCIE_IO, region::IO),
        ("pcie-mmcfg-mmio", map::PCIE_ECAM, region::ECAM),
        ("pcie-mmio-high", map::PCIE_HIGH_MEMORY, region::HIGH_MEMORY),
    ] {
        assembly.region(name, span, RegionKind::Device(id, number))?;
    }
    Ok(id)
}

/// Puts each virtio device on its transport; the others stay empty.
fn virtio(
    assembly: &mut Assembly,
    devices: Vec<VirtioSlot>,
    legacy: bool,
) -> Result<(), BuildError> {
    let mut transports: [Option<_>; map::VIRTIO_MMIO_COUNT] = std::array::from_fn(|_| None);
    let (placed, floating): (Vec<_>, Vec<_>) = devices.into_iter().partition(|d| d.bus.is_some());
    for VirtioSlot { device, bus } in placed.into_iter().chain(floating) {
        let free = match bus {
            Some(n) => transports.get_mut(n).filter(|t| t.is_none()),
            None => transports.iter_mut().rev().find(|t| t.is_none()),
        };
        *free.ok_or(BuildError::VirtioBus(bus))? = Some(device);
    }
    for (n, device) in transports.into_iter().enumerate() {
        let base = map::VIRTIO_MMIO.base + n as u64 * map::VIRTIO_MMIO.len;
        let span = Span {
            base,
            len: map::VIRTIO_MMIO.len,
        };
        let version = if legacy {
            MmioVersion::Legacy
        } else {
            MmioVersion::Modern
        };
        let transport = VirtioMmio::new(version, device);
        assembly.mmio(
            "virtio-mmio",
            span,
            Box::new(transport),
            &[map::spi::VIRTIO_MMIO + n as u32],
        )?;
    }
    Ok(())
}

/// A serial port with nothing plugged in.
struct Unconnected;

impl CharBackend for Unconnected {
    fn write(&mut self, data: &[u8]) -> usize {
        data.len()
    }

    fn read(&mut self, _buf: &mut [u8]) -> usize {
        0
    }
}
