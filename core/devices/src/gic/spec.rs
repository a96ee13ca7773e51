//! Registers that GICv2's and GICv3's distributors (and GICv3's redistributors) lay out alike:
//! arrays with a field per interrupt. Arm IHI 0048B.b, section 4.3; Arm IHI 0069H, section 12.9.

/// An array of per-interrupt fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Array {
    /// GICD_IGROUPRn: group 1 (1) or 0.
    Group,
    /// GICD_ISENABLERn: write 1 to enable.
    SetEnable,
    /// GICD_ICENABLERn: write 1 to disable.
    ClearEnable,
    /// GICD_ISPENDRn: write 1 to make pending.
    SetPending,
    /// GICD_ICPENDRn: write 1 to make not pending.
    ClearPending,
    /// GICD_ISACTIVERn: write 1 to make active.
    SetActive,
    /// GICD_ICACTIVERn: write 1 to make inactive.
    ClearActive,
    /// GICD_IPRIORITYRn: a byte per interrupt.
    Priority,
    /// GICD_ICFGRn: two bits per interrupt, the upper one set for edge-triggered.
    Config,
}

/// Where each array starts, and how many words 32 interrupts take in it.
const ARRAYS: [(u64, u64, Array); 9] = [
    (0x080, 1, Array::Group),
    (0x100, 1, Array::SetEnable),
    (0x180, 1, Array::ClearEnable),
    (0x200, 1, Array::SetPending),
    (0x280, 1, Array::ClearPending),
    (0x300, 1, Array::SetActive),
    (0x380, 1, Array::ClearActive),
    (0x400, 8, Array::Priority),
    (0xc00, 2, Array::Config),
];

/// Interrupts that one word of a one-bit array describes: a bank.
pub const BANK: u32 = 32;

/// The array that the word at `offset` belongs to, the bank of 32 interrupts, and the word's number
/// within the bank. Arrays span 1024 interrupts.
#[must_use]
pub fn array(offset: u64) -> Option<(Array, usize, usize)> {
    ARRAYS.iter().find_map(|&(base, words, array)| {
        let word = offset.checked_sub(base)? / 4;
        (word < words * 32).then_some((array, (word / words) as usize, (word % words) as usize))
    })
}

/// SGIs are INTIDs 0 to 15.
pub const SGIS: u32 = 16;
/// INTIDs below this are private to a CPU (SGIs and PPIs).
pub const PRIVATE: u32 = 32;
/// The first special INTID; this and higher ones name no interrupt.
pub const SPECIAL: u32 = 1020;
/// "A group 1 interrupt is pending but must be asked for otherwise" (GICv2 without AckCtl).
pub const OTHER_GROUP: u32 = 1022;
/// "No interrupt": spurious.
pub const SPURIOUS: u32 = 1023;
/// The running priority when no interrupt is active.
pub const IDLE_PRIORITY: u8 = 0xff;
