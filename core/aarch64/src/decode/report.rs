//! What a table covers, for people.

use std::fmt;

use super::{Features, Group};

/// How many words of a sample each row of a table takes.
#[derive(Clone, Debug)]
pub struct Report {
    group: Group,
    hits: Vec<usize>,
    /// Words that no row covers.
    pub holes: Vec<u32>,
}

impl Report {
    /// Decodes every word of `sample` on a CPU with all features.
    #[must_use]
    pub fn new(group: Group, sample: impl IntoIterator<Item = u32>) -> Self {
        let mut report = Self {
            group,
            hits: vec![0; group.rows.len()],
            holes: Vec::new(),
        };
        for word in sample {
            match (group.decode)(word, Features::all()) {
                Some(row) => report.hits[row] += 1,
                None => report.holes.push(word),
            }
        }
        report
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let covered: usize = self.hits.iter().sum();
        let Group { name, rows, .. } = self.group;
        let holes = self.holes.len();
        writeln!(
            f,
            "{name}: {} rows, {covered} words, {holes} holes",
            rows.len()
        )?;
        for (row, hits) in rows.iter().zip(&self.hits) {
            let fixed = row.pattern.mask.count_ones();
            write!(
                f,
                "  {:<24} {fixed:>2} fixed bits {hits:>8} words",
                row.name
            )?;
            match row.overridden_by.len() {
                0 => writeln!(f)?,
                n => writeln!(f, ", {n} special cases elsewhere")?,
            }
        }
        for hole in self.holes.iter().take(16) {
            writeln!(f, "  hole {hole:#010x} {hole:032b}")?;
        }
        Ok(())
    }
}
