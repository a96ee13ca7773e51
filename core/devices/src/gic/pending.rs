//! Which interrupt a CPU sees first.

use super::bank::Bank;
use super::spec::{BANK, IDLE_PRIORITY, PRIVATE};

/// Interrupt groups that are let through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// Group 0.
    pub group0: bool,
    /// Group 1.
    pub group1: bool,
}

impl Groups {
    /// The interrupts of `bank` in these groups.
    fn filter(self, bank: &Bank) -> u32 {
        let part = |on, mask| if on { mask } else { 0 };
        part(self.group0, !bank.group) | part(self.group1, bank.group)
    }
}

/// An interrupt that waits to be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its number.
    pub intid: u32,
    /// Its priority; lower values first.
    pub priority: u8,
    /// Whether it is in group 1.
    pub group1: bool,
}

/// The deliverable interrupt of the highest priority (of equals, the lowest INTID) among a CPU's
/// private ones and those shared ones that `targeted` (a mask per bank) lets through.
#[must_use]
pub fn highest(
    private: &Bank,
    shared: &[Bank],
    targeted: &[u32],
    groups: Groups,
) -> Option<Pending> {
    let mut best: Option<Pending> = None;
    let shared = shared.iter().zip(targeted.iter().copied());
    for (index, (bank, mask)) in std::iter::once((private, u32::MAX))
        .chain(shared)
        .enumerate()
    {
        let mut left = bank.deliverable() & mask;
        if left == 0 {
            continue;
        }
        left &= groups.filter(bank);
        while left != 0 {
            let bit = left.trailing_zeros();
            left &= left - 1;
            let priority = bank.priority[bit as usize];
            if best.is_none_or(|b| priority < b.priority) {
                best = Some(Pending {
                    intid: index as u32 * BANK + bit,
                    priority,
                    group1: bank.group >> bit & 1 != 0,
                });
            }
        }
    }
    best
}

/// Splits an INTID of a shared interrupt into bank and bit.
#[must_use]
pub fn shared_place(intid: u32) -> Option<(usize, u32)> {
    let index = intid.checked_sub(PRIVATE)?;
    Some(((index / BANK) as usize, index % BANK))
}

/// The part of a priority that decides about preemption, for a binary point that leaves bits
/// `point` and below to the subpriority (IHI 0048B.b section 3.3.3; IHI 0069H section 4.8.2).
#[must_use]
pub fn group_priority(priority: u8, point: u32) -> u8 {
    priority & (0xff_u32 << (point + 1)) as u8
}

/// The priority that the lowest set bit of active-priorities registers stands for, where bit `n`
/// is priority `n << shift`; idle when none is set.
#[must_use]
pub fn running_priority(active: &[u32], shift: u32) -> u8 {
    match active.iter().position(|&word| word != 0) {
        None => IDLE_PRIORITY,
        Some(index) => ((index as u32 * 32 + active[index].trailing_zeros()) << shift) as u8,
    }
}

/// Clears the lowest set bit of active-priorities registers: a priority drop.
pub fn drop_priority(active: &mut [u32]) {
    if let Some(word) = active.iter_mut().find(|word| **word != 0) {
        *word &= *word - 1;
    }
}
