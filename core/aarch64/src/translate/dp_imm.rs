//! Data processing with immediates (Arm ARM C4.1.86).

use super::{Outcome, Translator};
use crate::decode::dp_imm::Visitor;

impl Visitor for Translator {
    type Output = Outcome;
}
