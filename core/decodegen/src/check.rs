//! Which of two overlapping rows wins.

use crate::Broken;
use crate::table::Row;

/// How two rows relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    /// No word matches both.
    Disjoint,
    /// The first is a special case of the second.
    Special,
    /// The second is a special case of the first.
    General,
    /// Neither, and some words match both.
    Clash,
}

/// Row numbers in order of precedence: special cases before what they are cases of.
pub fn ranks(rows: &[Row]) -> Result<Vec<usize>, Broken> {
    for (i, a) in rows.iter().enumerate() {
        for b in &rows[..i] {
            if relation(a, b) == Relation::Clash {
                return Err(Broken::new(
                    a.line,
                    format!("{} overlaps {} of line {}", a.name, b.name, b.line),
                ));
            }
        }
    }
    // A special case fixes more bits than what it is a case of.
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(rows[i].mask.count_ones()));
    Ok(order)
}

/// The rows that win over `general`.
pub fn overriding<'a>(rows: &'a [Row], general: &'a Row) -> impl Iterator<Item = &'a Row> {
    (rows.iter()).filter(move |row| relation(row, general) == Relation::Special)
}

fn relation(a: &Row, b: &Row) -> Relation {
    let common = a.mask & b.mask;
    if (a.value ^ b.value) & common != 0 || constraints_exclude(a, b) {
        Relation::Disjoint
    } else if a.mask == b.mask {
        Relation::Clash
    } else if common == b.mask {
        Relation::Special
    } else if common == a.mask {
        Relation::General
    } else {
        Relation::Clash
    }
}

/// Whether no word that matches both patterns meets the constraints of both. Tries all values of
/// the constrained bits; with too many of them to try the answer is no.
fn constraints_exclude(a: &Row, b: &Row) -> bool {
    let constrained = |row: &Row| {
        (row.constraints.iter()).fold(0, |bits, c| {
            let field = &row.fields[c.field];
            bits | field.max() << field.lsb
        })
    };
    let free = (constrained(a) | constrained(b)) & !(a.mask | b.mask);
    if a.constraints.is_empty() && b.constraints.is_empty() || free.count_ones() > 16 {
        return false;
    }
    let fixed = a.value | b.value;
    // Walks the subsets of `free`.
    let mut bits = 0u32;
    loop {
        let word = fixed | bits;
        if a.admits(word) && b.admits(word) {
            return false;
        }
        bits = bits.wrapping_sub(free) & free;
        if bits == 0 {
            return true;
        }
    }
}
