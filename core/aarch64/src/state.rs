//! Where A64 registers live in the vCPU block.

use ferrite_ir::{Global, VecGlobal, slot};

/// General-purpose register `n`, 0 to 30.
///
/// # Panics
/// On 31: whether that is SP or zero is for the instruction to say.
#[must_use]
pub const fn x(n: u32) -> Global {
    assert!(n < 31);
    Global(slot::FIRST_GUEST + n as u16)
}

/// The stack pointer of the current exception level and SPSel.
pub const SP: Global = Global(slot::FIRST_GUEST + 31);

/// SIMD and floating-point register `n`, 0 to 31.
#[must_use]
pub const fn v(n: u32) -> VecGlobal {
    assert!(n < 32);
    VecGlobal(slot::FIRST_GUEST + 32 + 2 * n as u16)
}

/// The program counter.
pub const PC: Global = Global(slot::PC);
/// FPCR, in the floating-point control slot.
pub const FPCR: Global = Global(slot::FP_CONTROL);
/// FPSR, in the floating-point status slot.
pub const FPSR: Global = Global(slot::FP_STATUS);
/// TPIDR_EL0, read by every thread-local access.
pub const TPIDR_EL0: Global = Global(slot::FIRST_GUEST + 96);
/// TPIDRRO_EL0.
pub const TPIDRRO_EL0: Global = Global(slot::FIRST_GUEST + 97);
/// TPIDR_EL1, the kernel's per-CPU pointer.
pub const TPIDR_EL1: Global = Global(slot::FIRST_GUEST + 98);
/// SP_EL0, valid while it is not the current stack pointer: the kernel's current-task pointer.
pub const SP_EL0: Global = Global(slot::FIRST_GUEST + 99);
