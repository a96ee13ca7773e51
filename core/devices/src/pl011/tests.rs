//! What Linux' `amba-pl011.c` and `earlycon` do.

use std::sync::{Arc, Mutex};

use super::*;
use crate::testbed::Testbed;

/// A terminal that takes `room` bytes.
#[derive(Clone, Default)]
struct Terminal(Arc<Mutex<Wire>>);

#[derive(Default)]
struct Wire {
    sent: Vec<u8>,
    room: usize,
    input: VecDeque<u8>,
}

impl CharBackend for Terminal {
    fn write(&mut self, data: &[u8]) -> usize {
        let mut wire = self.0.lock().unwrap();
        let taken = data.len().min(wire.room);
        wire.room -= taken;
        wire.sent.extend(&data[..taken]);
        taken
    }

    fn read(&mut self, buf: &mut [u8]) -> usize {
        let mut wire = self.0.lock().unwrap();
        let count = buf.len().min(wire.input.len());
        for (into, byte) in buf.iter_mut().zip(wire.input.drain(..count)) {
            *into = byte;
        }
        count
    }
}

fn bench() -> (Testbed<Pl011>, Terminal) {
    let terminal = Terminal::default();
    terminal.0.lock().unwrap().room = usize::MAX;
    (
        Testbed::new(Pl011::new(Box::new(terminal.clone()))),
        terminal,
    )
}

const RX: u32 = 1 << 4;
const TX: u32 = 1 << 5;
const RT: u32 = 1 << 6;

/// pl011_startup: 8n1 with FIFOs, receive interrupts.
fn startup(bench: &mut Testbed<Pl011>) {
    bench.write(spec::ICR, 0x7ff);
    bench.write(spec::IFLS, 0x12);
    bench.write(spec::CR, 0x301);
    bench.write(spec::LCR_H, 0x70);
    bench.write(spec::ICR, RX | RT);
    bench.write(spec::IMSC, RX | RT);
}

#[test]
fn registers_after_reset_are_those_of_virt() {
    // Read from QEMU's virt.
    let (mut bench, _) = bench();
    for (offset, value) in [
        (0x18, 0x90),
        (0x24, 0),
        (0x2c, 0),
        (0x30, 0x300),
        (0x34, 0x12),
        (0x38, 0),
        (0x3c, 0),
        (0xfe0, 0x11),
        (0xfe4, 0x10),
        (0xfe8, 0x14),
        (0xfec, 0x00),
        (0xff0, 0x0d),
        (0xff4, 0xf0),
        (0xff8, 0x05),
        (0xffc, 0xb1),
    ] {
        assert_eq!(bench.read(offset), value, "{offset:#x}");
    }
    assert_eq!(bench.try_read(0, 8), Err(BusError));
    assert_eq!(bench.try_read(0x18, 1), Ok(0x90));
}

#[test]
fn output_goes_out_at_once_and_interrupts() {
    let (mut bench, terminal) = bench();
    startup(&mut bench);
    bench.write(spec::IMSC, TX);
    assert!(!bench.irq());
    for byte in *b"hi" {
        assert_eq!(bench.read(spec::FR) & 1 << 5, 0);
        bench.write(spec::DR, byte.into());
    }
    assert!(bench.irq());
    assert_eq!(bench.read(spec::MIS), TX);
    bench.write(spec::ICR, TX);
    assert!(!bench.irq());
    assert_eq!(terminal.0.lock().unwrap().sent, b"hi");
}

#[test]
fn a_slow_terminal_loses_nothing() {
    let (mut bench, terminal) = bench();
    startup(&mut bench);
    terminal.0.lock().unwrap().room = 3;
    let mut written = Vec::new();
    for byte in b'a'..=b'z' {
        if bench.read(spec::FR) & 1 << 5 != 0 {
            break;
        }
        bench.write(spec::DR, byte.into());
        written.push(byte);
    }
    assert_eq!(written.len(), 3 + 16);
    assert_eq!(bench.read(spec::RIS) & TX, 0);
    assert_ne!(bench.read(spec::FR) & 1 << 3, 0);
    terminal.0.lock().unwrap().room = 7;
    bench.poll();
    assert_eq!(bench.read(spec::RIS) & TX, 0, "nine are left");
    terminal.0.lock().unwrap().room = 1;
    bench.poll();
    assert_eq!(bench.read(spec::RIS) & TX, TX, "half empty");
    // Software that ignores the flag is not cut off either.
    written.extend([b'!'; 100]);
    for _ in 0..100 {
        bench.write(spec::DR, u32::from(b'!'));
    }
    terminal.0.lock().unwrap().room = usize::MAX;
    bench.poll();
    assert_eq!(terminal.0.lock().unwrap().sent, written);
    assert_eq!(bench.read(spec::FR), 0x90);
}

