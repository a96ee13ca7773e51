//! What wide (vector and floating-point) operations compute, apart from any guest or host.
//!
//! The intermediate representation has one instruction for all of them: it names a [`WideOp`], a
//! [`Shape`] and up to three vector operands, one integer operand and an immediate. This crate is
//! the meaning of each: [`resolve`] turns an operation and a shape into a plain function on 128-bit
//! values, which the interpreter calls and which every code generator is tested against.
//!
//! Three tables, one per family:
//! - [`lanes`]: integer and bitwise operations on lanes, permutations, table look-ups;
//! - [`float`]: IEEE 754 arithmetic, scalar and by lanes, with Arm's control and status words;
//! - [`crypto`]: AES, SHA-1, SHA-256, carry-less products, CRC-32.
//!
//! A result narrower than 128 bits has its upper bits zero.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod crypto;
pub mod float;
pub mod lanes;
mod shape;

pub use crypto::CryptoOp;
pub use float::{FloatOp, FpEnv};
pub use lanes::LaneOp;
pub use shape::{Lane, Shape};

/// A wide operation: a row of one of the three tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WideOp {
    /// Integer and bitwise work on lanes.
    Lanes(LaneOp),
    /// Floating point.
    Float(FloatOp),
    /// Cryptography and checksums.
    Crypto(CryptoOp),
}

/// Where an operation's result goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dest {
    /// A 64-bit integer value: the low half of the function's result.
    Int,
    /// A 128-bit vector value.
    Vec,
}

/// What an operation takes and touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Kind of the result.
    pub dest: Dest,
    /// Vector operands read, 0 to 3.
    pub vecs: u8,
    /// Whether the integer operand is read.
    pub int: bool,
    /// Whether it reads the control word or adds to the status word.
    pub fp_env: bool,
}

/// Operands of a wide operation. Those that its [`Signature`] does not name are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WideArgs {
    /// Vector operands.
    pub v: [u128; 3],
    /// The integer operand.
    pub int: u64,
    /// The immediate: a shift count, a lane index, a rounding mode, as the operation says.
    pub imm: u32,
}

/// An operation at one shape.
pub type WideFn = fn(&mut FpEnv, &WideArgs) -> u128;

impl WideOp {
    /// Operands and effects.
    #[must_use]
    pub fn signature(self) -> Signature {
        match self {
            Self::Lanes(op) => op.signature(),
            Self::Float(op) => op.signature(),
            Self::Crypto(op) => op.signature(),
        }
    }

    /// The lower-case name in the intermediate representation's text form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lanes(op) => op.name(),
            Self::Float(op) => op.name(),
            Self::Crypto(op) => op.name(),
        }
    }
}

/// The function that computes `op` at `shape`, or `None` where the operation has no such shape.
#[must_use]
pub fn resolve(op: WideOp, shape: Shape) -> Option<WideFn> {
    match op {
        WideOp::Lanes(op) => lanes::resolve(op, shape),
        WideOp::Float(op) => float::resolve(op, shape),
        WideOp::Crypto(op) => crypto::resolve(op, shape),
    }
}
