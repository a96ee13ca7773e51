//! The native host of Ferrite: what a machine needs from the operating system.

#![forbid(unsafe_code)]

pub mod backend;
