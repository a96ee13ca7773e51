//! The machine as its monitors see it.

mod balloon;
mod bare;
mod bare_devices;
mod describe;
mod devices;
mod filters;
mod objects;

use std::fs::File;
use std::io;

use ferrite_aarch64::mmu::mapped::{Mapped, MappedRange};
use ferrite_cli::machine::Topology;
use ferrite_machine::trace::{Point, Trace};
use ferrite_monitor::{lifecycle, memory, models};
use ferrite_qmp::devices::DeviceControl;
use ferrite_qmp::dump::{CpuState, Mapping};
use ferrite_qmp::error::Error;
use ferrite_qmp::schema::{
    Accelerator, AcceleratorInfo, BalloonInfo, BlockDeviceInfo, BlockInfo, BlockStats, ChardevInfo,
    CpuDefinitionInfo, CpuInfoFast, CpuInstanceProperties, CpuModelExpansionInfo, CpuModelInfo,
    HostMemPolicy, HotpluggableCPU, MachineInfo, Memdev, RunState, SetActionArguments,
    ShutdownCause, SysEmuTarget,
};
use ferrite_qmp::{Event, Events, HostControl, MemoryFault, VmControl};
use ferrite_ram::GuestPhys;
use ferrite_vm::Vm;
use ferrite_vm::config::GICV3_MAX_CPUS;
use ferrite_vm::describe as text;

use crate::host::HostSide;
use crate::launch::{Backends, BlockFacts, Disks};

/// The name of the machine's memory.
const MAIN_MEMORY: &str = "mach-virt.ram";

/// A machine with what only its host knows.
pub struct Control<'a> {
    /// The machine.
    pub vm: &'a mut Vm,
    /// Facts about it and its connections.
    pub facts: &'a mut Facts,
    /// What belongs to the process.
    pub host: &'a mut HostSide,
    /// Where its events go.
    pub events: &'a Events,
}

pub use bare::{Bare, BareControl};

/// What monitors are told beside the machine's own state.
pub struct Facts {
    /// `-name`.
    pub name: Option<String>,
    /// `-uuid`.
    pub uuid: [u8; 16],
    /// Disks.
    pub disks: Disks,
    /// What devices are made from.
    pub backends: Backends,
    /// The object that the machine's memory is described by.
    pub memory_backend: Option<String>,
    /// How the processors are arranged, and how many there could be.
    pub topology: Topology,
    /// Numbers on the host of the threads that processors run on: one, or one for each.
    pub threads: Vec<i64>,
}

/// Tells monitors what has happened to the machine.
pub fn announce(vm: &mut Vm, facts: &mut Facts, events: &Events) {
    devices::announce(vm, facts, events);
    balloon::announce(vm, facts, events);
    filters::announce(&facts.backends, events);
    for event in vm.take_events() {
        let event = lifecycle::event(event);
        vm.board()
            .trace()
            .tell(Point::MonitorEvent, || event.definition().name.into());
        events.emit(&event);
    }
}

/// Where processor `n` sits.
fn place(topology: &Topology, n: usize) -> CpuInstanceProperties {
    let Topology {
        clusters,
        cores,
        threads,
        ..
    } = *topology;
    let id = |n: usize| i64::try_from(n).ok();
    CpuInstanceProperties {
        node_id: None,
        socket_id: id(n / (clusters * cores * threads)),
        die_id: None,
        cluster_id: id(n / (cores * threads) % clusters),
        core_id: id(n / threads % cores),
        thread_id: id(n % threads),
    }
}

/// The machine types.
fn machines() -> Vec<MachineInfo> {
    let virt = MachineInfo {
        name: "virt".into(),
        alias: None,
        is_default: Some(true),
        cpu_max: GICV3_MAX_CPUS as i64,
        hotpluggable_cpus: false,
        numa_mem_supported: false,
        deprecated: false,
        default_cpu_type: Some("max-arm-cpu".into()),
        default_ram_id: Some(MAIN_MEMORY.into()),
        acpi: false,
    };
    let none = MachineInfo {
        name: "none".into(),
        is_default: None,
        cpu_max: 1,
        default_cpu_type: None,
        default_ram_id: Some("ram".into()),
        ..virt.clone()
    };
    vec![virt, none]
}

