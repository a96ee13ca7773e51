//! Every generated decoder agrees with trying all rows, and takes back what its rows encode.

use super::{Features, GROUPS, Group, Report};

fn random(state: &mut u64) -> u32 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 32) as u32
}

/// The matching row with the most fixed bits, found by trying all of them.
fn naive(group: &Group, word: u32) -> Option<usize> {
    (0..group.rows.len())
        .filter(|&n| group.rows[n].pattern.matches(word))
        .max_by_key(|&n| group.rows[n].pattern.mask.count_ones())
}

#[test]
fn decoders_agree_with_trying_every_row() {
    let mut state = 7;
    for group in GROUPS {
        for n in 0..20_000 {
            let mut word = random(&mut state);
            if !group.rows.is_empty() && n % 8 != 0 {
                let row = &group.rows[n % group.rows.len()];
                // A few flipped bits look at the neighbourhood of each row.
                let flip = random(&mut state) & random(&mut state) & random(&mut state);
                word = word & !row.pattern.mask | row.pattern.value;
                word ^= if n % 3 == 0 {
                    flip & random(&mut state)
                } else {
                    0
                };
            }
            let found = (group.decode)(word, Features::all());
            assert_eq!(found, naive(group, word), "{}: {word:#010x}", group.name);
        }
    }
}

#[test]
fn what_a_row_encodes_decodes_to_it() {
    let mut state = 8;
    for group in GROUPS {
        for (n, row) in group.rows.iter().enumerate() {
            for _ in 0..50 {
                let word = row.encode(&mut || random(&mut state));
                let found = (group.decode)(word, Features::all());
                assert_eq!(found, Some(n), "{} {word:#010x}", row.name);
                assert!((group.show)(word, Features::all()).is_some());
            }
        }
    }
}

#[test]
fn rows_of_an_absent_feature_do_not_decode() {
    let mut state = 9;
    for group in GROUPS {
        for (n, row) in group.rows.iter().enumerate() {
            if let Some(feature) = row.feature {
                let word = row.encode(&mut || random(&mut state));
                let without = Features::all() - feature;
                assert_ne!((group.decode)(word, without), Some(n), "{}", row.name);
            }
        }
    }
}

#[test]
fn report_counts_rows_and_holes() {
    for group in GROUPS {
        let mut state = 10;
        let sample: Vec<u32> = (0..10_000).map(|_| random(&mut state)).collect();
        let uncovered = sample
            .iter()
            .filter(|&&w| naive(group, w).is_none())
            .count();
        let report = Report::new(*group, sample);
        assert_eq!(report.holes.len(), uncovered);
        println!("{report}");
    }
}

#[test]
fn no_word_is_in_two_tables() {
    let mut state = 11;
    for group in GROUPS {
        for row in group.rows {
            for _ in 0..20 {
                let word = row.encode(&mut || random(&mut state));
                let other = GROUPS.iter().filter(|g| g.name != group.name);
                for other in other {
                    let found = (other.decode)(word, Features::all());
                    let found = found.map(|n| other.rows[n].name);
                    assert_eq!(found, None, "{word:#010x} of {} {}", group.name, row.name);
                }
            }
        }
    }
}
