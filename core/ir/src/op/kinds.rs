//! What operations are told apart by: widths, arithmetic, conditions and flags, kinds of accesses.

/// Width of an integer operation. At 32 bits only the low halves of operands are read, and the
/// result's upper half is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// 32 bits, zero-extended.
    W32,
    /// 64 bits.
    W64,
}

/// Integer operations of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinOp {
    /// Sum, wrapping.
    Add,
    /// Difference, wrapping.
    Sub,
    /// Low half of the product.
    Mul,
    /// High half of the unsigned product (of the operation's width).
    MulHighU,
    /// High half of the signed product.
    MulHighS,
    /// Unsigned quotient; 0 when the divisor is 0.
    DivU,
    /// Signed quotient towards zero; 0 when the divisor is 0, and MIN / -1 is MIN.
    DivS,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// `a & !b`.
    AndNot,
    /// `a | !b`.
    OrNot,
    /// `a ^ !b`.
    XorNot,
    /// Shift left; the count is taken modulo the width.
    Shl,
    /// Logical shift right; the count is taken modulo the width.
    ShrU,
    /// Arithmetic shift right; the count is taken modulo the width.
    ShrS,
    /// Rotate right; the count is taken modulo the width.
    Ror,
}

/// Integer operations of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnOp {
    /// The operand itself (truncated and zero-extended at 32 bits).
    Mov,
    /// Two's complement negation.
    Neg,
    /// Bitwise complement.
    Not,
    /// Leading zeros; the width when the operand is 0.
    Clz,
    /// Leading bits equal to the sign bit, not counting it.
    Cls,
    /// Bits in reverse order.
    ReverseBits,
    /// Bytes in reverse order.
    ReverseBytes,
    /// Bytes reversed within each 16-bit unit.
    ReverseBytes16,
    /// Bytes reversed within each 32-bit unit.
    ReverseBytes32,
    /// Sign-extends the low byte to the width.
    SignExtend8,
    /// Sign-extends the low 16 bits to the width.
    SignExtend16,
    /// Sign-extends the low 32 bits to the width.
    SignExtend32,
    /// Zero-extends the low byte.
    ZeroExtend8,
    /// Zero-extends the low 16 bits.
    ZeroExtend16,
    /// Zero-extends the low 32 bits.
    ZeroExtend32,
}

/// Integer comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cc {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less, unsigned.
    LtU,
    /// Less or equal, unsigned.
    LeU,
    /// Less, signed.
    LtS,
    /// Less or equal, signed.
    LeS,
}

/// How the lazy flags N, Z, C and V follow from the operands in the flag slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlagKind {
    /// `a` holds them literally: N, Z, C, V in bits 31 to 28.
    Nzcv,
    /// Of `a + b`; C is the carry out, V signed overflow.
    Add(Width),
    /// Of `a - b`; C is *no borrow* (`a >= b` unsigned), V signed overflow.
    Sub(Width),
    /// Of `a + b + c`, with carry out and overflow of the whole sum. A subtraction with borrow is
    /// expressed by complementing `b`.
    AddCarry(Width),
    /// N and Z of `a`; C and V clear.
    Logic(Width),
}

impl FlagKind {
    /// What [`slot::FLAG_KIND`](crate::slot::FLAG_KIND) holds for this kind.
    #[must_use]
    pub const fn code(self) -> u64 {
        match self {
            Self::Nzcv => 0,
            Self::Add(w) => 2 + w as u64,
            Self::Sub(w) => 4 + w as u64,
            Self::AddCarry(w) => 6 + w as u64,
            Self::Logic(w) => 8 + w as u64,
        }
    }

    /// The kind with that code.
    #[must_use]
    pub const fn from_code(code: u64) -> Option<Self> {
        let w = if code & 1 == 0 {
            Width::W32
        } else {
            Width::W64
        };
        Some(match code {
            0 => Self::Nzcv,
            2 | 3 => Self::Add(w),
            4 | 5 => Self::Sub(w),
            6 | 7 => Self::AddCarry(w),
            8 | 9 => Self::Logic(w),
            _ => return None,
        })
    }
}

