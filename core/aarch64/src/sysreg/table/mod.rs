//! The table, by the manual's functional groups.

mod control;
mod debug;
mod gic;
mod identification;
mod maintenance;
mod pmu;
mod timer;

use std::sync::LazyLock;

use super::row::{Encoding, Row};

static GROUPS: &[&[Row]] = &[
    identification::ROWS,
    control::ROWS,
    debug::ROWS,
    pmu::ROWS,
    timer::ROWS,
    gic::ROWS,
    maintenance::ROWS,
];

/// Every row, sorted by encoding.
static INDEX: LazyLock<Vec<&'static Row>> = LazyLock::new(|| {
    let mut all: Vec<&Row> = GROUPS.iter().copied().flatten().collect();
    all.sort_by_key(|row| row.encoding);
    all
});

/// Every row, whether or not a CPU has it.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    INDEX.iter().copied()
}

/// The row of an encoding.
#[must_use]
pub fn lookup(encoding: Encoding) -> Option<&'static Row> {
    let index = &*INDEX;
    let at = index
        .binary_search_by_key(&encoding, |row| row.encoding)
        .ok()?;
    Some(index[at])
}

/// The encoding of a register, for rows.
const fn e(op0: u16, op1: u16, crn: u16, crm: u16, op2: u16) -> Encoding {
    Encoding::new(op0, op1, crn, crm, op2)
}
