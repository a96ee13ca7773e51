//! The machine: what it is, its processors and memory.

use std::io;

use super::Context;
use crate::control::VmControl;
use crate::error::Error;
use crate::hmp;
use crate::schema::{
    AcceleratorInfo, BalloonArguments, BalloonInfo, CpuArguments, CpuDefinitionInfo, CpuInfo,
    CpuInfoFast, CpuModelExpansionInfo, CpuModelExpansionType, CurrentMachineParams,
    DumpdtbArguments, GICCapability, HotpluggableCPU, HumanMonitorCommandArguments,
    HumanReadableText, KvmInfo, MachineCommands, MachineInfo, Memdev, MemoryDeviceInfo, MemoryInfo,
    MemsaveArguments, NameInfo, PmemsaveArguments, QueryCpuModelExpansionArguments, TargetInfo,
    UuidInfo,
};

/// Whose addresses a command speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemorySpace {
    /// A processor's virtual ones.
    Virtual(usize),
    /// Guest-physical ones.
    Physical,
}

/// Memory is saved in pieces of at most this many bytes, none across a multiple of it, so that a
/// piece is readable as a whole or not at all.
const PIECE: u64 = 4096;

/// More than guest memory that may be saved at once: where there is none, there is a limit to the
/// zeros that the machine waits for.
const GAPS: u64 = 4 << 30;

/// Writes `size` bytes of memory from `start` on to a file. Physical addresses without memory give
/// zeros.
pub(crate) fn save_memory(
    vm: &mut dyn VmControl,
    space: MemorySpace,
    start: i64,
    size: i64,
    path: &str,
) -> Result<(), Error> {
    let Ok(mut left) = u64::try_from(size) else {
        return Err(Error::generic("Parameter 'size' expects a positive number"));
    };
    if left > vm.base_memory().saturating_add(GAPS) {
        return Err(Error::generic(
            "Parameter 'size' expects no more than the machine's memory and the gaps in it",
        ));
    }
    let mut file = vm
        .create_file(path)
        .map_err(|error| Error::generic(format!("Could not open '{path}': {}", reason(&error))))?;
    let mut at = start.cast_unsigned();
    let mut piece = [0; PIECE as usize];
    while left > 0 {
        let len = left.min(PIECE - at % PIECE);
        // A piece fits the buffer, so its length fits any size type.
        let bytes = &mut piece[..len as usize];
        let read = match space {
            MemorySpace::Virtual(cpu) => vm.read_virtual(cpu, at, bytes),
            MemorySpace::Physical => vm.read_physical(at, bytes),
        };
        if read.is_err() {
            if space != MemorySpace::Physical {
                return Err(Error::generic(format!(
                    "Invalid addr {start:#018x}/size {size} specified"
                )));
            }
            bytes.fill(0);
        }
        file.write_all(bytes)
            .map_err(|_| Error::generic("An IO error has occurred"))?;
        at = at.wrapping_add(len);
        left -= len;
    }
    file.flush()
        .map_err(|_| Error::generic("An IO error has occurred"))
}

/// The operating system's words for an error, without its number.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// A UUID as text.
pub(crate) fn uuid_text(uuid: [u8; 16]) -> String {
    let digits: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
    let (a, b, c, d, e) = (
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    );
    format!("{a}-{b}-{c}-{d}-{e}")
}

impl Context<'_> {
    /// The processor of this number, or the monitor's own.
    fn cpu_or_default(&self, index: Option<i64>) -> Result<usize, Error> {
        let Some(index) = index else {
            return Ok(self.monitor.cpu);
        };
        usize::try_from(index)
            .ok()
            .filter(|&cpu| cpu < self.vm.cpus().len())
            .ok_or_else(|| Error::no_such_cpu("cpu-index"))
    }
}

