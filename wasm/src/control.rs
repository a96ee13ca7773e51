//! The machine in a tab as its monitors see it.

use std::io;

use ferrite_machine::trace::Trace;
use ferrite_monitor::objects::{self, cpu_path};
use ferrite_monitor::{lifecycle, memory, models};
use ferrite_qmp::devices::DeviceControl;
use ferrite_qmp::error::Error;
use ferrite_qmp::qom::{Object, Type};
use ferrite_qmp::schema::{
    Accelerator, AcceleratorInfo, BlockDeviceInfo, BlockInfo, BlockdevCacheInfo,
    BlockdevDetectZeroesOptions, ChardevInfo, CpuDefinitionInfo, CpuInfoFast,
    CpuInstanceProperties, CpuModelExpansionInfo, CpuModelInfo, ImageInfo, MachineInfo, Netdev,
    PciInfo, RunState, SetActionArguments, ShutdownCause, SysEmuTarget,
};
use ferrite_qmp::{Events, MemoryFault, VmControl};
use ferrite_ram::GuestPhys;
use ferrite_vm::config::GICV3_MAX_CPUS;
use ferrite_vm::{Vm, describe};
use serde_json::{Map, Value};

/// A machine with what only its host knows.
pub struct Control<'a> {
    /// The machine.
    pub vm: &'a mut Vm,
    /// Facts about it and its connections.
    pub facts: &'a Facts,
    /// Where its events go.
    pub events: &'a Events,
}

/// What monitors are told beside the machine's own state.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// `-name`.
    pub name: Option<String>,
    /// `-uuid`.
    pub uuid: [u8; 16],
    /// Disks that devices use.
    pub disks: Vec<DiskFacts>,
}

/// A disk.
#[derive(Clone, Debug)]
pub struct DiskFacts {
    /// The drive's id.
    pub id: String,
    /// The name on the command line.
    pub file: String,
    /// Whether writes fail.
    pub read_only: bool,
    /// Bytes.
    pub size: u64,
}

/// Tells monitors what has happened to the machine.
pub fn announce(vm: &mut Vm, events: &Events) {
    for event in vm.take_events() {
        events.emit(&lifecycle::event(event));
    }
}

fn no_ring(id: &str) -> Error {
    Error::generic(format!("Device '{id}' not found"))
}

impl VmControl for Control<'_> {
    fn name(&self) -> Option<String> {
        self.facts.name.clone()
    }

    fn uuid(&self) -> [u8; 16] {
        self.facts.uuid
    }

    fn target(&self) -> SysEmuTarget {
        SysEmuTarget::Aarch64
    }

    fn machines(&self) -> Vec<MachineInfo> {
        vec![MachineInfo {
            name: "virt".into(),
            alias: None,
            is_default: Some(true),
            cpu_max: GICV3_MAX_CPUS as i64,
            hotpluggable_cpus: false,
            numa_mem_supported: false,
            deprecated: false,
            default_cpu_type: Some("max-arm-cpu".into()),
            default_ram_id: Some("mach-virt.ram".into()),
            acpi: false,
        }]
    }

    fn accelerators(&self) -> AcceleratorInfo {
        AcceleratorInfo {
            enabled: Accelerator::Tcg,
            present: vec![Accelerator::Tcg],
        }
    }

    fn run_state(&self) -> RunState {
        lifecycle::run_state(self.vm.state())
    }

    fn cont(&mut self) -> Result<(), Error> {
        self.vm.cont().map_err(|e| Error::generic(e.to_string()))
    }

    fn stop(&mut self) -> Result<(), Error> {
        self.vm.stop();
        Ok(())
    }

    fn reset(&mut self, why: ShutdownCause) -> Result<(), Error> {
        self.vm
            .reset(lifecycle::cause(why))
            .map_err(|e| Error::generic(e.to_string()))
    }

    fn powerdown(&mut self) -> Result<(), Error> {
        self.vm.powerdown();
        Ok(())
    }

    fn wakeup(&mut self) -> Result<(), Error> {
        self.vm.wakeup().map_err(|e| Error::generic(e.to_string()))
    }

    fn quit(&mut self, why: ShutdownCause) {
        self.vm.quit(lifecycle::cause(why));
    }

    fn set_action(&mut self, actions: SetActionArguments) -> Result<(), Error> {
        lifecycle::set_action(self.vm, &actions);
        Ok(())
    }

    fn ram_ranges(&self) -> Vec<(u64, u64)> {
        memory::ram_ranges(self.vm)
    }

    fn cpu_definitions(&self) -> Vec<CpuDefinitionInfo> {
        models::definitions()
    }

    fn expand_cpu_model(&self, model: CpuModelInfo) -> Result<CpuModelExpansionInfo, Error> {
        models::expand(model)
    }

    fn inject_nmi(&mut self, _cpu: usize) -> Result<(), Error> {
        // As on QEMU's virt: the machine has no such interrupt.
        Err(Error::generic("machine does not provide NMIs"))
    }

    fn cpus(&self) -> Vec<CpuInfoFast> {
        let cpu = |n: usize| CpuInfoFast {
            cpu_index: n as i64,
            qom_path: cpu_path(n),
            // A worker has no number of its own.
            thread_id: 0,
            props: Some(CpuInstanceProperties {
                node_id: None,
                socket_id: Some(0),
                die_id: None,
                cluster_id: Some(0),
                core_id: Some(n as i64),
                thread_id: Some(0),
            }),
            target: SysEmuTarget::Aarch64,
        };
        (0..self.vm.cpus().len()).map(cpu).collect()
    }

    fn register_dump(&mut self, cpu: usize) -> String {
        let cpu = self.vm.cpus().get(cpu);
        cpu.map(describe::registers).unwrap_or_default()
    }

    fn register(&mut self, cpu: usize, name: &str) -> Option<u64> {
        describe::register(self.vm.cpus().get(cpu)?, name)
    }

    fn disassemble(&self, _cpu: usize, _pc: u64, _code: &[u8]) -> Option<(String, usize)> {
        None
    }

    fn read_virtual(&mut self, cpu: usize, at: u64, into: &mut [u8]) -> Result<(), MemoryFault> {
        let (cpu, board) = self.vm.cpu_and_board(cpu).ok_or(MemoryFault)?;
        if cpu.debug_read(board, at, into) == into.len() {
            Ok(())
        } else {
            Err(MemoryFault)
        }
    }

    fn translate(&mut self, cpu: usize, at: u64) -> Option<u64> {
        let (cpu, board) = self.vm.cpu_and_board(cpu)?;
        Some(cpu.translate_for_debug(board, at)?.0)
    }

    fn read_physical(&mut self, at: u64, into: &mut [u8]) -> Result<(), MemoryFault> {
        let dma = self.vm.board().dma();
        dma.read(GuestPhys(at), into).map_err(|_| MemoryFault)
    }

    fn memory_map(&self, flat: bool) -> String {
        describe::memory_map(self.vm.board().map().regions(), flat)
    }

    fn jit(&self) -> String {
        describe::jit(self.vm)
    }

    fn block_devices(&self) -> Vec<BlockInfo> {
        self.facts.disks.iter().map(block).collect()
    }

    fn chardevs(&self) -> Vec<ChardevInfo> {
        vec![ChardevInfo {
            label: "serial0".into(),
            filename: "page".into(),
            frontend_open: true,
        }]
    }

    fn network(&self) -> String {
        String::new()
    }

    fn ringbuf_write(&mut self, id: &str, _data: &[u8]) -> Result<(), Error> {
        Err(no_ring(id))
    }

    fn ringbuf_read(&mut self, id: &str, _max: usize) -> Result<Vec<u8>, Error> {
        Err(no_ring(id))
    }

    fn announce(&mut self) {
        announce(self.vm, self.events);
    }

    fn devices(&mut self) -> Option<&mut dyn DeviceControl> {
        Some(self)
    }

    fn trace(&self) -> Option<&Trace> {
        Some(self.vm.board().trace())
    }

    fn create_file(&mut self, _path: &str) -> io::Result<Box<dyn io::Write>> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "there are no files here",
        ))
    }
}

