//! What a machine is made from.

use ferrite_machine::backend::{BlockBackend, CharBackend};

/// Version of the generic interrupt controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GicVersion {
    /// GICv2 with a GICv2m frame: up to 8 CPUs.
    V2,
    /// GICv3 with the system-register interface.
    V3,
}

/// Most CPUs that a GICv2 serves.
pub const GICV2_MAX_CPUS: usize = 8;
/// Most CPUs that the redistributor window of the board serves.
pub const GICV3_MAX_CPUS: usize = 123;

/// A `virt` machine, before it is built. Files are already read: the core knows no file system.
pub struct MachineConfig {
    /// CPU model, by its QEMU name.
    pub cpu: String,
    /// Its properties, and whether they are on.
    pub cpu_properties: Vec<(String, bool)>,
    /// Number of CPUs.
    pub cpus: usize,
    /// Bytes of RAM.
    pub ram: u64,
    /// Interrupt controller.
    pub gic: GicVersion,
    /// Whether a GICv3 has an interrupt translation service.
    pub its: bool,
    /// What `-kernel` gives: an Image, raw, gzip'd or as EFI zboot; ELF; or a program of bare words.
    pub kernel: Option<Vec<u8>>,
    /// Image given by `-initrd`.
    pub initrd: Option<Vec<u8>>,
    /// Kernel command line.
    pub append: Option<String>,
    /// A device tree to use instead of the generated one.
    pub dtb: Option<Vec<u8>>,
    /// Firmware for the first flash bank.
    pub firmware: Option<Vec<u8>>,
    /// Further files of fw_cfg: their names and contents.
    pub fw_cfg: Vec<(String, Vec<u8>)>,
    /// Images behind the flash banks, in their order.
    pub flash: [Option<FlashImage>; 2],
    /// The serial port's other end.
    pub serial: Option<Box<dyn CharBackend>>,
    /// virtio-mmio devices, from the *last* transport downwards as QEMU assigns them.
    pub virtio: Vec<VirtioSlot>,
    /// PCI devices, in the order in which they are plugged in.
    pub pci: Vec<PciSlot>,
    /// Whether transports without an explicit choice speak the legacy protocol.
    pub virtio_legacy: bool,
    /// Whether the guest may tell where its kernel's notes for crash dumps are.
    pub vmcoreinfo: bool,
    /// What to add to the host's wall clock for the guest's, in nanoseconds.
    pub wall_offset: i64,
    /// The machine's UUID, big-endian as in its text form.
    pub uuid: [u8; 16],
    /// Random bytes for the guest's kaslr-seed and rng-seed.
    pub seed: [u8; 40],
}

/// A flash bank's image.
pub struct FlashImage {
    /// What it holds now: 64 MiB.
    pub contents: Vec<u8>,
    /// Where changes go.
    pub disk: Box<dyn BlockBackend>,
}

/// A PCI device and its place.
pub struct PciSlot {
    /// Where it goes.
    pub request: ferrite_devices::pci::Request,
    /// The device.
    pub device: Box<dyn ferrite_devices::pci::PciDevice>,
}

/// A virtio device and the transport that it sits on.
pub struct VirtioSlot {
    /// The device.
    pub device: Box<dyn ferrite_devices::virtio::VirtioDevice>,
    /// `virtio-mmio-bus.N`, or `None` for the next free one.
    pub bus: Option<usize>,
}

/// A machine could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Too many or no CPUs.
    #[error(
        "Invalid SMP CPUs {asked}. The min CPUs supported by machine 'virt' is 1 and the max with this GIC is {max}"
    )]
    Cpus {
        /// What was asked for.
        asked: usize,
        /// What is possible.
        max: usize,
    },
    /// An unknown CPU model.
    #[error("unable to find CPU model '{0}': use cortex-a53, cortex-a57, cortex-a72 or max")]
    Model(String),
    /// A property of the CPU that cannot be so.
    #[error(transparent)]
    CpuProperty(#[from] ferrite_aarch64::model::PropertyError),
    /// RAM of no size, or more than the map holds.
    #[error("cannot give the machine {bytes} bytes of RAM: the board takes from 1 MiB to 255 GiB")]
    Ram {
        /// What was asked for.
        bytes: u64,
    },
    /// The host's memory does not suffice.
    #[error(transparent)]
    Alloc(#[from] ferrite_ram::AllocError),
    /// Two things at one address.
    #[error(transparent)]
    Map(#[from] ferrite_machine::MapError),
    /// A kernel, initrd, firmware or device tree that cannot be loaded.
    #[error(transparent)]
    Boot(#[from] crate::boot::BootError),
    /// The device tree could not be written.
    #[error("cannot write the device tree: {0}")]
    Fdt(#[from] vm_fdt::Error),
    /// A virtio transport that does not exist or is taken.
    #[error("{}", virtio_bus(*.0))]
    VirtioBus(Option<usize>),
    /// A PCI device that does not fit its place.
    #[error(transparent)]
    Pci(#[from] ferrite_devices::pci::PlugError),
    /// A file that is too large for firmware to be offered.
    #[error(transparent)]
    FwCfg(#[from] ferrite_devices::fw_cfg::AddError),
    /// Firmware larger than its flash bank.
    #[error("the firmware image has {bytes} bytes: a flash bank holds 64 MiB")]
    FirmwareSize {
        /// The image's size.
        bytes: usize,
    },
    /// A flash image of the wrong size.
    #[error("device requires 67108864 bytes, block backend provides {bytes} bytes")]
    FlashSize {
        /// The image's size.
        bytes: u64,
    },
}

impl BuildError {
    /// The command-line option that asked for what cannot be, if one alone did.
    #[must_use]
    pub fn option(&self) -> Option<&'static str> {
        use crate::boot::BootError;
        Some(match self {
            Self::Cpus { .. } => "smp",
            Self::Model(_) | Self::CpuProperty(_) => "cpu",
            Self::Ram { .. } | Self::Alloc(_) => "m",
            Self::FirmwareSize { .. } => "bios",
            Self::Boot(error) => match error {
                BootError::BadKernel(_) | BootError::KernelTooLarge { .. } => "kernel",
                BootError::InitrdTooLarge { .. } => "initrd",
                BootError::BadDeviceTree(_) => "dtb",
                BootError::NeedsKernel(_) => return None,
            },
            Self::FlashSize { .. } => "drive",
            Self::Map(_) | Self::Fdt(_) | Self::VirtioBus(_) | Self::Pci(_) | Self::FwCfg(_) => {
                return None;
            }
        })
    }
}

fn virtio_bus(asked: Option<usize>) -> String {
    match asked {
        Some(bus) => format!("virtio-mmio-bus.{bus} is already in use, or not on the board"),
        None => "no free virtio-mmio bus for the device: the board has 32".to_owned(),
    }
}
