//! Who is at the other end of a socket.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A peer that is connected.
struct Peer {
    /// Its address, which may be empty.
    address: String,
    /// Ends the connection.
    cut: Box<dyn Fn() + Send>,
}

/// Whether a peer is connected, and its address; clones are the same.
#[derive(Clone, Default)]
pub struct Connection {
    peer: Arc<Mutex<Option<Peer>>>,
}

impl Connection {
    fn lock(&self) -> MutexGuard<'_, Option<Peer>> {
        self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A peer has come, whose address may be empty; `cut` ends the connection without waiting.
    pub fn open(&self, address: String, cut: impl Fn() + Send + 'static) {
        *self.lock() = Some(Peer {
            address,
            cut: Box::new(cut),
        });
    }

    /// The peer has gone.
    pub fn close(&self) {
        *self.lock() = None;
    }

    /// Ends the connection, if there is one.
    pub fn cut(&self) {
        if let Some(peer) = self.lock().as_ref() {
            (peer.cut)();
        }
    }

    /// The socket `local`, which may be a server's, as `query-chardev` writes it.
    #[must_use]
    pub fn describe(&self, local: &str, server: bool) -> String {
        let server = if server { ",server=on" } else { "" };
        match self.lock().as_ref().map(|peer| peer.address.as_str()) {
            None => format!("disconnected:{local}{server}"),
            Some("") => format!("{local}{server}"),
            Some(peer) => format!("{local}{server} <-> {peer}"),
        }
    }
}
