//! The control and status words, and what they say about rounding.

/// The floating-point control and status words, laid out as Arm's FPCR and FPSR, the richest of the
/// guests' formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FpEnv {
    /// FPCR: rounding mode in bits 23:22, FZ 24, DN 25, AHP 26.
    pub control: u32,
    /// FPSR: cumulative IOC 0, DZC 1, OFC 2, UFC 3, IXC 4, IDC 7, QC 27.
    pub status: u32,
}

/// Bits of [`FpEnv::control`] (Arm ARM, D19: FPCR).
pub mod control {
    /// Where the rounding mode is: 0 to nearest, 1 up, 2 down, 3 to zero.
    pub const RMODE_SHIFT: u32 = 22;
    /// The rounding mode's field.
    pub const RMODE: u32 = 3 << RMODE_SHIFT;
    /// Flush denormal single and double numbers to zero.
    pub const FZ: u32 = 1 << 24;
    /// Every NaN result is the default one.
    pub const DN: u32 = 1 << 25;
    /// Half-precision conversions use the alternative format, without infinities and NaNs.
    pub const AHP: u32 = 1 << 26;
}

/// Bits of [`FpEnv::status`] (Arm ARM, D19: FPSR).
pub mod status {
    /// Invalid operation.
    pub const IOC: u32 = 1 << 0;
    /// Division of a finite number by zero.
    pub const DZC: u32 = 1 << 1;
    /// Overflow.
    pub const OFC: u32 = 1 << 2;
    /// Underflow: tiny before rounding, and inexact or flushed.
    pub const UFC: u32 = 1 << 3;
    /// Inexact.
    pub const IXC: u32 = 1 << 4;
    /// A denormal input was flushed to zero.
    pub const IDC: u32 = 1 << 7;
}

/// How a result that is between two representable values is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Rounding {
    /// To the nearer, ties to the even one.
    TiesToEven = 0,
    /// Towards plus infinity.
    Up = 1,
    /// Towards minus infinity.
    Down = 2,
    /// Towards zero.
    ToZero = 3,
    /// To the nearer, ties away from zero.
    TiesToAway = 4,
    /// To the one whose last bit is set (von Neumann), so that a second rounding is not a double
    /// one.
    ToOdd = 5,
}

/// What the immediate of a rounding or converting operation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundingImm {
    /// The mode; `None` for that of the control word.
    pub mode: Option<Rounding>,
    /// Whether rounding to an integral value raises the inexact flag.
    pub exact: bool,
    /// Fraction bits of the fixed-point side of a conversion, 0 to 64.
    pub fraction_bits: u32,
}

/// Code of [`RoundingImm::mode`] for the control word's mode.
const BY_CONTROL: u32 = 7;
const EXACT: u32 = 1 << 3;
const FRACTION_SHIFT: u32 = 8;

impl RoundingImm {
    /// Rounding by `mode`, no fraction bits.
    #[must_use]
    pub const fn by(mode: Rounding) -> Self {
        Self {
            mode: Some(mode),
            exact: false,
            fraction_bits: 0,
        }
    }

    /// Rounding as the control word says, no fraction bits.
    #[must_use]
    pub const fn by_control() -> Self {
        Self {
            mode: None,
            exact: false,
            fraction_bits: 0,
        }
    }

    /// The same, with that many fraction bits.
    #[must_use]
    pub const fn with_fraction(mut self, bits: u32) -> Self {
        self.fraction_bits = bits;
        self
    }

    /// The same, raising the inexact flag.
    #[must_use]
    pub const fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// The immediate: the mode (the control word's code, 4 for ties away, 7 for the control word's)
    /// in bits 2:0, `exact` in bit 3, the fraction bits from bit 8.
    #[must_use]
    pub const fn encode(self) -> u32 {
        let mode = match self.mode {
            Some(mode) => mode as u32,
            None => BY_CONTROL,
        };
        let exact = if self.exact { EXACT } else { 0 };
        mode | exact | self.fraction_bits << FRACTION_SHIFT
    }

    pub(super) const fn decode(imm: u32) -> Self {
        Self {
            mode: match imm & 7 {
                0 => Some(Rounding::TiesToEven),
                1 => Some(Rounding::Up),
                2 => Some(Rounding::Down),
                3 => Some(Rounding::ToZero),
                4 => Some(Rounding::TiesToAway),
                5 => Some(Rounding::ToOdd),
                _ => None,
            },
            exact: imm & EXACT != 0,
            fraction_bits: (imm >> FRACTION_SHIFT) & 0x7F,
        }
    }
}

impl FpEnv {
    /// The control word's rounding mode.
    #[must_use]
    pub const fn rounding(&self) -> Rounding {
        match (self.control >> control::RMODE_SHIFT) & 3 {
            0 => Rounding::TiesToEven,
            1 => Rounding::Up,
            2 => Rounding::Down,
            _ => Rounding::ToZero,
        }
    }

    pub(super) const fn flushes(&self) -> bool {
        self.control & control::FZ != 0
    }

    pub(super) const fn default_nan(&self) -> bool {
        self.control & control::DN != 0
    }

    pub(super) const fn alternative_half(&self) -> bool {
        self.control & control::AHP != 0
    }

    pub(super) const fn raise(&mut self, flags: u32) {
        self.status |= flags;
    }
}
