//! What Linux' `rtc-pl031.c` does.

use super::*;
use crate::testbed::Testbed;

const SECONDS: u32 = 1_700_000_000;

#[test]
fn registers_after_reset_are_those_of_virt() {
    let mut bench = Testbed::new(Pl031::new());
    for (offset, value) in [
        (spec::DR, SECONDS),
        (spec::MR, 0),
        (spec::LR, 0),
        (spec::CR, 1),
        (spec::IMSC, 0),
        (spec::RIS, 0),
        (0xfe0, 0x31),
        (0xfe4, 0x10),
        (0xfe8, 0x14),
        (0xfec, 0),
        (0xff0, 0x0d),
    ] {
        assert_eq!(bench.read(offset), value, "{offset:#x}");
    }
    bench.write(spec::CR, 0);
    assert_eq!(bench.read(spec::CR), 1);
}

#[test]
fn the_time_can_be_set_and_goes_on() {
    let mut bench = Testbed::new(Pl031::new());
    bench.pass(2 * SECOND);
    assert_eq!(bench.read(spec::DR), SECONDS + 2);
    bench.write(spec::LR, 1000);
    assert_eq!(bench.read(spec::DR), 1000);
    bench.pass(5 * SECOND);
    assert_eq!(bench.read(spec::DR), 1005);
    assert_eq!(bench.read(spec::LR), 1000);
    bench.reset();
    assert_eq!(bench.read(spec::DR), 1005);
}

#[test]
fn the_alarm_rings_in_its_second() {
    let mut bench = Testbed::new(Pl031::new());
    bench.wall_ns += 300_000_000;
    bench.write(spec::MR, SECONDS + 3);
    bench.write(spec::ICR, 1);
    bench.write(spec::IMSC, 1);
    bench.pass(3 * SECOND - 300_000_001);
    assert!(!bench.irq());
    bench.pass(1);
    assert!(bench.irq());
    assert_eq!(bench.read(spec::DR), SECONDS + 3);
    assert_eq!(bench.read(spec::MIS), 1);
    bench.write(spec::ICR, 1);
    assert!(!bench.irq());
    bench.pass(1000 * SECOND);
    assert!(!bench.irq());
}

#[test]
fn the_alarm_follows_the_wall_clock() {
    let mut bench = Testbed::new(Pl031::new());
    bench.write(spec::IMSC, 1);
    bench.write(spec::MR, SECONDS + 10);
    // The wall clock is set back by five seconds, then jumps past the alarm.
    bench.wall_ns -= 5 * SECOND;
    bench.pass(10 * SECOND);
    assert!(!bench.irq());
    bench.wall_ns += 60 * SECOND;
    bench.pass(5 * SECOND);
    assert!(bench.irq());
}

#[test]
fn a_match_with_now_is_immediate() {
    let mut bench = Testbed::new(Pl031::new());
    bench.write(spec::LR, 1000);
    bench.write(spec::MR, 1000);
    assert_eq!(bench.read(spec::RIS), 1);
}

#[test]
fn random_accesses_are_survived() {
    Testbed::new(Pl031::new()).storm(3, 0x24, 50_000);
    Testbed::new(Pl031::new()).storm(4, 0x1000, 50_000);
}
