//! The core behind a narrow interface: a machine in a worker of a page, or in a sandbox.
//!
//! - [`setup`]: from a command line and its files to a machine;
//! - [`tab`]: the machine, run in slices between the worker's other tasks;
//! - [`control`]: the machine as monitors see it;
//! - [`monitors`]: QMP conversations, frame by frame;
//! - [`traces`]: what trace points tell;
//! - [`stream`], [`disk`], [`net`]: the page's end of serial port, disks and network; a folder in
//!   memory is shared by 9p;
//! - [`cpus`], [`bell`]: CPUs at work at the same time, where the artefact has threads;
//! - `modules`: compiling guest code in the page;
//! - `face` (feature `page`): all of it as JavaScript classes.
//!
//! Nothing here blocks or sleeps but the threads of CPUs. The worker calls [`tab::Tab::run`], does what the machine asks of
//! it (disk requests, fetches), and calls again when there is news or a timer is due.

#![forbid(unsafe_code)]

pub mod bell;
#[cfg(feature = "page")]
pub mod clock;
pub mod control;
pub mod cpus;
pub mod disk;
#[cfg(feature = "page")]
pub mod face;
#[cfg(feature = "page")]
pub mod modules;
pub mod monitors;
pub mod net;
#[cfg(feature = "page")]
pub mod random;
pub mod setup;
pub mod stream;
pub mod tab;
#[cfg(all(feature = "page", target_feature = "atomics"))]
mod threads;
pub mod traces;