/// How guest code can be run.
fn accelerators() -> AcceleratorInfo {
    AcceleratorInfo {
        enabled: Accelerator::Tcg,
        present: vec![Accelerator::Tcg],
    }
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
        machines()
    }

    fn accelerators(&self) -> AcceleratorInfo {
        accelerators()
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

    fn inject_nmi(&mut self, _cpu: usize) -> Result<(), Error> {
        // As on QEMU's virt: the machine has no such interrupt.
        Err(Error::generic("machine does not provide NMIs"))
    }

    fn cpus(&self) -> Vec<CpuInfoFast> {
        let threads = &self.facts.threads;
        let cpu = |n: usize| CpuInfoFast {
            cpu_index: n as i64,
            qom_path: format!("/machine/unattached/device[{n}]"),
            thread_id: threads.get(n).or(threads.first()).copied().unwrap_or(0),
            props: Some(place(&self.facts.topology, n)),
            target: SysEmuTarget::Aarch64,
        };
        (0..self.vm.cpus().len()).map(cpu).collect()
    }

    fn register_dump(&mut self, cpu: usize) -> String {
        self.vm
            .cpus()
            .get(cpu)
            .map(text::registers)
            .unwrap_or_default()
    }

    fn register(&mut self, cpu: usize, name: &str) -> Option<u64> {
        text::register(self.vm.cpus().get(cpu)?, name)
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
        self.vm
            .board()
            .dma()
            .read(GuestPhys(at), into)
            .map_err(|_| MemoryFault)
    }

    fn memory_map(&self, flat: bool) -> String {
        text::memory_map(self.vm.board().map().regions(), flat)
    }

    fn block_devices(&self) -> Vec<BlockInfo> {
        self.facts
            .disks
            .facts()
            .filter(|disk| disk.attached || !disk.is_node)
            .map(|disk| describe::block(disk, self.facts.backends.user_of(&disk.id)))
            .collect()
    }

    fn chardevs(&self) -> Vec<ChardevInfo> {
        self.host.chardevs()
    }

    fn network(&self) -> String {
        self.facts.backends.network_lines()
    }

    fn ringbuf_write(&mut self, id: &str, data: &[u8]) -> Result<(), Error> {
        self.host.ring(id)?.append(data);
        Ok(())
    }

    fn ringbuf_read(&mut self, id: &str, max: usize) -> Result<Vec<u8>, Error> {
        Ok(self.host.ring(id)?.take(max))
    }

    fn announce(&mut self) {
        announce(self.vm, self.facts, self.events);
    }

    fn host(&mut self) -> Option<&mut dyn HostControl> {
        Some(self.host)
    }

    fn devices(&mut self) -> Option<&mut dyn DeviceControl> {
        Some(self)
    }

    fn trace(&self) -> Option<&Trace> {
        Some(self.vm.board().trace())
    }

    fn emit(&mut self, event: &Event) {
        // What the machine has gathered happened before.
        announce(self.vm, self.facts, self.events);
        self.events.emit(event);
    }

    fn hotpluggable_cpus(&self) -> Result<Vec<HotpluggableCPU>, Error> {
        let (topology, present) = (&self.facts.topology, self.vm.cpus().len());
        if topology.max_cpus <= present {
            return Err(Error::generic("machine does not support hot-plugging CPUs"));
        }
        let model = self.vm.cpus().first().map_or("max", |cpu| cpu.model().name);
        let entry = |n: usize| HotpluggableCPU {
            r#type: format!("{model}-arm-cpu"),
            vcpus_count: 1,
            props: place(topology, n),
            qom_path: (n < present).then(|| format!("/machine/unattached/device[{n}]")),
        };
        Ok((0..topology.max_cpus).rev().map(entry).collect())
    }

    fn balloon(&self) -> Result<BalloonInfo, Error> {
        balloon::info(self)
    }

    fn set_balloon(&mut self, bytes: i64) -> Result<(), Error> {
        balloon::set_target(self, bytes)
    }

    fn device_tree(&self) -> Option<Vec<u8>> {
        Some(self.vm.device_tree().to_vec())
    }

    fn jit(&self) -> String {
        text::jit(self.vm)
    }

    fn device_tree_lines(&self) -> String {
        describe::device_tree(self.vm.board())
    }

    fn cpu_definitions(&self) -> Vec<CpuDefinitionInfo> {
        models::definitions()
    }

    fn expand_cpu_model(&self, model: CpuModelInfo) -> Result<CpuModelExpansionInfo, Error> {
        models::expand(model)
    }

    fn halted(&mut self, cpu: usize) -> bool {
        let cpu = self.vm.cpus().get(cpu);
        cpu.is_some_and(|cpu| cpu.halted().is_some())
    }

    fn cpu_state(&mut self, cpu: usize) -> Option<CpuState> {
        let (cpu, board) = self.vm.cpu_and_board(cpu)?;
        let mut register = |name| cpu.system_register(board, name).unwrap_or(0) as u32;
        let (fpcr, fpsr) = (register("FPCR"), register("FPSR"));
        Some(CpuState {
            x: std::array::from_fn(|n| cpu.x(n as u32)),
            sp: cpu.sp(),
            pc: cpu.pc(),
            pstate: cpu.pstate(),
            v: std::array::from_fn(|n| cpu.v(n as u32)),
            fpsr,
            fpcr,
        })
    }

    fn mappings(&mut self) -> Result<Vec<Mapping>, Error> {
        let mut mapped = Mapped::default();
        for n in 0..self.vm.cpus().len() {
            let Some((cpu, board)) = self.vm.cpu_and_board(n) else {
                break;
            };
            cpu.list_mappings(board, &mut mapped).map_err(|_| {
                Error::generic("dump: the guest's translation tables map too much to list")
            })?;
        }
        let mapping = |range: &MappedRange| Mapping {
            virt: range.virt,
            phys: range.phys,
            len: range.len,
        };
        Ok(mapped.ranges.iter().map(mapping).collect())
    }

    fn vmcoreinfo(&mut self) -> Option<Vec<u8>> {
        self.vm.board().vmcoreinfo()
    }

    fn page_size(&mut self) -> u64 {
        let Some((cpu, board)) = self.vm.cpu_and_board(0) else {
            return 4096;
        };
        // The granule of the kernel's half of the address space: TCR_EL1.TG1.
        match cpu.system_register(board, "TCR_EL1").unwrap_or(0) >> 30 & 3 {
            1 => 16 << 10,
            3 => 64 << 10,
            _ => 4096,
        }
    }

    fn ram_ranges(&self) -> Vec<(u64, u64)> {
        memory::ram_ranges(self.vm)
    }

    fn memdevs(&mut self) -> Vec<Memdev> {
        if self.facts.memory_backend.is_some() {
            return self.host.memdevs();
        }
        let mut all = vec![Memdev {
            id: Some(MAIN_MEMORY.into()),
            size: self.base_memory(),
            merge: true,
            dump: true,
            prealloc: false,
            share: false,
            reserve: Some(true),
            host_nodes: Vec::new(),
            policy: HostMemPolicy::Default,
        }];
        all.extend(self.host.memdevs());
        all
    }

    fn block_stats(&self, nodes: bool) -> Vec<BlockStats> {
        let shown = |disk: &&BlockFacts| nodes || disk.attached || !disk.is_node;
        let disks = self.facts.disks.facts().filter(shown);
        let user = |disk: &BlockFacts| self.facts.backends.user_of(&disk.id);
        disks
            .map(|disk| describe::stats(disk, user(disk), nodes))
            .collect()
    }

    fn block_nodes(&self) -> Vec<BlockDeviceInfo> {
        self.facts.disks.facts().map(describe::medium).collect()
    }

    fn create_file(&mut self, path: &str) -> io::Result<Box<dyn io::Write>> {
        Ok(Box::new(File::create(path)?))
    }
}
