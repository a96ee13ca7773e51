//! The network device (the spec, section 5.1), without offloads: frames are complete both ways.

mod filter;
mod report;
pub mod spec;

#[cfg(test)]
mod tests;

use ferrite_machine::backend::NetBackend;

use self::filter::Filter;
pub use self::filter::Mac;
pub use self::report::{FilterReport, FilterView, Passing};
use self::spec::{
    CTRL, LONG_HEADER, MAX_FRAME, RX, SHORT_HEADER, STATUS_LINK_UP, TX, control, feature,
};
use super::device::{VirtioCx, VirtioDevice};
use super::queue::Chain;
use super::spec::{device_type, feature as ring_feature};

/// Most frames moved each way, and commands done, in one call.
const MAX_FRAMES: usize = 256;
/// Longest control command, header and acknowledgement apart: two tables of 1024 addresses.
const MAX_COMMAND: usize = 2 * (4 + 6 * 1024);

/// `virtio-net`.
pub struct VirtioNet {
    // Fixed.
    default_mac: Mac,
    // Wiring.
    backend: Box<dyn NetBackend>,
    view: FilterView,
    // Guest-visible.
    mac: Mac,
    filter: Filter,
    link_up: bool,
    // A received frame that waits for buffers.
    held: Option<Vec<u8>>,
}

impl VirtioNet {
    /// A card with address `mac` at the port `backend`.
    #[must_use]
    pub fn new(backend: Box<dyn NetBackend>, mac: Mac) -> Self {
        Self {
            default_mac: mac,
            mac,
            filter: Filter::default(),
            link_up: backend.link_up(),
            backend,
            view: FilterView::new(mac),
            held: None,
        }
    }

    /// A view of its receive filter.
    #[must_use]
    pub fn filter_view(&self) -> FilterView {
        self.view.clone()
    }

    fn show_filter(&self, told: bool) {
        self.view.show(self.mac, &self.filter, told);
    }

    fn header_len(cx: &VirtioCx<'_>) -> usize {
        if cx.has(ring_feature::VERSION_1) || cx.has(feature::MRG_RXBUF) {
            LONG_HEADER
        } else {
            SHORT_HEADER
        }
    }

    fn transmit(&mut self, cx: &mut VirtioCx<'_>) {
        let header = Self::header_len(cx);
        for _ in 0..MAX_FRAMES {
            let Some(chain) = cx.pop(TX) else {
                return;
            };
            if chain.readable_len() < header as u64 {
                cx.bad_request("a frame has no header");
                return;
            }
            let len = chain.readable_len() - header as u64;
            // Without offloads the header says nothing; what no network carries is dropped.
            if len <= MAX_FRAME as u64 {
                let Some(frame) = cx.read_vec(&chain, header as u64, MAX_FRAME) else {
                    return;
                };
                if self.link_up {
                    self.backend.send(&frame);
                }
            }
            cx.push(TX, chain, 0);
        }
        cx.again();
    }

    fn receive(&mut self, cx: &mut VirtioCx<'_>) {
        for _ in 0..MAX_FRAMES {
            let Some(frame) = self.held.take().or_else(|| self.backend.receive()) else {
                // Buffers may come and go unannounced until there is a frame for them.
                cx.set_notifications(RX, false);
                return;
            };
            if !self.wants(&frame) {
                continue;
            }
            cx.set_notifications(RX, true);
            if !self.deliver(cx, &frame) {
                self.held = Some(frame);
                return;
            }
        }
        cx.again();
    }

    fn wants(&self, frame: &[u8]) -> bool {
        self.link_up && frame.len() <= MAX_FRAME && self.filter.accepts(self.mac, frame)
    }

    /// Puts a frame in the receive queue; false when there is no room yet.
    fn deliver(&mut self, cx: &mut VirtioCx<'_>, frame: &[u8]) -> bool {
        let header = Self::header_len(cx);
        let merge = cx.has(feature::MRG_RXBUF);
        let mut packet = vec![0; header];
        packet.extend_from_slice(frame);
        let mut chains: Vec<Chain> = Vec::new();
        let mut room = 0;
        while room < packet.len() as u64 {
            if !chains.is_empty() && !merge {
                // The driver's buffers are too small for the frame: it is lost.
                break;
            }
            let Some(chain) = cx.pop(RX) else {
                cx.unpop(RX, chains);
                return false;
            };
            room += chain.writable_len();
            if chain.writable_len() == 0 || chains.is_empty() && room < header as u64 {
                cx.bad_request("a receive buffer has no room for the frame header");
                return true;
            }
            chains.push(chain);
        }
        if header == LONG_HEADER {
            let count = (chains.len() as u16).to_le_bytes();
            packet[SHORT_HEADER..LONG_HEADER].copy_from_slice(&count);
        }
        if room < packet.len() as u64 {
            cx.unpop(RX, chains);
            return true;
        }
        let mut rest = &packet[..];
        for chain in chains {
            let Some(written) = cx.write(&chain, 0, rest) else {
                return true;
            };
            rest = rest.get(written..).unwrap_or_default();
            cx.push(RX, chain, written as u64);
        }
        true
    }

