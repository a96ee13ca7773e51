//! Optimisations on regions that every back end profits from.
//!
//! Two passes over each block: `fold` from its start, with what is known about values, globals
//! and flags; `dead` from its end, dropping what nobody will see. Both respect that an operation
//! that [may leave](crate::Op::may_leave) shows every global and the flags to the guest.

mod dead;
mod fold;

use crate::op::Region;

/// Replaces a verified region by an equivalent, cheaper one.
pub fn optimise(region: &mut Region) {
    let mut next = fold::first_unused(region);
    for block in &mut region.blocks {
        fold::block(block, &mut next);
        dead::block(block, next);
    }
}
