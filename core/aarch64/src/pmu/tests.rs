//! Counting rules.

use super::{CYCLE_COUNTER, Pmu, control, event};

fn counting(n: usize, kind: u64) -> Pmu {
    let mut pmu = Pmu::default();
    pmu.set_control(control::E);
    pmu.set_kind(n, kind);
    pmu.enabled = 1 << n;
    pmu
}

#[test]
fn filters_leave_levels_out() {
    for (filter, el0, el1) in [(0, 10, 30), (1 << 31, 10, 10), (1 << 30, 0, 20)] {
        let mut pmu = counting(2, event::INST_RETIRED | filter);
        pmu.count(10, 0);
        assert_eq!(pmu.counter(2), el0);
        pmu.count(30, 1);
        assert_eq!(pmu.counter(2), el1);
    }
}

#[test]
fn other_events_and_disabled_counters_stand_still() {
    let mut pmu = counting(0, 0x03);
    pmu.count(100, 1);
    assert_eq!(pmu.counter(0), 0);
    let mut pmu = counting(0, event::CPU_CYCLES);
    pmu.set_control(0);
    pmu.count(100, 1);
    assert_eq!(pmu.counter(0), 0);
    pmu.set_control(control::E);
    pmu.count(150, 1);
    assert_eq!(pmu.counter(0), 50);
}

#[test]
fn overflow_raises_the_line_where_enabled() {
    let mut pmu = counting(1, event::INST_RETIRED);
    pmu.set_counter(1, 0xffff_fff0);
    pmu.count(15, 0);
    assert_eq!((pmu.counter(1), pmu.overflown), (0xffff_ffff, 0));
    pmu.count(16, 0);
    assert_eq!((pmu.counter(1), pmu.overflown), (0, 2));
    assert!(!pmu.line());
    pmu.interrupts = 2;
    assert!(pmu.line());
}

#[test]
fn the_cycle_counter_is_64_bits_wide_and_may_divide() {
    let mut pmu = counting(CYCLE_COUNTER, 0);
    pmu.set_control(control::E | control::LC);
    pmu.set_counter(CYCLE_COUNTER, 0xffff_ffff);
    pmu.count(1, 0);
    assert_eq!((pmu.counter(CYCLE_COUNTER), pmu.overflown), (1 << 32, 0));
    pmu.set_counter(CYCLE_COUNTER, u64::MAX);
    pmu.count(2, 0);
    assert_eq!(pmu.overflown, 1 << 31);
    pmu.set_control(control::E | control::LC | control::D | control::C);
    pmu.count(2 + 63, 0);
    assert_eq!(pmu.counter(CYCLE_COUNTER), 0);
    pmu.count(2 + 129, 0);
    assert_eq!(pmu.counter(CYCLE_COUNTER), 2);
}

#[test]
fn software_increments_count_for_their_event_only() {
    let mut pmu = counting(3, event::SW_INCR);
    pmu.software_increment(0b1001, 1);
    pmu.software_increment(0b0001, 1);
    assert_eq!((pmu.counter(3), pmu.counter(0)), (1, 0));
    pmu.count(50, 1);
    assert_eq!(pmu.counter(3), 1);
}
