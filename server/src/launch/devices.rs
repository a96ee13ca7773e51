//! Devices of the command line, or of a monitor, and what stands behind them.

use ferrite_devices::e1000::E1000;
use ferrite_devices::pci::ports::{ConventionalBridge, RootPort};
use ferrite_devices::pci::pvpanic::Pvpanic;
use ferrite_devices::pci::testdev::TestDevice;
use ferrite_devices::pci::{Address, PciDevice, Request};
use ferrite_devices::scsi::{ScsiDisk, UnitKind, UnitOptions};
use ferrite_devices::virtio::balloon::{BalloonControl, BalloonOptions, VirtioBalloon};
use ferrite_devices::virtio::blk::{BlkOptions, VirtioBlk};
use ferrite_devices::virtio::console::VirtioConsole;
use ferrite_devices::virtio::net::{FilterView, VirtioNet};
use ferrite_devices::virtio::p9::{Server, ServerOptions, VirtioP9};
use ferrite_devices::virtio::rng::VirtioRng;
use ferrite_devices::virtio::scsi::VirtioScsi;
use ferrite_devices::virtio::{VirtioDevice, VirtioPci};
use ferrite_machine::backend::{BlockBackend, NetBackend};
use ferrite_vm::{PciSlot, VirtioSlot};

use super::networks::{Networks, Unconnected};
use super::scsi::ScsiSide;
use super::serial::{Port, SerialSide};
use super::{Characters, Disks, LaunchError};
use crate::backend::host_folder::{HostFolder, SecurityModel};
use crate::backend::p9::P9Thread;
use crate::backend::random::RandomFile;
use crate::cli::CommandLine;
use crate::cli::device::{
    DeviceKind, DeviceSpec, FsdevSpec, NicModel, PciPlace, Place, PortPlace, RngSpec, ScsiPlace,
};
use crate::cli::net::NicKind;
use crate::clock::SystemClock;
use crate::wake::Waker;

/// First MAC address given to cards without one, as QEMU counts them.
const FIRST_MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

/// What a network card is connected to, for monitors.
#[derive(Clone, Debug)]
pub struct Card {
    /// The card's name, or one made up for it.
    pub name: String,
    /// Its model.
    pub model: &'static str,
    /// Its address.
    pub mac: [u8; 6],
    /// The network.
    pub netdev: Option<String>,
    /// Its place in the object tree.
    pub path: String,
    /// Whether the name is the user's.
    pub has_id: bool,
    /// What it lets through to the guest, if it tells.
    pub filter: Option<FilterView>,
}

/// A device that has a disk.
#[derive(Clone, Debug)]
pub struct DiskUser {
    /// The disk's name.
    disk: String,
    /// The device's place in the object tree.
    path: String,
    /// The part of the device that uses the disk, as monitors are told: its name or its place.
    pub qdev: String,
    /// Whether it is a drive for discs.
    pub removable: bool,
}

/// What devices are made from, kept for those that come later.
pub struct Backends {
    /// Networks.
    pub networks: Networks,
    /// Network cards.
    pub cards: Vec<Card>,
    /// The balloon: the device's path, and the hand on it.
    pub balloon: Option<(String, BalloonControl)>,
    /// The path of the device `vmcoreinfo`.
    pub vmcoreinfo: Option<String>,
    /// Serial adapters and their ports.
    pub serial: SerialSide,
    /// SCSI adapters and what is on them.
    pub scsi: ScsiSide,
    /// Disks that devices have.
    drives: Vec<DiskUser>,
    fsdevs: Vec<FsdevSpec>,
    rngs: Vec<RngSpec>,
    macs: u8,
    anonymous: usize,
    waker: Waker,
}

/// The devices of a machine, in the order in which they are put in.
#[derive(Default)]
pub(super) struct Devices {
    pub mmio: Vec<VirtioSlot>,
    pub pci: Vec<PciSlot>,
}

