//! Monitors: QMP sessions over sockets, WebSockets and standard input and output.
//!
//! ```text
//! socket -> reader task: Session::input -> ready queue, waker -> MonitorHub::poll (the VM's thread)
//!                                                                   Request::execute(vm)
//! socket <- straight from whichever thread has a line, else the writer task <- Session::output
//! ```
//!
//! Sockets are served by one thread of their own; commands run on the VM's thread, when its loop
//! calls [`MonitorHub::poll`] between slices of guest execution. An answer goes out from the thread
//! that made it, so that a round trip costs two thread switches and no timer.

mod client;
mod hub;
mod origin;
mod socket;
mod stdio;
mod stream;
#[cfg(test)]
mod tests;
mod websocket;

pub use hub::{MonitorHub, Waker};
pub use origin::WebSocketPolicy;
pub(crate) use websocket::is_whole;
