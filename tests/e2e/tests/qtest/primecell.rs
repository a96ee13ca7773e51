//! The board's PrimeCells: serial port, real-time clock, GPIO.

use super::{Pair, word};

const UART: u64 = 0x0900_0000;
const GPIO: u64 = 0x0903_0000;

const ALL: u64 = 0xffff_ffff;

#[test]
fn serial_port() {
    let Some(mut pair) = Pair::start("") else {
        return;
    };
    pair.watch();
    // Reserved bits are left alone: QEMU 7.2 keeps what is written there. So is LBE, which is not
    // there in it, and BRK, which has a meaning with that.
    let registers = [
        word(0x00, 0xff),
        word(0x04, ALL),
        word(0x18, 0),
        word(0x20, 0xff),
        word(0x24, 0xffff),
        word(0x28, 0x3f),
        word(0x2c, 0xfe),
        word(0x30, 0xff07),
        word(0x34, 0x3f),
        word(0x38, 0x7ff),
        word(0x3c, 0),
        word(0x40, 0),
        word(0x44, 0x7ff),
        word(0x48, 0x7),
    ];
    pair.roam(UART, &registers, 4000);
    for offset in (0xfe0..0x1000).step_by(4) {
        pair.read(4, UART + offset);
    }
    pair.end();
}

#[test]
fn gpio() {
    let Some(mut pair) = Pair::start("") else {
        return;
    };
    pair.watch();
    // What drives a pin is set once: in QEMU a pin that is no longer driven keeps its level, where
    // ours is low as the board pulls it. Interrupts by level (IS) last in QEMU until they are
    // cleared, and in ours as long as the level, as the manual has it.
    pair.write(4, GPIO + 0x400, 0x5a);
    let writable = [0x408, 0x40c, 0x410, 0x41c, 0x420];
    let mut registers: Vec<_> = writable.map(|offset| word(offset, 0xff)).into();
    registers.extend([0x400, 0x404, 0x414, 0x418].map(|offset| word(offset, 0)));
    registers.extend((0..0x400).step_by(20).map(|offset| word(offset & !3, 0xff)));
    pair.roam(GPIO, &registers, 4000);
    for offset in (0xfe0..0x1000).step_by(4) {
        pair.read(4, GPIO + offset);
    }
    pair.end();
}
