//! What Linux' `gpio-pl061.c` does.

use super::*;
use crate::testbed::Testbed;

const KEY: u32 = 3;

#[test]
fn registers_after_reset_are_those_of_virt() {
    let mut bench = Testbed::new(Pl061::new());
    for offset in (0x400..=0x420).step_by(4).chain([0, 0x3fc, 0x500, 0xfc0]) {
        assert_eq!(bench.read(offset), 0, "{offset:#x}");
    }
    for (offset, value) in [(0xfe0, 0x61), (0xfe4, 0x10), (0xfe8, 0x04), (0xff0, 0x0d)] {
        assert_eq!(bench.read(offset), value, "{offset:#x}");
    }
    for offset in [0x400, 0x404, 0x408, 0x40c, 0x410, 0x420] {
        bench.write(offset, u32::MAX);
        assert_eq!(bench.read(offset), 0xff, "{offset:#x}");
    }
}

#[test]
fn the_power_key_interrupts_at_both_edges() {
    let mut bench = Testbed::new(Pl061::new());
    bench.write(spec::IE, 0);
    bench.write(spec::DIR, 0);
    bench.write(spec::IBE, 1 << KEY);
    bench.write(spec::IC, 0xff);
    bench.write(spec::IE, 1 << KEY);
    bench.run(|device, cx| device.pulse(cx, KEY));
    assert!(bench.irq());
    assert_eq!(bench.read(0x04 << KEY), 1 << KEY);
    bench.write(spec::IC, 1 << KEY);
    assert!(!bench.irq());
    bench.pass(PULSE - 1);
    assert!(!bench.irq());
    bench.pass(1);
    assert!(bench.irq());
    assert_eq!(bench.read(0x3fc), 0);
}

#[test]
fn edges_are_told_apart() {
    for rising in [false, true] {
        let mut bench = Testbed::new(Pl061::new());
        bench.write(spec::IE, 1);
        bench.write(spec::IEV, rising.into());
        bench.run(|device, cx| device.set_input(cx, 0, true));
        assert_eq!(bench.irq(), rising);
        bench.run(|device, cx| device.set_input(cx, 0, false));
        assert!(bench.irq());
    }
}

#[test]
fn a_level_interrupts_while_it_lasts() {
    let mut bench = Testbed::new(Pl061::new());
    bench.write(spec::IS, 1);
    bench.write(spec::IEV, 1);
    bench.write(spec::IE, 1);
    bench.run(|device, cx| device.set_input(cx, 0, true));
    assert!(bench.irq());
    bench.write(spec::IC, 1);
    assert!(bench.irq());
    bench.run(|device, cx| device.set_input(cx, 0, false));
    assert!(!bench.irq());
}

#[test]
fn data_is_masked_by_the_address() {
    let mut bench = Testbed::new(Pl061::new());
    bench.write(spec::DIR, 0x0f);
    bench.write(0x3fc, 0xff);
    assert_eq!(bench.read(0x3fc), 0x0f);
    bench.write(0b0101 << 2, 0);
    assert_eq!(bench.read(0x3fc), 0b1010);
    assert_eq!(bench.read(0b0011 << 2), 0b0010);
    assert_eq!(bench.device.outputs(), 0b1010);
    bench.run(|device, cx| device.set_input(cx, 7, true));
    bench.run(|device, cx| device.set_input(cx, 0, true));
    bench.run(|device, cx| device.set_input(cx, 8, true));
    assert_eq!(bench.read(0x3fc), 0b1000_1010);
}

#[test]
fn random_accesses_are_survived() {
    Testbed::new(Pl061::new()).storm(5, 0x1000, 50_000);
}
