//! A hostile driver: random rings, descriptors and register accesses for each virtio device, over
//! the legacy and the modern interface.
//!
//! The first byte chooses device and interface. A good driver's setup comes first, so that most
//! inputs reach the queues; then come register accesses and writes to guest memory, where rings,
//! descriptors and requests lie close together.

#![no_main]

use ferrite_devices::testbed::{RAM_BASE, Testbed};
use ferrite_devices::virtio::blk::{BlkOptions, VirtioBlk};
use ferrite_devices::virtio::console::VirtioConsole;
use ferrite_devices::virtio::net::VirtioNet;
use ferrite_devices::virtio::p9::memory_folder::Folder;
use ferrite_devices::virtio::p9::{InlineServer, Server, ServerOptions, VirtioP9};
use ferrite_devices::virtio::rng::VirtioRng;
use ferrite_devices::virtio::{MmioVersion, VirtioDevice, VirtioMmio};
use ferrite_fuzz::Input;
use ferrite_fuzz::host::{Counting, EmptyDisk, Mirror, Peer};
use ferrite_ram::GuestPhys;
use libfuzzer_sys::fuzz_target;

/// Queue `n` has its three areas in a page of its own.
const QUEUE: u64 = 0x1000;
/// Entries of a queue: few, so that rings wrap around.
const SIZE: u32 = 8;
/// Queues that are set up: all of any device but the console's last ports.
const QUEUES: u32 = 4;

fn device(choice: u8) -> Box<dyn VirtioDevice> {
    match choice % 6 {
        0 | 1 => {
            let disk = EmptyDisk::new(1 << 16, choice % 6 == 1);
            let options = BlkOptions::default();
            Box::new(VirtioBlk::new(Box::new(disk), options).expect("defaults"))
        }
        2 => Box::new(VirtioNet::new(
            Box::new(Mirror::default()),
            [0x52, 0x54, 0, 0x12, 0x34, 0x56],
        )),
        3 => {
            let mut console = VirtioConsole::new().with_size(80, 25);
            for (number, name) in [(None, "first"), (Some(2), "second")] {
                console
                    .add_console(number, Some(name.into()), Peer::boxed(b"input"))
                    .expect("a free port");
            }
            Box::new(console)
        }
        4 => Box::new(VirtioRng::new(Box::new(Counting(0)))),
        _ => {
            let server = Server::new(Box::new(Folder::new()), ServerOptions::default());
            Box::new(VirtioP9::new("share", Box::new(InlineServer::new(server))).expect("a tag"))
        }
    }
}

/// What a driver does before it uses the queues, apart from asking for features.
fn set_up(bed: &mut Testbed<VirtioMmio>, legacy: bool, features: u64) {
    bed.write(0x70, 3);
    for word in 0..2 {
        bed.write(0x14, word);
        let offered = bed.read(0x10);
        bed.write(0x24, word);
        bed.write(0x20, offered & (features >> (32 * word)) as u32);
    }
    bed.write(0x70, 0xb);
    if legacy {
        bed.write(0x28, 4096);
    }
    for queue in 0..QUEUES {
        let base = RAM_BASE as u32 + queue * QUEUE as u32;
        bed.write(0x30, queue);
        bed.write(0x38, SIZE);
        if legacy {
            bed.write(0x3c, 256);
            bed.write(0x40, base >> 12);
        } else {
            for (register, at) in [(0x80, base), (0x90, base + 128), (0xa0, base + 256)] {
                bed.write(register, at);
                bed.write(register + 4, 0);
            }
            bed.write(0x44, 1);
        }
    }
    bed.write(0x70, 0xf);
}

/// Puts a descriptor of queue `queue` into place, its buffer in the first pages of memory.
fn describe(bed: &Testbed<VirtioMmio>, queue: u64, input: &mut Input) {
    let place = RAM_BASE + queue * QUEUE + u64::from(input.u8() & 15) * 16;
    let buffer = RAM_BASE + (input.value() & 0x7fff);
    let length = input.value() & 0xffff_ffff;
    let flags = u64::from(input.u8() & 7);
    let next = u64::from(input.u8());
    let _ = bed.dma.store(GuestPhys(place), buffer);
    let _ = bed
        .dma
        .store(GuestPhys(place + 8), length | flags << 32 | next << 48);
}

/// Offers chain `head` on a queue.
fn offer(bed: &mut Testbed<VirtioMmio>, queue: u64, head: u8) {
    let available = RAM_BASE + queue * QUEUE + 128;
    let index: u16 = bed.dma.load(GuestPhys(available + 2)).unwrap_or(0);
    let entry = available + 4 + u64::from(index % SIZE as u16) * 2;
    let _ = bed.dma.store(GuestPhys(entry), u16::from(head));
    let _ = bed
        .dma
        .store(GuestPhys(available + 2), index.wrapping_add(1));
    let _ = bed.try_write(0x50, 4, queue);
}

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.u8();
    let legacy = choice & 0x80 != 0;
    let version = if legacy {
        MmioVersion::Legacy
    } else {
        MmioVersion::Modern
    };
    let slot = VirtioMmio::new(version, Some(device(choice & 0x7f)));
    let mut bed = Testbed::new(slot);
    set_up(&mut bed, legacy, input.u64() | 1 << 32);
    while !input.is_empty() {
        let step = input.u8();
        let queue = u64::from(step & 3);
        match step {
            0..0x40 => describe(&bed, queue, &mut input),
            0x40..0x80 => offer(&mut bed, queue, input.u8() & 15),
            0x80..0xa0 => {
                let (at, value) = (input.value() & 0x7ff8, input.u64());
                let _ = bed.dma.store(GuestPhys(RAM_BASE + at), value);
            }
            0xa0..0xc0 => {
                let (bytes, offset, value) = (input.width(), input.value(), input.value());
                let _ = bed.try_write(offset & 0x1ff, bytes, value);
            }
            0xc0..0xd0 => {
                let (bytes, offset) = (input.width(), input.value() & 0x1ff);
                if let Ok(value) = bed.try_read(offset, bytes) {
                    assert!(bytes == 8 || value >> (bytes * 8) == 0, "{offset:#x}");
                }
            }
            // Time stands: what a device asks to be called again for is bounded by its queues, but
            // a driver may feed it forever.
            0xd0..0xf0 => {
                bed.poll();
                for _ in 0..64 {
                    if bed.wiring.deadline.take().is_none() {
                        break;
                    }
                    bed.run(ferrite_machine::Device::timer);
                }
            }
            0xf0..0xfc => {
                let _ = bed.read(0x60);
                bed.write(0x64, 3);
            }
            _ => {
                bed.reset();
                set_up(&mut bed, legacy, u64::MAX);
            }
        }
    }
}

fuzz_target!(|data: &[u8]| run(data));
