//! Monitors without a machine: `-machine none`, and `-preconfig` before the machine is made.

use std::io;

use ferrite_machine::trace::Trace;
use ferrite_qmp::devices::DeviceControl;
use ferrite_qmp::error::Error;
use ferrite_qmp::schema::{
    AcceleratorInfo, BlockInfo, ChardevInfo, CpuDefinitionInfo, CpuInfoFast, CpuModelExpansionInfo,
    CpuModelInfo, MachineInfo, Memdev, RunState, SetActionArguments, ShutdownCause, SysEmuTarget,
};
use ferrite_qmp::{Event, Events, HostControl, MemoryFault, VmControl};

use crate::host::HostSide;
use ferrite_monitor::models;

/// What there is instead of a machine.
pub struct Bare {
    /// `-name`.
    pub name: Option<String>,
    /// `-uuid`.
    pub uuid: [u8; 16],
    /// Whether a machine is to follow.
    pub preconfig: bool,
    /// Whether it is told to be running.
    pub running: bool,
    /// Whether the process is to end.
    pub ended: bool,
    /// Whether the machine is to be made.
    pub leave: bool,
    /// Trace points.
    pub trace: Trace,
}

/// The same with what belongs to the process.
pub struct BareControl<'a> {
    /// What there is instead of a machine.
    pub bare: &'a mut Bare,
    /// What belongs to the process.
    pub host: &'a mut HostSide,
    /// Where events go.
    pub events: &'a Events,
}

impl VmControl for BareControl<'_> {
    fn name(&self) -> Option<String> {
        self.bare.name.clone()
    }

    fn uuid(&self) -> [u8; 16] {
        self.bare.uuid
    }

    fn target(&self) -> SysEmuTarget {
        SysEmuTarget::Aarch64
    }

    fn machines(&self) -> Vec<MachineInfo> {
        super::machines()
    }

    fn accelerators(&self) -> AcceleratorInfo {
        super::accelerators()
    }

    fn run_state(&self) -> RunState {
        match self.bare.running {
            true => RunState::Running,
            false => RunState::Prelaunch,
        }
    }

    fn cont(&mut self) -> Result<(), Error> {
        if !std::mem::replace(&mut self.bare.running, true) {
            self.events.emit(&Event::Resume);
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.bare.running, false) {
            self.events.emit(&Event::Stop);
        }
        Ok(())
    }

    fn reset(&mut self, reason: ShutdownCause) -> Result<(), Error> {
        self.events.emit(&Event::Reset {
            guest: false,
            reason,
        });
        Ok(())
    }

    fn powerdown(&mut self) -> Result<(), Error> {
        self.events.emit(&Event::Powerdown);
        Ok(())
    }

    fn wakeup(&mut self) -> Result<(), Error> {
        Err(Error::generic(
            "wake-up from suspend is not supported by this guest",
        ))
    }

    fn quit(&mut self, reason: ShutdownCause) {
        if !std::mem::replace(&mut self.bare.ended, true) {
            self.events.emit(&Event::Shutdown {
                guest: false,
                reason,
            });
        }
    }

    fn set_action(&mut self, _actions: SetActionArguments) -> Result<(), Error> {
        // There is no guest to do any of it.
        Ok(())
    }

    fn inject_nmi(&mut self, _cpu: usize) -> Result<(), Error> {
        Err(Error::generic("machine does not provide NMIs"))
    }

    fn cpus(&self) -> Vec<CpuInfoFast> {
        Vec::new()
    }

    fn register_dump(&mut self, _cpu: usize) -> String {
        String::new()
    }

    fn register(&mut self, _cpu: usize, _name: &str) -> Option<u64> {
        None
    }

    fn disassemble(&self, _cpu: usize, _pc: u64, _code: &[u8]) -> Option<(String, usize)> {
        None
    }

    fn read_virtual(&mut self, _cpu: usize, _at: u64, _: &mut [u8]) -> Result<(), MemoryFault> {
        Err(MemoryFault)
    }

    fn read_physical(&mut self, _at: u64, _into: &mut [u8]) -> Result<(), MemoryFault> {
        Err(MemoryFault)
    }

    fn memory_map(&self, _flat: bool) -> String {
        String::new()
    }

    fn block_devices(&self) -> Vec<BlockInfo> {
        Vec::new()
    }

    fn chardevs(&self) -> Vec<ChardevInfo> {
        self.host.chardevs()
    }

    fn network(&self) -> String {
        String::new()
    }

    fn ringbuf_write(&mut self, id: &str, data: &[u8]) -> Result<(), Error> {
        self.host.ring(id)?.append(data);
        Ok(())
    }

    fn ringbuf_read(&mut self, id: &str, max: usize) -> Result<Vec<u8>, Error> {
        Ok(self.host.ring(id)?.take(max))
    }

    fn host(&mut self) -> Option<&mut dyn HostControl> {
        Some(self.host)
    }

    fn devices(&mut self) -> Option<&mut dyn DeviceControl> {
        Some(self)
    }

    fn trace(&self) -> Option<&Trace> {
        Some(&self.bare.trace)
    }

    fn emit(&mut self, event: &Event) {
        self.events.emit(event);
    }

    fn preconfig(&self) -> bool {
        self.bare.preconfig
    }

    fn exit_preconfig(&mut self) -> Result<(), Error> {
        if !self.bare.preconfig {
            return Err(Error::generic(
                "The command is permitted only before machine initialization",
            ));
        }
        self.bare.preconfig = false;
        self.bare.leave = true;
        Ok(())
    }

    fn cpu_definitions(&self) -> Vec<CpuDefinitionInfo> {
        models::definitions()
    }

    fn expand_cpu_model(&self, model: CpuModelInfo) -> Result<CpuModelExpansionInfo, Error> {
        models::expand(model)
    }

    fn memdevs(&mut self) -> Vec<Memdev> {
        self.host.memdevs()
    }

    fn create_file(&mut self, path: &str) -> io::Result<Box<dyn io::Write>> {
        Ok(Box::new(std::fs::File::create(path)?))
    }
}
