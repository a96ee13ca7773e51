//! Memory faults and their status codes.

/// What went wrong with an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// An address exceeds the output size.
    AddressSize,
    /// No valid descriptor.
    Translation,
    /// The Access flag is clear.
    AccessFlag,
    /// The descriptor forbids it.
    Permission,
    /// The bus answered a table walk with an error.
    ExternalOnWalk,
    /// The bus answered the access itself with an error.
    External,
    /// The address is not aligned as the access or the memory type demands.
    Alignment,
    /// An exclusive or atomic access to memory that supports none.
    UnsupportedAtomic,
    /// A watchpoint, breakpoint or step.
    Debug,
}

/// A fault with the look-up level where it arose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The reason.
    pub kind: FaultKind,
    /// Look-up level 0 to 3; 0 where the kind has none.
    pub level: u8,
}

impl Fault {
    /// A fault of a kind that has no level.
    #[must_use]
    pub const fn flat(kind: FaultKind) -> Self {
        Self { kind, level: 0 }
    }

    /// The fault status code, as in ESR_ELx.ISS\[5:0\] of aborts and PAR_EL1.FST (Arm ARM D17.2.37).
    #[must_use]
    pub const fn status(self) -> u32 {
        let level = self.level as u32 & 3;
        match self.kind {
            FaultKind::AddressSize => level,
            FaultKind::Translation => 0b00_0100 | level,
            FaultKind::AccessFlag => 0b00_1000 | level,
            FaultKind::Permission => 0b00_1100 | level,
            FaultKind::External => 0b01_0000,
            FaultKind::ExternalOnWalk => 0b01_0100 | level,
            FaultKind::Alignment => 0b10_0001,
            FaultKind::Debug => 0b10_0010,
            FaultKind::UnsupportedAtomic => 0b11_0101,
        }
    }
}
