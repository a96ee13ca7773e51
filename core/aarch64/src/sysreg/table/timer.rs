//! Generic timer registers (Arm ARM D18.11).

use ferrite_ir::VcpuBlock;

use super::e;
use crate::cpu::CpuEnv;
use crate::state;
use crate::sysreg::Denied;
use crate::sysreg::row::Row;
use crate::timer::{PHYSICAL, Timer, VIRTUAL, control, kernel_control as kernel};

/// CNTP has CRm 2, CNTV has 3.
fn timer(row: &Row) -> Timer {
    if row.encoding.crm() == 2 {
        PHYSICAL
    } else {
        VIRTUAL
    }
}

fn kernel_allows(block: &VcpuBlock, bits: u64) -> bool {
    block.get(state::CNTKCTL_EL1.0) & bits != 0
}

fn read_control(env: &mut CpuEnv<'_>, block: &mut VcpuBlock, row: &Row) -> Result<u64, Denied> {
    Ok(timer(row).control(block, env.platform.counter()))
}

fn write_control(
    _: &mut CpuEnv<'_>,
    block: &mut VcpuBlock,
    row: &Row,
    value: u64,
) -> Result<(), Denied> {
    block.set(
        timer(row).control.0,
        value & (control::ENABLE | control::IMASK),
    );
    block.request_exit();
    Ok(())
}

fn read_compare(_: &mut CpuEnv<'_>, block: &mut VcpuBlock, row: &Row) -> Result<u64, Denied> {
    Ok(block.get(timer(row).compare.0))
}

fn write_compare(
    _: &mut CpuEnv<'_>,
    block: &mut VcpuBlock,
    row: &Row,
    value: u64,
) -> Result<(), Denied> {
    block.set(timer(row).compare.0, value);
    block.request_exit();
    Ok(())
}

fn read_value(env: &mut CpuEnv<'_>, block: &mut VcpuBlock, row: &Row) -> Result<u64, Denied> {
    Ok(timer(row).value(block, env.platform.counter()))
}

fn write_value(
    env: &mut CpuEnv<'_>,
    block: &mut VcpuBlock,
    row: &Row,
    value: u64,
) -> Result<(), Denied> {
    timer(row).set_value(block, env.platform.counter(), value);
    block.request_exit();
    Ok(())
}

fn counter(env: &mut CpuEnv<'_>, _: &mut VcpuBlock, _: &Row) -> Result<u64, Denied> {
    Ok(env.platform.counter())
}

pub static ROWS: &[Row] = &[
    Row::stored("CNTFRQ_EL0", e(3, 3, 14, 0, 0), state::CNTFRQ_EL0)
        .bits(0xffff_ffff, 0)
        .el0(|_, block, _| kernel_allows(block, kernel::EL0PCTEN | kernel::EL0VCTEN))
        .privileged_write(),
    Row::computed("CNTPCT_EL0", e(3, 3, 14, 0, 1), counter)
        .el0(|_, block, _| kernel_allows(block, kernel::EL0PCTEN)),
    Row::computed("CNTVCT_EL0", e(3, 3, 14, 0, 2), counter)
        .el0(|_, block, _| kernel_allows(block, kernel::EL0VCTEN)),
    Row::stored("CNTKCTL_EL1", e(3, 0, 14, 1, 0), state::CNTKCTL_EL1).bits(0x3ff, 0),
    Row::live("CNTP_TVAL_EL0", e(3, 3, 14, 2, 0), read_value, write_value)
        .ends()
        .el0(|_, block, _| kernel_allows(block, kernel::EL0PTEN)),
    Row::live(
        "CNTP_CTL_EL0",
        e(3, 3, 14, 2, 1),
        read_control,
        write_control,
    )
    .ends()
    .el0(|_, block, _| kernel_allows(block, kernel::EL0PTEN)),
    Row::live(
        "CNTP_CVAL_EL0",
        e(3, 3, 14, 2, 2),
        read_compare,
        write_compare,
    )
    .ends()
    .el0(|_, block, _| kernel_allows(block, kernel::EL0PTEN)),
    Row::live("CNTV_TVAL_EL0", e(3, 3, 14, 3, 0), read_value, write_value)
        .ends()
        .el0(|_, block, _| kernel_allows(block, kernel::EL0VTEN)),
    Row::live(
        "CNTV_CTL_EL0",
        e(3, 3, 14, 3, 1),
        read_control,
        write_control,
    )
    .ends()
    .el0(|_, block, _| kernel_allows(block, kernel::EL0VTEN)),
    Row::live(
        "CNTV_CVAL_EL0",
        e(3, 3, 14, 3, 2),
        read_compare,
        write_compare,
    )
    .ends()
    .el0(|_, block, _| kernel_allows(block, kernel::EL0VTEN)),
];