impl MachineCommands for Context<'_> {
    fn query_target(&mut self) -> Result<TargetInfo, Error> {
        Ok(TargetInfo {
            arch: self.vm.target(),
        })
    }

    fn query_name(&mut self) -> Result<NameInfo, Error> {
        Ok(NameInfo {
            name: self.vm.name(),
        })
    }

    fn query_uuid(&mut self) -> Result<UuidInfo, Error> {
        Ok(UuidInfo {
            uuid: uuid_text(self.vm.uuid()),
        })
    }

    fn query_machines(&mut self) -> Result<Vec<MachineInfo>, Error> {
        Ok(self.vm.machines())
    }

    fn query_cpus_fast(&mut self) -> Result<Vec<CpuInfoFast>, Error> {
        Ok(self.vm.cpus())
    }

    fn cpu(&mut self, arguments: CpuArguments) -> Result<(), Error> {
        self.monitor.cpu = usize::try_from(arguments.index)
            .ok()
            .filter(|&cpu| cpu < self.vm.cpus().len())
            .ok_or_else(|| Error::no_such_cpu("index"))?;
        Ok(())
    }

    fn memsave(&mut self, arguments: MemsaveArguments) -> Result<(), Error> {
        let cpu = self.cpu_or_default(arguments.cpu_index)?;
        let MemsaveArguments {
            val,
            size,
            filename,
            ..
        } = arguments;
        save_memory(self.vm, MemorySpace::Virtual(cpu), val, size, &filename)
    }

    fn pmemsave(&mut self, arguments: PmemsaveArguments) -> Result<(), Error> {
        let PmemsaveArguments {
            val,
            size,
            filename,
        } = arguments;
        save_memory(self.vm, MemorySpace::Physical, val, size, &filename)
    }

    fn inject_nmi(&mut self) -> Result<(), Error> {
        self.vm.inject_nmi(self.monitor.cpu)
    }

    fn query_kvm(&mut self) -> Result<KvmInfo, Error> {
        Ok(KvmInfo {
            enabled: false,
            present: false,
        })
    }

    fn query_accelerators(&mut self) -> Result<AcceleratorInfo, Error> {
        Ok(self.vm.accelerators())
    }

    fn query_cpus(&mut self) -> Result<Vec<CpuInfo>, Error> {
        let cpus = self.vm.cpus();
        let info = cpus.into_iter().enumerate().map(|(n, cpu)| CpuInfo {
            cpu: cpu.cpu_index,
            current: n == self.monitor.cpu,
            halted: self.vm.halted(n),
            qom_path: cpu.qom_path,
            thread_id: cpu.thread_id,
            props: cpu.props,
            // Old clients know the architectures of their time; Arm was "other" to them.
            arch: "other".into(),
            pc: self.vm.register(n, "pc"),
        });
        Ok(info.collect())
    }

    fn query_hotpluggable_cpus(&mut self) -> Result<Vec<HotpluggableCPU>, Error> {
        self.vm.hotpluggable_cpus()
    }

    fn query_cpu_definitions(&mut self) -> Result<Vec<CpuDefinitionInfo>, Error> {
        Ok(self.vm.cpu_definitions())
    }

    fn query_cpu_model_expansion(
        &mut self,
        arguments: QueryCpuModelExpansionArguments,
    ) -> Result<CpuModelExpansionInfo, Error> {
        if arguments.r#type != CpuModelExpansionType::Full {
            return Err(Error::generic(
                "The requested expansion type is not supported",
            ));
        }
        self.vm.expand_cpu_model(arguments.model)
    }

    fn query_current_machine(&mut self) -> Result<CurrentMachineParams, Error> {
        Ok(CurrentMachineParams {
            wakeup_suspend_support: false,
        })
    }

    fn query_memory_size_summary(&mut self) -> Result<MemoryInfo, Error> {
        Ok(MemoryInfo {
            base_memory: self.vm.base_memory(),
            plugged_memory: Some(0),
        })
    }

    fn query_memdev(&mut self) -> Result<Vec<Memdev>, Error> {
        Ok(self.vm.memdevs())
    }

    fn query_memory_devices(&mut self) -> Result<Vec<MemoryDeviceInfo>, Error> {
        Ok(Vec::new())
    }

    fn balloon(&mut self, arguments: BalloonArguments) -> Result<(), Error> {
        self.vm.set_balloon(arguments.value)
    }

    fn query_balloon(&mut self) -> Result<BalloonInfo, Error> {
        self.vm.balloon()
    }

    fn dumpdtb(&mut self, arguments: DumpdtbArguments) -> Result<(), Error> {
        let tree = self
            .vm
            .device_tree()
            .ok_or_else(|| Error::generic("This machine doesn't have an FDT"))?;
        let failed = |error: io::Error| {
            Error::generic(format!(
                "Error saving FDT to file {}: {}",
                arguments.filename,
                reason(&error)
            ))
        };
        let mut file = self.vm.create_file(&arguments.filename).map_err(failed)?;
        file.write_all(&tree)
            .and_then(|()| file.flush())
            .map_err(failed)
    }

    fn x_query_jit(&mut self) -> Result<HumanReadableText, Error> {
        Ok(HumanReadableText {
            human_readable_text: self.vm.jit(),
        })
    }

    fn x_query_roms(&mut self) -> Result<HumanReadableText, Error> {
        Ok(HumanReadableText {
            human_readable_text: self.vm.roms(),
        })
    }

    fn query_gic_capabilities(&mut self) -> Result<Vec<GICCapability>, Error> {
        let emulated = |version| GICCapability {
            version,
            emulated: true,
            kernel: false,
        };
        Ok(vec![emulated(3), emulated(2)])
    }

    fn human_monitor_command(
        &mut self,
        arguments: HumanMonitorCommandArguments,
    ) -> Result<String, Error> {
        let own = self.monitor.cpu;
        let cpu = self.cpu_or_default(arguments.cpu_index)?;
        self.monitor.cpu = cpu;
        let text = hmp::run(&arguments.command_line, self.vm, self.monitor);
        if arguments.cpu_index.is_some() {
            self.monitor.cpu = own;
        }
        Ok(text)
    }
}