/// Makes every device of the command line, in QEMU's order: cards with short options come first,
/// disks with short options last.
pub(super) fn make(
    line: &CommandLine,
    characters: &mut Characters,
    disks: &mut Disks,
    waker: &Waker,
) -> Result<(Devices, Backends), LaunchError> {
    let mut backends = Backends {
        networks: Networks::new(line, waker)?,
        cards: Vec::new(),
        balloon: None,
        vmcoreinfo: None,
        serial: SerialSide::default(),
        scsi: ScsiSide::default(),
        drives: Vec::new(),
        fsdevs: line.fsdevs.clone(),
        rngs: line.rngs.clone(),
        macs: 0,
        anonymous: 0,
        waker: waker.clone(),
    };
    let mut devices = Devices::default();
    for (n, nic) in line.nics.iter().enumerate() {
        let given = |error: LaunchError| error.given(line.nth_given(&["nic"], n));
        let (model, place) = match nic.model {
            NicKind::Mmio => (NicModel::Virtio, Place::Mmio(None)),
            NicKind::Pci(model) => (model, Place::Pci(PciPlace::default())),
        };
        let kind = DeviceKind::Net {
            model,
            netdev: Some(nic.netdev.id.clone()),
            mac: nic.mac,
        };
        let spec = DeviceSpec {
            id: None,
            place,
            kind,
        };
        let added = backends.add(&spec, characters, disks, &mut devices);
        added.map_err(given)?;
    }
    for (n, spec) in line.devices.iter().enumerate() {
        let given = |error: LaunchError| error.given(line.nth_given(&["device", "virtfs"], n));
        let added = backends.add(spec, characters, disks, &mut devices);
        added.map_err(given)?;
    }
    for (name, disk) in disks.take_virtio() {
        let device = blk(disk, "", "-drive")?;
        let request = backends.request(None, &PciPlace::default());
        backends.drives.push(DiskUser {
            disk: name,
            path: request.path.clone(),
            qdev: format!("{}/virtio-backend", request.path),
            removable: false,
        });
        devices.pci.push(PciSlot {
            request,
            device: on_pci(device, None)?,
        });
    }
    Ok((devices, backends))
}

impl Backends {
    /// Makes a device of the command line.
    fn add(
        &mut self,
        spec: &DeviceSpec,
        characters: &mut Characters,
        disks: &mut Disks,
        into: &mut Devices,
    ) -> Result<(), LaunchError> {
        match (&spec.place, &spec.kind) {
            (Place::Adapter(place), kind) => self
                .port(spec.id.as_deref(), place, kind, characters)
                .map(|_| ()),
            (Place::Scsi(place), kind) => self
                .scsi_unit(spec.id.as_deref(), place, kind, disks, false)
                .map(|_| ()),
            // The board makes it.
            (Place::Board, _) => {
                self.vmcoreinfo = Some(self.path(spec.id.as_deref()));
                Ok(())
            }
            (Place::Mmio(bus), kind) => {
                let path = self.path(spec.id.as_deref());
                let device = self.virtio(kind, spec.id.as_deref(), path, "device", disks)?;
                into.mmio.push(VirtioSlot { device, bus: *bus });
                Ok(())
            }
            (Place::Pci(place), kind) => {
                let slot = self.pci(spec.id.as_deref(), place, kind, disks)?;
                into.pci.push(slot);
                Ok(())
            }
        }
    }

    /// Makes a PCI device.
    pub fn pci(
        &mut self,
        id: Option<&str>,
        place: &PciPlace,
        kind: &DeviceKind,
        disks: &mut Disks,
    ) -> Result<PciSlot, LaunchError> {
        let request = self.request(id, place);
        let device: Box<dyn PciDevice> = match kind {
            DeviceKind::RootPort { slot, port } => Box::new(RootPort::new(*slot, *port)),
            DeviceKind::ExpressBridge => Box::new(ConventionalBridge::from_express()),
            DeviceKind::ConventionalBridge => Box::new(ConventionalBridge::from_conventional()),
            DeviceKind::TestDevice => Box::new(TestDevice::default()),
            DeviceKind::Pvpanic { events } => Box::new(Pvpanic::new(*events)),
            DeviceKind::Net {
                model: model @ (NicModel::E1000 | NicModel::E1000e),
                netdev,
                mac,
            } => {
                let express = *model == NicModel::E1000e;
                let name = if express { "e1000e" } else { "e1000" };
                let (cable, mac) = self.card(id, name, netdev.as_deref(), *mac, &request.path)?;
                Box::new(match express {
                    true => E1000::express(cable, mac),
                    false => E1000::new(cable, mac),
                })
            }
            kind => {
                let path = request.path.clone();
                on_pci(self.virtio(kind, id, path, "pci", disks)?, place.legacy)?
            }
        };
        Ok(PciSlot { request, device })
    }

