//! Integer, bitwise and permuting operations on lanes.

use crate::{Shape, Signature, WideFn};

/// The table of these operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LaneOp {}

impl LaneOp {
    pub(crate) fn signature(self) -> Signature {
        match self {}
    }

    pub(crate) fn name(self) -> &'static str {
        match self {}
    }
}

pub(crate) fn resolve(op: LaneOp, _shape: Shape) -> Option<WideFn> {
    match op {}
}
