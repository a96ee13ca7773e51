//! The console device (the spec, section 5.3): QEMU's `virtio-serial` with its `virtconsole` and
//! `virtserialport` ports.

mod bus;
mod port;
pub mod spec;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use ferrite_machine::backend::CharBackend;

use self::bus::{Change, Ports};
pub use self::bus::{PortError, SerialBus};
use self::port::Port;
use self::spec::{
    CONFIG_EMERGENCY, CONTROL_BYTES, CONTROL_RX, CONTROL_TX, MAX_PORTS, event, feature,
    receive_queue,
};
use super::device::{VirtioCx, VirtioDevice};
use super::spec::device_type;

/// Most control messages handled each way in one call.
const MAX_MESSAGES: usize = 128;
/// Most control messages kept for a driver that gives no buffers; what exceeds them is lost.
const MAX_QUEUED: usize = 256;
/// Entries of a port's queues, and of the control queues.
const PORT_QUEUE: u16 = 128;
const CONTROL_QUEUE: u16 = 32;

/// `virtio-serial`: up to 31 ports.
pub struct VirtioConsole {
    // Wiring.
    bus: SerialBus,
    // Guest-visible.
    size: Option<(u16, u16)>,
    /// Whether the driver wants to hear of ports.
    ready: bool,
    // Control messages for the driver.
    messages: VecDeque<Vec<u8>>,
}

impl Default for VirtioConsole {
    fn default() -> Self {
        Self::new()
    }
}

impl VirtioConsole {
    /// A device without ports.
    #[must_use]
    pub fn new() -> Self {
        Self::on(SerialBus::default())
    }

    /// A device with the ports of `bus`, now and later.
    #[must_use]
    pub fn on(bus: SerialBus) -> Self {
        Self {
            bus,
            size: None,
            ready: false,
            messages: VecDeque::new(),
        }
    }

    /// The size of consoles in columns and rows, where it is known.
    #[must_use]
    pub fn with_size(mut self, columns: u16, rows: u16) -> Self {
        self.size = Some((columns, rows));
        self
    }

    /// Adds a `virtconsole`: a port that the guest uses as a terminal. It gets number 0 unless
    /// that is taken or `number` says otherwise. Returns the number.
    pub fn add_console(
        &mut self,
        number: Option<u32>,
        name: Option<String>,
        backend: Box<dyn CharBackend>,
    ) -> Result<u32, PortError> {
        self.bus.add_console(number, name, backend)
    }

    /// Adds a `virtserialport`: a port that the guest sees as a character device. It gets the first
    /// free number from 1 on unless `number` says otherwise. Returns the number.
    pub fn add_serial_port(
        &mut self,
        number: Option<u32>,
        name: Option<String>,
        backend: Box<dyn CharBackend>,
    ) -> Result<u32, PortError> {
        self.bus.add_serial_port(number, name, backend)
    }

    fn send(&mut self, port: usize, event: u16, value: u16, extra: &[u8]) {
        if self.messages.len() < MAX_QUEUED {
            let mut message = Vec::with_capacity(CONTROL_BYTES + extra.len());
            message.extend((port as u32).to_le_bytes());
            message.extend(event.to_le_bytes());
            message.extend(value.to_le_bytes());
            message.extend_from_slice(extra);
            self.messages.push_back(message);
        }
    }

    fn flush_messages(&mut self, cx: &mut VirtioCx<'_>) {
        while let Some(message) = self.messages.front() {
            let Some(chain) = cx.pop(CONTROL_RX) else {
                return;
            };
            // A buffer that is too small gets what fits, as the driver asked.
            let Some(written) = cx.write(&chain, 0, message) else {
                return;
            };
            cx.push(CONTROL_RX, chain, written as u64);
            self.messages.pop_front();
        }
    }

    fn take_messages(&mut self, cx: &mut VirtioCx<'_>, ports: &mut Ports) {
        for _ in 0..MAX_MESSAGES {
            let Some(chain) = cx.pop(CONTROL_TX) else {
                return;
            };
            if let Some([p0, p1, p2, p3, e0, e1, v0, v1]) = cx.read_array(&chain, 0) {
                let port = u32::from_le_bytes([p0, p1, p2, p3]);
                let value = u16::from_le_bytes([v0, v1]);
                self.message(ports, port, u16::from_le_bytes([e0, e1]), value);
            }
            cx.push(CONTROL_TX, chain, 0);
        }
        cx.again();
    }

    /// The driver tells of a port.
    fn message(&mut self, ports: &mut Ports, number: u32, event: u16, value: u16) {
        if event == event::DEVICE_READY {
            self.ready = value != 0;
            if self.ready {
                // It hears of every port, so there is no news of any.
                ports.changes.clear();
                for port in &ports.ports {
                    self.send(port.number, event::DEVICE_ADD, 1, &[]);
                }
            }
            return;
        }
        let found = ports.ports.iter_mut().find(|p| p.number == number as usize);
        let Some(port) = found else {
            return;
        };
        match event {
            event::PORT_READY if value != 0 => {
                port.ready = true;
                port.host_open = port.connected();
                let (number, open, is_console) = (port.number, port.host_open, port.is_console);
                let name = port.name.clone();
                self.describe(number, is_console, name, open);
            }
            event::PORT_OPEN => port.guest_open = value != 0,
            _ => {}
        }
    }

