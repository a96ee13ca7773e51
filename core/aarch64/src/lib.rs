//! The AArch64 guest front end: decode tables, translation, system registers, MMU, exceptions.

pub mod decode;
pub mod features;
pub mod platform;
pub mod pstate;
pub mod state;
pub mod translate;
