//! PCI functions: configuration space, base addresses, registers.

use super::Pair;

/// Configuration space of bus 0.
pub const ECAM: u64 = 0x40_1000_0000;
/// Where tests put the memory of functions.
pub const MEMORY: u64 = 0x1000_0000;

/// The configuration space of function 0 in a slot of bus 0.
pub const fn config(slot: u64) -> u64 {
    ECAM + (slot << 15)
}

/// Places a function's memory and lets it answer and write to memory.
pub fn enable(pair: &mut Pair, slot: u64, bar: u64, at: u64) {
    pair.write(4, config(slot) + 0x10 + 4 * bar, at);
    pair.write(2, config(slot) + 4, 7);
}

/// Devices that both have, and words of their configuration space that are left out: QEMU's region of
/// pvpanic-pci has two bytes, fewer than the PCI specification has bits for.
const FUNCTIONS: &[(&str, &[u64])] = &[
    ("e1000", &[]),
    ("e1000e", &[]),
    ("virtio-net-pci", &[]),
    ("virtio-rng-pci", &[]),
    ("virtio-balloon-pci", &[]),
    ("virtio-serial-pci", &[]),
    ("virtio-scsi-pci", &[]),
    ("pci-testdev", &[]),
    ("pvpanic-pci", &[0x10]),
    ("pcie-root-port", &[]),
    ("pcie-pci-bridge", &[]),
];

#[test]
fn configuration_spaces() {
    let mut options = String::new();
    for (n, (driver, _)) in FUNCTIONS.iter().enumerate() {
        options += &format!(" -device {driver},addr={}", n + 1);
        if driver.contains("e1000") || driver.contains("net") {
            options += &format!(",mac=52:54:00:12:34:{n:02x}");
        }
    }
    let Some(mut pair) = Pair::start(&options) else {
        return;
    };
    for (slot, (driver, left_out)) in (1..).zip(FUNCTIONS) {
        let base = config(slot);
        let extended = if pair.read(4, base + 0x100) == 0xffff_ffff {
            0x100
        } else {
            0x200
        };
        let words = || (0..extended).step_by(4).filter(|at| !left_out.contains(at));
        for at in words() {
            pair.read(4, base + at);
        }
        // The size of each base address register, and which bits of some others can be set.
        let bars = if driver.starts_with("pcie-") { 2 } else { 6 };
        let bars = (0..bars).map(|bar| 0x10 + 4 * bar).chain([0x0c, 0x3c]);
        for at in bars.filter(|at| !left_out.contains(at)) {
            pair.write(4, base + at, 0xffff_ffff);
            pair.read(4, base + at);
            pair.write(4, base + at, 0);
            pair.read(4, base + at);
        }
        pair.write(2, base + 4, 0xffff);
        pair.read(4, base + 4);
        pair.write(2, base + 4, 0);
        pair.name(driver);
    }
    // Nobody is there.
    pair.read(4, config(0x1f));
    pair.read(4, ECAM + (1 << 20));
    pair.end();
}

#[test]
fn test_device() {
    let Some(mut pair) = Pair::start("-device pci-testdev,addr=1") else {
        return;
    };
    enable(&mut pair, 1, 0, MEMORY);
    for test in 0..4 {
        pair.write(1, MEMORY, test);
        let width = pair.read(1, MEMORY + 1);
        pair.read(4, MEMORY + 4);
        let data = pair.read(4, MEMORY + 8);
        for at in 0..8 {
            pair.read(1, MEMORY + 0x10 + at);
        }
        for _ in 0..3 {
            pair.write(width.clamp(1, 4), MEMORY + 4, data);
        }
        pair.read(4, MEMORY + 0xc);
    }
    pair.end();
}

#[test]
fn panic_device() {
    let Some(mut pair) = Pair::start("-device pvpanic-pci,addr=1") else {
        return;
    };
    enable(&mut pair, 1, 0, MEMORY);
    // One byte is all that the device has; QEMU repeats it in wider accesses.
    pair.read(1, MEMORY);
    pair.end();
}
