//! The devices of Ferrite's machines, each a module of its own. None knows its address, its
//! interrupt numbers or its host: boards wire them, hosts supply their backends.

#![forbid(unsafe_code)]

pub mod virtio;
