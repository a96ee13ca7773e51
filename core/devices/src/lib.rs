//! The devices of the machines that Ferrite emulates.
//!
//! A device is a folder: `mod` holds its behaviour, `spec` its registers as the manual names them,
//! `tests` what a driver sees. Most implement [`ferrite_machine::Device`]; the interrupt
//! controllers, which must know which CPU asks, have an interface of their own ([`gic::Gic`]).

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod cfi_flash;
pub mod e1000;
pub mod fw_cfg;
pub mod gic;
pub mod gicv2;
pub mod gicv2m;
pub mod gicv3;
pub mod its;
pub mod pci;
pub mod pl011;
pub mod pl031;
pub mod pl061;
pub mod primecell;
pub mod scsi;
#[cfg(any(test, feature = "fake"))]
pub mod testbed;
#[cfg(test)]
mod told;
pub mod virtio;
pub mod words;
