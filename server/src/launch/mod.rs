//! From a command line to a machine: opens what it names and wires it up.

mod accelerator;
mod characters;
mod code_log;
mod devices;
mod disks;
mod memory;
mod networks;
mod scsi;
mod serial;
mod tracing;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ferrite_aarch64::log::Log;
use ferrite_machine::backend::{CharBackend, RandomSource};
use ferrite_machine::clock::HostClock;
use ferrite_machine::trace::Trace;
use ferrite_vm::machine::Policy;
use ferrite_vm::{BuildError, MachineConfig, Vm};

use self::characters::SerialEnd;
pub use self::characters::{CharFacts, Characters, MonitorEnd};
pub use self::devices::{Backends, Card, DiskUser};
pub use self::disks::{BlockFacts, Disks};
pub use self::scsi::Unit;
pub use self::serial::Port;

use crate::backend::random::RandomFile;
use crate::chardev::mux::Mux;
use crate::cli::device::{DeviceKind, DeviceSpec};
use crate::cli::fw_cfg::{Content, FwCfgSpec};
use crate::cli::{CommandLine, MonitorMode};
use crate::clock::SystemClock;
use crate::host::credentials;
use crate::qtest::{self, Qtest, SteppedClock};
use crate::tls::Registry;
use crate::wake::Waker;

/// Largest kernel, initrd, firmware or device tree file that is read.
const MAX_FILE: u64 = 4 << 30;

