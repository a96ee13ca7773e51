//! Direct kernel boot: what `-kernel`, `-initrd`, `-append` and `-dtb` put into guest memory.
//!
//! The layout is QEMU's, since boot loaders and tests know it: the kernel at its offset from the
//! start of RAM (2 MiB up when the header leaves no room below it), the initrd at half of RAM but
//! at most 128 MiB up, the device tree behind it on a 2 MiB boundary.

pub mod device_tree;
mod elf;
mod image;

use ferrite_machine::Dma;
use ferrite_ram::GuestPhys;

pub use image::{gunzip, unpack};

use crate::virt::memory_map::RAM_BASE;

const MIB: u64 = 1 << 20;

/// Why a guest cannot be started from the files given.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Neither an arm64 Image, nor ELF, nor a compressed one of these.
    #[error("could not load kernel: {0}")]
    BadKernel(String),
    /// The kernel does not fit.
    #[error(
        "could not load kernel: it needs {need:#x} bytes from {at:#x}, beyond the end of RAM at {end:#x}"
    )]
    KernelTooLarge {
        /// First address.
        at: u64,
        /// Bytes including its zeroed part.
        need: u64,
        /// End of RAM.
        end: u64,
    },
    /// The initrd does not fit behind the kernel.
    #[error(
        "could not load initrd: {need} bytes at {at:#x} do not fit below the end of RAM at {end:#x}"
    )]
    InitrdTooLarge {
        /// First address.
        at: u64,
        /// Bytes.
        need: u64,
        /// End of RAM.
        end: u64,
    },
    /// The device tree does not fit, or is not one.
    #[error("could not load device tree: {0}")]
    BadDeviceTree(String),
    /// An initrd, command line or device tree that nothing would read.
    #[error("{0} only make sense with -kernel")]
    NeedsKernel(&'static str),
}

/// Where the parts of a guest went, to be told to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// First instruction.
    pub entry: u64,
    /// The initrd's first address and the one behind it.
    pub initrd: Option<(u64, u64)>,
    /// Where the device tree goes.
    pub dtb: u64,
}

/// Bytes to copy to an address.
pub(crate) struct Segment<'a> {
    pub at: u64,
    pub data: &'a [u8],
    /// Bytes in memory; those beyond the data are zero.
    pub mem_len: u64,
}

/// A kernel in its final form.
pub(crate) struct Kernel<'a> {
    pub entry: u64,
    pub segments: Vec<Segment<'a>>,
}

/// Copies kernel and initrd into memory and says where the rest goes. `kernel` is unpacked already.
pub fn load(
    dma: &Dma,
    ram: u64,
    kernel: &[u8],
    initrd: Option<&[u8]>,
) -> Result<Placement, BootError> {
    let end = RAM_BASE.saturating_add(ram);
    let kernel = match elf::parse(kernel)? {
        Some(kernel) => kernel,
        None => image::parse(kernel)?,
    };
    let mut kernel_end = RAM_BASE;
    for segment in &kernel.segments {
        let too_large = BootError::KernelTooLarge {
            at: segment.at,
            need: segment.mem_len,
            end,
        };
        let Some(segment_end) = segment.at.checked_add(segment.mem_len) else {
            return Err(too_large);
        };
        if segment_end > end || !dma.is_memory(GuestPhys(segment.at), segment.mem_len, true) {
            return Err(too_large);
        }
        place(dma, segment).map_err(|_| too_large)?;
        kernel_end = kernel_end.max(segment_end);
    }
    let start = (RAM_BASE + (ram / 2).min(128 * MIB)).max(kernel_end.next_multiple_of(MIB));
    let mut next = start;
    let mut placed = None;
    if let Some(initrd) = initrd {
        let need = initrd.len() as u64;
        let too_large = BootError::InitrdTooLarge {
            at: start,
            need,
            end,
        };
        dma.write(GuestPhys(start), initrd).map_err(|_| too_large)?;
        placed = Some((start, start + need));
        next = start + need;
    }
    Ok(Placement {
        entry: kernel.entry,
        initrd: placed,
        dtb: next.next_multiple_of(2 * MIB),
    })
}

/// Copies a segment and clears what follows its data.
fn place(dma: &Dma, segment: &Segment<'_>) -> Result<(), ferrite_machine::BusError> {
    const ZEROS: [u8; 4096] = [0; 4096];
    dma.write(GuestPhys(segment.at), segment.data)?;
    let (mut at, end) = (
        segment.at + segment.data.len() as u64,
        segment.at + segment.mem_len,
    );
    while at < end {
        let len = (end - at).min(ZEROS.len() as u64);
        dma.write(GuestPhys(at), &ZEROS[..len as usize])?;
        at += len;
    }
    Ok(())
}
