//! The monitor: QEMU's machine protocol (QMP) and its small human monitor, without any transport.
//!
//! Bytes go into a [`session::Session`], requests come out, run against a machine
//! ([`control::VmControl`]), and lines go back out. The protocol is that of QEMU's "QMP protocol
//! specification"; commands and events are rows of the schema in `schema/`.
//!
//! - [`json`]: the dialect read and the text written;
//! - [`session`]: one client: negotiation, queue, answers, bounds;
//! - [`events`]: from the machine to all clients;
//! - [`schema`]: the tables and types; [`documents`]: what is written from them;
//! - [`commands`]: what each command does;
//! - [`jobs`]: work that goes on beside monitors;
//! - [`dump`]: the guest's memory as a core file;
//! - [`devices`], [`qom`]: what commands about devices need, and the tree of objects;
//! - [`hmp`]: the human monitor behind `human-monitor-command`.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod commands;
pub mod control;
pub mod devices;
pub mod documents;
pub mod dump;
pub mod error;
pub mod events;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
pub mod hmp;
pub mod jobs;
pub mod json;
pub mod qom;
#[cfg(any(test, feature = "fake"))]
pub mod random;
pub mod schema;
pub mod session;

pub use commands::base64;
pub use control::{Attachment, HostControl, MemoryFault, VmControl};
pub use error::Error;
pub use events::{EventSink, Events};
pub use schema::Event;
pub use session::{Request, Response, Session};
