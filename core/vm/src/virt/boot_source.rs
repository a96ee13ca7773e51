//! What the board starts from: firmware in flash, or a kernel put straight into memory.

use ferrite_machine::ResetKind;
use ferrite_ram::GuestPhys;

use super::memory_map::RAM_BASE;
use super::{Board, fdt, given_tree};
use crate::boot::device_tree::DeviceTree;
use crate::boot::{self, BootError};
use crate::config::GicVersion;

/// The first instruction and its X0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Address of the first instruction.
    pub entry: u64,
    /// X0 there: the device tree's address after a direct kernel boot.
    pub x0: u64,
}

/// Files and facts that are needed again at every reset.
pub struct BootSource {
    pub(super) ram: u64,
    pub(super) gic: GicVersion,
    pub(super) its: bool,
    pub(super) cpu_compatible: String,
    pub(super) pmu: bool,
    pub(super) affinity: Vec<u64>,
    pub(super) seed: [u8; 40],
    /// The unpacked kernel, when it is loaded directly.
    pub(super) kernel: Option<Vec<u8>>,
    pub(super) initrd: Option<Vec<u8>>,
    pub(super) append: Option<String>,
    pub(super) dtb: Option<Vec<u8>>,
}

impl BootSource {
    /// Puts kernel, initrd and device tree into memory, as they were at power-on. Returns the
    /// device tree, too.
    pub fn load(&self, board: &Board, _kind: ResetKind) -> Result<(Start, Vec<u8>), BootError> {
        let Some(kernel) = &self.kernel else {
            let tree = self.write_dtb(board, None, RAM_BASE)?;
            return Ok((Start { entry: 0, x0: 0 }, tree));
        };
        let placement = boot::load(board.dma(), self.ram, kernel, self.initrd.as_deref())?;
        let tree = self.write_dtb(board, Some(placement), placement.dtb)?;
        let start = Start {
            entry: placement.entry,
            x0: placement.dtb,
        };
        Ok((start, tree))
    }

    fn write_dtb(
        &self,
        board: &Board,
        placement: Option<boot::Placement>,
        at: u64,
    ) -> Result<Vec<u8>, BootError> {
        let bad = |what: String| BootError::BadDeviceTree(what);
        let append = self.append.as_deref();
        let blob = match &self.dtb {
            Some(given) => {
                let mut tree = DeviceTree::read(given).map_err(|e| bad(e.to_string()))?;
                given_tree::complete(&mut tree, self.ram, append, placement).map_err(bad)?;
                tree.write()
            }
            None => fdt::build(&fdt::Contents {
                cpu_compatible: &self.cpu_compatible,
                affinity: &self.affinity,
                ram: self.ram,
                gic: self.gic,
                its: self.its,
                pmu: self.pmu,
                append,
                placement,
                seed: self.seed,
            })
            .map_err(|e| bad(e.to_string()))?,
        };
        let beyond = || {
            bad(format!(
                "{} bytes at {at:#x} do not fit into RAM",
                blob.len()
            ))
        };
        board
            .dma()
            .write(GuestPhys(at), &blob)
            .map_err(|_| beyond())?;
        Ok(blob)
    }
}
