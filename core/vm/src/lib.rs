//! Boards and the virtual machine: what ties CPUs, devices and memory together.
//!
//! - [`clock`]: virtual time from the host's;
//! - [`config`]: what a machine is made from;
//! - [`describe`]: registers and memory map as text;
//! - [`virt`]: the `virt` board: memory map, device tree, wiring;
//! - [`boot`]: direct kernel boot;
//! - [`psci`]: the board's firmware calls;
//! - [`machine`]: the [`Vm`]: run loop and lifecycle;
//! - [`smp`]: its CPUs at the same time, on threads that the host gives them.
//!
//! # A tour: one guest load from a device
//! A guest executes `ldr w0, [x1]` with `x1` pointing at the serial port's data register. The load
//! was translated to one IR operation; its inline look-aside check misses, since device pages never
//! enter the TLB, so the interpreter calls [`Env::load`](ferrite_ir::Env::load) of the CPU. The CPU
//! walks the page tables, finds a device page and asks its
//! [`Platform`](ferrite_aarch64::platform::Platform), which is the [`virt::Board`]. The board finds
//! the region in its [`AddressMap`](ferrite_machine::AddressMap), hands the access to the PL011 with
//! a [`Cx`](ferrite_machine::Cx), and afterwards looks at the device's wiring: the receive interrupt
//! fell, so SPI 1 goes low at the GIC, which recomputes the CPU's IRQ input. The value travels back
//! the same way, is extended as the operation says, and lands in the slot of `x0`.
//!
//! # Ownership
//! One thread owns the whole [`Vm`], or, while CPUs have threads of their own, what [`smp`] says. Host
//! threads (sockets, disks) never touch it: they fill queues behind the backend traits and wake the owner,
//! which calls [`Vm::poll_devices`].

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod boot;
pub mod clock;
pub mod config;
pub mod describe;
pub mod machine;
pub mod psci;
pub mod smp;
pub mod virt;

pub use config::{BuildError, FlashImage, GicVersion, MachineConfig, PciSlot, VirtioSlot};
pub use machine::{Slice, Vm};
