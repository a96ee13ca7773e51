//! Performance monitors registers (Arm ARM D18.5).

use ferrite_ir::VcpuBlock;

use super::e;
use crate::cpu::{CpuCore, CpuEnv};
use crate::features::Features;
use crate::pmu::{COUNTERS, CYCLE_COUNTER, EVENT_COUNTERS, event};
use crate::state;
use crate::sysreg::Denied;
use crate::sysreg::row::{Needs, Row};

/// PMUSERENR_EL0 bits.
mod user {
    /// All.
    pub const EN: u64 = 1;
    /// PMSWINC_EL0.
    pub const SW: u64 = 1 << 1;
    /// Reading PMCCNTR_EL0.
    pub const CR: u64 = 1 << 2;
    /// Reading the event counters, and selecting them.
    pub const ER: u64 = 1 << 3;
}

fn enabled_for_user(block: &VcpuBlock, also: u64) -> bool {
    block.get(state::PMUSERENR_EL0.0) & (user::EN | also) != 0
}

fn all(_: &CpuCore, block: &VcpuBlock, _: bool) -> bool {
    enabled_for_user(block, 0)
}

fn software(_: &CpuCore, block: &VcpuBlock, _: bool) -> bool {
    enabled_for_user(block, user::SW)
}

fn cycles(_: &CpuCore, block: &VcpuBlock, write: bool) -> bool {
    enabled_for_user(block, if write { 0 } else { user::CR })
}

fn events(_: &CpuCore, block: &VcpuBlock, write: bool) -> bool {
    enabled_for_user(block, if write { 0 } else { user::ER })
}

fn select(_: &CpuCore, block: &VcpuBlock, _: bool) -> bool {
    enabled_for_user(block, user::ER)
}

/// A change may raise or drop the overflow interrupt: the board has to look.
fn changed(block: &mut VcpuBlock) -> Result<(), Denied> {
    block.request_exit();
    Ok(())
}

fn added(old: u64, counters: u64) -> u64 {
    old | counters
}

fn removed(old: u64, counters: u64) -> u64 {
    old & !counters
}

/// A register that reads as a set of counters and whose writes add to or take from it.
macro_rules! counter_set {
    ($name:literal, $encoding:expr, $field:ident, $apply:path) => {
        Row::live(
            $name,
            $encoding,
            |env, block, _| {
                env.core.count_events(block);
                Ok(env.core.pmu.$field)
            },
            |env, block, _, value| {
                env.core.count_events(block);
                env.core.pmu.$field = $apply(env.core.pmu.$field, value & COUNTERS);
                changed(block)
            },
        )
        .ends()
    };
}

/// The counter that a register names: by its CRm and op2, or through PMSELR_EL0.
fn counter_of(block: &VcpuBlock, row: &Row) -> usize {
    let encoding = row.encoding;
    match (encoding.crn(), encoding.crm()) {
        (9, _) if encoding.op2() == 0 => CYCLE_COUNTER,
        (9, _) => (block.get(state::PMSELR_EL0.0) & 31) as usize,
        (_, 15) if encoding.op2() == 7 => CYCLE_COUNTER,
        (_, crm) => usize::from(crm & 3) * 8 + usize::from(encoding.op2()),
    }
}

fn read_counter(env: &mut CpuEnv<'_>, block: &mut VcpuBlock, row: &Row) -> Result<u64, Denied> {
    env.core.count_events(block);
    Ok(env.core.pmu.counter(counter_of(block, row)))
}

fn write_counter(
    env: &mut CpuEnv<'_>,
    block: &mut VcpuBlock,
    row: &Row,
    value: u64,
) -> Result<(), Denied> {
    env.core.count_events(block);
    env.core.pmu.set_counter(counter_of(block, row), value);
    changed(block)
}

fn read_kind(env: &mut CpuEnv<'_>, block: &mut VcpuBlock, row: &Row) -> Result<u64, Denied> {
    // PMXEVTYPER_EL0 has op2 1 where PMCCNTR_EL0 has 0.
    Ok(env.core.pmu.kind(counter_of(block, row)))
}

fn write_kind(
    env: &mut CpuEnv<'_>,
    block: &mut VcpuBlock,
    row: &Row,
    value: u64,
) -> Result<(), Denied> {
    env.core.count_events(block);
    env.core.pmu.set_kind(counter_of(block, row), value);
    changed(block)
}

/// The selected counter's own register: the cycle counter has none behind PMXEVCNTR_EL0.
fn read_selected(env: &mut CpuEnv<'_>, block: &mut VcpuBlock, row: &Row) -> Result<u64, Denied> {
    match counter_of(block, row) {
        CYCLE_COUNTER => Ok(0),
        _ => read_counter(env, block, row),
    }
}

