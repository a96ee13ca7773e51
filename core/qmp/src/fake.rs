//! A machine without a guest: run states, a little memory and a ring buffer, for tests.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ferrite_machine::clock::HostClock;
use ferrite_machine::trace::Trace;

use crate::control::{HostControl, MemoryFault, VmControl};
use crate::dump::{DumpState, Mapping};
use crate::error::Error;
use crate::events::Events;
use crate::jobs::Jobs;
use crate::schema::{
    Accelerator, AcceleratorInfo, BlockInfo, ChardevInfo, CpuInfoFast, Event, MachineInfo,
    RunState, ShutdownCause, SysEmuTarget,
};

/// Where the fake machine's memory begins.
pub const RAM_BASE: u64 = 0x4000_0000;

/// A clock that stands until a test sets it.
#[derive(Debug, Default)]
pub struct FakeClock(
    /// Nanoseconds, both monotonic and since 1970.
    pub AtomicU64,
);

impl HostClock for FakeClock {
    fn monotonic_ns(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn wall_ns(&self) -> u64 {
        self.monotonic_ns()
    }
}

/// Files by name, as the fake host keeps them.
pub type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

struct File {
    name: String,
    files: Files,
}

impl io::Write for File {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files
            .entry(self.name.clone())
            .or_default()
            .extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The machine: two processors, memory at [`RAM_BASE`], a ring buffer `rb`, a null device `null`.
pub struct FakeVm {
    /// Its event bus.
    pub events: Events,
    /// Its state; `prelaunch` at first.
    pub state: RunState,
    /// Why it is to end, once it is.
    pub quit: Option<ShutdownCause>,
    /// Its memory.
    pub ram: Vec<u8>,
    /// The ring buffer's bytes.
    pub ring: VecDeque<u8>,
    /// What its tables map; `None` for more than can be listed.
    pub mappings: Option<Vec<Mapping>>,
    /// What its kernel leaves for dumps.
    pub vmcoreinfo: Option<Vec<u8>>,
    /// What was written to files.
    pub files: Files,
    /// Its trace points.
    pub trace: Trace,
    /// Its host's side.
    pub host: FakeHost,
}

/// A host that remembers dumps and jobs only.
#[derive(Default)]
pub struct FakeHost {
    dump: DumpState,
    jobs: Jobs,
}

impl HostControl for FakeHost {
    fn dump(&mut self) -> &mut DumpState {
        &mut self.dump
    }

    fn jobs(&mut self) -> &mut Jobs {
        &mut self.jobs
    }
}

impl FakeVm {
    /// A machine that sends its events there.
    #[must_use]
    pub fn new(events: Events) -> Self {
        Self {
            events,
            state: RunState::Prelaunch,
            quit: None,
            ram: (0..8192u32).map(|i| (i * 7 + (i >> 8)) as u8).collect(),
            ring: VecDeque::new(),
            mappings: Some(Vec::new()),
            vmcoreinfo: None,
            files: Files::default(),
            trace: Trace::default(),
            host: FakeHost::default(),
        }
    }

    fn ring_of(&self, id: &str) -> Result<(), Error> {
        match id {
            "rb" => Ok(()),
            "null" => Err(Error::generic("null is not a ringbuf device")),
            _ => Err(Error::generic(format!("Device '{id}' not found"))),
        }
    }
}

impl VmControl for FakeVm {
    fn name(&self) -> Option<String> {
        Some("fake".into())
    }

    fn uuid(&self) -> [u8; 16] {
        [
            0x55, 0x0e, 0x84, 0x00, 0xe2, 0x9b, 0x41, 0xd4, 0xa7, 0x16, 0x44, 0x66, 0x55, 0x44, 0,
            0,
        ]
    }

    fn target(&self) -> SysEmuTarget {
        SysEmuTarget::Aarch64
    }

