//! virtio devices and what stands behind them.

use std::net::SocketAddrV4;

use ferrite_devices::virtio::VirtioDevice;
use ferrite_devices::virtio::blk::{BlkOptions, VirtioBlk};
use ferrite_devices::virtio::console::VirtioConsole;
use ferrite_devices::virtio::net::VirtioNet;
use ferrite_devices::virtio::p9::{Server, ServerOptions, VirtioP9};
use ferrite_devices::virtio::rng::VirtioRng;
use ferrite_machine::backend::BlockBackend;
use ferrite_net::{Forward, Options};
use ferrite_vm::VirtioSlot;

use super::{Characters, Disks, LaunchError};
use crate::backend::host_folder::{HostFolder, SecurityModel};
use crate::backend::p9::P9Thread;
use crate::backend::random::RandomFile;
use crate::cli::CommandLine;
use crate::cli::device::{DeviceKind, DeviceSpec};
use crate::cli::net::{HostForward, NetdevSpec};
use crate::net::UserNetwork;
use crate::wake::Waker;

/// First MAC address given to cards without one, as QEMU counts them.
const FIRST_MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

/// Makes every virtio device of the command line, in QEMU's order: disks and cards with short
/// options come before `-device`.
pub(super) fn make(
    line: &CommandLine,
    characters: &mut Characters,
    disks: &mut Disks,
    waker: &Waker,
) -> Result<Vec<VirtioSlot>, LaunchError> {
    let mut maker = Maker {
        line,
        characters,
        disks,
        waker,
        cards: 0,
        used_netdevs: Vec::new(),
    };
    let mut slots = Vec::new();
    for disk in maker.disks.take_virtio() {
        slots.push(VirtioSlot {
            device: maker.blk(disk, "", "-drive")?,
            bus: None,
        });
    }
    for (n, nic) in line.nics.iter().enumerate() {
        let network = maker.network(&nic.netdev);
        let network = network.map_err(|error| error.given(line.nth_given(&["nic"], n)))?;
        let mac = maker.mac(nic.mac);
        slots.push(VirtioSlot {
            device: Box::new(VirtioNet::new(Box::new(network), mac)),
            bus: None,
        });
    }
    for (n, spec) in line.devices.iter().enumerate() {
        let given = || line.nth_given(&["device", "virtfs"], n);
        let device = maker.device(spec).map_err(|error| error.given(given()))?;
        if let Some(device) = device {
            slots.push(VirtioSlot {
                device,
                bus: spec.bus,
            });
        }
    }
    Ok(slots)
}

struct Maker<'a> {
    line: &'a CommandLine,
    characters: &'a mut Characters,
    disks: &'a mut Disks,
    waker: &'a Waker,
    cards: u8,
    used_netdevs: Vec<String>,
}

