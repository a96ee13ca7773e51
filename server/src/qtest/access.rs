//! Accesses to guest-physical addresses, as a driver's or a bus master's.

use ferrite_aarch64::platform::Platform;
use ferrite_ram::GuestPhys;
use ferrite_vm::Vm;

/// Largest access to a register.
const REGISTER: usize = 4;

/// Reads 1, 2, 4 or 8 bytes. Where nothing answers, zeros are read, as with QEMU.
pub(super) fn load(vm: &mut Vm, at: u64, bytes: u64) -> u64 {
    let Some((_, board)) = vm.cpu_and_board(0) else {
        return 0;
    };
    match board.read(0, GuestPhys(at), bytes) {
        Ok(value) => value,
        // A register of half the size, or two.
        Err(_) if bytes == 8 => load(vm, at, 4) | load(vm, at.wrapping_add(4), 4) << 32,
        Err(_) => 0,
    }
}

/// Writes 1, 2, 4 or 8 bytes. Where nothing takes them, nothing happens.
pub(super) fn store(vm: &mut Vm, at: u64, bytes: u64, value: u64) {
    let Some((_, board)) = vm.cpu_and_board(0) else {
        return;
    };
    if board.write(0, GuestPhys(at), bytes, value).is_err() && bytes == 8 {
        store(vm, at, 4, value & 0xffff_ffff);
        store(vm, at.wrapping_add(4), 4, value >> 32);
    }
}

/// The pieces in which `len` bytes at `at` are accessed: first byte and size of each.
fn pieces(vm: &Vm, at: u64, len: usize) -> Vec<(usize, usize)> {
    if vm.board().dma().is_memory(GuestPhys(at), len as u64, true) {
        return vec![(0, len)];
    }
    let (mut list, mut from) = (Vec::new(), 0);
    while from < len {
        let place = at.wrapping_add(from as u64);
        let aligned = 1 << place.trailing_zeros().min(REGISTER.trailing_zeros());
        let left = len - from;
        let size = aligned.min(1 << left.ilog2());
        list.push((from, size));
        from += size;
    }
    list
}

/// Reads any number of bytes.
pub(super) fn read(vm: &mut Vm, at: u64, into: &mut [u8]) {
    for (from, size) in pieces(vm, at, into.len()) {
        let place = at.wrapping_add(from as u64);
        let part = &mut into[from..from + size];
        if size > REGISTER {
            // It was memory a moment ago.
            let _ = vm.board().dma().read(GuestPhys(place), part);
        } else {
            let value = load(vm, place, size as u64);
            part.copy_from_slice(&value.to_le_bytes()[..size]);
        }
    }
}

/// Writes any number of bytes.
pub(super) fn write(vm: &mut Vm, at: u64, from: &[u8]) {
    for (first, size) in pieces(vm, at, from.len()) {
        let place = at.wrapping_add(first as u64);
        let part = &from[first..first + size];
        if size > REGISTER {
            // It was memory a moment ago.
            let _ = vm.board().dma().write(GuestPhys(place), part);
        } else {
            let mut value = [0; 8];
            value[..size].copy_from_slice(part);
            store(vm, place, size as u64, u64::from_le_bytes(value));
        }
    }
}
