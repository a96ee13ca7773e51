//! Debug registers (Arm ARM D18.3).

use ferrite_ir::{Global, VcpuBlock};

use super::e;
use crate::cpu::CpuEnv;
use crate::debug::mdscr;
use crate::state;
use crate::sysreg::Denied;
use crate::sysreg::row::Row;

/// TDE-independent MDSCR_EL1 bits: SS, ERR, TDCC, KDE, HDE, MDE, the communication channel's flags.
const MDSCR_BITS: u64 = 0x6c20_f041;
/// OSLSR_EL1.OSLM: the OS lock is implemented.
const OSLM: u64 = 1 << 3;
/// DBGCLAIMSET_EL1 has eight tags.
const CLAIM_TAGS: u64 = 0xff;

fn debug_changed(env: &mut CpuEnv<'_>, block: &mut VcpuBlock) {
    env.debug_changed(block);
}

fn write_oslar(
    env: &mut CpuEnv<'_>,
    block: &mut VcpuBlock,
    _: &Row,
    value: u64,
) -> Result<(), Denied> {
    env.core.debug.os_lock = value & 1 != 0;
    env.debug_changed(block);
    Ok(())
}

const fn breakpoint_value(name: &'static str, n: u16) -> Row {
    Row::stored(name, e(2, 0, 0, n, 4), Global(state::DBGBVR0_EL1.0 + n)).then(debug_changed)
}

const fn breakpoint_control(name: &'static str, n: u16) -> Row {
    Row::stored(name, e(2, 0, 0, n, 5), Global(state::DBGBCR0_EL1.0 + n))
        .bits(0x00ff_e1e7, 0)
        .then(debug_changed)
}

const fn watchpoint_value(name: &'static str, n: u16) -> Row {
    Row::stored(name, e(2, 0, 0, n, 6), Global(state::DBGWVR0_EL1.0 + n))
        .bits(!3, 0)
        .then(debug_changed)
}

const fn watchpoint_control(name: &'static str, n: u16) -> Row {
    Row::stored(name, e(2, 0, 0, n, 7), Global(state::DBGWCR0_EL1.0 + n))
        .bits(0x1f1f_ffff, 0)
        .then(debug_changed)
}

fn channel_allowed(_: &crate::cpu::CpuCore, block: &VcpuBlock, _: bool) -> bool {
    block.get(state::MDSCR_EL1.0) & mdscr::TDCC == 0
}

pub static ROWS: &[Row] = &[
    breakpoint_value("DBGBVR0_EL1", 0),
    breakpoint_value("DBGBVR1_EL1", 1),
    breakpoint_value("DBGBVR2_EL1", 2),
    breakpoint_value("DBGBVR3_EL1", 3),
    breakpoint_value("DBGBVR4_EL1", 4),
    breakpoint_value("DBGBVR5_EL1", 5),
    breakpoint_control("DBGBCR0_EL1", 0),
    breakpoint_control("DBGBCR1_EL1", 1),
    breakpoint_control("DBGBCR2_EL1", 2),
    breakpoint_control("DBGBCR3_EL1", 3),
    breakpoint_control("DBGBCR4_EL1", 4),
    breakpoint_control("DBGBCR5_EL1", 5),
    watchpoint_value("DBGWVR0_EL1", 0),
    watchpoint_value("DBGWVR1_EL1", 1),
    watchpoint_value("DBGWVR2_EL1", 2),
    watchpoint_value("DBGWVR3_EL1", 3),
    watchpoint_control("DBGWCR0_EL1", 0),
    watchpoint_control("DBGWCR1_EL1", 1),
    watchpoint_control("DBGWCR2_EL1", 2),
    watchpoint_control("DBGWCR3_EL1", 3),
    Row::stored("MDCCINT_EL1", e(2, 0, 0, 2, 0), state::MDCCINT_EL1).bits(3 << 29, 0),
    Row::stored("MDSCR_EL1", e(2, 0, 0, 2, 2), state::MDSCR_EL1)
        .bits(MDSCR_BITS, 0)
        .then(debug_changed),
    Row::stored("OSDTRRX_EL1", e(2, 0, 0, 0, 2), state::OSDTRRX_EL1).bits(0xffff_ffff, 0),
    Row::stored("OSDTRTX_EL1", e(2, 0, 0, 3, 2), state::OSDTRTX_EL1).bits(0xffff_ffff, 0),
    Row::stored("OSECCR_EL1", e(2, 0, 0, 6, 2), state::OSECCR_EL1).bits(0xffff_ffff, 0),
    Row::fixed("MDRAR_EL1", e(2, 0, 1, 0, 0), |_| 0),
    Row::action("OSLAR_EL1", e(2, 0, 1, 0, 4), write_oslar).ends(),
    Row::fixed("OSLSR_EL1", e(2, 0, 1, 1, 4), |c| {
        OSLM | u64::from(c.debug.os_lock) << 1
    }),
    Row::stored("OSDLR_EL1", e(2, 0, 1, 3, 4), state::OSDLR_EL1).bits(1, 0),
    Row::zero("DBGPRCR_EL1", e(2, 0, 1, 4, 4)),
    Row::live(
        "DBGCLAIMSET_EL1",
        e(2, 0, 7, 8, 6),
        |_, _, _| Ok(CLAIM_TAGS),
        |_, block, _, value| {
            let tags = block.get(state::DBGCLAIM.0) | value & CLAIM_TAGS;
            block.set(state::DBGCLAIM.0, tags);
            Ok(())
        },
    ),
    Row::live(
        "DBGCLAIMCLR_EL1",
        e(2, 0, 7, 9, 6),
        |_, block, _| Ok(block.get(state::DBGCLAIM.0)),
        |_, block, _, value| {
            let tags = block.get(state::DBGCLAIM.0) & !value;
            block.set(state::DBGCLAIM.0, tags);
            Ok(())
        },
    ),
    // No external debugger: its authentication signals are low.
    Row::fixed("DBGAUTHSTATUS_EL1", e(2, 0, 7, 14, 6), |_| 0),
    Row::fixed("MDCCSR_EL0", e(2, 3, 0, 1, 0), |_| 0).el0(channel_allowed),
    Row::zero("DBGDTR_EL0", e(2, 3, 0, 4, 0)).el0(channel_allowed),
    Row::zero("DBGDTRRX_EL0", e(2, 3, 0, 5, 0)).el0(channel_allowed),
];
