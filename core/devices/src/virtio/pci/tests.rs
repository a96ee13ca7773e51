//! The PCI transport as a driver finds it: configuration spaces as QEMU 7.2 shows them after reset,
//! then a driver of each interface written after the spec's driver sections.

use std::io;

use ferrite_machine::backend::{NetBackend, RandomSource};
use ferrite_machine::{Device, ResetKind};
use ferrite_ram::GuestPhys;

use super::VirtioPci;
use crate::pci::host::region;
use crate::pci::ports::RootPort;
use crate::pci::spec::{bridge, reg};
use crate::pci::{PciDevice, PciHost, Request};
use crate::testbed::{RAM_BASE, Random, Testbed};
use crate::virtio::console::VirtioConsole;
use crate::virtio::net::VirtioNet;
use crate::virtio::rng::VirtioRng;

const MEMORY: u64 = 0x1000_0000;
const HIGH: u64 = 0x80_0000_0000;

struct Sevens;

impl RandomSource for Sevens {
    fn fill(&mut self, buf: &mut [u8]) -> io::Result<()> {
        buf.fill(7);
        Ok(())
    }
}

struct Silence;

impl NetBackend for Silence {
    fn send(&mut self, _frame: &[u8]) {}

    fn receive(&mut self) -> Option<Vec<u8>> {
        None
    }
}

fn rng() -> Box<dyn PciDevice> {
    Box::new(VirtioPci::new(Box::new(VirtioRng::new(Box::new(Sevens)))).unwrap())
}

/// A device, with its name and the bus that it is plugged into.
type Plugged<'a> = (Option<&'a str>, Option<&'a str>, Box<dyn PciDevice>);

struct Bed(Testbed<PciHost>);

impl Bed {
    fn new(devices: Vec<Plugged<'_>>) -> Self {
        let mut host = PciHost::new(MEMORY, HIGH);
        for (id, bus, device) in devices {
            let request = Request {
                id: id.map(str::to_owned),
                bus: bus.map(str::to_owned),
                ..Request::default()
            };
            host.plug(request, device).unwrap();
        }
        let mut bed = Testbed::new(host);
        bed.run(|host, cx| host.reset(cx, ResetKind::Cold));
        Self(bed)
    }

    fn read(&mut self, region: usize, offset: u64, bytes: u64) -> u64 {
        let read = self.0.run(|host, cx| host.read(cx, region, offset, bytes));
        read.unwrap()
    }

    fn write(&mut self, region: usize, offset: u64, bytes: u64, value: u64) {
        let written = self
            .0
            .run(|host, cx| host.write(cx, region, offset, bytes, value));
        written.unwrap();
    }

    fn config(&mut self, bus: u64, slot: u64, register: usize) -> u32 {
        let at = bus << 20 | slot << 15 | register as u64;
        self.read(region::ECAM, at, 4) as u32
    }

    fn set(&mut self, bus: u64, slot: u64, register: usize, bytes: u64, value: u64) {
        let at = bus << 20 | slot << 15 | register as u64;
        self.write(region::ECAM, at, bytes, value);
    }

    fn store<T: ferrite_ram::Scalar>(&self, at: u64, value: T) {
        self.0.dma.store(GuestPhys(at), value).unwrap();
    }

    fn byte(&self, at: u64) -> u8 {
        self.0.dma.load(GuestPhys(at)).unwrap()
    }

    /// A queue of 8 entries at the start of RAM with one writable buffer of 16 bytes at its end.
    fn one_buffer(&self, avail: u64) -> u64 {
        let buffer = RAM_BASE + 0x8000;
        self.store(RAM_BASE, buffer);
        self.store(RAM_BASE + 8, 16_u32);
        self.store(RAM_BASE + 12, 2_u16);
        self.store(avail + 4, 0_u16);
        self.store(avail + 2, 1_u16);
        buffer
    }
}

