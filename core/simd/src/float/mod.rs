//! IEEE 754 arithmetic under Arm control and status words.

use crate::{Shape, Signature, WideFn};

/// The table of these operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FloatOp {}

impl FloatOp {
    pub(crate) fn signature(self) -> Signature {
        match self {}
    }

    pub(crate) fn name(self) -> &'static str {
        match self {}
    }
}

pub(crate) fn resolve(op: FloatOp, _shape: Shape) -> Option<WideFn> {
    match op {}
}

/// The floating-point control and status words, laid out as Arm's FPCR and FPSR, the richest of the
/// guests' formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FpEnv {
    /// FPCR: rounding mode in bits 23:22, FZ 24, DN 25, AHP 26.
    pub control: u32,
    /// FPSR: cumulative IOC 0, DZC 1, OFC 2, UFC 3, IXC 4, IDC 7, QC 27.
    pub status: u32,
}
