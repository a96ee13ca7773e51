//! From a command line and the files that it names to a machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ferrite_block::{BlockNode, NodeOptions};
use ferrite_cli::block::{DriveSpec, Interface};
use ferrite_cli::chardev::{CharTarget, ChardevKind};
use ferrite_cli::device::{DeviceKind, DeviceSpec, NicModel, PciPlace, Place};
use ferrite_cli::fw_cfg::{Content, FwCfgSpec};
use ferrite_cli::machine::CodeBackend;
use ferrite_cli::net::{NetdevSpec, NicKind};
use ferrite_cli::words;
use ferrite_cli::{CliError, CommandLine, Invocation};
use ferrite_devices::e1000::E1000;
use ferrite_devices::pci::ports::{ConventionalBridge, RootPort};
use ferrite_devices::pci::pvpanic::Pvpanic;
use ferrite_devices::pci::testdev::TestDevice;
use ferrite_devices::pci::{Address, PciDevice, Request};
use ferrite_devices::virtio::blk::{BlkOptions, VirtioBlk};
use ferrite_devices::virtio::net::VirtioNet;
use ferrite_devices::virtio::p9::memory_folder::Folder;
use ferrite_devices::virtio::p9::{InlineServer, Server, ServerOptions, VirtioP9};
use ferrite_devices::virtio::rng::VirtioRng;
use ferrite_devices::virtio::{VirtioDevice, VirtioPci};
use ferrite_ir::Accelerator;
use ferrite_machine::backend::{BlockBackend, CharBackend, NetBackend};
use ferrite_machine::trace::Trace;
use ferrite_net::{Options, UserNet};
use ferrite_vm::machine::Policy;
use ferrite_vm::{BuildError, MachineConfig, PciSlot, VirtioSlot, Vm};

use crate::control::{DiskFacts, Facts};
use crate::cpus::Crew;
use crate::disk::PageDisk;
use crate::net::cable::Cable;
use crate::net::relay::Relay;
use crate::net::timed::{TimedNet, Timer};
use crate::net::{Fetches, PageNet};
use crate::stream::{Nowhere, PageStream};
use crate::tab::{Host, Tab};

/// First MAC address given to cards without one, as QEMU counts them.
const FIRST_MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