/// A test of the flags, numbered as the Arm condition codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Condition {
    /// Z set: equal.
    Eq = 0,
    /// Z clear: not equal.
    Ne = 1,
    /// C set: carry, unsigned higher or same.
    Cs = 2,
    /// C clear: unsigned lower.
    Cc = 3,
    /// N set: minus.
    Mi = 4,
    /// N clear: plus or zero.
    Pl = 5,
    /// V set: overflow.
    Vs = 6,
    /// V clear: no overflow.
    Vc = 7,
    /// C set and Z clear: unsigned higher.
    Hi = 8,
    /// C clear or Z set: unsigned lower or same.
    Ls = 9,
    /// N equals V: signed greater or equal.
    Ge = 10,
    /// N differs from V: signed less.
    Lt = 11,
    /// Z clear and N equals V: signed greater.
    Gt = 12,
    /// Z set or N differs from V: signed less or equal.
    Le = 13,
    /// Always.
    Al = 14,
    /// Always, too.
    Nv = 15,
}

/// Bytes that one memory access moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Size {
    /// 1 byte.
    B1,
    /// 2 bytes.
    B2,
    /// 4 bytes.
    B4,
    /// 8 bytes.
    B8,
    /// 16 bytes: vectors only.
    B16,
}

impl Size {
    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        1 << self as u64
    }

    /// The size of `1 << log2` bytes, for 0 to 4.
    #[must_use]
    pub const fn from_log2(log2: u32) -> Option<Self> {
        Some(match log2 {
            0 => Self::B1,
            1 => Self::B2,
            2 => Self::B4,
            3 => Self::B8,
            4 => Self::B16,
            _ => return None,
        })
    }
}

/// What an integer load does above the loaded bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sign {
    /// Zero-extends.
    Zero,
    /// Sign-extends to 32 bits, the upper half zero.
    To32,
    /// Sign-extends to 64 bits.
    To64,
}

/// Ordering of an access against others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// None beyond the guest architecture's default.
    Plain,
    /// Load-acquire.
    Acquire,
    /// Store-release.
    Release,
    /// Both (atomic read-modify-write).
    AcquireRelease,
}

/// Which addresses an access takes without a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Align {
    /// Any.
    Any,
    /// Multiples of the access size.
    Natural,
    /// Multiples of twice the access size: pairs that must be single-copy atomic.
    Pair,
}

/// Attributes of a guest memory access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mem {
    /// Bytes moved.
    pub size: Size,
    /// Extension of integer loads; [`Sign::Zero`] elsewhere.
    pub sign: Sign,
    /// Ordering.
    pub order: Order,
    /// Alignment demanded.
    pub align: Align,
    /// Bytes in reverse order (big-endian data).
    pub swap: bool,
    /// Checked as if made without privilege.
    pub unprivileged: bool,
}

impl Mem {
    /// A plain little-endian access that may be unaligned.
    #[must_use]
    pub const fn plain(size: Size) -> Self {
        Self {
            size,
            sign: Sign::Zero,
            order: Order::Plain,
            align: Align::Any,
            swap: false,
            unprivileged: false,
        }
    }
}

/// Atomic read-modify-write operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AtomicOp {
    /// Sum.
    Add,
    /// `old & !operand`.
    Clear,
    /// Exclusive or.
    Xor,
    /// Or.
    Set,
    /// Signed maximum.
    MaxS,
    /// Signed minimum.
    MinS,
    /// Unsigned maximum.
    MaxU,
    /// Unsigned minimum.
    MinU,
    /// The operand itself.
    Swap,
}

/// Memory barriers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fence {
    /// Loads before it stay before what follows.
    Load,
    /// Stores before it stay before stores that follow.
    Store,
    /// Everything before it stays before everything after it.
    Full,
}
