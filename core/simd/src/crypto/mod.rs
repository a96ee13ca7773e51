//! AES, SHA-1, SHA-256, carry-less products and CRC-32.

use crate::{Shape, Signature, WideFn};

/// The table of these operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CryptoOp {}

impl CryptoOp {
    pub(crate) fn signature(self) -> Signature {
        match self {}
    }

    pub(crate) fn name(self) -> &'static str {
        match self {}
    }
}

pub(crate) fn resolve(op: CryptoOp, _shape: Shape) -> Option<WideFn> {
    match op {}
}