/// Why there is no machine.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The line cannot be cut into words.
    #[error(transparent)]
    Words(#[from] words::OpenQuote),
    /// The line cannot be understood.
    #[error(transparent)]
    Cli(#[from] CliError),
    /// It asks for a text (`-help`), not for a machine.
    #[error("{0}")]
    Text(String),
    /// It asks for what only a process of its own can have.
    #[error("{0} is not available in a browser tab or a sandbox")]
    NotHere(String),
    /// A file that the page has not provided.
    #[error("-{option} {path}: no such file was provided", path = path.display())]
    Missing {
        /// The option that names it.
        option: &'static str,
        /// Its name.
        path: PathBuf,
    },
    /// Something that one option names and no other defines, or that is in use.
    #[error("{what} '{id}' is not defined, or is already in use")]
    Reference {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        id: String,
    },
    /// A device or disk with impossible properties.
    #[error("{0}")]
    Device(String),
    /// The machine itself.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Random numbers or the network cannot be had.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// A file that a command line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The option, such as `kernel` or `drive`.
    pub option: &'static str,
    /// The name, as written.
    pub path: PathBuf,
    /// Whether it is a disk, which need not be whole in memory.
    pub disk: bool,
    /// Whether the guest may not write to it.
    pub read_only: bool,
}

/// A machine before it is built: the command line, and what the page has for it.
pub struct Setup {
    line: Box<CommandLine>,
    files: BTreeMap<PathBuf, Vec<u8>>,
    disks: BTreeMap<PathBuf, PageDisk>,
}

impl Setup {
    /// Reads a command line; its first word may be the program's name.
    pub fn parse(line: &str, wall_ns: u64) -> Result<Self, SetupError> {
        let mut words = words::split(line)?;
        if words.first().is_some_and(|word| is_program(word)) {
            words.remove(0);
        }
        match ferrite_cli::parse(words, wall_ns)? {
            Invocation::Run(line) => {
                check(&line)?;
                Ok(Self {
                    line,
                    files: BTreeMap::new(),
                    disks: BTreeMap::new(),
                })
            }
            Invocation::Print(text) => Err(SetupError::Text(text)),
        }
    }

    /// The files that the command line names.
    #[must_use]
    pub fn needs(&self) -> Vec<Need> {
        let file = |option, path: &Option<PathBuf>| {
            path.clone().map(|path| Need {
                option,
                path,
                disk: false,
                read_only: true,
            })
        };
        let line = &self.line;
        let files = [
            file("kernel", &line.kernel),
            file("initrd", &line.initrd),
            file("dtb", &line.dtb),
            file("bios", &line.bios),
        ];
        let named = line.fw_cfg.iter().filter_map(|given| match &given.content {
            Content::File(path) => file("fw_cfg", &Some(path.clone())),
            Content::Text(_) => None,
        });
        let disks = line.drives.iter().map(|drive| Need {
            option: "drive",
            path: drive.file.clone(),
            disk: true,
            read_only: drive.read_only,
        });
        let files = files.into_iter().flatten();
        files.chain(named).chain(disks).collect()
    }

    /// Provides a file whole.
    pub fn file(&mut self, path: &Path, contents: Vec<u8>) {
        self.files.insert(path.to_owned(), contents);
    }

    /// Provides a disk whose requests the page answers.
    pub fn disk(&mut self, path: &Path, size: u64, read_only: bool) -> PageDisk {
        let disk = PageDisk::new(size, read_only);
        self.disks.insert(path.to_owned(), disk.clone());
        disk
    }

    /// Builds the machine and, unless the line has `-S`, starts it.
    pub fn build(mut self, host: Host) -> Result<Tab, SetupError> {
        let terminal = PageStream::default();
        let mut seed = [0; 40];
        (host.random)().fill(&mut seed)?;
        let line = &self.line;
        let mut config = MachineConfig {
            cpu: line.machine.cpu.clone(),
            cpu_properties: line.machine.cpu_properties.clone(),
            cpus: line.machine.cpus,
            ram: line.machine.ram,
            gic: line.machine.gic,
            its: line.machine.its,
            append: line.append.clone(),
            virtio_legacy: line.virtio_legacy.unwrap_or(true),
            vmcoreinfo: false,
            uuid: line.machine.uuid.unwrap_or_default(),
            wall_offset: line.machine.wall_offset,
            serial: serial(line, &terminal),
            kernel: None,
            initrd: None,
            dtb: None,
            firmware: None,
            fw_cfg: Vec::new(),
            flash: [None, None],
            virtio: Vec::new(),
            pci: Vec::new(),
            seed,
        };
        let mut facts = Facts {
            name: line.name.clone(),
            uuid: config.uuid,
            disks: Vec::new(),
        };
        let mut page = Page::default();
        (config.virtio, config.pci) = self.devices(&host, &mut page, &mut facts)?;
        config.kernel = self.take("kernel", |line| line.kernel.clone())?;
        config.initrd = self.take("initrd", |line| line.initrd.clone())?;
        config.dtb = self.take("dtb", |line| line.dtb.clone())?;
        config.firmware = self.take("bios", |line| line.bios.clone())?;
        config.fw_cfg = self.firmware_files()?;
        let mut vm: Vm = ferrite_vm::virt::build(config, (host.clock)())?;
        vm.set_trace(page.trace.clone());
        let crew = self.crew(&mut vm, &host)?;
        vm.set_policy(Policy {
            no_reboot: self.line.no_reboot,
            no_shutdown: self.line.no_shutdown,
            panic: self.line.panic,
        });
        let mut tab = Tab::new(vm, crew, facts, terminal, page, host);
        if !self.line.stopped {
            tab.start();
        }
        Ok(tab)
    }

    /// Gives the machine what runs its guest's code: each CPU its own and a thread, or all of them one.
    fn crew(&self, vm: &mut Vm, host: &Host) -> Result<Option<Crew>, SetupError> {
        let accel = &self.line.machine.accel;
        let cpus = vm.cpus().len();
        let wanted = match accel.threads {
            Some(true) if !host.threads => {
                return Err(SetupError::NotHere("-accel tcg,thread=multi".to_owned()));
            }
            Some(wanted) => wanted,
            None => host.threads && cpus > 1,
        };
        let crew = wanted.then(|| Crew::new(cpus, (host.clock)())).flatten();
        let engines = (0..crew.as_ref().map_or(1, Crew::cpus))
            .map(|_| engine(accel.backend, host))
            .collect::<Result<Vec<_>, _>>()?;
        if crew.is_none() {
            engines.into_iter().for_each(|engine| vm.set_engine(engine));
        } else {
            vm.set_engines(engines)
                .map_err(|e| SetupError::Device(e.to_string()))?;
        }
        Ok(crew)
    }

    /// What `-fw_cfg` gives.
    fn firmware_files(&mut self) -> Result<Vec<(String, Vec<u8>)>, SetupError> {
        let given = self.line.fw_cfg.clone();
        given
            .into_iter()
            .map(|FwCfgSpec { name, content }| match content {
                Content::Text(text) => Ok((name, text.into_bytes())),
                Content::File(path) => {
                    let contents = self.take("fw_cfg", |_| Some(path.clone()))?;
                    Ok((name, contents.unwrap_or_default()))
                }
            })
            .collect()
    }

    fn take(
        &mut self,
        option: &'static str,
        path: impl Fn(&CommandLine) -> Option<PathBuf>,
    ) -> Result<Option<Vec<u8>>, SetupError> {
        let Some(path) = path(&self.line) else {
            return Ok(None);
        };
        let contents = self.files.remove(&path);
        contents
            .map(Some)
            .ok_or(SetupError::Missing { option, path })
    }

    /// Every device, in QEMU's order: cards of short options come first, disks of short options last.
    fn devices(
        &mut self,
        host: &Host,
        page: &mut Page,
        facts: &mut Facts,
    ) -> Result<(Vec<VirtioSlot>, Vec<PciSlot>), SetupError> {
        let mut wiring = Wiring {
            disks: &mut self.disks,
            host,
            page,
            facts,
            cards: 0,
            mmio: Vec::new(),
            pci: Vec::new(),
        };
        let line = &self.line;
        for nic in &line.nics {
            let network = wiring.network(&nic.netdev)?;
            let (model, place) = match nic.model {
                NicKind::Mmio => (NicModel::Virtio, Place::Mmio(None)),
                NicKind::Pci(model) => (model, Place::Pci(PciPlace::default())),
            };
            wiring.card(None, &place, model, network, nic.mac)?;
        }
        for spec in &line.devices {
            wiring.device(line, spec)?;
        }
        let short = |drive: &&DriveSpec| drive.interface == Interface::Virtio;
        for drive in line.drives.iter().filter(short) {
            let device = wiring.blk(drive, "")?;
            wiring.put(None, &Place::Pci(PciPlace::default()), device)?;
        }
        Ok((wiring.mmio, wiring.pci))
    }
}

/// What runs guest code: what `-accel` asks for. Without a word it is compiled where the host can do
/// that.
fn engine(backend: CodeBackend, host: &Host) -> Result<Accelerator, SetupError> {
    match backend {
        CodeBackend::Best => Ok((host.engine)().unwrap_or_default()),
        CodeBackend::Interpreter => Ok(Accelerator::default()),
        CodeBackend::Wasm => {
            let missing = || SetupError::NotHere("compiled WebAssembly".to_owned());
            (host.engine)().ok_or_else(missing)
        }
        CodeBackend::X64 | CodeBackend::Cranelift => {
            Err(SetupError::NotHere("this -accel backend".to_owned()))
        }
    }
}

fn is_program(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    name == "ferrite" || name.starts_with("qemu-system-")
}

/// Refuses what needs an operating system.
fn check(line: &CommandLine) -> Result<(), SetupError> {
    let not_here = |what: &str| Err(SetupError::NotHere(what.to_owned()));
    if !line.nodes.is_empty() {
        return not_here("-blockdev");
    }
    if line.drives.iter().any(|d| d.interface == Interface::Pflash) {
        return not_here("-drive if=pflash");
    }
    if line.daemonize || line.pidfile.is_some() {
        return not_here("a background process");
    }
    let reachable = |target: &CharTarget| match target {
        CharTarget::None | CharTarget::MonStdio => true,
        CharTarget::New(kind) => matches!(kind, ChardevKind::Null | ChardevKind::Stdio { .. }),
        CharTarget::Existing(_) => false,
    };
    if !line.serials.iter().all(reachable) {
        return not_here("-serial other than stdio, null and none");
    }
    if !line.monitors.iter().all(|(target, _)| reachable(target)) {
        return not_here("a monitor on a socket");
    }
    if line.netdevs.iter().any(|net| !net.forwards.is_empty()) {
        return not_here("hostfwd");
    }
    Ok(())
}

fn serial(line: &CommandLine, terminal: &PageStream) -> Option<Box<dyn CharBackend>> {
    match line.serials.first() {
        Some(CharTarget::None) => None,
        Some(CharTarget::New(ChardevKind::Null)) => Some(Box::new(Nowhere)),
        None if line.nodefaults => None,
        _ => Some(Box::new(terminal.clone())),
    }
}

/// What the guest's devices and the page have between them.
#[derive(Clone, Default)]
pub struct Page {
    /// The folder that every 9p device shares.
    pub folder: Folder,
    /// Requests for the network.
    pub fetches: Fetches,
    /// Where its disks tell of requests.
    pub trace: Trace,
    /// Its way to the network of the page's server.
    pub relay: Relay,
    /// Segments that it shares with machines of other tabs.
    pub cables: Vec<Cable>,
    /// When its networks want to be looked at.
    pub timers: Vec<Timer>,
}

struct Wiring<'a> {
    disks: &'a mut BTreeMap<PathBuf, PageDisk>,
    host: &'a Host,
    page: &'a mut Page,
    facts: &'a mut Facts,
    cards: u8,
    mmio: Vec<VirtioSlot>,
    pci: Vec<PciSlot>,
}