    fn machines(&self) -> Vec<MachineInfo> {
        vec![MachineInfo {
            name: "fake".into(),
            alias: None,
            is_default: Some(true),
            cpu_max: 2,
            hotpluggable_cpus: false,
            numa_mem_supported: false,
            deprecated: false,
            default_cpu_type: None,
            default_ram_id: Some("fake.ram".into()),
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
        self.state
    }

    fn cont(&mut self) -> Result<(), Error> {
        if self.state != RunState::Running {
            self.state = RunState::Running;
            self.events.emit(&Event::Resume);
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Error> {
        if self.state == RunState::Running {
            self.state = RunState::Paused;
            self.events.emit(&Event::Stop);
        }
        Ok(())
    }

    fn reset(&mut self, cause: ShutdownCause) -> Result<(), Error> {
        self.events.emit(&Event::Reset {
            guest: false,
            reason: cause,
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

    fn quit(&mut self, cause: ShutdownCause) {
        self.quit = Some(cause);
        self.events.emit(&Event::Shutdown {
            guest: false,
            reason: cause,
        });
    }

    fn inject_nmi(&mut self, _cpu: usize) -> Result<(), Error> {
        Err(Error::unsupported())
    }

    fn cpus(&self) -> Vec<CpuInfoFast> {
        let cpu = |cpu_index| CpuInfoFast {
            cpu_index,
            qom_path: format!("/machine/unattached/device[{cpu_index}]"),
            thread_id: 100 + cpu_index,
            props: None,
            target: SysEmuTarget::Aarch64,
        };
        vec![cpu(0), cpu(1)]
    }

    fn register_dump(&mut self, cpu: usize) -> String {
        format!(" PC={cpu:016x}\n")
    }

    fn register(&mut self, cpu: usize, name: &str) -> Option<u64> {
        (name == "pc").then_some(RAM_BASE + 16 * cpu as u64)
    }

    fn disassemble(&self, _cpu: usize, _pc: u64, code: &[u8]) -> Option<(String, usize)> {
        let word = code.first_chunk()?;
        Some((format!(".word {:#010x}", u32::from_le_bytes(*word)), 4))
    }

    fn read_virtual(&mut self, cpu: usize, at: u64, into: &mut [u8]) -> Result<(), MemoryFault> {
        // Processor 1 sees memory at address 0.
        self.read_physical(at.wrapping_add(RAM_BASE * cpu as u64), into)
    }

    fn translate(&mut self, cpu: usize, at: u64) -> Option<u64> {
        let at = at.wrapping_add(RAM_BASE * cpu as u64);
        let within = at.checked_sub(RAM_BASE)?;
        (within < self.ram.len() as u64).then_some(at)
    }

    fn read_physical(&mut self, at: u64, into: &mut [u8]) -> Result<(), MemoryFault> {
        let start = at.checked_sub(RAM_BASE).ok_or(MemoryFault)?;
        let start = usize::try_from(start).map_err(|_| MemoryFault)?;
        let end = start.checked_add(into.len()).ok_or(MemoryFault)?;
        into.copy_from_slice(self.ram.get(start..end).ok_or(MemoryFault)?);
        Ok(())
    }

    fn memory_map(&self, flat: bool) -> String {
        format!("memory map, flat: {flat}\n")
    }

    fn block_devices(&self) -> Vec<BlockInfo> {
        Vec::new()
    }

    fn chardevs(&self) -> Vec<ChardevInfo> {
        let device = |label: &str, filename: &str| ChardevInfo {
            label: label.into(),
            filename: filename.into(),
            frontend_open: false,
        };
        vec![device("rb", "ringbuf"), device("null", "null")]
    }

    fn network(&self) -> String {
        String::new()
    }

    fn ringbuf_write(&mut self, id: &str, data: &[u8]) -> Result<(), Error> {
        self.ring_of(id)?;
        self.ring.extend(data);
        Ok(())
    }

    fn ringbuf_read(&mut self, id: &str, max: usize) -> Result<Vec<u8>, Error> {
        self.ring_of(id)?;
        Ok(self.ring.drain(..max.min(self.ring.len())).collect())
    }

    fn host(&mut self) -> Option<&mut dyn HostControl> {
        Some(&mut self.host)
    }

    fn trace(&self) -> Option<&Trace> {
        Some(&self.trace)
    }

    fn emit(&mut self, event: &Event) {
        self.events.emit(event);
    }

    fn mappings(&mut self) -> Result<Vec<Mapping>, Error> {
        let mappings = self.mappings.clone();
        mappings.ok_or_else(|| Error::generic("too many mappings"))
    }

    fn vmcoreinfo(&mut self) -> Option<Vec<u8>> {
        self.vmcoreinfo.clone()
    }

    fn ram_ranges(&self) -> Vec<(u64, u64)> {
        vec![(RAM_BASE, self.ram.len() as u64)]
    }

    fn create_file(&mut self, path: &str) -> io::Result<Box<dyn io::Write>> {
        if path.starts_with("/nonexistent/") {
            return Err(io::Error::from_raw_os_error(2));
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(path.into(), Vec::new());
        Ok(Box::new(File {
            name: path.into(),
            files: Arc::clone(&self.files),
        }))
    }
}
