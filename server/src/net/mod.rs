//! The user-mode network on the operating system's sockets.

mod host;
mod ping;
mod reactor;
mod resolver;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

use std::io;
use std::sync::Arc;

use ferrite_machine::backend::NetBackend;
use ferrite_net::{Options, UserNet};

use host::NativeHost;
use reactor::Reactor;

/// A user-mode network: QEMU's `-netdev user`.
pub struct UserNetwork {
    net: UserNet,
    reactor: Arc<Reactor>,
}

impl UserNetwork {
    /// Sets a network up. `wake` is called, from another thread, whenever the machine should poll
    /// its devices. Fails if a forwarded port is taken.
    pub fn new(options: &Options, wake: Arc<dyn Fn() + Send + Sync>) -> io::Result<Self> {
        let reactor = Arc::new(Reactor::start(wake)?);
        let net = UserNet::new(Box::new(NativeHost::new(Arc::clone(&reactor))), options)?;
        Ok(Self { net, reactor })
    }
}

impl NetBackend for UserNetwork {
    fn send(&mut self, frame: &[u8]) {
        self.net.send(frame);
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        let frame = self.net.receive();
        self.reactor.set_ticking(self.net.is_active());
        frame
    }
}
