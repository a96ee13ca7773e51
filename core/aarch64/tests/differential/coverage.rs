//! Which rows ran how often, and which cannot.

use std::collections::BTreeMap;

use ferrite_aarch64::decode::{Features, GROUPS};

use crate::case::{Case, End, SIGILL};

/// Rows that an application's program cannot try.
const EXCUSES: &[(&str, &str)] = &[
    ("SVC", "calls the host's kernel"),
    (
        "HVC",
        "is UNDEFINED to applications, which a helper finds out",
    ),
    (
        "SMC",
        "is UNDEFINED to applications, which a helper finds out",
    ),
    ("HLT", "calls the reference's semihosting"),
    ("ERET", "is UNDEFINED to applications"),
    ("WFI", "stops the reference for good"),
    ("MSR_imm", "is for the kernel"),
    ("SYS", "depends on what the kernel lets applications do"),
    ("SYSL", "is UNDEFINED always"),
];

/// All rows, as indices of group and row.
pub fn rows() -> impl Iterator<Item = (usize, usize)> {
    (0..GROUPS.len()).flat_map(|group| (0..GROUPS[group].rows.len()).map(move |row| (group, row)))
}

/// Why a row is not tried.
pub fn excuse(row: (usize, usize)) -> Option<&'static str> {
    let row = &GROUPS[row.0].rows[row.1];
    EXCUSES
        .iter()
        .find(|(name, _)| row.name == *name)
        .map(|(_, reason)| *reason)
}

#[derive(Default)]
struct Count {
    ran: usize,
    undefined: usize,
    other_signals: usize,
    failed: usize,
}

/// Counts and failures.
#[derive(Default)]
pub struct Coverage {
    rows: BTreeMap<(usize, usize), Count>,
}

/// Failures told in full for each row.
const TOLD: usize = 3;

impl Coverage {
    pub fn ran(&mut self, row: (usize, usize), end: End) {
        let count = self.rows.entry(row).or_default();
        match end {
            End::Pad(_) => count.ran += 1,
            End::Signal(SIGILL) => count.undefined += 1,
            End::Signal(_) => count.other_signals += 1,
        }
    }

    pub fn failed(&mut self, case: &Case, difference: &str) {
        let count = self.rows.entry(case.row).or_default();
        count.failed += 1;
        if count.failed > TOLD {
            return;
        }
        let group = &GROUPS[case.row.0];
        let text = (group.show)(case.word, Features::all()).unwrap_or_default();
        println!("{:#010x} {}: {text}", case.word, group.name);
        let row = &group.rows[case.row.1];
        for field in row.fields.iter().filter(|f| f.width == 5) {
            let n = field.of(case.word) as usize;
            if field.name.starts_with('r') && n < 31 {
                let before = &case.before;
                println!(
                    "  with {} x{n}={:#x} v{n}={:#x}",
                    field.name, before.x[n], before.v[n]
                );
            }
        }
        let before = &case.before;
        println!("  with nzcv={:#x} fpcr={:#x}", before.nzcv, before.fpcr);
        print!("{difference}");
    }

    /// Prints the counts. Fails the test if instructions differed or, in a complete run, if a row
    /// never ran.
    pub fn report(&self, complete: bool) {
        let mut failed = Vec::new();
        let mut idle = Vec::new();
        for row in rows() {
            let name = format!("{}.{}", GROUPS[row.0].name, GROUPS[row.0].rows[row.1].name);
            if let Some(reason) = excuse(row) {
                println!("{name:<32} not tried: {reason}");
                continue;
            }
            let Some(count) = self.rows.get(&row) else {
                idle.push(name);
                continue;
            };
            println!(
                "{name:<32} {:>6} ran, {:>5} undefined, {:>5} faulted, {:>5} differ",
                count.ran, count.undefined, count.other_signals, count.failed
            );
            if count.ran + count.other_signals == 0 {
                idle.push(name.clone());
            }
            if count.failed > 0 {
                failed.push(format!("{name} ({})", count.failed));
            }
        }
        assert!(
            failed.is_empty(),
            "{} rows differ: {}",
            failed.len(),
            failed.join(", ")
        );
        assert!(
            !complete || idle.is_empty(),
            "rows that never ran: {}",
            idle.join(", ")
        );
    }
}
