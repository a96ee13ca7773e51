use std::sync::{Arc, Mutex};

use ferrite_machine::backend::CharBackend;

use super::{PortError, SerialBus, VirtioConsole};
use crate::virtio::MmioVersion;
use crate::virtio::guest::{DRIVERS, Guest, Random};

const MULTIPORT: u64 = 2;

#[derive(Default)]
struct Line {
    written: Vec<u8>,
    input: Vec<u8>,
    /// Most bytes taken from now on.
    room: Option<usize>,
    disconnected: bool,
}

#[derive(Clone, Default)]
struct Terminal(Arc<Mutex<Line>>);

impl CharBackend for Terminal {
    fn write(&mut self, data: &[u8]) -> usize {
        let mut line = self.0.lock().unwrap();
        let taken = line.room.map_or(data.len(), |room| room.min(data.len()));
        line.room = line.room.map(|room| room - taken);
        line.written.extend_from_slice(&data[..taken]);
        taken
    }
    fn read(&mut self, buf: &mut [u8]) -> usize {
        let mut line = self.0.lock().unwrap();
        let got = buf.len().min(line.input.len());
        let rest = line.input.split_off(got);
        buf[..got].copy_from_slice(&line.input);
        line.input = rest;
        got
    }
    fn connected(&self) -> bool {
        !self.0.lock().unwrap().disconnected
    }
}

impl Terminal {
    fn typed(&self, text: &[u8]) {
        self.0.lock().unwrap().input.extend_from_slice(text);
    }
    fn written(&self) -> Vec<u8> {
        self.0.lock().unwrap().written.clone()
    }
}

fn console(version: MmioVersion, features: u64) -> (Guest, Terminal) {
    let terminal = Terminal::default();
    let mut device = VirtioConsole::new();
    device
        .add_console(None, None, Box::new(terminal.clone()))
        .unwrap();
    let mut guest = Guest::new(version, Box::new(device));
    guest.start(features, &[16, 16]);
    (guest, terminal)
}

#[test]
fn a_plain_driver_has_port_0_on_every_interface() {
    for (version, features) in DRIVERS {
        let (mut guest, terminal) = console(version, features);
        guest.request(1, &[b"hello, ", b"world"], &[]);
        assert_eq!(terminal.written(), b"hello, world");
        let chain = guest.add(0, &[], &[64]);
        guest.kick(0);
        assert_eq!(guest.used(0), None, "nothing was typed");
        terminal.typed(b"ls\n");
        guest.poll();
        assert_eq!(guest.used(0), Some((chain.head, 3)));
        assert_eq!(guest.answer(&chain)[..3], *b"ls\n");
    }
}

#[test]
fn output_waits_for_a_slow_backend() {
    let (mut guest, terminal) = console(MmioVersion::Modern, 0);
    terminal.0.lock().unwrap().room = Some(5);
    let text = vec![b'x'; 10_000];
    let sent = guest.add(1, &[&text], &[]);
    guest.kick(1);
    assert_eq!(guest.used(1), None);
    terminal.0.lock().unwrap().room = Some(6000);
    guest.poll();
    assert_eq!(guest.used(1), None);
    terminal.0.lock().unwrap().room = None;
    guest.poll();
    assert_eq!(guest.used(1), Some((sent.head, 0)));
    assert_eq!(terminal.written().len(), 10_000);
}

#[test]
fn an_emergency_needs_no_queue() {
    let (mut guest, terminal) = console(MmioVersion::Modern, 0);
    guest.set(0x70, 0);
    guest.write(0x108, 4, u64::from(b'!'));
    assert_eq!(terminal.written(), b"!");
}

/// A control message from the driver.
fn tell(guest: &mut Guest, port: u32, event: u16, value: u16) {
    let mut message = port.to_le_bytes().to_vec();
    message.extend(event.to_le_bytes());
    message.extend(value.to_le_bytes());
    guest.request(3, &[&message], &[]);
}

/// The control messages that the device sent: port, event, value, rest.
fn told(
    guest: &mut Guest,
    chains: &mut Vec<crate::virtio::guest::Sent>,
) -> Vec<(u32, u16, u16, Vec<u8>)> {
    guest.poll();
    let mut messages = Vec::new();
    while let Some((head, len)) = guest.used(2) {
        let chain = chains.remove(0);
        assert_eq!(chain.head, head);
        let mut bytes = guest.answer(&chain);
        bytes.truncate(len as usize);
        let rest = bytes.split_off(8);
        let [p0, p1, p2, p3, e0, e1, v0, v1] = bytes.try_into().unwrap();
        let port = u32::from_le_bytes([p0, p1, p2, p3]);
        let (event, value) = (u16::from_le_bytes([e0, e1]), u16::from_le_bytes([v0, v1]));
        messages.push((port, event, value, rest));
    }
    messages
}

