//! What every machine is made of, apart from any CPU or board.
//!
//! - [`device`]: the trait that a device implements and the context that it is called with;
//! - [`backend`]: the host's side of character, block, network, random and file-sharing devices;
//! - [`shared_folder`]: a host's folder for the 9P device;
//! - [`clock`]: virtual time;
//! - [`trace`]: trace points;
//! - [`bus`]: the physical memory map and DMA.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod backend;
pub mod bus;
pub mod clock;
pub mod device;
pub mod shared_folder;
pub mod trace;

pub use bus::{AddressMap, Dma, MapError, RegionKind};
pub use clock::VirtualTime;
pub use device::{BusError, Cx, Device, DeviceId, Message, ResetKind, Wiring};
