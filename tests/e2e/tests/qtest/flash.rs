//! The second flash bank, which the machine has without firmware, too.

use super::Pair;

const BANK: u64 = 0x0400_0000;
const BLOCK: u64 = 0x4_0000;

/// Two chips side by side take their commands in both halves of a word.
fn both(command: u64) -> u64 {
    command << 16 | command
}

fn command(pair: &mut Pair, at: u64, value: u64) {
    pair.write(4, at, both(value));
}

#[test]
fn query_and_identification() {
    let Some(mut pair) = Pair::start("") else {
        return;
    };
    command(&mut pair, BANK + 0x154, 0x98);
    for offset in (0..0x200).step_by(4).chain([0x440, 0x4_0040]) {
        pair.read(4, BANK + offset);
    }
    for bytes in [1, 2] {
        pair.read(bytes, BANK + 0x40);
        pair.read(bytes, BANK + 0x44);
    }
    // QEMU leaves the query only for the array.
    command(&mut pair, BANK, 0xff);
    command(&mut pair, BANK, 0x90);
    for offset in (0..0x40).step_by(4).chain([0x100, 0x400, 0x404, 0x4_0000]) {
        pair.read(4, BANK + offset);
    }
    command(&mut pair, BANK, 0xff);
    pair.read(4, BANK);
    pair.end();
}

#[test]
fn program_erase_and_buffers() {
    let Some(mut pair) = Pair::start("") else {
        return;
    };
    for round in 0..40 {
        let block = BANK + BLOCK * (round % 4);
        let at = block + ((pair.random() % BLOCK) & !3);
        let value = pair.random() & 0xffff_ffff;
        let code = [0x10, 0x40][pair.below(2)];
        command(&mut pair, at, code);
        pair.write(4, at, value);
        pair.read(4, at);
        command(&mut pair, at, 0x70);
        pair.read(4, at);
        command(&mut pair, at, 0x50);
        command(&mut pair, at, 0xff);
        pair.read(4, at);
        if pair.below(4) == 0 {
            command(&mut pair, at, 0x20);
            command(&mut pair, at, 0xd0);
            pair.read(4, at);
            command(&mut pair, at, 0xff);
            pair.read(4, at);
        }
        // A buffer of eight words of both chips.
        let start = block + ((pair.random() % BLOCK) & !0x7ff);
        command(&mut pair, start, 0xe8);
        pair.read(4, start);
        command(&mut pair, start, 7);
        for n in 0..8 {
            let value = pair.random() & 0xffff_ffff;
            pair.write(4, start + 4 * n, value);
        }
        command(&mut pair, start, 0xd0);
        pair.read(4, start);
        command(&mut pair, start, 0xff);
        for n in 0..10 {
            pair.read(4, start + 4 * n);
        }
        // Locks, and a command that there is not.
        command(&mut pair, block, 0x60);
        command(&mut pair, block, [0x01, 0xd0][(round % 2) as usize]);
        pair.read(4, block);
        command(&mut pair, block, 0xff);
    }
    pair.end();
}