/// Why a machine could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A file that an option names cannot be read.
    #[error("-{option} {path}: {error}", path = path.display())]
    File {
        /// The option.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What the host says.
        error: std::io::Error,
    },
    /// A file that no machine could hold.
    #[error("-{option} {path}: the file is larger than 4 GiB", path = path.display())]
    FileTooLarge {
        /// The option.
        option: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Something that one option names and no other defines, or that is in use.
    #[error("{what} '{id}' {problem}")]
    Reference {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        id: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A connection of the host that cannot be made.
    #[error("{what}: {error}")]
    Host {
        /// What for.
        what: String,
        /// What the host says.
        error: std::io::Error,
    },
    /// A device with impossible properties.
    #[error("{device}: {problem}")]
    Device {
        /// The device.
        device: String,
        /// What is wrong.
        problem: String,
    },
    /// A code generator that this host cannot run.
    #[error("-accel tcg,backend={0}: {1}")]
    Accelerator(&'static str, String),
    /// Options that do not go together.
    #[error("{0}")]
    Conflict(String),
    /// The machine itself.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Any of these, and the option that asked for it.
    #[error("{given}: {problem}")]
    Given {
        /// The option as it was given.
        given: String,
        /// What is wrong with it.
        problem: Box<LaunchError>,
    },
}

impl LaunchError {
    /// Puts the option that asked for it before a problem. What names an option already stays.
    fn given(self, option: String) -> Self {
        match self {
            Self::File { .. } | Self::FileTooLarge { .. } | Self::Given { .. } => self,
            problem => Self::Given {
                given: option,
                problem: Box::new(problem),
            },
        }
    }

    /// A machine that cannot be built, and the option that asked for it.
    fn build(error: BuildError, line: &CommandLine) -> Self {
        match error.option() {
            Some(option) => Self::from(error).given(line.last_given(option)),
            None => error.into(),
        }
    }
}

/// What the process opens before there is a machine.
pub struct Ends {
    /// Character back ends.
    pub characters: Characters,
    /// Monitors to start.
    pub monitors: Vec<(MonitorEnd, MonitorMode)>,
    /// The terminal that serial port and monitor share.
    pub mux: Option<Mux>,
    /// The serial port's other end.
    pub serial: Option<Box<dyn CharBackend>>,
    /// A test tool.
    pub qtest: Option<Qtest>,
}

/// Opens what the process itself needs.
pub fn open(line: &CommandLine, waker: &Waker) -> Result<Ends, LaunchError> {
    check(line)?;
    let credentials = Registry::default();
    for (n, spec) in line.objects.iter().enumerate() {
        // Before the other objects: the first sockets need them.
        credentials::load(spec, &credentials).map_err(|error| {
            LaunchError::Conflict(error.to_string()).given(line.nth_given(&["object"], n))
        })?;
    }
    let mut characters = Characters::new(line, credentials, waker.clone());
    let SerialEnd { backend, mux } = characters.serial(line)?;
    let monitors = characters.monitors(line, mux.as_ref())?;
    let qtest = match characters.qtest(line)? {
        None => None,
        Some(stream) => Some(Qtest::new(stream, qtest_log(line)?)),
    };
    Ok(Ends {
        characters,
        monitors,
        mux,
        serial: backend,
        qtest,
    })
}

/// Where `-qtest-log` says.
fn qtest_log(line: &CommandLine) -> Result<qtest::Log, LaunchError> {
    let failed = |path: &Path, error| LaunchError::File {
        option: "qtest-log",
        path: path.to_owned(),
        error,
    };
    Ok(match &line.qtest_log {
        None => qtest::Log::Stderr,
        Some(path) if path.as_os_str() == "none" => qtest::Log::None,
        Some(path) => qtest::Log::File(fs::File::create(path).map_err(|e| failed(path, e))?),
    })
}

/// A machine that is ready to run.
pub struct Built {
    /// The machine, stopped.
    pub vm: Vm,
    /// Disks, for monitors to tell of.
    pub disks: Disks,
    /// What devices are made from, for those that come later.
    pub backends: Backends,
    /// Virtual time, where a test tool has it in its hands.
    pub clock: Option<SteppedClock>,
}

/// Opens what the machine needs and builds it, stopped.
pub fn machine(
    line: &CommandLine,
    serial: Option<Box<dyn CharBackend>>,
    characters: &mut Characters,
    waker: &Waker,
) -> Result<Built, LaunchError> {
    let trace = Trace::default();
    let mut disks = Disks::open(line, &trace, waker)?;
    let mut config = MachineConfig {
        cpu: line.machine.cpu.clone(),
        cpu_properties: line.machine.cpu_properties.clone(),
        cpus: line.machine.cpus,
        ram: memory::size(line)?,
        gic: line.machine.gic,
        its: line.machine.its,
        kernel: read(line.kernel.as_deref(), "kernel")?,
        initrd: read(line.initrd.as_deref(), "initrd")?,
        append: line.append.clone(),
        dtb: read(line.dtb.as_deref(), "dtb")?,
        firmware: firmware(line)?,
        fw_cfg: firmware_files(line)?,
        flash: disks.take_flash()?,
        serial,
        virtio: Vec::new(),
        pci: Vec::new(),
        vmcoreinfo: line
            .devices
            .iter()
            .any(|spec| spec.kind == DeviceKind::Vmcoreinfo),
        virtio_legacy: line.virtio_legacy.unwrap_or(true),
        uuid: line.machine.uuid.unwrap_or_default(),
        wall_offset: line.machine.wall_offset,
        seed: seed()?,
    };
    let (devices, backends) = devices::make(line, characters, &mut disks, waker)?;
    config.virtio = devices.mmio;
    config.pci = devices.pci;
    characters.open_rest(line)?;
    let stepped = line.machine.accel.qtest.then(SteppedClock::default);
    let clock: Box<dyn HostClock> = match &stepped {
        Some(clock) => Box::new(clock.clone()),
        None => Box::new(SystemClock::default()),
    };
    let mut vm = ferrite_vm::virt::build(config, clock).map_err(|e| LaunchError::build(e, line))?;
    if stepped.is_some() {
        vm.hold_cpus();
    }
    let log = if line.log.is_empty() {
        None
    } else {
        Some(log(line)?)
    };
    if line.machine.has_threads() {
        let mut engines = accelerator::make_each(line.machine.accel, line.machine.cpus)?;
        for engine in &mut engines {
            code_log::watch(engine, log.as_ref(), line)?;
        }
        vm.set_engines(engines)
            .map_err(|problem| LaunchError::Conflict(problem.to_string()))?;
    } else {
        let mut engine = accelerator::make(line.machine.accel)?;
        code_log::watch(&mut engine, log.as_ref(), line)?;
        vm.set_engine(engine);
    }
    vm.set_policy(Policy {
        no_reboot: line.no_reboot,
        no_shutdown: line.no_shutdown,
        panic: line.panic,
    });
    if let Some(log) = &log {
        vm.set_log(log);
    }
    tracing::start(line, &trace)?;
    vm.set_trace(trace);
    Ok(Built {
        vm,
        disks,
        backends,
        clock: stepped,
    })
}

/// The log that `-d` asks for, on the error output or where `-D` says.
fn log(line: &CommandLine) -> Result<Log, LaunchError> {
    let Some(path) = &line.log_file else {
        return Ok(Log::new(line.log, Arc::new(Mutex::new(std::io::stderr()))));
    };
    let failed = |error| LaunchError::File {
        option: "D",
        path: path.clone(),
        error,
    };
    let file = fs::File::create(path).map_err(failed)?;
    Ok(Log::new(line.log, Arc::new(Mutex::new(file))))
}

/// Options that make no sense without another.
fn check(line: &CommandLine) -> Result<(), LaunchError> {
    let conflict = |text: &str| Err(LaunchError::Conflict(text.to_owned()));
    let notes = |spec: &&DeviceSpec| spec.kind == DeviceKind::Vmcoreinfo;
    if line.devices.iter().filter(notes).count() > 1 {
        return conflict("at most one vmcoreinfo device is permitted");
    }
    if line.kernel.is_none() && line.append.is_some() {
        return conflict("-append only allowed with -kernel option");
    }
    if line.kernel.is_none() && line.initrd.is_some() {
        return conflict("-initrd only allowed with -kernel option");
    }
    if line.nographic && line.daemonize && !line.nodefaults {
        return conflict("-nographic cannot be used with -daemonize");
    }
    Ok(())
}

/// What `-fw_cfg` gives.
fn firmware_files(line: &CommandLine) -> Result<Vec<(String, Vec<u8>)>, LaunchError> {
    let file = |given: &FwCfgSpec| {
        let contents = match &given.content {
            Content::Text(text) => text.clone().into_bytes(),
            Content::File(path) => read(Some(path), "fw_cfg")?.unwrap_or_default(),
        };
        Ok((given.name.clone(), contents))
    };
    line.fw_cfg.iter().map(file).collect()
}

fn read(path: Option<&Path>, option: &'static str) -> Result<Option<Vec<u8>>, LaunchError> {
    let Some(path) = path else { return Ok(None) };
    let failed = |error| LaunchError::File {
        option,
        path: path.to_owned(),
        error,
    };
    if fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
        return Err(LaunchError::FileTooLarge {
            option,
            path: path.to_owned(),
        });
    }
    fs::read(path).map(Some).map_err(failed)
}

/// The `-bios` file; a name without a folder is also looked for where Debian installs firmware.
fn firmware(line: &CommandLine) -> Result<Option<Vec<u8>>, LaunchError> {
    let Some(path) = &line.bios else {
        return Ok(None);
    };
    let installed = Path::new("/usr/share/qemu-efi-aarch64").join(path);
    let found = if !path.exists() && path.components().count() == 1 && installed.exists() {
        &installed
    } else {
        path
    };
    read(Some(found), "bios")
}

fn seed() -> Result<[u8; 40], LaunchError> {
    let mut seed = [0; 40];
    let host = |error| LaunchError::Host {
        what: "random numbers".into(),
        error,
    };
    RandomFile::system()
        .and_then(|mut source| source.fill(&mut seed))
        .map_err(host)?;
    Ok(seed)
}