#[test]
fn ports_are_announced_opened_and_used() {
    let (terminal, channel) = (Terminal::default(), Terminal::default());
    channel.0.lock().unwrap().disconnected = true;
    let mut device = VirtioConsole::new().with_size(132, 43);
    device
        .add_console(None, None, Box::new(terminal.clone()))
        .unwrap();
    let name = Some("org.qemu.guest_agent.0".to_owned());
    device
        .add_serial_port(None, name, Box::new(channel.clone()))
        .unwrap();
    let mut guest = Guest::new(MmioVersion::Modern, Box::new(device));
    guest.start(MULTIPORT | 1, &[16; 6]);
    assert_eq!(guest.config::<8>(0), [132, 0, 43, 0, 31, 0, 0, 0]);
    let mut chains: Vec<_> = (0..12).map(|_| guest.add(2, &[], &[64])).collect();

    tell(&mut guest, 0, 0, 1);
    assert_eq!(
        told(&mut guest, &mut chains),
        [(0, 1, 1, vec![]), (1, 1, 1, vec![])]
    );
    tell(&mut guest, 0, 3, 1);
    let size = vec![132, 0, 43, 0];
    assert_eq!(
        told(&mut guest, &mut chains),
        [(0, 4, 1, vec![]), (0, 5, 0, size), (0, 6, 1, vec![])]
    );
    tell(&mut guest, 1, 3, 1);
    let name = b"org.qemu.guest_agent.0\0".to_vec();
    assert_eq!(told(&mut guest, &mut chains), [(1, 7, 1, name)]);

    channel.0.lock().unwrap().disconnected = false;
    assert_eq!(told(&mut guest, &mut chains), [(1, 6, 1, vec![])]);
    // Input is not for a port that the guest has not opened.
    channel.typed(b"{}");
    let input = guest.add(4, &[], &[16]);
    guest.kick(4);
    assert_eq!(guest.used(4), None);
    tell(&mut guest, 1, 6, 1);
    assert_eq!(guest.used(4), Some((input.head, 2)));
    guest.request(5, &[b"answer"], &[]);
    assert_eq!(channel.written(), b"answer");
    assert_eq!(terminal.written(), b"");

    channel.0.lock().unwrap().disconnected = true;
    assert_eq!(told(&mut guest, &mut chains), [(1, 6, 0, vec![])]);
    guest.request(5, &[b"lost"], &[]);
    assert_eq!(channel.written(), b"answer");
}

#[test]
fn control_messages_wait_for_buffers() {
    let mut device = VirtioConsole::new();
    device
        .add_serial_port(None, None, Box::new(Terminal::default()))
        .unwrap();
    let mut guest = Guest::new(MmioVersion::Modern, Box::new(device));
    guest.start(MULTIPORT, &[16; 6]);
    for _ in 0..2000 {
        tell(&mut guest, 0, 0, 1);
    }
    let mut chains = vec![guest.add(2, &[], &[64])];
    assert_eq!(told(&mut guest, &mut chains), [(1, 1, 1, vec![])]);
}

#[test]
fn ports_have_their_own_numbers_and_names() {
    let mut device = VirtioConsole::new();
    let terminal = || Box::new(Terminal::default());
    let name = || Some("a".to_owned());
    assert_eq!(device.add_serial_port(None, name(), terminal()), Ok(1));
    assert_eq!(device.add_console(None, None, terminal()), Ok(0));
    assert_eq!(device.add_console(None, None, terminal()), Ok(2));
    assert_eq!(
        device.add_serial_port(Some(2), None, terminal()),
        Err(PortError::Taken(2))
    );
    assert_eq!(
        device.add_serial_port(Some(31), None, terminal()),
        Err(PortError::BadNumber(31))
    );
    let twice = device.add_serial_port(None, name(), terminal());
    assert_eq!(twice, Err(PortError::NameTaken("a".into())));
    for n in 3..31 {
        assert_eq!(device.add_serial_port(None, None, terminal()), Ok(n));
    }
    assert_eq!(
        device.add_serial_port(None, None, terminal()),
        Err(PortError::Full)
    );
}

#[test]
fn random_messages_do_no_harm() {
    let mut device = VirtioConsole::new();
    device
        .add_console(None, None, Box::new(Terminal::default()))
        .unwrap();
    let mut guest = Guest::new(MmioVersion::Modern, Box::new(device));
    guest.start(MULTIPORT, &[16; 6]);
    let mut random = Random(3);
    for _ in 0..2000 {
        let queue = random.below(6) as usize;
        let len = random.below(20) as usize + 1;
        let bytes: Vec<_> = (0..len).map(|_| random.below(8) as u8).collect();
        if random.below(2) == 0 {
            guest.add(queue, &[&bytes], &[]);
        } else {
            guest.add(queue, &[], &[len]);
        }
        guest.kick(queue);
        if guest.needs_reset() {
            guest.start(MULTIPORT, &[16; 6]);
        }
    }
}

#[test]
fn ports_come_and_go() {
    let bus = SerialBus::default();
    let mut guest = Guest::new(
        MmioVersion::Modern,
        Box::new(VirtioConsole::on(bus.clone())),
    );
    guest.start(MULTIPORT, &[16; 8]);
    let heard = |guest: &mut Guest| {
        let sent = guest.add(2, &[], &[32]);
        guest.kick(2);
        guest.poll();
        let used = guest.used(2)?;
        let mut message = guest.answer(&sent);
        message.truncate(used.1 as usize);
        Some(message)
    };
    tell(&mut guest, u32::MAX, 0, 1);
    let terminal = Terminal::default();
    let port = || Box::new(terminal.clone());
    let number = bus.add_serial_port(None, Some("late".into()), port());
    assert_eq!(number, Ok(1));
    assert_eq!(heard(&mut guest), Some(vec![1, 0, 0, 0, 1, 0, 1, 0]));
    tell(&mut guest, 1, 3, 1);
    assert_eq!(
        heard(&mut guest),
        Some(b"\x01\0\0\0\x07\0\x01\0late\0".to_vec())
    );
    // What it could not write comes back when it goes.
    terminal.0.lock().unwrap().room = Some(0);
    let sent = guest.add(5, &[b"lost"], &[]);
    guest.kick(5);
    assert_eq!(guest.used(5), None);
    bus.remove(1);
    guest.poll();
    assert_eq!(guest.used(5), Some((sent.head, 0)));
    let mut last = None;
    while let Some(message) = heard(&mut guest) {
        last = Some(message);
    }
    assert_eq!(last, Some(vec![1, 0, 0, 0, 2, 0, 1, 0]));
    assert_eq!(bus.add_console(Some(1), None, port()), Ok(1));
}