#[test]
fn input_waits_while_the_fifo_is_full() {
    let (mut bench, terminal) = bench();
    startup(&mut bench);
    let text: Vec<u8> = (0..40).collect();
    terminal.0.lock().unwrap().input.extend(&text);
    bench.poll();
    assert!(bench.irq());
    assert_eq!(bench.read(spec::MIS), RX | RT);
    assert_ne!(bench.read(spec::FR) & 1 << 6, 0);
    assert_eq!(terminal.0.lock().unwrap().input.len(), 24);
    let mut got = Vec::new();
    while bench.read(spec::FR) & 1 << 4 == 0 {
        got.push(bench.read(spec::DR) as u8);
    }
    assert_eq!(got, text);
    assert!(!bench.irq());
    assert_eq!(bench.read(spec::DR), 0);
}

#[test]
fn a_single_character_is_announced_by_the_timeout() {
    let (mut bench, terminal) = bench();
    startup(&mut bench);
    terminal.0.lock().unwrap().input.push_back(b'x');
    bench.poll();
    assert_eq!(bench.read(spec::MIS), RT);
    assert_eq!(bench.read(spec::DR), u32::from(b'x'));
    assert_eq!(bench.read(spec::MIS), 0);
}

#[test]
fn the_receive_level_counts() {
    for (field, level) in [(0, 2), (1, 4), (2, 8), (3, 12), (4, 14)] {
        let (mut bench, terminal) = bench();
        startup(&mut bench);
        bench.write(spec::IFLS, field << 3);
        for count in 1..=16 {
            terminal.0.lock().unwrap().input.push_back(0);
            bench.poll();
            assert_eq!(
                bench.read(spec::RIS) & RX != 0,
                count >= level,
                "{count} of {level}"
            );
        }
    }
}

#[test]
fn without_fifos_there_is_room_for_one() {
    let (mut bench, terminal) = bench();
    bench.write(spec::CR, 0x301);
    terminal.0.lock().unwrap().input.extend(b"ab");
    bench.poll();
    assert_eq!(bench.read(spec::FR) & 0x50, 0x40);
    assert_eq!(bench.read(spec::RIS), RX | RT);
    assert_eq!(bench.read(spec::DR), u32::from(b'a'));
    assert_eq!(bench.read(spec::DR), u32::from(b'b'));
    assert_eq!(bench.read(spec::FR) & 0x50, 0x10);
}

#[test]
fn looped_back_characters_return_and_overrun() {
    let (mut bench, terminal) = bench();
    startup(&mut bench);
    bench.write(spec::CR, 0x381 | 1 << 11);
    assert_eq!(bench.read(spec::FR) & 1, 1, "RTS is CTS");
    assert_eq!(bench.read(spec::RIS) & 2, 2);
    terminal.0.lock().unwrap().input.push_back(b'?');
    for byte in 0..17 {
        bench.write(spec::DR, byte);
    }
    bench.poll();
    assert_eq!(bench.read(spec::RIS) & 1 << 10, 1 << 10);
    assert_eq!(bench.read(spec::RSR), 8);
    for byte in 0..16 {
        assert_eq!(bench.read(spec::DR), byte);
    }
    assert_eq!(bench.read(spec::FR) & 1 << 4, 1 << 4);
    // A break is a character with an error.
    bench.write(spec::LCR_H, 0x71);
    assert_eq!(bench.read(spec::DR), 0x400);
    assert_eq!(bench.read(spec::RSR), 4);
    bench.write(spec::RSR, 0);
    assert_eq!(bench.read(spec::RSR), 0);
    assert_eq!(terminal.0.lock().unwrap().sent, b"");
}

#[test]
fn random_accesses_are_survived() {
    let (mut bench, terminal) = bench();
    terminal.0.lock().unwrap().input.extend([7; 1000]);
    bench.storm(1, 0x60, 50_000);
    terminal.0.lock().unwrap().room = 0;
    bench.storm(2, 0x1000, 50_000);
}