#[test]
fn configuration_spaces_are_those_of_qemu() {
    let net = VirtioNet::new(Box::new(Silence), [2, 0, 0, 0, 0, 1]);
    let mut bed = Bed::new(vec![
        (None, None, rng()),
        (None, None, Box::new(VirtioPci::new(Box::new(net)).unwrap())),
        (
            None,
            None,
            Box::new(VirtioPci::new(Box::new(VirtioConsole::new())).unwrap()),
        ),
    ]);
    for (slot, ids, class, subsystem, msix) in [
        (1, 0x1005_1af4, 0x00ff_0000, 0x0004_1af4, 0x0001_8411),
        (2, 0x1000_1af4, 0x0200_0000, 0x0001_1af4, 0x0003_8411),
        (3, 0x1003_1af4, 0x0780_0000, 0x0003_1af4, 0x0001_8411),
    ] {
        let rows = [
            (0x00, [ids, 0x0010_0000, class, 0]),
            (0x10, [1, 0, 0, 0]),
            (0x20, [0xc, 0, 0, subsystem]),
            (0x30, [0, 0x98, 0, 0x100]),
            (0x40, [0x0110_0009, 4, 0, 0x1000]),
            (0x50, [0x0310_4009, 4, 0x1000, 0x1000]),
            (0x60, [0x0410_5009, 4, 0x2000, 0x1000]),
            (0x70, [0x0214_6009, 4, 0x3000, 0x1000]),
            (0x80, [4, 0x0514_7009, 0, 0]),
            (0x90, [0, 0, msix, 1]),
            (0xa0, [0x801, 0, 0, 0]),
        ];
        for (at, words) in rows {
            for (n, word) in words.into_iter().enumerate() {
                let seen = bed.config(0, slot, at + 4 * n);
                assert_eq!(seen, word, "slot {slot}, {:#x}: {seen:08x}", at + 4 * n);
            }
        }
    }
    bed.set(0, 1, reg::BAR0, 4, u64::from(u32::MAX));
    assert_eq!(bed.config(0, 1, reg::BAR0), 0xffff_ffe1, "32 ports");
}

/// Maps the modern BAR at the start of the high window and the MSI-X table at that of the low one,
/// and lets the device work.
fn open(bed: &mut Bed, bus: u64, slot: u64) {
    bed.set(bus, slot, reg::BAR0 + 16, 4, 0);
    bed.set(bus, slot, reg::BAR0 + 20, 4, HIGH >> 32);
    bed.set(bus, slot, reg::BAR0 + 4, 4, MEMORY + 0x10_0000);
    bed.set(bus, slot, reg::BAR0, 4, 0x100);
    bed.set(bus, slot, reg::COMMAND, 2, 7);
}

#[test]
fn a_modern_driver_with_messages() {
    let mut bed = Bed::new(vec![(None, None, rng())]);
    open(&mut bed, 0, 1);
    let high = region::HIGH_MEMORY;
    assert_eq!(bed.read(high, 0x12, 2), 1, "one queue");
    for status in [0, 1, 3] {
        bed.write(high, 0x14, 1, status);
    }
    bed.write(high, 0x00, 4, 1);
    assert_eq!(bed.read(high, 0x04, 4) & 1, 1, "version 1");
    bed.write(high, 0x08, 4, 1);
    bed.write(high, 0x0c, 4, 1);
    bed.write(high, 0x14, 1, 11);
    assert_eq!(bed.read(high, 0x14, 1), 11);
    // Messages: vector 1 for the queue.
    let table = 0x10_0000;
    for (at, word) in [(16, 0x0802_0040), (20, 0), (24, 0x77), (28, 0)] {
        bed.write(region::MEMORY, table + at, 4, word);
    }
    bed.set(0, 1, 0x9a, 2, 0x8000);
    bed.write(high, 0x1a, 2, 1);
    assert_eq!(bed.read(high, 0x1a, 2), 1);
    bed.write(high, 0x10, 2, 9);
    assert_eq!(bed.read(high, 0x10, 2), 0xffff, "there is no such vector");
    bed.write(high, 0x18, 2, 8);
    let (avail, used) = (RAM_BASE + 0x1000, RAM_BASE + 0x2000);
    for (at, address) in [(0x20, RAM_BASE), (0x28, avail), (0x30, used)] {
        bed.write(high, at, 8, address);
    }
    bed.write(high, 0x1c, 2, 1);
    bed.write(high, 0x14, 1, 15);
    let buffer = bed.one_buffer(avail);
    let notify = 0x3000 + 4 * bed.read(high, 0x1e, 2);
    bed.write(high, notify, 2, 0);
    assert_eq!(bed.byte(used + 2), 1);
    assert_eq!([bed.byte(buffer), bed.byte(buffer + 15)], [7, 7]);
    let sent = std::mem::take(&mut bed.0.wiring.messages);
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].address.0, sent[0].data), (0x0802_0040, 0x77));
    assert_eq!(bed.0.wiring.levels, 0);
    assert_eq!(
        bed.read(high, 0x1000, 1),
        1,
        "the cause is there all the same"
    );
    assert_eq!(bed.read(high, 0x1000, 1), 0, "and gone when read");
}

