//! The decision tree.

use std::collections::BTreeMap;

use crate::table::Row;

/// A node.
#[derive(Debug)]
pub enum Tree {
    /// Goes on with the branch whose value the masked word has; with none, nothing matches.
    Switch {
        /// Bits to look at.
        mask: u32,
        /// Subtrees by the values of these bits.
        branches: BTreeMap<u32, Tree>,
    },
    /// The first of these that matches, tried in order.
    Leaf(Vec<Candidate>),
}

/// A row at a leaf.
#[derive(Debug)]
pub struct Candidate {
    /// Number of the row.
    pub row: usize,
    /// Bits that the way here has not looked at.
    pub mask: u32,
    /// Their values.
    pub value: u32,
}

/// Rows that are tried one after the other rather than split further.
const LEAF: usize = 3;

/// A tree over rows in the order of precedence `ranks`.
pub fn build(rows: &[Row], ranks: &[usize]) -> Tree {
    split(rows, ranks.to_vec(), 0)
}

fn split(rows: &[Row], candidates: Vec<usize>, seen: u32) -> Tree {
    let common = (candidates.iter()).fold(!seen, |mask, &i| mask & rows[i].mask);
    if candidates.len() > 1 && common != 0 {
        let mut groups = BTreeMap::<u32, Vec<usize>>::new();
        for i in candidates {
            groups.entry(rows[i].value & common).or_default().push(i);
        }
        return switch(rows, common, groups, seen);
    }
    if candidates.len() > LEAF
        && let Some(bit) = most_fixed(rows, &candidates, seen)
    {
        // Rows that leave the bit open go both ways.
        let mut groups = BTreeMap::<u32, Vec<usize>>::new();
        for i in candidates {
            for side in [0, bit] {
                if rows[i].mask & bit == 0 || rows[i].value & bit == side {
                    groups.entry(side).or_default().push(i);
                }
            }
        }
        return switch(rows, bit, groups, seen);
    }
    let leaf = candidates.into_iter().map(|row| Candidate {
        row,
        mask: rows[row].mask & !seen,
        value: rows[row].value & !seen,
    });
    Tree::Leaf(leaf.collect())
}

fn switch(rows: &[Row], mask: u32, groups: BTreeMap<u32, Vec<usize>>, seen: u32) -> Tree {
    let branches = (groups.into_iter())
        .map(|(value, group)| (value, split(rows, group, seen | mask)))
        .collect();
    Tree::Switch { mask, branches }
}

/// The bit not yet seen that most of the rows fix.
fn most_fixed(rows: &[Row], candidates: &[usize], seen: u32) -> Option<u32> {
    (0..32)
        .map(|n| 1 << n)
        .filter(|bit| seen & bit == 0)
        .map(|bit| {
            let fixing = candidates.iter().filter(|&&i| rows[i].mask & bit != 0);
            (fixing.count(), bit)
        })
        .filter(|(count, _)| *count > 0)
        .max()
        .map(|(_, bit)| bit)
}

#[cfg(test)]
impl Tree {
    /// The row that `word` decodes to, features aside.
    pub fn walk(&self, rows: &[Row], word: u32) -> Option<usize> {
        match self {
            Self::Switch { mask, branches } => branches.get(&(word & mask))?.walk(rows, word),
            Self::Leaf(candidates) => candidates
                .iter()
                .find(|c| word & c.mask == c.value && rows[c.row].admits(word))
                .map(|c| c.row),
        }
    }
}
