//! What monitors are told of a machine, whatever host it runs on.
//!
//! - [`lifecycle`]: states, causes and events in the schema's words;
//! - [`objects`]: the machine's part of the tree of objects; [`types`]: their types;
//! - [`pci`]: the functions on PCI buses.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod lifecycle;
pub mod objects;
pub mod pci;
pub mod types;
