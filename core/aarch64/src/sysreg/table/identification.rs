//! Identification registers (Arm ARM D18.3.1).

use super::e;
use crate::mmu::regime::sctlr;
use crate::model;
use crate::state;
use crate::sysreg::row::Row;

/// DCZID_EL0.DZP: EL0's DC ZVA is prohibited.
const DZP: u64 = 1 << 4;

pub static ROWS: &[Row] = &[
    Row::fixed("MIDR_EL1", e(3, 0, 0, 0, 0), |c| c.model.midr),
    Row::fixed("MPIDR_EL1", e(3, 0, 0, 0, 5), |c| c.mpidr),
    Row::fixed("REVIDR_EL1", e(3, 0, 0, 0, 6), |_| 0),
    Row::fixed("AIDR_EL1", e(3, 1, 0, 0, 7), |_| 0),
    Row::fixed("ID_AA64PFR0_EL1", e(3, 0, 0, 4, 0), |c| {
        model::aa64pfr0(c.features, c.gic_registers)
    }),
    Row::fixed("ID_AA64DFR0_EL1", e(3, 0, 0, 5, 0), |core| {
        model::aa64dfr0(core.features)
    }),
    Row::fixed("ID_AA64ISAR0_EL1", e(3, 0, 0, 6, 0), |c| {
        model::aa64isar0(c.features)
    }),
    Row::fixed("ID_AA64MMFR0_EL1", e(3, 0, 0, 7, 0), |c| {
        model::aa64mmfr0(c.model, c.features)
    }),
    Row::fixed("ID_AA64MMFR1_EL1", e(3, 0, 0, 7, 1), |c| {
        model::aa64mmfr1(c.features)
    }),
    Row::fixed("ID_AA64MMFR2_EL1", e(3, 0, 0, 7, 2), |c| {
        model::aa64mmfr2(c.features)
    }),
    Row::computed("CCSIDR_EL1", e(3, 1, 0, 0, 0), |env, block, _| {
        Ok(env.core.model.ccsidr(block.get(state::CSSELR_EL1.0)))
    }),
    Row::fixed("CLIDR_EL1", e(3, 1, 0, 0, 1), |c| c.model.clidr),
    Row::stored("CSSELR_EL1", e(3, 2, 0, 0, 0), state::CSSELR_EL1).bits(0xf, 0),
    Row::fixed("CTR_EL0", e(3, 3, 0, 0, 1), |c| c.model.ctr)
        .el0(|_, block, _| block.get(state::SCTLR_EL1.0) & sctlr::UCT != 0),
    Row::computed("DCZID_EL0", e(3, 3, 0, 0, 7), |env, block, _| {
        let allowed = env.core.pstate.el > 0 || block.get(state::SCTLR_EL1.0) & sctlr::DZE != 0;
        Ok(model::DCZID_BLOCK | if allowed { 0 } else { DZP })
    }),
];
