//! What monitors are told of a machine, whatever host it runs on.
//!
//! - [`lifecycle`]: states, causes and events in the schema's words;
//! - [`objects`]: the machine's part of the tree of objects; [`types`]: their types;
//! - [`pci`]: the functions on PCI buses;
//! - [`memory`]: the guest's memory; [`models`]: models of processors.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod lifecycle;
pub mod memory;
pub mod models;
pub mod objects;
pub mod pci;
pub mod types;
