//! System instructions: cache and TLB maintenance, address translation (Arm ARM C5.3 to C5.5).

use ferrite_ir::VcpuBlock;

use super::e;
use crate::cpu::CpuEnv;
use crate::mmu::Kind;
use crate::mmu::regime::sctlr;
use crate::mmu::spaces::Rights;
use crate::platform::Maintenance;
use crate::state;
use crate::sysreg::Denied;
use crate::sysreg::row::Row;

/// A TLB instruction's operand: VA\[55:12\] in bits 43:0, the ASID in bits 63:48.
fn tlb_operation(row: &Row, value: u64) -> Maintenance {
    let va = value << 12 & 0x00ff_ffff_ffff_f000;
    let asid = (value >> 48) as u16;
    match row.encoding.op2() {
        0 => Maintenance::TlbAll,
        2 => Maintenance::TlbAsid { asid },
        1 | 5 => Maintenance::TlbPage {
            va,
            asid: Some(asid),
        },
        _ => Maintenance::TlbPage { va, asid: None },
    }
}

fn tlb_local(
    env: &mut CpuEnv<'_>,
    block: &mut VcpuBlock,
    row: &Row,
    value: u64,
) -> Result<(), Denied> {
    env.core.maintain(block, tlb_operation(row, value));
    Ok(())
}

fn tlb_shareable(
    env: &mut CpuEnv<'_>,
    block: &mut VcpuBlock,
    row: &Row,
    value: u64,
) -> Result<(), Denied> {
    let operation = tlb_operation(row, value);
    env.core.maintain(block, operation);
    env.platform.broadcast(env.core.index, operation);
    Ok(())
}

const fn tlbi(name: &'static str, shareable: bool, op2: u16) -> Row {
    if shareable {
        Row::action(name, e(1, 0, 8, 3, op2), tlb_shareable).ends()
    } else {
        Row::action(name, e(1, 0, 8, 7, op2), tlb_local).ends()
    }
}

/// There are no caches to maintain; instruction fetches see every store once the region ends.
fn nothing(_: &mut CpuEnv<'_>, _: &mut VcpuBlock, _: &Row, _: u64) -> Result<(), Denied> {
    Ok(())
}

/// Cache maintenance by address translates it, with the permissions of a read.
fn by_address(
    env: &mut CpuEnv<'_>,
    block: &mut VcpuBlock,
    _: &Row,
    value: u64,
) -> Result<(), Denied> {
    env.maintain_address(block, value, Kind::Read)
        .map_err(|_| Denied::Left)
}

/// DC IVAC needs write permission, since it may lose data.
fn invalidate_address(
    env: &mut CpuEnv<'_>,
    block: &mut VcpuBlock,
    _: &Row,
    value: u64,
) -> Result<(), Denied> {
    env.maintain_address(block, value, Kind::Write)
        .map_err(|_| Denied::Left)
}

fn zero(env: &mut CpuEnv<'_>, block: &mut VcpuBlock, _: &Row, value: u64) -> Result<(), Denied> {
    env.zero_block(block, value).map_err(|_| Denied::Left)
}

fn translate(
    env: &mut CpuEnv<'_>,
    block: &mut VcpuBlock,
    row: &Row,
    value: u64,
) -> Result<(), Denied> {
    let op2 = row.encoding.op2();
    let kind = if op2 & 1 == 0 {
        Kind::Read
    } else {
        Kind::Write
    };
    let rights = if op2 & 2 == 0 {
        Rights::Privileged
    } else {
        Rights::User
    };
    env.address_translate(block, value, kind, rights)
        .map_err(|_| Denied::Left)
}

fn user_cache(_: &crate::cpu::CpuCore, block: &VcpuBlock, _: bool) -> bool {
    block.get(state::SCTLR_EL1.0) & sctlr::UCI != 0
}

fn user_zero(_: &crate::cpu::CpuCore, block: &VcpuBlock, _: bool) -> bool {
    block.get(state::SCTLR_EL1.0) & sctlr::DZE != 0
}

pub static ROWS: &[Row] = &[
    Row::action("IC_IALLUIS", e(1, 0, 7, 1, 0), nothing).ends(),
    Row::action("IC_IALLU", e(1, 0, 7, 5, 0), nothing).ends(),
    Row::action("IC_IVAU", e(1, 3, 7, 5, 1), by_address)
        .ends()
        .el0(user_cache),
    Row::action("DC_IVAC", e(1, 0, 7, 6, 1), invalidate_address),
    Row::action("DC_ISW", e(1, 0, 7, 6, 2), nothing),
    Row::action("DC_CSW", e(1, 0, 7, 10, 2), nothing),
    Row::action("DC_CISW", e(1, 0, 7, 14, 2), nothing),
    Row::action("DC_ZVA", e(1, 3, 7, 4, 1), zero).el0(user_zero),
    Row::action("DC_CVAC", e(1, 3, 7, 10, 1), by_address).el0(user_cache),
    Row::action("DC_CVAU", e(1, 3, 7, 11, 1), by_address).el0(user_cache),
    Row::action("DC_CIVAC", e(1, 3, 7, 14, 1), by_address).el0(user_cache),
    Row::action("AT_S1E1R", e(1, 0, 7, 8, 0), translate),
    Row::action("AT_S1E1W", e(1, 0, 7, 8, 1), translate),
    Row::action("AT_S1E0R", e(1, 0, 7, 8, 2), translate),
    Row::action("AT_S1E0W", e(1, 0, 7, 8, 3), translate),
    tlbi("TLBI_VMALLE1IS", true, 0),
    tlbi("TLBI_VAE1IS", true, 1),
    tlbi("TLBI_ASIDE1IS", true, 2),
    tlbi("TLBI_VAAE1IS", true, 3),
    tlbi("TLBI_VALE1IS", true, 5),
    tlbi("TLBI_VAALE1IS", true, 7),
    tlbi("TLBI_VMALLE1", false, 0),
    tlbi("TLBI_VAE1", false, 1),
    tlbi("TLBI_ASIDE1", false, 2),
    tlbi("TLBI_VAAE1", false, 3),
    tlbi("TLBI_VALE1", false, 5),
    tlbi("TLBI_VAALE1", false, 7),
];