    fn commands(&mut self, cx: &mut VirtioCx<'_>) {
        for _ in 0..MAX_FRAMES {
            let Some(chain) = cx.pop(CTRL) else {
                return;
            };
            if chain.readable_len() < 2 || chain.writable_len() < 1 {
                cx.bad_request("a control command lacks its header or acknowledgement");
                return;
            }
            let fits = chain.readable_len() <= (2 + MAX_COMMAND) as u64;
            let Some(command) = cx.read_vec(&chain, 0, 2 + MAX_COMMAND) else {
                return;
            };
            let done = match command.as_slice() {
                [class, command, data @ ..] if fits => self.command(*class, *command, data),
                _ => false,
            };
            if done {
                self.show_filter(true);
            }
            let answer = if done { control::OK } else { control::ERR };
            if cx.write(&chain, 0, &[answer]).is_none() {
                return;
            }
            cx.push(CTRL, chain, 1);
        }
        cx.again();
    }

    fn command(&mut self, class: u8, command: u8, data: &[u8]) -> bool {
        match (class, command) {
            (control::RX, mode) => self.filter.set_mode(mode, data),
            (control::MAC, control::MAC_TABLE_SET) => self.filter.set_table(data),
            (control::MAC, control::MAC_ADDR_SET) => match data.try_into() {
                Ok(mac) => {
                    self.mac = mac;
                    true
                }
                Err(_) => false,
            },
            (control::VLAN, command) => self.filter.set_vlan(command, data),
            _ => false,
        }
    }
}

impl VirtioDevice for VirtioNet {
    fn device_type(&self) -> u32 {
        device_type::NET
    }

    fn name(&self) -> &'static str {
        "virtio-net"
    }

    fn features(&self) -> u64 {
        let basic = feature::MAC | feature::STATUS | feature::MRG_RXBUF;
        let modes = feature::CTRL_RX | feature::CTRL_RX_EXTRA | feature::CTRL_VLAN;
        basic | feature::CTRL_VQ | modes | feature::CTRL_MAC_ADDR
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![256, 256, 64]
    }

    fn config(&self) -> Vec<u8> {
        let status = if self.link_up { STATUS_LINK_UP } else { 0 };
        let mut config = self.mac.to_vec();
        config.extend(status.to_le_bytes());
        config
    }

    fn write_config(&mut self, offset: usize, data: &[u8]) {
        // Legacy drivers set the address here, in whatever portions.
        for (n, byte) in data.iter().enumerate() {
            if let Some(place) = self.mac.get_mut(offset.saturating_add(n)) {
                *place = *byte;
            }
        }
        self.show_filter(false);
    }

    fn activate(&mut self, features: u64) {
        if features & feature::CTRL_VLAN != 0 {
            self.filter.filter_vlans();
            self.show_filter(false);
        }
    }

    fn notify(&mut self, cx: &mut VirtioCx<'_>, queue: usize) {
        match queue {
            RX => self.receive(cx),
            TX => {
                self.transmit(cx);
                // A network inside the machine may have answered at once.
                self.receive(cx);
            }
            _ => self.commands(cx),
        }
    }

    fn poll(&mut self, cx: &mut VirtioCx<'_>) {
        if self.backend.link_up() != self.link_up {
            self.link_up = !self.link_up;
            if cx.has(feature::STATUS) {
                cx.config_changed();
            }
        }
        self.commands(cx);
        self.transmit(cx);
        self.receive(cx);
    }

    fn reset(&mut self) {
        self.mac = self.default_mac;
        self.filter = Filter::default();
        self.show_filter(false);
        self.held = None;
    }

    fn reset_queue(&mut self, _queue: usize) {}
}
