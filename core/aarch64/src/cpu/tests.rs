//! Small guest programs on a machine of RAM and a few device registers.

mod debug;
mod exceptions;
pub mod machine;
mod registers;
mod tables;
mod translation;

pub const WFI: u32 = 0xd503_207f;
pub const ERET: u32 = 0xd69f_03e0;
pub const NOP: u32 = 0xd503_201f;

/// SVC #imm.
pub const fn svc(imm: u32) -> u32 {
    0xd400_0001 | imm << 5
}

/// LDR Xt, [Xn].
pub const fn ldr(t: u32, n: u32) -> u32 {
    0xf940_0000 | n << 5 | t
}

/// STR Xt, [Xn].
pub const fn str(t: u32, n: u32) -> u32 {
    0xf900_0000 | n << 5 | t
}

/// MOVZ Xd, #imm.
pub const fn movz(d: u32, imm: u32) -> u32 {
    0xd280_0000 | imm << 5 | d
}

/// ADD Xd, Xn, #imm.
pub const fn add(d: u32, n: u32, imm: u32) -> u32 {
    0x9100_0000 | imm << 10 | n << 5 | d
}