    /// A new device's place in the object tree.
    fn path(&mut self, id: Option<&str>) -> String {
        match id {
            Some(id) => format!("/machine/peripheral/{id}"),
            None => {
                self.anonymous += 1;
                format!("/machine/peripheral-anon/device[{}]", self.anonymous - 1)
            }
        }
    }

    /// Where a PCI device goes.
    fn request(&mut self, id: Option<&str>, place: &PciPlace) -> Request {
        let address = |(slot, function)| Address { slot, function };
        Request {
            id: id.map(str::to_owned),
            path: self.path(id),
            bus: place.bus.clone(),
            address: place.address.map(address),
            multifunction: place.multifunction,
        }
    }

    /// A virtio device apart from its transport, which is `pci` or `device`.
    fn virtio(
        &mut self,
        kind: &DeviceKind,
        id: Option<&str>,
        path: String,
        transport: &str,
        disks: &mut Disks,
    ) -> Result<Box<dyn VirtioDevice>, LaunchError> {
        let unsupported = || LaunchError::Device {
            device: id.unwrap_or("device").to_owned(),
            problem: "it cannot be added to this bus".into(),
        };
        Ok(match kind {
            DeviceKind::Blk { drive, serial } => {
                let disk = disks.take(drive)?;
                let qdev = match transport {
                    "pci" => format!("{path}/virtio-backend"),
                    _ => id.map_or_else(|| path.clone(), str::to_owned),
                };
                self.drives.push(DiskUser {
                    disk: drive.clone(),
                    path,
                    qdev,
                    removable: false,
                });
                blk(disk, serial, &format!("virtio-blk-{transport}"))?
            }
            DeviceKind::Net { netdev, mac, .. } => {
                let model = match transport {
                    "pci" => "virtio-net-pci",
                    _ => "virtio-net-device",
                };
                let (cable, mac) = self.card(id, model, netdev.as_deref(), *mac, &path)?;
                let device = VirtioNet::new(cable, mac);
                if let Some(card) = self.cards.last_mut() {
                    card.filter = Some(device.filter_view());
                }
                Box::new(device)
            }
            DeviceKind::Rng { rng } => {
                Box::new(VirtioRng::new(Box::new(self.random(rng.as_deref())?)))
            }
            DeviceKind::P9 { fsdev, mount_tag } => self.folder(fsdev, mount_tag)?,
            DeviceKind::Balloon {
                deflate_on_oom,
                free_page_reporting,
                page_poison,
            } => {
                let options = BalloonOptions {
                    deflate_on_oom: *deflate_on_oom,
                    free_page_reporting: *free_page_reporting,
                    page_poison: *page_poison,
                };
                self.inflatable(path, options)?
            }
            DeviceKind::Serial => Box::new(VirtioConsole::on(self.serial.add_adapter(id, path))),
            DeviceKind::ScsiHost => Box::new(VirtioScsi::new(self.scsi.add_adapter(id, path))),
            _ => return Err(unsupported()),
        })
    }