#[test]
fn a_legacy_driver_with_a_pin() {
    let mut bed = Bed::new(vec![(None, None, rng())]);
    open(&mut bed, 0, 1);
    let io = region::IO;
    for status in [0, 1, 3] {
        bed.write(io, 0x112, 1, status);
    }
    assert_eq!(bed.read(io, 0x100, 4) >> 27 & 1, 1, "any layout");
    bed.write(io, 0x104, 4, 0);
    assert_eq!(bed.read(io, 0x10c, 2), 8);
    bed.write(io, 0x108, 4, RAM_BASE >> 12);
    let buffer = bed.one_buffer(RAM_BASE + 8 * 16);
    bed.write(io, 0x112, 1, 7);
    bed.write(io, 0x110, 2, 0);
    assert_eq!(
        bed.byte(RAM_BASE + 0x1000 + 2),
        1,
        "the used ring is on the next page"
    );
    assert_eq!(bed.byte(buffer), 7);
    assert_eq!(bed.0.wiring.levels, 1 << 1);
    assert_eq!(bed.read(io, 0x113, 1), 1);
    assert_eq!(bed.0.wiring.levels, 0);
}

#[test]
fn below_a_port_it_is_modern_only() {
    let mut bed = Bed::new(vec![
        (Some("rp"), None, Box::new(RootPort::new(0, 0))),
        (None, Some("rp"), rng()),
    ]);
    bed.set(0, 1, bridge::PRIMARY, 4, 0x0001_0100);
    assert_eq!(bed.config(1, 0, 0), 0x1044_1af4);
    assert_eq!(bed.config(1, 0, 8) & 0xff, 1);
    bed.set(1, 0, reg::BAR0, 4, u64::from(u32::MAX));
    assert_eq!(bed.config(1, 0, reg::BAR0), 0, "no legacy interface");
    let mut ids = Vec::new();
    let mut at = bed.config(1, 0, reg::CAPABILITIES) as usize & 0xff;
    while at != 0 {
        let header = bed.config(1, 0, at);
        ids.push(header as u8);
        at = (header >> 8) as usize & 0xff;
    }
    assert_eq!(ids, [0x11, 9, 9, 9, 9, 9, 1, 0x10]);
}

#[test]
fn the_window_in_configuration_space() {
    let mut bed = Bed::new(vec![(None, None, rng())]);
    open(&mut bed, 0, 1);
    bed.set(0, 1, 0x84 + 4, 1, 4);
    bed.set(0, 1, 0x84 + 8, 4, 0x12);
    bed.set(0, 1, 0x84 + 12, 4, 2);
    assert_eq!(bed.config(0, 1, 0x84 + 16), 1, "queues");
    bed.set(0, 1, 0x84 + 8, 4, 0x14);
    bed.set(0, 1, 0x84 + 12, 4, 1);
    bed.set(0, 1, 0x84 + 16, 1, 3);
    assert_eq!(bed.read(region::HIGH_MEMORY, 0x14, 1), 3);
}

#[test]
fn any_access_is_answered() {
    let net = VirtioNet::new(Box::new(Silence), [2, 0, 0, 0, 0, 1]);
    let mut bed = Bed::new(vec![
        (None, None, rng()),
        (None, None, Box::new(VirtioPci::new(Box::new(net)).unwrap())),
    ]);
    let mut random = Random(11);
    for n in 0..60_000 {
        if n % 500 == 0 {
            open(&mut bed, 0, 1 + random.below(2));
        }
        let bytes = 1 << random.below(4);
        let (region, base, len) = random.pick(&[
            (region::ECAM, 1 << 15, 0x1_0000),
            (region::HIGH_MEMORY, 0, 0x4000),
            (region::HIGH_MEMORY, 0, 0x40),
            (region::IO, 0x100, 0x40),
            (region::MEMORY, 0x10_0000, 0x1000),
        ]);
        let offset = base + random.below(len);
        if random.chance(2) {
            let value = match random.chance(2) {
                true => random.interesting(),
                false => RAM_BASE + random.below(1 << 16),
            };
            bed.write(region, offset, bytes, value);
        } else {
            bed.read(region, offset, bytes);
        }
        if n % 64 == 0 {
            bed.0.poll();
        }
        bed.0.wiring.messages.clear();
    }
}
