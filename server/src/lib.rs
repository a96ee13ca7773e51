//! The native host of Ferrite: what a machine needs from the operating system.

#![forbid(unsafe_code)]

pub mod backend;
pub mod clock;
pub mod monitor;
pub mod net;