    /// Makes a port and puts it on its adapter.
    pub fn port(
        &mut self,
        id: Option<&str>,
        place: &PortPlace,
        kind: &DeviceKind,
        characters: &mut Characters,
    ) -> Result<(), LaunchError> {
        let (chardev, name) = match kind {
            DeviceKind::Console { chardev } => (chardev, None),
            DeviceKind::SerialPort { chardev, name } => (chardev, Some(name)),
            _ => return Ok(()),
        };
        let adapter = self.serial.adapter(place, name.is_some())?;
        let backend = characters.take(chardev)?;
        let number = match name {
            None => adapter.bus.add_console(place.number, None, backend),
            Some(name) => {
                let name = (!name.is_empty()).then(|| name.clone());
                adapter.bus.add_serial_port(place.number, name, backend)
            }
        };
        let number = number.map_err(|error| {
            characters.release(chardev);
            LaunchError::Conflict(format!("virtio-serial-bus: {error}"))
        })?;
        let port = Port {
            id: id.map(str::to_owned),
            path: self.path(id),
            adapter: adapter.path,
            bus: adapter.name,
            number,
            chardev: chardev.clone(),
            kind: if name.is_some() {
                "virtserialport"
            } else {
                "virtconsole"
            },
        };
        self.serial.add_port(port);
        Ok(())
    }

    /// Makes a unit and puts it on its bus.
    pub fn scsi_unit(
        &mut self,
        id: Option<&str>,
        place: &ScsiPlace,
        kind: &DeviceKind,
        disks: &mut Disks,
        running: bool,
    ) -> Result<(), LaunchError> {
        let DeviceKind::ScsiUnit {
            cd,
            drive,
            serial,
            wwn,
        } = kind
        else {
            return Ok(());
        };
        let kind = if *cd { UnitKind::Cd } else { UnitKind::Disk };
        let (bus, address) = self.scsi.place(kind, place)?;
        let path = self.path(id);
        let disk = match drive {
            Some(drive) => {
                let disk = disks.take(drive)?;
                self.drives.push(DiskUser {
                    disk: drive.clone(),
                    path: path.clone(),
                    qdev: id.map_or_else(|| path.clone(), str::to_owned),
                    removable: *cd,
                });
                Some(disk)
            }
            None => None,
        };
        let options = UnitOptions {
            name: id.unwrap_or_default().to_owned(),
            serial: serial.clone(),
            wwn: *wwn,
        };
        let unit = ScsiDisk::new(kind, disk, options);
        self.scsi.add_unit(id, path, &bus, address, kind);
        bus.bus.attach(address, unit, running);
        Ok(())
    }

    /// The balloon, of which a machine has one.
    fn inflatable(
        &mut self,
        path: String,
        options: BalloonOptions,
    ) -> Result<Box<dyn VirtioDevice>, LaunchError> {
        if self.balloon.is_some() {
            return Err(LaunchError::Conflict(
                "Only one balloon device is supported".into(),
            ));
        }
        let control = BalloonControl::default();
        self.balloon = Some((path, control.clone()));
        let clock = Box::new(SystemClock::default());
        Ok(Box::new(VirtioBalloon::new(options, control, clock)))
    }

    /// A card's cable and address.
    fn card(
        &mut self,
        id: Option<&str>,
        model: &'static str,
        netdev: Option<&str>,
        mac: Option<[u8; 6]>,
        path: &str,
    ) -> Result<(Box<dyn NetBackend>, [u8; 6]), LaunchError> {
        let cable: Box<dyn NetBackend> = match netdev {
            Some(netdev) => Box::new(self.networks.connect(netdev)?),
            None => Box::new(Unconnected),
        };
        let mut counted = FIRST_MAC;
        counted[5] = counted[5].wrapping_add(self.macs);
        self.macs = self.macs.wrapping_add(1);
        let mac = mac.unwrap_or(counted);
        let unnamed = || {
            let same = self.cards.iter().filter(|card| card.model == model);
            format!("{model}.{}", same.count())
        };
        self.cards.push(Card {
            name: id.map_or_else(unnamed, str::to_owned),
            model,
            mac,
            netdev: netdev.map(str::to_owned),
            path: path.to_owned(),
            has_id: id.is_some(),
            filter: None,
        });
        Ok((cable, mac))
    }