/// The devices can be looked at; they stay as the command line made them.
impl DeviceControl for Control<'_> {
    fn device_add(&mut self, driver: &str, _properties: Map<String, Value>) -> Result<(), Error> {
        Err(Error::generic(format!(
            "Device '{driver}' cannot be added here"
        )))
    }

    fn device_del(&mut self, id: &str) -> Result<(), Error> {
        Err(Error::generic(format!("Device '{id}' cannot be removed")))
    }

    fn netdev_add(&mut self, _netdev: Netdev) -> Result<(), Error> {
        Err(Error::generic("networks cannot be added here"))
    }

    fn netdev_del(&mut self, id: &str) -> Result<(), Error> {
        Err(Error::generic(format!("network '{id}' cannot be removed")))
    }

    fn set_link(&mut self, name: &str, _up: bool) -> Result<(), Error> {
        Err(Error::generic(format!("the cable of '{name}' stays in")))
    }

    fn pci(&self) -> Vec<PciInfo> {
        let pci = self.vm.board().pci();
        let functions = pci.map(|pci| pci.functions()).unwrap_or_default();
        vec![PciInfo {
            bus: 0,
            devices: ferrite_monitor::pci::bus(&functions, "pcie.0"),
        }]
    }

    fn objects(&self) -> Object {
        let machine = objects::machine(self.vm, &|_, object| object, Vec::new());
        let serial = Object::new("serial0", "chardev");
        Object::new("", "container")
            .holding(machine)
            .holding(Object::new("chardevs", "container").holding(serial))
            .holding(Object::new("objects", "container"))
    }

    fn types(&self) -> Vec<Type> {
        ferrite_monitor::types::list()
    }
}

/// A disk, as `query-block` tells of it.
fn block(disk: &DiskFacts) -> BlockInfo {
    let image = ImageInfo {
        filename: disk.file.clone(),
        format: "raw".into(),
        virtual_size: disk.size as i64,
        actual_size: None,
        encrypted: None,
        compressed: None,
        backing_image: None,
        cluster_size: None,
        backing_filename: None,
        full_backing_filename: None,
        backing_filename_format: None,
        dirty_flag: Some(false),
    };
    let inserted = BlockDeviceInfo {
        file: disk.file.clone(),
        node_name: Some(format!("#block-{}", disk.id)),
        active: true,
        ro: disk.read_only,
        drv: "raw".into(),
        backing_file: None,
        backing_file_depth: 0,
        encrypted: false,
        detect_zeroes: BlockdevDetectZeroesOptions::Off,
        bps: 0,
        bps_rd: 0,
        bps_wr: 0,
        iops: 0,
        iops_rd: 0,
        iops_wr: 0,
        image,
        cache: BlockdevCacheInfo {
            writeback: true,
            direct: false,
            no_flush: false,
        },
        write_threshold: 0,
    };
    BlockInfo {
        device: disk.id.clone(),
        qdev: None,
        r#type: "unknown".into(),
        removable: false,
        locked: false,
        inserted: Some(inserted),
        tray_open: None,
        io_status: None,
    }
}