fn write_selected(
    env: &mut CpuEnv<'_>,
    block: &mut VcpuBlock,
    row: &Row,
    value: u64,
) -> Result<(), Denied> {
    match counter_of(block, row) {
        CYCLE_COUNTER => Ok(()),
        _ => write_counter(env, block, row, value),
    }
}

const fn event_counter(name: &'static str, n: u16) -> Row {
    Row::live(name, e(3, 3, 14, 8, n), read_counter, write_counter)
        .ends()
        .el0(events)
}

const fn event_type(name: &'static str, n: u16) -> Row {
    Row::live(name, e(3, 3, 14, 12, n), read_kind, write_kind)
        .ends()
        .el0(all)
}

/// PMCEID0_EL0: the common events that are counted.
const EVENTS: u64 = 1 << event::SW_INCR | 1 << event::INST_RETIRED | 1 << event::CPU_CYCLES;

/// None of them is there without the performance monitor.
const fn of_monitor<const N: usize>(mut rows: [Row; N]) -> [Row; N] {
    let mut n = 0;
    while n < N {
        rows[n] = rows[n].needs(Needs::Feature(Features::PMU));
        n += 1;
    }
    rows
}

pub static ROWS: &[Row] = &of_monitor([
    Row::live(
        "PMCR_EL0",
        e(3, 3, 9, 12, 0),
        |env, _, _| {
            let model = env.core.model;
            let implementer = model.midr >> 24 & 0xff;
            Ok(implementer << 24
                | model.pmu_id << 16
                | (EVENT_COUNTERS as u64) << 11
                | env.core.pmu.control)
        },
        |env, block, _, value| {
            env.core.count_events(block);
            env.core.pmu.set_control(value);
            changed(block)
        },
    )
    .ends()
    .el0(all),
    counter_set!("PMCNTENSET_EL0", e(3, 3, 9, 12, 1), enabled, added).el0(all),
    counter_set!("PMCNTENCLR_EL0", e(3, 3, 9, 12, 2), enabled, removed).el0(all),
    counter_set!("PMOVSCLR_EL0", e(3, 3, 9, 12, 3), overflown, removed).el0(all),
    counter_set!("PMOVSSET_EL0", e(3, 3, 9, 14, 3), overflown, added).el0(all),
    counter_set!("PMINTENSET_EL1", e(3, 0, 9, 14, 1), interrupts, added),
    counter_set!("PMINTENCLR_EL1", e(3, 0, 9, 14, 2), interrupts, removed),
    Row::action("PMSWINC_EL0", e(3, 3, 9, 12, 4), |env, block, _, value| {
        env.core.count_events(block);
        let el = env.core.pstate.el;
        env.core.pmu.software_increment(value, el);
        changed(block)
    })
    .ends()
    .el0(software),
    Row::stored("PMSELR_EL0", e(3, 3, 9, 12, 5), state::PMSELR_EL0)
        .bits(0x1f, 0)
        .el0(select),
    Row::fixed("PMCEID0_EL0", e(3, 3, 9, 12, 6), |_| EVENTS).el0(all),
    Row::fixed("PMCEID1_EL0", e(3, 3, 9, 12, 7), |_| 0).el0(all),
    Row::live(
        "PMCCNTR_EL0",
        e(3, 3, 9, 13, 0),
        read_counter,
        write_counter,
    )
    .ends()
    .el0(cycles),
    Row::live("PMXEVTYPER_EL0", e(3, 3, 9, 13, 1), read_kind, write_kind)
        .ends()
        .el0(all),
    Row::live(
        "PMXEVCNTR_EL0",
        e(3, 3, 9, 13, 2),
        read_selected,
        write_selected,
    )
    .ends()
    .el0(events),
    Row::stored("PMUSERENR_EL0", e(3, 3, 9, 14, 0), state::PMUSERENR_EL0)
        .bits(0xf, 0)
        .privileged_write(),
    event_counter("PMEVCNTR0_EL0", 0),
    event_counter("PMEVCNTR1_EL0", 1),
    event_counter("PMEVCNTR2_EL0", 2),
    event_counter("PMEVCNTR3_EL0", 3),
    event_counter("PMEVCNTR4_EL0", 4),
    event_counter("PMEVCNTR5_EL0", 5),
    event_type("PMEVTYPER0_EL0", 0),
    event_type("PMEVTYPER1_EL0", 1),
    event_type("PMEVTYPER2_EL0", 2),
    event_type("PMEVTYPER3_EL0", 3),
    event_type("PMEVTYPER4_EL0", 4),
    event_type("PMEVTYPER5_EL0", 5),
    Row::live("PMCCFILTR_EL0", e(3, 3, 14, 15, 7), read_kind, write_kind)
        .ends()
        .el0(all),
]);
