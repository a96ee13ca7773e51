//! Virtio devices and their transports, after "Virtual I/O Device (VIRTIO) Version 1.2" (OASIS),
//! called "the spec" in this module.
//!
//! - [`queue`]: split virtqueues in guest memory;
//! - [`device`]: the trait of a device and the context that it is called with, free of transports;
//! - [`transport`]: what every transport does alike: status handshake, features, queues, interrupts;
//! - [`mmio`]: the memory-mapped transport, legacy and modern;
//! - [`pci`]: the PCI transport, modern and transitional;
//! - [`balloon`], [`blk`], [`net`], [`console`], [`rng`], [`p9`], [`scsi`]: the devices.
//!
//! Everything that a guest writes is hostile: a broken ring stops its device until the driver resets
//! it (`DEVICE_NEEDS_RESET`), and one call to a device does a bounded amount of work.

pub mod balloon;
pub mod blk;
pub mod console;
pub mod device;
pub mod mmio;
pub mod net;
pub mod p9;
pub mod pci;
pub mod queue;
pub mod rng;
pub mod scsi;
pub mod spec;
pub mod transport;

pub use device::{VirtioCx, VirtioDevice};
pub use mmio::{MmioVersion, VirtioMmio};
pub use pci::VirtioPci;

#[cfg(test)]
mod guest;
