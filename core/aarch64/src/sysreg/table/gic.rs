//! The GIC's CPU interface registers (GIC architecture specification, chapter 12.2), which the
//! board's interrupt controller implements.

use super::e;
use crate::cpu::CpuEnv;
use crate::sysreg::Denied;
use crate::sysreg::row::{Needs, Row};
use ferrite_ir::VcpuBlock;

fn read(env: &mut CpuEnv<'_>, block: &mut VcpuBlock, row: &Row) -> Result<u64, Denied> {
    let register = u32::from(row.encoding.0);
    let value = env.platform.gic_read(env.core.index, register);
    env.poll_interrupts(block);
    value.ok_or(Denied::Undefined)
}

fn write(env: &mut CpuEnv<'_>, block: &mut VcpuBlock, row: &Row, value: u64) -> Result<(), Denied> {
    let register = u32::from(row.encoding.0);
    let done = env.platform.gic_write(env.core.index, register, value);
    env.poll_interrupts(block);
    done.ok_or(Denied::Undefined)
}

const fn both(name: &'static str, crn: u16, crm: u16, op2: u16) -> Row {
    Row::live(name, e(3, 0, crn, crm, op2), read, write).needs(Needs::Gic)
}

const fn read_only(name: &'static str, crm: u16, op2: u16) -> Row {
    Row::computed(name, e(3, 0, 12, crm, op2), read).needs(Needs::Gic)
}

const fn write_only(name: &'static str, crm: u16, op2: u16) -> Row {
    Row::action(name, e(3, 0, 12, crm, op2), write).needs(Needs::Gic)
}

pub static ROWS: &[Row] = &[
    both("ICC_PMR_EL1", 4, 6, 0),
    read_only("ICC_IAR0_EL1", 8, 0),
    write_only("ICC_EOIR0_EL1", 8, 1),
    read_only("ICC_HPPIR0_EL1", 8, 2),
    both("ICC_BPR0_EL1", 12, 8, 3),
    both("ICC_AP0R0_EL1", 12, 8, 4),
    both("ICC_AP0R1_EL1", 12, 8, 5),
    both("ICC_AP0R2_EL1", 12, 8, 6),
    both("ICC_AP0R3_EL1", 12, 8, 7),
    both("ICC_AP1R0_EL1", 12, 9, 0),
    both("ICC_AP1R1_EL1", 12, 9, 1),
    both("ICC_AP1R2_EL1", 12, 9, 2),
    both("ICC_AP1R3_EL1", 12, 9, 3),
    write_only("ICC_DIR_EL1", 11, 1),
    read_only("ICC_RPR_EL1", 11, 3),
    write_only("ICC_SGI1R_EL1", 11, 5),
    write_only("ICC_ASGI1R_EL1", 11, 6),
    write_only("ICC_SGI0R_EL1", 11, 7),
    read_only("ICC_IAR1_EL1", 12, 0),
    write_only("ICC_EOIR1_EL1", 12, 1),
    read_only("ICC_HPPIR1_EL1", 12, 2),
    both("ICC_BPR1_EL1", 12, 12, 3),
    both("ICC_CTLR_EL1", 12, 12, 4),
    both("ICC_SRE_EL1", 12, 12, 5),
    both("ICC_IGRPEN0_EL1", 12, 12, 6),
    both("ICC_IGRPEN1_EL1", 12, 12, 7),
];
