//! Control, exception, address space and process state registers (Arm ARM D18.2, C5.2).

use super::e;
use crate::cpu::context_changed;
use crate::features::Features;
use crate::mmu::regime::sctlr;
use crate::pstate::spsr;
use crate::state;
use crate::sysreg::row::{Needs, Row};

/// SCTLR_EL1 bits without a function here that are RES1.
const SCTLR_ONES: u64 = 1 << 29 | 1 << 28 | 1 << 22 | 1 << 20 | 1 << 11;
/// M, A, C, SA, SA0, CP15BEN, ITD, SED, UMA, I, DZE, UCT, nTWI, nTWE, WXN, SPAN, E0E, EE, UCI.
const SCTLR_BITS: u64 = 0x078d_d3bf;
/// TnSZ, EPDn, cacheability, TGn, A1, IPS, AS, TBIn, HPDn, E0PDn.
const TCR_BITS: u64 = 0x0180_0677_ffff_ffbf;

/// AHP, DN, FZ and RMode: what of FPCR has a function without FEAT_FP16.
const FPCR_BITS: u64 = 0x07c0_0000;

pub static ROWS: &[Row] = &[
    Row::stored("SCTLR_EL1", e(3, 0, 1, 0, 0), state::SCTLR_EL1)
        .bits(SCTLR_BITS, SCTLR_ONES)
        // Little-endian, translation and caches off, EL0's traps off.
        .reset(0x00c5_0838)
        .then(context_changed),
    Row::zero("ACTLR_EL1", e(3, 0, 1, 0, 1)),
    Row::stored("CPACR_EL1", e(3, 0, 1, 0, 2), state::CPACR_EL1)
        .bits(3 << 20, 0)
        .then(context_changed),
    Row::stored("TTBR0_EL1", e(3, 0, 2, 0, 0), state::TTBR0_EL1).then(context_changed),
    Row::stored("TTBR1_EL1", e(3, 0, 2, 0, 1), state::TTBR1_EL1).then(context_changed),
    Row::stored("TCR_EL1", e(3, 0, 2, 0, 2), state::TCR_EL1)
        .bits(TCR_BITS, 0)
        .then(context_changed),
    Row::stored("MAIR_EL1", e(3, 0, 10, 2, 0), state::MAIR_EL1).then(context_changed),
    Row::stored("AMAIR_EL1", e(3, 0, 10, 3, 0), state::AMAIR_EL1).bits(0, 0),
    Row::stored("AFSR0_EL1", e(3, 0, 5, 1, 0), state::AFSR0_EL1).bits(0, 0),
    Row::stored("AFSR1_EL1", e(3, 0, 5, 1, 1), state::AFSR1_EL1).bits(0, 0),
    Row::stored("ESR_EL1", e(3, 0, 5, 2, 0), state::ESR_EL1).bits(0xffff_ffff, 0),
    Row::stored("FAR_EL1", e(3, 0, 6, 0, 0), state::FAR_EL1),
    Row::stored("PAR_EL1", e(3, 0, 7, 4, 0), state::PAR_EL1),
    Row::stored("VBAR_EL1", e(3, 0, 12, 0, 0), state::VBAR_EL1).bits(!0x7ff, 0),
    Row::fixed("RVBAR_EL1", e(3, 0, 12, 0, 1), |c| c.reset_address),
    Row::computed("ISR_EL1", e(3, 0, 12, 1, 0), |_, block, _| {
        Ok(block.get(state::PENDING.0) & (spsr::A | spsr::I | spsr::F))
    }),
    Row::stored("SPSR_EL1", e(3, 0, 4, 0, 0), state::SPSR_EL1).bits(0xffff_ffff, 0),
    Row::stored("ELR_EL1", e(3, 0, 4, 0, 1), state::ELR_EL1),
    // Translations check that it is not the stack pointer in use.
    Row::stored("SP_EL0", e(3, 0, 4, 1, 0), state::SP_EL0),
    Row::live(
        "SPSel",
        e(3, 0, 4, 2, 0),
        |env, _, _| Ok(u64::from(env.core.pstate.sp_sel)),
        |env, block, _, value| {
            env.core.set_sp_sel(block, value & 1 != 0);
            Ok(())
        },
    )
    .ends(),
    Row::fixed("CurrentEL", e(3, 0, 4, 2, 2), |c| {
        u64::from(c.pstate.el) << 2
    }),
    Row::live(
        "PAN",
        e(3, 0, 4, 2, 3),
        |env, _, _| Ok(if env.core.pstate.pan { spsr::PAN } else { 0 }),
        |env, block, _, value| {
            env.core.set_pan(block, value & spsr::PAN != 0);
            Ok(())
        },
    )
    .needs(Needs::Feature(Features::PAN)),
    Row::live(
        "UAO",
        e(3, 0, 4, 2, 4),
        |env, _, _| Ok(if env.core.pstate.uao { spsr::UAO } else { 0 }),
        |env, block, _, value| {
            env.core.set_uao(block, value & spsr::UAO != 0);
            Ok(())
        },
    )
    .needs(Needs::Feature(Features::UAO))
    .ends(),
    Row::live(
        "NZCV",
        e(3, 3, 4, 2, 0),
        |_, block, _| Ok(u64::from(block.nzcv())),
        |_, block, _, value| {
            block.set_nzcv((value & spsr::NZCV) as u32);
            Ok(())
        },
    ),
    Row::live(
        "DAIF",
        e(3, 3, 4, 2, 1),
        |_, block, _| Ok(block.get(state::DAIF.0)),
        |env, block, _, value| {
            env.set_daif(block, value & spsr::DAIF);
            Ok(())
        },
    )
    .el0(|_, block, _| block.get(state::SCTLR_EL1.0) & sctlr::UMA != 0)
    .ends(),
    // Translations check for the trap of FP instructions first.
    Row::stored("FPCR", e(3, 3, 4, 4, 0), state::FPCR).bits(FPCR_BITS, 0),
    Row::stored("FPSR", e(3, 3, 4, 4, 1), state::FPSR).bits(0x0800_009f, 0),
    Row::stored("CONTEXTIDR_EL1", e(3, 0, 13, 0, 1), state::CONTEXTIDR_EL1).bits(0xffff_ffff, 0),
    Row::stored("TPIDR_EL1", e(3, 0, 13, 0, 4), state::TPIDR_EL1),
    Row::stored("TPIDR_EL0", e(3, 3, 13, 0, 2), state::TPIDR_EL0),
    Row::stored("TPIDRRO_EL0", e(3, 3, 13, 0, 3), state::TPIDRRO_EL0).privileged_write(),
    Row::stored("LORSA_EL1", e(3, 0, 10, 4, 0), state::LORSA_EL1)
        .bits(0, 0)
        .needs(Needs::Feature(Features::LOR)),
    Row::stored("LOREA_EL1", e(3, 0, 10, 4, 1), state::LOREA_EL1)
        .bits(0, 0)
        .needs(Needs::Feature(Features::LOR)),
    Row::stored("LORN_EL1", e(3, 0, 10, 4, 2), state::LORN_EL1)
        .bits(0, 0)
        .needs(Needs::Feature(Features::LOR)),
    Row::stored("LORC_EL1", e(3, 0, 10, 4, 3), state::LORC_EL1)
        .bits(0, 0)
        .needs(Needs::Feature(Features::LOR)),
    // No limited ordering regions: LDLAR and STLLR order like LDAR and STLR.
    Row::fixed("LORID_EL1", e(3, 0, 10, 4, 7), |_| 0).needs(Needs::Feature(Features::LOR)),
    Row::zero("L2CTLR_EL1", e(3, 1, 11, 0, 2)).needs(Needs::Cortex),
    Row::zero("L2ECTLR_EL1", e(3, 1, 11, 0, 3)).needs(Needs::Cortex),
    Row::zero("L2ACTLR_EL1", e(3, 1, 15, 0, 0)).needs(Needs::Cortex),
    Row::zero("CPUACTLR_EL1", e(3, 1, 15, 2, 0)).needs(Needs::Cortex),
    Row::zero("CPUECTLR_EL1", e(3, 1, 15, 2, 1)).needs(Needs::Cortex),
    Row::zero("CPUMERRSR_EL1", e(3, 1, 15, 2, 2)).needs(Needs::Cortex),
    Row::zero("L2MERRSR_EL1", e(3, 1, 15, 2, 3)).needs(Needs::Cortex),
    Row::fixed("CBAR_EL1", e(3, 1, 15, 3, 0), |c| c.peripheral_base).needs(Needs::Cortex),
];
