//! Who is at the other end of a socket.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whether a peer is connected, and its address; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    peer: Arc<Mutex<Option<String>>>,
}

impl Connection {
    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A peer has come, whose address may be empty.
    pub fn open(&self, peer: String) {
        *self.lock() = Some(peer);
    }

    /// The peer has gone.
    pub fn close(&self) {
        *self.lock() = None;
    }

    /// The socket `local`, which may be a server's, as `query-chardev` writes it.
    #[must_use]
    pub fn describe(&self, local: &str, server: bool) -> String {
        let server = if server { ",server=on" } else { "" };
        match self.lock().as_deref() {
            None => format!("disconnected:{local}{server}"),
            Some("") => format!("{local}{server}"),
            Some(peer) => format!("{local}{server} <-> {peer}"),
        }
    }
}
