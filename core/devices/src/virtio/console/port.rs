//! One port of a console device.

use ferrite_machine::backend::CharBackend;

use super::spec::receive_queue;
use crate::virtio::device::VirtioCx;
use crate::virtio::queue::Chain;

/// Most bytes moved at a time.
const CHUNK: usize = 4096;
/// Most pieces moved each way in one call.
const MAX_STEPS: usize = 64;

/// Output that the backend did not take yet.
struct Pending {
    chain: Chain,
    done: u64,
}

/// A port: a character stream with a number, and perhaps a name.
pub(super) struct Port {
    // Fixed.
    pub(super) number: usize,
    pub(super) name: Option<String>,
    pub(super) is_console: bool,
    // Wiring.
    backend: Box<dyn CharBackend>,
    // Guest-visible.
    /// Whether the driver has the port open.
    pub(super) guest_open: bool,
    /// Whether the driver was told that the host has the port open.
    pub(super) host_open: bool,
    /// Whether the driver set the port up.
    pub(super) ready: bool,
    pending: Option<Pending>,
}

impl Port {
    pub(super) fn new(
        number: usize,
        name: Option<String>,
        is_console: bool,
        backend: Box<dyn CharBackend>,
    ) -> Self {
        Self {
            number,
            name,
            is_console,
            backend,
            guest_open: false,
            host_open: false,
            ready: false,
            pending: None,
        }
    }

    pub(super) fn connected(&self) -> bool {
        self.backend.connected()
    }

    pub(super) fn reset(&mut self) {
        self.guest_open = false;
        self.host_open = false;
        self.ready = false;
        self.pending = None;
    }

    /// Gives the driver back what was not written yet: the port goes.
    pub(super) fn hand_back(&mut self, cx: &mut VirtioCx<'_>) {
        if let Some(pending) = self.pending.take() {
            cx.push(receive_queue(self.number) + 1, pending.chain, 0);
        }
    }

    pub(super) fn forget_output(&mut self) {
        self.pending = None;
    }

    /// Writes one character, past any queue.
    pub(super) fn write_now(&mut self, byte: u8) {
        self.backend.write(&[byte]);
    }

    /// Moves output from the driver to the backend.
    pub(super) fn transmit(&mut self, cx: &mut VirtioCx<'_>) {
        let queue = receive_queue(self.number) + 1;
        for _ in 0..MAX_STEPS {
            let taken = self.pending.take();
            let Some(mut p) = taken.or_else(|| {
                Some(Pending {
                    chain: cx.pop(queue)?,
                    done: 0,
                })
            }) else {
                return;
            };
            let Some(data) = cx.read_vec(&p.chain, p.done, CHUNK) else {
                return;
            };
            // Nobody will read what is written to a port that is not connected.
            let taken = if self.backend.connected() {
                self.backend.write(&data).min(data.len())
            } else {
                data.len()
            };
            p.done += taken as u64;
            if p.done == p.chain.readable_len() {
                cx.push(queue, p.chain, 0);
            } else {
                self.pending = Some(p);
                if taken < data.len() {
                    return;
                }
            }
        }
        cx.again();
    }

    /// Moves input from the backend to the driver.
    pub(super) fn receive(&mut self, cx: &mut VirtioCx<'_>) {
        if !self.guest_open {
            return;
        }
        let queue = receive_queue(self.number);
        for _ in 0..MAX_STEPS {
            let Some(chain) = cx.pop(queue) else {
                return;
            };
            let mut data = vec![0; chain.writable_len().min(CHUNK as u64) as usize];
            if data.is_empty() {
                cx.bad_request("a console receive buffer cannot be written");
                return;
            }
            let got = self.backend.read(&mut data).min(data.len());
            if got == 0 {
                cx.unpop(queue, vec![chain]);
                return;
            }
            if cx.write(&chain, 0, &data[..got]).is_none() {
                return;
            }
            cx.push(queue, chain, got as u64);
        }
        cx.again();
    }
}
