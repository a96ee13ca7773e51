//! Lane widths and vector shapes.

/// Width of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// 8 bits.
    B,
    /// 16 bits.
    H,
    /// 32 bits.
    S,
    /// 64 bits.
    D,
    /// 128 bits.
    Q,
}

impl Lane {
    /// Bits in a lane.
    #[must_use]
    pub const fn bits(self) -> u32 {
        8 << self as u32
    }

    /// The lane of `1 << log2_bytes` bytes, for 0 to 4.
    #[must_use]
    pub const fn from_log2_bytes(log2_bytes: u32) -> Option<Self> {
        Some(match log2_bytes {
            0 => Self::B,
            1 => Self::H,
            2 => Self::S,
            3 => Self::D,
            4 => Self::Q,
            _ => return None,
        })
    }
}

/// How many lanes of which width an operation works on. Bits of the result above them are zero.
/// For an operation that widens or narrows, the shape is that of the *narrower* side, unless the
/// operation's own description says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Width of each lane.
    pub lane: Lane,
    /// Number of lanes, from 1 (a scalar operation) up to what fits 128 bits.
    pub count: u8,
}

impl Shape {
    /// One lane: a scalar operation.
    #[must_use]
    pub const fn scalar(lane: Lane) -> Self {
        Self { lane, count: 1 }
    }

    /// As many lanes as fit 128 bits (`q`) or 64.
    #[must_use]
    pub const fn vector(lane: Lane, q: bool) -> Self {
        let bits = if q { 128 } else { 64 };
        Self {
            lane,
            count: (bits / lane.bits()) as u8,
        }
    }

    /// Bits that the lanes cover.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.lane.bits() * self.count as u32
    }
}
