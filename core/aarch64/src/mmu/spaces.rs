//! Numbers for address spaces, which tag the entries of the look-aside buffers.
//!
//! Entries are tagged rather than flushed: whatever an address's translation depends on (table,
//! ASID, controls) gets a number, and so do the rights with which it is accessed. Going back to a
//! combination that had a number finds its entries again, so kernel entry and context switch cost
//! nothing. A number is never reused before everything is flushed; forgetting a space (TLB
//! maintenance by ASID) is dropping its number.

use std::collections::HashMap;

use ferrite_ir::state::CONTEXT_MASK;

/// What one half of the address space translates by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Space {
    /// Number of the translation controls.
    pub controls: u16,
    /// Bit 55 of its addresses.
    pub high: bool,
    /// The translation table base.
    pub table: u64,
    /// The ASID; `None` while nothing in this half depends on it.
    pub asid: Option<u16>,
}

/// The rights of an access, the low bits of a context number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Rights {
    /// EL1.
    Privileged = 0,
    /// EL0, or EL1's unprivileged accesses.
    User = 1,
    /// EL1 with PSTATE.PAN set.
    PrivilegedNeverUser = 2,
}

const RIGHTS_BITS: u32 = 2;
/// One number less than fit, so that no context number is the one that empty entries carry.
const SPACES: u16 = (CONTEXT_MASK >> RIGHTS_BITS) as u16;

/// The context number of accesses to `space` with `rights`.
#[must_use]
pub const fn context(space: u16, rights: Rights) -> u64 {
    (space as u64) << RIGHTS_BITS | rights as u64
}

/// The numbers given out.
#[derive(Debug, Default)]
pub struct Spaces {
    numbers: HashMap<Space, u16>,
    next: u16,
}

impl Spaces {
    /// The number of `space`, or `None` when all are used up: flush, [`Self::clear`] and ask again.
    pub fn number(&mut self, space: Space) -> Option<u16> {
        if let Some(&number) = self.numbers.get(&space) {
            return Some(number);
        }
        if self.next == SPACES {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.numbers.insert(space, number);
        Some(number)
    }

    /// Forgets every space, its entries staying behind unreachable.
    pub fn forget_all(&mut self) {
        self.numbers.clear();
    }

    /// Forgets the spaces of one ASID. Spaces that no ASID distinguishes hold global entries only.
    pub fn forget_asid(&mut self, asid: u16) {
        self.numbers.retain(|space, _| space.asid != Some(asid));
    }

    /// Starts over; every entry must have been flushed.
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.next = 0;
    }
}
