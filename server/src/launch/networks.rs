//! Networks: back ends by name, and the cables to the cards that use them.

use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ferrite_machine::backend::NetBackend;
use ferrite_net::{Forward, Options};

use super::LaunchError;
use crate::cli::CommandLine;
use crate::cli::net::{HostForward, NetdevSpec};
use crate::net::UserNetwork;
use crate::wake::Waker;

/// A network and the state of the cable to it.
struct Cable {
    network: Mutex<UserNetwork>,
    /// Both ends of the cable: the network's and the card's.
    up: [AtomicBool; 2],
    in_use: AtomicBool,
}

struct Netdev {
    spec: NetdevSpec,
    cable: Arc<Cable>,
}

/// The networks of a machine.
pub struct Networks {
    netdevs: Vec<Netdev>,
    waker: Waker,
}

impl Networks {
    /// Sets up every network of the command line.
    pub(super) fn new(line: &CommandLine, waker: &Waker) -> Result<Self, LaunchError> {
        let mut networks = Self {
            netdevs: Vec::new(),
            waker: waker.clone(),
        };
        for (n, spec) in line.netdevs.iter().enumerate() {
            let added = networks.add(spec);
            added.map_err(|error| error.given(line.nth_given(&["netdev"], n)))?;
        }
        for (n, nic) in line.nics.iter().enumerate() {
            let added = networks.add(&nic.netdev);
            added.map_err(|error| error.given(line.nth_given(&["nic"], n)))?;
        }
        Ok(networks)
    }

    /// Sets a network up.
    pub fn add(&mut self, spec: &NetdevSpec) -> Result<(), LaunchError> {
        let id = &spec.id;
        if self.netdevs.iter().any(|netdev| netdev.spec.id == *id) {
            return Err(LaunchError::Conflict(format!("Duplicate ID '{id}'")));
        }
        if spec.multicast.is_some() {
            return Err(LaunchError::Host {
                what: format!("netdev {id}"),
                error: std::io::Error::new(
                    std::io::ErrorKind::Unsupported,
                    "segments by multicast are there in a browser tab only",
                ),
            });
        }
        let options = Options {
            restrict: spec.restrict,
            forwards: spec.forwards.iter().map(forward).collect(),
            host_name: None,
        };
        let network = UserNetwork::new(&options, self.waker.function());
        let network = network.map_err(|error| LaunchError::Host {
            what: format!("netdev {id}"),
            error,
        })?;
        self.netdevs.push(Netdev {
            spec: spec.clone(),
            cable: Arc::new(Cable {
                network: Mutex::new(network),
                up: [AtomicBool::new(true), AtomicBool::new(true)],
                in_use: AtomicBool::new(false),
            }),
        });
        Ok(())
    }

    /// Takes a network away; a card that used it hears nothing any more. Tells whether there was
    /// one.
    pub fn remove(&mut self, id: &str) -> bool {
        let Some(place) = self.netdevs.iter().position(|n| n.spec.id == id) else {
            return false;
        };
        let netdev = self.netdevs.remove(place);
        netdev.cable.up[0].store(false, Ordering::Relaxed);
        true
    }

    /// Plugs a card's cable in.
    pub(super) fn connect(&self, id: &str) -> Result<Port, LaunchError> {
        let reference = |problem| LaunchError::Reference {
            what: "netdev",
            id: id.to_owned(),
            problem,
        };
        let netdev = self.netdevs.iter().find(|netdev| netdev.spec.id == id);
        let netdev = netdev.ok_or_else(|| reference("is not defined"))?;
        if netdev.cable.in_use.swap(true, Ordering::Relaxed) {
            return Err(reference("is already in use"));
        }
        netdev.cable.up[1].store(true, Ordering::Relaxed);
        Ok(Port(Arc::clone(&netdev.cable)))
    }

    /// Puts the network's end of a cable up or down; tells whether there is such a network.
    pub fn set_link(&self, id: &str, up: bool) -> bool {
        let Some(netdev) = self.netdevs.iter().find(|n| n.spec.id == id) else {
            return false;
        };
        netdev.cable.up[0].store(up, Ordering::Relaxed);
        true
    }

    /// The same for the card's end of the cable to network `id`.
    pub fn set_card_link(&self, id: &str, up: bool) {
        if let Some(netdev) = self.netdevs.iter().find(|n| n.spec.id == id) {
            netdev.cable.up[1].store(up, Ordering::Relaxed);
        }
    }

    /// The line of `info network` for a network.
    #[must_use]
    pub fn describe(&self, id: &str) -> Option<String> {
        let netdev = self.netdevs.iter().find(|n| n.spec.id == id)?;
        let restrict = if netdev.spec.restrict { "on" } else { "off" };
        Some(format!(
            "{id}: index=0,type=user,net=10.0.2.0,restrict={restrict}\n"
        ))
    }

    /// The names of the networks that no card uses.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        self.netdevs
            .iter()
            .filter(|netdev| !netdev.cable.in_use.load(Ordering::Relaxed))
            .map(|netdev| netdev.spec.id.as_str())
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

/// A card's end of a cable.
pub(super) struct Port(Arc<Cable>);

impl NetBackend for Port {
    fn send(&mut self, frame: &[u8]) {
        if self.link_up() {
            let mut network = self
                .0
                .network
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            network.send(frame);
        }
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut network = self
            .0
            .network
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // A network whose cable is out goes on; what it sends is lost.
        let frame = network.receive()?;
        self.0
            .up
            .iter()
            .all(|up| up.load(Ordering::Relaxed))
            .then_some(frame)
    }

    fn link_up(&self) -> bool {
        self.0.up.iter().all(|up| up.load(Ordering::Relaxed))
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.0.in_use.store(false, Ordering::Relaxed);
    }
}

/// A card's socket without a cable.
pub(super) struct Unconnected;

impl NetBackend for Unconnected {
    fn send(&mut self, _frame: &[u8]) {}

    fn receive(&mut self) -> Option<Vec<u8>> {
        None
    }
}
