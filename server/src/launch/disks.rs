//! Disk images: opening them, and who uses them.

use std::path::PathBuf;

use ferrite_block::{BlockNode, BlockStats, NodeOptions};
use ferrite_machine::backend::BlockBackend;
use ferrite_machine::trace::Trace;

use super::LaunchError;
use ferrite_vm::FlashImage;

use crate::backend::block_file::{BlockFile, BlockFileOptions};
use crate::cli::CommandLine;
use crate::cli::block::{DriveSpec, Interface};
use crate::wake::Waker;

/// What `query-block` tells of a disk.
#[derive(Clone)]
pub struct BlockFacts {
    /// The drive's id or the block node's name.
    pub id: String,
    /// The image.
    pub file: PathBuf,
    /// Whether writes fail.
    pub read_only: bool,
    /// Bytes.
    pub size: u64,
    /// Its counters.
    pub stats: BlockStats,
    /// Whether a device uses it.
    pub attached: bool,
    /// Whether it was given by `-blockdev`.
    pub is_node: bool,
}

struct Disk {
    facts: BlockFacts,
    interface: Interface,
    node: Option<BlockNode>,
}

/// The disks of a machine.
pub struct Disks {
    disks: Vec<Disk>,
}

impl Disks {
    /// Opens every image.
    pub(super) fn open(
        line: &CommandLine,
        trace: &Trace,
        waker: &Waker,
    ) -> Result<Self, LaunchError> {
        // A format node over an earlier protocol node stands for it: the image is opened once.
        let covered = |node: &DriveSpec| {
            line.nodes.iter().rfind(|other| other.file == node.file) != Some(node)
        };
        let node = |(n, spec)| (spec, line.nth_given(&["blockdev"], n), true);
        let nodes = line.nodes.iter().enumerate();
        let nodes = nodes.filter(|(_, node)| !covered(node)).map(node);
        let drive = |(n, spec)| (spec, line.nth_given(&["drive", "hda"], n), false);
        let drives = line.drives.iter().enumerate().map(drive);
        let disks = drives.chain(nodes).map(|(spec, given, is_node)| {
            Disk::open(spec, is_node, trace, waker).map_err(|error| error.given(given))
        });
        Ok(Self {
            disks: disks.collect::<Result<_, _>>()?,
        })
    }

    /// What there is.
    pub fn facts(&self) -> impl Iterator<Item = &BlockFacts> {
        self.disks.iter().map(|disk| &disk.facts)
    }

    /// The images of the flash banks, in order.
    pub(super) fn take_flash(&mut self) -> Result<[Option<FlashImage>; 2], LaunchError> {
        let mut banks = Vec::new();
        for disk in self
            .disks
            .iter_mut()
            .filter(|d| d.interface == Interface::Pflash)
        {
            let path = disk.facts.file.clone();
            let contents = super::read(Some(&path), "drive")?.unwrap_or_default();
            banks.extend(disk.take().map(|disk| FlashImage { contents, disk }));
        }
        if banks.len() > 2 {
            return Err(LaunchError::Conflict(
                "-drive if=pflash: the virt board has two flash banks".into(),
            ));
        }
        let mut banks = banks.into_iter();
        Ok([banks.next(), banks.next()])
    }

    /// The disks that come with a device of their own, with their names.
    pub(super) fn take_virtio(&mut self) -> Vec<(String, Box<dyn BlockBackend>)> {
        self.disks
            .iter_mut()
            .filter(|d| d.interface == Interface::Virtio)
            .filter_map(|d| Some((d.facts.id.clone(), d.take()?)))
            .collect()
    }

    /// A device that used this disk is gone: a drive goes with it, a node stays unused.
    pub fn release(&mut self, id: &str) {
        self.disks.retain(|d| d.facts.id != id || d.facts.is_node);
        if let Some(disk) = self.disks.iter_mut().find(|d| d.facts.id == id) {
            disk.facts.attached = false;
        }
    }

    /// The disk of this name, for a device.
    pub fn take(&mut self, id: &str) -> Result<Box<dyn BlockBackend>, LaunchError> {
        let reference = |problem| LaunchError::Reference {
            what: "drive",
            id: id.to_owned(),
            problem,
        };
        let disk = self
            .disks
            .iter_mut()
            .find(|d| d.facts.id == id)
            .ok_or_else(|| reference("is not defined"))?;
        if disk.interface != Interface::None {
            return Err(reference("already has a device of its own: use if=none"));
        }
        disk.take().ok_or_else(|| reference("is already in use"))
    }
}

impl Disk {
    fn open(
        spec: &DriveSpec,
        is_node: bool,
        trace: &Trace,
        waker: &Waker,
    ) -> Result<Self, LaunchError> {
        let options = BlockFileOptions {
            read_only: spec.read_only,
            ..BlockFileOptions::default()
        };
        let storage = BlockFile::open(&spec.file, options, waker.function())
            .map_err(|e| LaunchError::Conflict(e.to_string()))?;
        let options = NodeOptions {
            node_name: spec.id.clone(),
            read_only: spec.read_only,
            ..NodeOptions::default()
        };
        let node = BlockNode::new(Box::new(storage), options)
            .map_err(|e| LaunchError::Conflict(format!("{}: {e}", spec.file.display())))?
            .traced(trace.clone());
        let facts = BlockFacts {
            id: spec.id.clone(),
            file: spec.file.clone(),
            read_only: spec.read_only,
            size: node.size(),
            stats: node.stats(),
            attached: false,
            is_node,
        };
        Ok(Self {
            facts,
            interface: spec.interface,
            node: Some(node),
        })
    }

    fn take(&mut self) -> Option<Box<dyn BlockBackend>> {
        let node = self.node.take()?;
        self.facts.attached = true;
        Some(Box::new(node))
    }
}

impl BlockFacts {
    /// The block node's name: given, or made up as QEMU does for drives.
    #[must_use]
    pub fn node_name(&self) -> String {
        if self.is_node {
            self.id.clone()
        } else {
            format!("#block-{}", self.id)
        }
    }
}