    /// The device that has a disk.
    #[must_use]
    pub fn user_of(&self, disk: &str) -> Option<&DiskUser> {
        self.drives.iter().find(|user| user.disk == disk)
    }

    /// Forgets a device that is gone.
    pub fn forget(&mut self, path: &str, disks: &mut Disks) {
        self.cards.retain(|card| card.path != path);
        self.serial.forget(path);
        self.scsi.forget(path);
        self.balloon.take_if(|(balloon, _)| balloon == path);
        for user in self.drives.extract_if(.., |user| user.path == path) {
            disks.release(&user.disk);
        }
    }

    /// The network cards and their networks, in the lines of `info network`.
    #[must_use]
    pub fn network_lines(&self) -> String {
        let mut text = String::new();
        for card in &self.cards {
            let mac: Vec<String> = card.mac.iter().map(|b| format!("{b:02x}")).collect();
            text.push_str(&format!(
                "{}: index=0,type=nic,model={},macaddr={}\n",
                card.name,
                card.model,
                mac.join(":")
            ));
            let network = card.netdev.as_ref();
            if let Some(line) = network.and_then(|id| self.networks.describe(id)) {
                text.push_str(&format!(" \\ {line}"));
            }
        }
        for id in self.networks.unused() {
            text.extend(self.networks.describe(id));
        }
        text
    }

    fn random(&self, id: Option<&str>) -> Result<RandomFile, LaunchError> {
        let path = match id {
            None => std::path::Path::new("/dev/urandom"),
            Some(id) => {
                let spec = self.rngs.iter().find(|r| r.id == id);
                let reference = LaunchError::Reference {
                    what: "object",
                    id: id.to_owned(),
                    problem: "is not defined",
                };
                &spec.ok_or(reference)?.filename
            }
        };
        RandomFile::open(path).map_err(|error| LaunchError::File {
            option: "object",
            path: path.to_owned(),
            error,
        })
    }

    fn folder(&self, id: &str, mount_tag: &str) -> Result<Box<dyn VirtioDevice>, LaunchError> {
        let reference = LaunchError::Reference {
            what: "fsdev",
            id: id.to_owned(),
            problem: "is not defined",
        };
        let spec = self.fsdevs.iter().find(|f| f.id == id).ok_or(reference)?;
        let problem = |problem: String| LaunchError::Device {
            device: "virtio-9p".into(),
            problem,
        };
        let folder = HostFolder::open(&spec.path, SecurityModel::None)
            .map_err(|e| problem(e.to_string()))?;
        let options = ServerOptions {
            read_only: spec.read_only,
            ..ServerOptions::default()
        };
        let server = Server::new(Box::new(folder), options);
        let server =
            P9Thread::new(server, self.waker.function()).map_err(|e| problem(e.to_string()))?;
        let device =
            VirtioP9::new(mount_tag, Box::new(server)).map_err(|e| problem(e.to_string()))?;
        Ok(Box::new(device))
    }
}

/// The device on PCI, with a legacy interface or without, or as the bus wants it.
fn on_pci(
    device: Box<dyn VirtioDevice>,
    legacy: Option<bool>,
) -> Result<Box<dyn PciDevice>, LaunchError> {
    let name = device.name();
    let mut device = VirtioPci::new(device).ok_or_else(|| LaunchError::Device {
        device: name.to_owned(),
        problem: "it cannot be on PCI".into(),
    })?;
    if let Some(legacy) = legacy {
        device.set_legacy(legacy);
    }
    Ok(Box::new(device))
}

fn blk(
    disk: Box<dyn BlockBackend>,
    serial: &str,
    what: &str,
) -> Result<Box<dyn VirtioDevice>, LaunchError> {
    let options = BlkOptions {
        serial: serial.to_owned(),
        ..BlkOptions::default()
    };
    let device = VirtioBlk::new(disk, options).map_err(|e| LaunchError::Device {
        device: what.to_owned(),
        problem: e.to_string(),
    })?;
    Ok(Box::new(device))
}
