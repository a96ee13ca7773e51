//! The machine as its monitors see it.

mod describe;

use std::fs::File;
use std::io;

use ferrite_qmp::error::Error;
use ferrite_qmp::schema::{
    Accelerator, AcceleratorInfo, BlockInfo, ChardevInfo, CpuInfoFast, CpuInstanceProperties,
    MachineInfo, RebootAction, RunState, SetActionArguments, ShutdownAction, ShutdownCause,
    SysEmuTarget,
};
use ferrite_qmp::{Event, Events, MemoryFault, VmControl};
use ferrite_ram::GuestPhys;
use ferrite_vm::Vm;
use ferrite_vm::config::GICV3_MAX_CPUS;
use ferrite_vm::describe as text;
use ferrite_vm::machine::{self, Cause, VmEvent};

use crate::launch::{Characters, Disks};

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
pub struct Facts {
    /// `-name`.
    pub name: Option<String>,
    /// `-uuid`.
    pub uuid: [u8; 16],
    /// Character back ends.
    pub characters: Characters,
    /// Disks.
    pub disks: Disks,
    /// Network ports, in the lines of `info network`.
    pub network: String,
}

/// A cause in the schema's terms.
#[must_use]
pub fn shutdown_cause(cause: Cause) -> ShutdownCause {
    match cause {
        Cause::HostQmpQuit => ShutdownCause::HostQmpQuit,
        Cause::HostQmpSystemReset => ShutdownCause::HostQmpSystemReset,
        Cause::HostSignal => ShutdownCause::HostSignal,
        Cause::HostUi => ShutdownCause::HostUi,
        Cause::GuestShutdown => ShutdownCause::GuestShutdown,
        Cause::GuestReset => ShutdownCause::GuestReset,
    }
}

/// Tells monitors what has happened to the machine.
pub fn announce(vm: &mut Vm, events: &Events) {
    for event in vm.take_events() {
        events.emit(&match event {
            VmEvent::Shutdown(cause) => Event::Shutdown {
                guest: cause.is_guest(),
                reason: shutdown_cause(cause),
            },
            VmEvent::Powerdown => Event::Powerdown,
            VmEvent::Reset(cause) => Event::Reset {
                guest: cause.is_guest(),
                reason: shutdown_cause(cause),
            },
            VmEvent::Stop => Event::Stop,
            VmEvent::Resume => Event::Resume,
        });
    }
}

fn cause(cause: ShutdownCause) -> Cause {
    match cause {
        ShutdownCause::HostQmpSystemReset => Cause::HostQmpSystemReset,
        ShutdownCause::HostSignal => Cause::HostSignal,
        ShutdownCause::HostUi => Cause::HostUi,
        _ => Cause::HostQmpQuit,
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
        match self.vm.state() {
            machine::RunState::Prelaunch => RunState::Prelaunch,
            machine::RunState::Running => RunState::Running,
            machine::RunState::Paused => RunState::Paused,
            machine::RunState::Shutdown => RunState::Shutdown,
        }
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
            .reset(cause(why))
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
        self.vm.quit(cause(why));
    }

    fn set_action(&mut self, actions: SetActionArguments) -> Result<(), Error> {
        // Nothing here runs a watchdog or reports a crash yet: those choices change nothing.
        let mut policy = self.vm.policy();
        if let Some(reboot) = actions.reboot {
            policy.no_reboot = reboot == RebootAction::Shutdown;
        }
        if let Some(shutdown) = actions.shutdown {
            policy.no_shutdown = shutdown == ShutdownAction::Pause;
        }
        self.vm.set_policy(policy);
        Ok(())
    }

    fn inject_nmi(&mut self, _cpu: usize) -> Result<(), Error> {
        // As on QEMU's virt: the machine has no such interrupt.
        Err(Error::generic("machine does not provide NMIs"))
    }

    fn cpus(&self) -> Vec<CpuInfoFast> {
        let thread_id = i64::from(std::process::id());
        let cpu = |n: usize| CpuInfoFast {
            cpu_index: n as i64,
            qom_path: format!("/machine/unattached/device[{n}]"),
            thread_id,
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
            .map(describe::block)
            .collect()
    }

    fn chardevs(&self) -> Vec<ChardevInfo> {
        let info = |facts: &crate::launch::CharFacts| ChardevInfo {
            label: facts.label.clone(),
            filename: facts.filename.clone(),
            frontend_open: facts.frontend_open,
        };
        self.facts.characters.facts().iter().map(info).collect()
    }

    fn network(&self) -> String {
        self.facts.network.clone()
    }

    fn ringbuf_write(&mut self, id: &str, data: &[u8]) -> Result<(), Error> {
        self.ring(id)?.append(data);
        Ok(())
    }

    fn ringbuf_read(&mut self, id: &str, max: usize) -> Result<Vec<u8>, Error> {
        Ok(self.ring(id)?.take(max))
    }

    fn announce(&mut self) {
        announce(self.vm, self.events);
    }

    fn create_file(&mut self, path: &str) -> io::Result<Box<dyn io::Write>> {
        Ok(Box::new(File::create(path)?))
    }
}

impl Control<'_> {
    fn ring(&self, id: &str) -> Result<&crate::chardev::ringbuf::RingBuf, Error> {
        let characters = &self.facts.characters;
        characters.ring(id).ok_or_else(|| {
            match characters.facts().iter().any(|facts| facts.label == id) {
                true => Error::generic(format!("{id} is not a ringbuf device")),
                false => Error::generic(format!("Device '{id}' not found")),
            }
        })
    }
}
