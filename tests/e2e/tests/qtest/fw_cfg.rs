//! The firmware configuration device.

use super::Pair;

const DATA: u64 = 0x0902_0000;
const SELECTOR: u64 = DATA + 8;
const DMA: u64 = DATA + 16;
const RAM: u64 = 0x4010_0000;

/// The number that a register of the other byte order shows.
fn swapped(key: u16) -> u64 {
    key.swap_bytes().into()
}

#[test]
fn items_by_register() {
    let options = "-smp 2 -uuid 12345678-1234-5678-1234-56789abcdef0";
    let Some(mut pair) = Pair::start(options) else {
        return;
    };
    for key in [0, 1, 2, 3, 4, 5, 6, 0xd, 0xe, 0xf, 0x10, 0x11, 0x1234] {
        pair.write(2, SELECTOR, swapped(key));
        for bytes in [1, 1, 1, 1, 4, 8, 2, 8, 8] {
            pair.read(bytes, DATA);
        }
    }
    for offset in (0..0x18).step_by(4) {
        pair.read(4, SELECTOR + offset);
    }
    pair.read(8, DMA);
    pair.end();
}

#[test]
fn items_by_transfer() {
    let Some(mut pair) = Pair::start("") else {
        return;
    };
    // Control (with the key above), length, address: all big-endian.
    let mut transfer = |control: u32, length: u32| {
        let control = control.to_be();
        pair.write(4, RAM, control.into());
        pair.write(4, RAM + 4, length.to_be().into());
        pair.write(8, RAM + 8, (RAM + 0x100).to_be());
        pair.ask(&format!("memset {:#x} 0x40 0xa5", RAM + 0x100));
        pair.write(4, DMA, 0);
        pair.write(4, DMA + 4, u64::from((RAM as u32).to_be()));
        pair.read(4, RAM);
        pair.ask(&format!("read {:#x} 0x40", RAM + 0x100));
    };
    const ERROR: u32 = 1;
    const READ: u32 = 2;
    const SKIP: u32 = 4;
    const SELECT: u32 = 8;
    const WRITE: u32 = 16;
    transfer(SELECT | READ, 4);
    transfer(READ, 4);
    transfer(READ, 4);
    transfer(1 << 16 | SELECT | READ, 8);
    transfer(5 << 16 | SELECT | SKIP, 1);
    transfer(READ, 8);
    transfer(5 << 16 | SELECT | WRITE, 2);
    transfer(0x1234 << 16 | SELECT | READ, 8);
    transfer(READ | SKIP, 8);
    transfer(READ | ERROR, 8);
    transfer(0, 8);
    pair.end();
}
