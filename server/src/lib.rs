//! The native host of Ferrite: the command line, and what a machine needs from the operating system.
//!
//! - [`cli`]: QEMU's options, read into a [`cli::CommandLine`] (a crate of the core);
//! - [`launch`]: opens what the command line names and builds the machine;
//! - [`process`]: the process around it: pid file, background, exit status;
//! - [`run`]: the machine's thread;
//! - [`control`]: the machine as monitors see it; [`host`]: what they ask of the process;
//! - [`monitor`]: QMP sessions over sockets, WebSockets and standard streams;
//! - [`console`], [`human`]: the human monitor on the terminal and elsewhere;
//! - [`chardev`], [`backend`]: the host's end of serial ports, disks, folders and random numbers;
//! - [`qtest`]: test tools that drive devices;
//! - [`serve`]: the playground's page, and the relay to machines in browser tabs;
//! - `sandbox` (a feature): machines inside WebAssembly, for guests that nobody vouches for;
//! - [`attach`]: a monitor behind a WebSocket on a socket of this host;
//! - [`clock`], [`signals`] and `wake`: time, interruption and sleep.

#![forbid(unsafe_code)]

pub use ferrite_cli as cli;

pub mod attach;
pub mod backend;
pub mod chardev;
pub mod clock;
pub mod console;
pub mod control;
pub mod host;
pub mod human;
pub mod launch;
pub mod monitor;
pub mod net;
pub mod process;
pub mod qtest;
pub mod run;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod serve;
pub mod signals;
pub mod tls;
pub mod vcpus;
mod wake;