    /// Tells the driver what there is to know of a port.
    fn describe(&mut self, number: usize, is_console: bool, name: Option<String>, open: bool) {
        if is_console {
            self.send(number, event::CONSOLE_PORT, 1, &[]);
            if let Some((columns, rows)) = self.size {
                let [c0, c1] = columns.to_le_bytes();
                let [r0, r1] = rows.to_le_bytes();
                self.send(number, event::RESIZE, 0, &[c0, c1, r0, r1]);
            }
        }
        if let Some(name) = name {
            let mut bytes = name.into_bytes();
            bytes.push(0);
            self.send(number, event::PORT_NAME, 1, &bytes);
        }
        if open {
            self.send(number, event::PORT_OPEN, 1, &[]);
        }
    }

    /// Tells the driver of ports whose host side came or went.
    fn note_connections(&mut self, ports: &mut Ports) {
        let mut changes = Vec::new();
        for port in ports.ports.iter_mut().filter(|p| p.ready) {
            let open = port.connected();
            if open != port.host_open {
                port.host_open = open;
                changes.push((port.number, u16::from(open)));
            }
        }
        for (number, open) in changes {
            self.send(number, event::PORT_OPEN, open, &[]);
        }
    }

    /// Tells the driver of ports that came and went.
    fn note_changes(&mut self, cx: &mut VirtioCx<'_>, ports: &mut Ports) {
        for change in std::mem::take(&mut ports.changes) {
            match change {
                Change::Added(number) if self.ready => {
                    self.send(number, event::DEVICE_ADD, 1, &[]);
                }
                Change::Removed(mut port) => {
                    port.hand_back(cx);
                    if self.ready {
                        self.send(port.number, event::DEVICE_REMOVE, 1, &[]);
                    }
                }
                Change::Added(_) => {}
            }
        }
    }

    fn run(&mut self, cx: &mut VirtioCx<'_>) {
        let bus = self.bus.clone();
        let mut ports = bus.lock();
        let multiport = cx.has(feature::MULTIPORT);
        self.note_changes(cx, &mut ports);
        if multiport {
            self.take_messages(cx, &mut ports);
            self.note_connections(&mut ports);
            self.flush_messages(cx);
        } else if let Some(port) = ports.ports.iter_mut().find(|p| p.number == 0) {
            // The driver knows of one port, and of no way to open it.
            port.guest_open = true;
        }
        let known = |p: &&mut Port| multiport || p.number == 0;
        for port in ports.ports.iter_mut().filter(known) {
            port.transmit(cx);
            port.receive(cx);
        }
    }
}

impl VirtioDevice for VirtioConsole {
    fn device_type(&self) -> u32 {
        device_type::CONSOLE
    }

    fn name(&self) -> &'static str {
        "virtio-serial"
    }

    fn features(&self) -> u64 {
        let size = if self.size.is_some() {
            feature::SIZE
        } else {
            0
        };
        size | feature::MULTIPORT | feature::EMERG_WRITE
    }

    fn queue_sizes(&self) -> Vec<u16> {
        let mut sizes = vec![PORT_QUEUE; 2 * (MAX_PORTS as usize + 1)];
        sizes[CONTROL_RX] = CONTROL_QUEUE;
        sizes[CONTROL_TX] = CONTROL_QUEUE;
        sizes
    }

    fn config(&self) -> Vec<u8> {
        let (columns, rows) = self.size.unwrap_or((0, 0));
        let mut config = Vec::with_capacity(12);
        config.extend(columns.to_le_bytes());
        config.extend(rows.to_le_bytes());
        config.extend(MAX_PORTS.to_le_bytes());
        config.extend([0; 4]);
        config
    }

    fn write_config(&mut self, offset: usize, data: &[u8]) {
        if let (CONFIG_EMERGENCY, Some(byte)) = (offset, data.first())
            && let Some(port) = self.bus.lock().ports.iter_mut().find(|p| p.is_console)
        {
            port.write_now(*byte);
        }
    }

    fn notify(&mut self, cx: &mut VirtioCx<'_>, _queue: usize) {
        self.run(cx);
    }

    fn poll(&mut self, cx: &mut VirtioCx<'_>) {
        self.run(cx);
    }

    fn reset(&mut self) {
        self.messages.clear();
        self.ready = false;
        let mut ports = self.bus.lock();
        ports.changes.clear();
        ports.ports.iter_mut().for_each(Port::reset);
    }

    fn reset_queue(&mut self, queue: usize) {
        for port in &mut self.bus.lock().ports {
            if receive_queue(port.number) + 1 == queue {
                port.forget_output();
            }
        }
    }
}
