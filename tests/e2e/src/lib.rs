//! What the end-to-end tests share: the real `ferrite` binary with a real guest in it, its console,
//! its monitors, and the host's tools.
//!
//! The binary is `target/release/ferrite`, or what the environment variable `FERRITE` names; it is
//! built beforehand. The guests come from `cargo xtask guests`. Everything here panics with what
//! the guest said last when something is not as expected, and nothing waits for ever.

#![forbid(unsafe_code)]

mod console;
mod guest;
mod host;
mod process;
mod qmp;

pub use console::{BOOT, COMMAND, Console, PROMPT};
pub use guest::{Guest, Kernel};
pub use host::{Venv, ext4_image, fat_image, free_port, fsck, noise, sha256, tool};
pub use process::{Exit, Ferrite, binary, guests, root};
pub use qmp::Qmp;
