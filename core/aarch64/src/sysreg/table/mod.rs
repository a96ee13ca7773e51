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

/// By encoding, 1 more than the place in [`INDEX`], or 0: guests read registers all the time.
static PLACES: LazyLock<Box<[u16]>> = LazyLock::new(|| {
    let mut places = vec![0; 1 << 16].into_boxed_slice();
    for (n, row) in rows().enumerate() {
        places[usize::from(row.encoding.0)] = n as u16 + 1;
    }
    places
});

/// The row of an encoding.
#[must_use]
pub fn lookup(encoding: Encoding) -> Option<&'static Row> {
    let place = PLACES[usize::from(encoding.0)].checked_sub(1)?;
    INDEX.get(usize::from(place)).copied()
}

/// The encoding of a register, for rows.
const fn e(op0: u16, op1: u16, crn: u16, crm: u16, op2: u16) -> Encoding {
    Encoding::new(op0, op1, crn, crm, op2)
}