impl Wiring<'_> {
    fn device(&mut self, line: &CommandLine, spec: &DeviceSpec) -> Result<(), SetupError> {
        let undefined = |what, id: &str| SetupError::Reference {
            what,
            id: id.to_owned(),
        };
        let DeviceSpec { id, place, kind } = spec;
        let id = id.as_deref();
        let pci: Box<dyn PciDevice> = match kind {
            DeviceKind::Blk { drive, serial } => {
                let spec = line
                    .drives
                    .iter()
                    .find(|d| d.id == *drive && d.interface == Interface::None);
                let device = self.blk(spec.ok_or_else(|| undefined("drive", drive))?, serial)?;
                return self.put(id, place, device);
            }
            DeviceKind::Net { model, netdev, mac } => {
                let netdev = netdev.as_deref().unwrap_or_default();
                let spec = line.netdevs.iter().find(|n| n.id == netdev);
                let network = self.network(spec.ok_or_else(|| undefined("netdev", netdev))?)?;
                return self.card(id, place, *model, network, *mac);
            }
            DeviceKind::Rng { .. } => {
                let device = Box::new(VirtioRng::new((self.host.random)()));
                return self.put(id, place, device);
            }
            DeviceKind::Serial | DeviceKind::Console { .. } | DeviceKind::SerialPort { .. } => {
                return Err(SetupError::NotHere("a virtio serial port".to_owned()));
            }
            DeviceKind::P9 { fsdev, mount_tag } => {
                let spec = line.fsdevs.iter().find(|f| f.id == *fsdev);
                let spec = spec.ok_or_else(|| undefined("fsdev", fsdev))?;
                let options = ServerOptions {
                    read_only: spec.read_only,
                    ..ServerOptions::default()
                };
                let server = Server::new(Box::new(self.page.folder.clone()), options);
                let server = Box::new(InlineServer::new(server));
                let device = VirtioP9::new(mount_tag, server);
                let device = device.map_err(|e| SetupError::Device(e.to_string()))?;
                return self.put(id, place, Box::new(device));
            }
            DeviceKind::ScsiHost | DeviceKind::ScsiUnit { .. } => {
                return Err(SetupError::NotHere("a SCSI adapter".to_owned()));
            }
            DeviceKind::Balloon { .. } => {
                return Err(SetupError::NotHere("a memory balloon".to_owned()));
            }
            DeviceKind::Vmcoreinfo => return Err(SetupError::NotHere("vmcoreinfo".to_owned())),
            DeviceKind::RootPort { slot, port } => Box::new(RootPort::new(*slot, *port)),
            DeviceKind::ExpressBridge => Box::new(ConventionalBridge::from_express()),
            DeviceKind::ConventionalBridge => Box::new(ConventionalBridge::from_conventional()),
            DeviceKind::TestDevice => Box::new(TestDevice::default()),
            DeviceKind::Pvpanic { events } => Box::new(Pvpanic::new(*events)),
        };
        self.put_pci(id, place, pci);
        Ok(())
    }

    /// Puts a virtio device on its transport.
    fn put(
        &mut self,
        id: Option<&str>,
        place: &Place,
        device: Box<dyn VirtioDevice>,
    ) -> Result<(), SetupError> {
        let bus = match place {
            Place::Mmio(bus) => *bus,
            Place::Adapter(_) | Place::Scsi(_) | Place::Board => None,
            Place::Pci(at) => {
                let name = device.name();
                let mut device = VirtioPci::new(device)
                    .ok_or_else(|| SetupError::NotHere(format!("{name} on PCI")))?;
                if let Some(legacy) = at.legacy {
                    device.set_legacy(legacy);
                }
                self.put_pci(id, place, Box::new(device));
                return Ok(());
            }
        };
        self.mmio.push(VirtioSlot { device, bus });
        Ok(())
    }

    fn put_pci(&mut self, id: Option<&str>, place: &Place, device: Box<dyn PciDevice>) {
        let at = match place {
            Place::Pci(at) => at.clone(),
            _ => PciPlace::default(),
        };
        let path = match id {
            Some(id) => format!("/machine/peripheral/{id}"),
            None => format!("/machine/peripheral-anon/device[{}]", self.pci.len()),
        };
        let address = |(slot, function)| Address { slot, function };
        let request = Request {
            id: id.map(str::to_owned),
            path,
            bus: at.bus,
            address: at.address.map(address),
            multifunction: at.multifunction,
        };
        self.pci.push(PciSlot { request, device });
    }

    fn blk(
        &mut self,
        drive: &DriveSpec,
        serial: &str,
    ) -> Result<Box<dyn VirtioDevice>, SetupError> {
        let disk = self.disks.remove(&drive.file);
        let disk = disk.ok_or_else(|| SetupError::Missing {
            option: "drive",
            path: drive.file.clone(),
        })?;
        let problem = |e: &dyn std::fmt::Display| SetupError::Device(e.to_string());
        let options = NodeOptions {
            node_name: drive.id.clone(),
            read_only: drive.read_only,
            ..NodeOptions::default()
        };
        let node = BlockNode::new(Box::new(disk), options)
            .map_err(|e| problem(&e))?
            .traced(self.page.trace.clone());
        self.facts.disks.push(DiskFacts {
            id: drive.id.clone(),
            file: drive.file.display().to_string(),
            read_only: node.read_only(),
            size: node.size(),
        });
        let options = BlkOptions {
            serial: serial.to_owned(),
            ..BlkOptions::default()
        };
        let device = VirtioBlk::new(Box::new(node), options).map_err(|e| problem(&e))?;
        Ok(Box::new(device))
    }

    fn network(&mut self, spec: &NetdevSpec) -> Result<Box<dyn NetBackend>, SetupError> {
        if let Some(segment) = spec.multicast {
            let cable = Cable::new(segment.to_string());
            self.page.cables.push(cable.clone());
            return Ok(Box::new(cable));
        }
        let options = Options {
            restrict: spec.restrict,
            ..Options::default()
        };
        let host = PageNet::new(
            (self.host.clock)(),
            (self.host.random)(),
            self.page.fetches.clone(),
            self.page.relay.clone(),
        );
        let (net, timer) = TimedNet::new(UserNet::new(Box::new(host), &options)?);
        self.page.timers.push(timer);
        Ok(Box::new(net))
    }

    fn card(
        &mut self,
        id: Option<&str>,
        place: &Place,
        model: NicModel,
        network: Box<dyn NetBackend>,
        mac: Option<[u8; 6]>,
    ) -> Result<(), SetupError> {
        let mut next = FIRST_MAC;
        next[5] = next[5].wrapping_add(self.cards);
        self.cards = self.cards.wrapping_add(1);
        let mac = mac.unwrap_or(next);
        match model {
            NicModel::Virtio => self.put(id, place, Box::new(VirtioNet::new(network, mac))),
            NicModel::E1000 => {
                self.put_pci(id, place, Box::new(E1000::new(network, mac)));
                Ok(())
            }
            NicModel::E1000e => {
                self.put_pci(id, place, Box::new(E1000::express(network, mac)));
                Ok(())
            }
        }
    }
}