impl Maker<'_> {
    /// The device; `None` for ports, which their adapter takes along.
    fn device(&mut self, spec: &DeviceSpec) -> Result<Option<Box<dyn VirtioDevice>>, LaunchError> {
        Ok(Some(match &spec.kind {
            DeviceKind::Blk { drive, serial } => {
                let disk = self.disks.take(drive)?;
                self.blk(disk, serial, "virtio-blk-device")?
            }
            DeviceKind::Net { netdev, mac } => {
                let network = self.netdev(netdev)?;
                let mac = self.mac(*mac);
                Box::new(VirtioNet::new(Box::new(network), mac))
            }
            DeviceKind::Serial => self.serial()?,
            DeviceKind::Console { .. } => {
                self.adapter_exists("virtconsole")?;
                return Ok(None);
            }
            DeviceKind::SerialPort { .. } => {
                self.adapter_exists("virtserialport")?;
                return Ok(None);
            }
            DeviceKind::Rng { rng } => {
                Box::new(VirtioRng::new(Box::new(self.random(rng.as_deref())?)))
            }
            DeviceKind::P9 { fsdev, mount_tag } => self.folder(fsdev, mount_tag)?,
        }))
    }

    fn blk(
        &self,
        disk: Box<dyn BlockBackend>,
        serial: &str,
        what: &str,
    ) -> Result<Box<dyn VirtioDevice>, LaunchError> {
        let options = BlkOptions {
            serial: serial.to_owned(),
            ..BlkOptions::default()
        };
        let problem = |e: &dyn std::fmt::Display| LaunchError::Device {
            device: what.to_owned(),
            problem: e.to_string(),
        };
        Ok(Box::new(
            VirtioBlk::new(disk, options).map_err(|e| problem(&e))?,
        ))
    }

    fn mac(&mut self, given: Option<[u8; 6]>) -> [u8; 6] {
        let mut mac = FIRST_MAC;
        mac[5] = mac[5].wrapping_add(self.cards);
        self.cards = self.cards.wrapping_add(1);
        given.unwrap_or(mac)
    }

    fn netdev(&mut self, id: &str) -> Result<UserNetwork, LaunchError> {
        let reference = |problem| LaunchError::Reference {
            what: "netdev",
            id: id.to_owned(),
            problem,
        };
        let (n, spec) = self
            .line
            .netdevs
            .iter()
            .enumerate()
            .find(|(_, n)| n.id == id)
            .ok_or_else(|| reference("is not defined"))?;
        if self.used_netdevs.iter().any(|used| used == id) {
            return Err(reference("is already in use"));
        }
        self.used_netdevs.push(id.to_owned());
        let given = || self.line.nth_given(&["netdev"], n);
        self.network(spec).map_err(|error| error.given(given()))
    }

    fn network(&self, spec: &NetdevSpec) -> Result<UserNetwork, LaunchError> {
        let options = Options {
            restrict: spec.restrict,
            forwards: spec.forwards.iter().map(forward).collect(),
            host_name: None,
        };
        let failed = |error| LaunchError::Host {
            what: format!("netdev {}", spec.id),
            error,
        };
        UserNetwork::new(&options, self.waker.function()).map_err(failed)
    }

    fn adapter_exists(&self, port: &str) -> Result<(), LaunchError> {
        if self
            .line
            .devices
            .iter()
            .any(|d| d.kind == DeviceKind::Serial)
        {
            return Ok(());
        }
        Err(LaunchError::Device {
            device: port.to_owned(),
            problem: "No 'virtio-serial-bus' bus found: add -device virtio-serial-device before it"
                .into(),
        })
    }

    /// The serial adapter with every port of the command line.
    fn serial(&mut self) -> Result<Box<dyn VirtioDevice>, LaunchError> {
        let mut adapter = VirtioConsole::new();
        for spec in &self.line.devices {
            let added = match &spec.kind {
                DeviceKind::Console { chardev } => {
                    adapter.add_console(None, None, self.characters.take(chardev)?)
                }
                DeviceKind::SerialPort { chardev, name } => adapter.add_serial_port(
                    None,
                    Some(name.clone()),
                    self.characters.take(chardev)?,
                ),
                _ => continue,
            };
            added.map_err(|e| LaunchError::Device {
                device: "virtio-serial-device".into(),
                problem: e.to_string(),
            })?;
        }
        Ok(Box::new(adapter))
    }

    fn random(&self, id: Option<&str>) -> Result<RandomFile, LaunchError> {
        let path = match id {
            None => std::path::Path::new("/dev/urandom"),
            Some(id) => {
                let spec = self.line.rngs.iter().find(|r| r.id == id);
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
        let spec = self
            .line
            .fsdevs
            .iter()
            .find(|f| f.id == id)
            .ok_or(reference)?;
        let problem = |problem: String| LaunchError::Device {
            device: "virtio-9p-device".into(),
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

fn forward(rule: &HostForward) -> Forward {
    Forward {
        udp: rule.udp,
        host: SocketAddrV4::new(rule.host, rule.host_port),
        guest: rule.guest,
        guest_port: rule.guest_port,
    }
}
