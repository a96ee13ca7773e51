//! PCI Express: a host bridge, the buses and bridges below it, and what every function has.
//!
//! - [`config`], [`msix`]: configuration space, base address registers, capabilities, messages;
//! - [`function`]: the trait that a PCI device implements;
//! - [`host`]: the host bridge, which owns every function and decodes accesses for them;
//! - [`topology`]: buses, slots, plugging;
//! - [`ports`]: root ports and bridges; [`hotplug`]: their hot-plug registers;
//! - [`testdev`], [`pvpanic`]: small devices.
//!
//! A function never sees its place: the host hands it accesses to its configuration space and to its
//! base address registers, by number and offset, and carries its interrupts out.

pub mod config;
pub mod function;
pub mod host;
pub mod hotplug;
pub mod msix;
pub mod ports;
pub mod pvpanic;
pub mod spec;
pub mod testdev;
pub mod topology;

#[cfg(test)]
mod tests;

pub use config::{BarKind, ConfigSpace, Identity};
pub use function::{BusKind, PciCx, PciDevice, Secondary};
pub use host::{PciEvent, PciHost};
pub use topology::{Address, FunctionId, PlugError, Request};
