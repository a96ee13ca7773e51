//! Decoders, generated from the tables in `decode/`: a module for each.
//!
//! To add an instruction, add its row to the table of its group; the compiler then asks for the
//! new method of the group's visitor in [`translate`](crate::translate).

mod report;
mod row;

#[cfg(test)]
mod tests;

pub use crate::features::Features;
pub use report::Report;
pub use row::{Constraint, Field, Group, Pattern, Row, Test};

include!(concat!(env!("OUT_DIR"), "/decode.rs"));
