//! Exception syndromes: the values of ESR_ELx (Arm ARM D17.2.37).

use crate::mmu::fault::{Fault, FaultKind};

/// Exception classes, ESR_ELx.EC.
pub mod class {
    /// Unknown reason: UNDEFINED instructions.
    pub const UNKNOWN: u32 = 0x00;
    /// Trapped WFI or WFE.
    pub const WAIT: u32 = 0x01;
    /// Trapped FP or AdvSIMD instruction.
    pub const FP_ACCESS: u32 = 0x07;
    /// Illegal Execution state.
    pub const ILLEGAL_STATE: u32 = 0x0e;
    /// SVC.
    pub const SVC: u32 = 0x15;
    /// HVC.
    pub const HVC: u32 = 0x16;
    /// SMC.
    pub const SMC: u32 = 0x17;
    /// Trapped MSR, MRS or system instruction.
    pub const SYSTEM: u32 = 0x18;
    /// Instruction abort from a lower level; one more: from the same level.
    pub const INSTRUCTION_ABORT: u32 = 0x20;
    /// PC alignment fault.
    pub const PC_ALIGNMENT: u32 = 0x22;
    /// Data abort from a lower level; one more: from the same level.
    pub const DATA_ABORT: u32 = 0x24;
    /// SP alignment fault.
    pub const SP_ALIGNMENT: u32 = 0x26;
    /// SError interrupt.
    pub const SERROR: u32 = 0x2f;
    /// Breakpoint from a lower level; one more: from the same level.
    pub const BREAKPOINT: u32 = 0x30;
    /// Software step from a lower level; one more: from the same level.
    pub const STEP: u32 = 0x32;
    /// Watchpoint from a lower level; one more: from the same level.
    pub const WATCHPOINT: u32 = 0x34;
    /// BRK.
    pub const BRK: u32 = 0x3c;
}

/// A 32-bit instruction caused it.
const IL: u32 = 1 << 25;

/// The syndrome of class `ec` with `iss`, for a 32-bit instruction.
#[must_use]
pub const fn syndrome(ec: u32, iss: u32) -> u32 {
    ec << 26 | IL | iss & 0x01ff_ffff
}

/// A trapped MRS, MSR, SYS or SYSL: `encoding` is op0:op1:CRn:CRm:op2 as in bits 20:5 of the
/// instruction.
#[must_use]
pub const fn system_access(encoding: u16, rt: u32, read: bool) -> u32 {
    let e = encoding as u32;
    let (op0, op1, crn, crm, op2) = (e >> 14, e >> 11 & 7, e >> 7 & 15, e >> 3 & 15, e & 7);
    let iss =
        op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | (rt & 31) << 5 | crm << 1 | read as u32;
    syndrome(class::SYSTEM, iss)
}

/// A trapped FP or AdvSIMD instruction: COND is 0xE, CV is 1.
#[must_use]
pub const fn fp_access() -> u32 {
    syndrome(class::FP_ACCESS, 1 << 24 | 0xe << 20)
}

/// A trapped WFI (or WFE).
#[must_use]
pub const fn wait(wfe: bool) -> u32 {
    syndrome(class::WAIT, 1 << 24 | 0xe << 20 | wfe as u32)
}

/// What an abort's syndrome says beyond the fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abort {
    /// WnR: a write.
    pub write: bool,
    /// CM: a cache maintenance or address translation instruction.
    pub cache_maintenance: bool,
    /// Taken from the exception level that takes it.
    pub same_level: bool,
}

/// A data abort, without instruction syndrome (ISV = 0).
#[must_use]
pub const fn data_abort(fault: Fault, abort: Abort) -> u32 {
    let iss = (abort.cache_maintenance as u32) << 8 | (abort.write as u32) << 6 | fault.status();
    let ec = match fault.kind {
        FaultKind::Debug => class::WATCHPOINT,
        _ => class::DATA_ABORT,
    };
    syndrome(ec + abort.same_level as u32, iss)
}

/// An instruction abort.
#[must_use]
pub const fn instruction_abort(fault: Fault, same_level: bool) -> u32 {
    syndrome(class::INSTRUCTION_ABORT + same_level as u32, fault.status())
}

/// A breakpoint exception.
#[must_use]
pub const fn breakpoint(same_level: bool) -> u32 {
    let debug = Fault::flat(FaultKind::Debug);
    syndrome(class::BREAKPOINT + same_level as u32, debug.status())
}

/// A software step exception. `stepped`: an instruction ran, which `exclusive` says to have been a
/// load-exclusive.
#[must_use]
pub const fn step(same_level: bool, stepped: bool, exclusive: bool) -> u32 {
    let debug = Fault::flat(FaultKind::Debug);
    let iss = (stepped as u32) << 24 | ((stepped && exclusive) as u32) << 6 | debug.status();
    syndrome(class::STEP + same_level as u32, iss)
}
