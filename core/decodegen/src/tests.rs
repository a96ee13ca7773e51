//! The tree agrees with trying every row; broken tables are told with their line.

use crate::table::{self, Row};
use crate::{Broken, check, module, tree};

const SAMPLE: &str = "
# overlapping forms, three deep, with constraints that give way
GENERAL   op:2 0 100 a:10 rn:8 rd:8
SPECIAL   01 0 100 a:10 rn:8 rd:8              where rn!=3, rd in {1, 0x2,0b11}
DEEP      01 0 100 0000000000 rn:8 rd:8        where rn>200
OTHER     op:2 0 101 xxxxxxxxxx rn:8 rd:8      where op<2, rd notin {0,1}
OTHER_HI  op:2 0 101 a:10 rn:8 rd:8            where op>1
FEATURE   op:2 1 1 a:12 rn:8 rd:8              feat=fast
TINY      op:2 1 0 0000000000 type:2 rn:8 rd:8
";

fn parse(text: &str) -> Result<Vec<Row>, Broken> {
    table::parse(text, &|name| name == "FAST")
}

fn random(state: &mut u64) -> u32 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 32) as u32
}

/// The matching row with the most fixed bits, found by trying all of them.
fn naive(rows: &[Row], word: u32) -> Option<usize> {
    (0..rows.len())
        .filter(|&i| rows[i].matches(word))
        .max_by_key(|&i| rows[i].mask.count_ones())
}

#[test]
fn tree_agrees_with_trying_every_row() {
    let rows = parse(SAMPLE).unwrap();
    let ranks = check::ranks(&rows).unwrap();
    let tree = tree::build(&rows, &ranks);
    let mut state = 1;
    let mut hits = vec![0; rows.len()];
    for n in 0..200_000usize {
        let mut word = random(&mut state);
        // Pure chance seldom meets a row of many fixed bits.
        if n % 2 == 0 {
            let row = &rows[n / 2 % rows.len()];
            word = word & !row.mask | row.value;
        }
        let found = tree.walk(&rows, word);
        assert_eq!(found, naive(&rows, word), "{word:#010x}");
        if let Some(row) = found {
            hits[row] += 1;
        }
    }
    assert!(hits.iter().all(|&n| n > 0), "{hits:?}");
}

#[test]
fn an_empty_table_makes_a_module() {
    let text = module("empty", "# nothing\n", &|_| false).unwrap();
    assert!(text.contains("pub enum Insn {\n}"));
}

#[test]
fn names_become_rust() {
    let text = module("m", "ADD_imm type x:31\n", &|_| false).unwrap();
    assert!(text.contains("pub struct AddImm {\n    pub r#type: u32,\n    pub x: u32,\n}"));
    assert!(text.contains("fn add_imm(&mut self, i: AddImm)"));
}

#[test]
fn broken_rules_are_told_with_their_line() {
    let word = "00000000 00000000 00000000 rd:8";
    for (text, line, message) in [
        (format!("A {word}\nB {word} 0"), 2, "more than 32 bits"),
        (format!("\nA {}", &word[1..]), 2, "A has 31 bits"),
        (
            format!("A {word}\nA 1111 a:28"),
            2,
            "duplicate name A, first at line 1",
        ),
        (format!("A {word}\nB {word}"), 2, "B overlaps A of line 1"),
        (
            format!("A {word}\nB {word} feat=fast"),
            2,
            "B overlaps A of line 1",
        ),
        ("A 0 x:31\nB x 0 y:30".to_owned(), 2, "B overlaps A"),
        (format!("A {word} feat=slow"), 1, "unknown feature SLOW"),
        (format!("A {word} where rn==1"), 1, "no field rn"),
        (format!("A {word} where rd==256"), 1, "at most 255"),
        (format!("A {word} where rd=1"), 1, "not a condition"),
        (format!("A {word} where rd in 1,2"), 1, "not a condition"),
        ("A rd:16 rd:16".to_owned(), 1, "comes twice"),
        ("A rd:33".to_owned(), 1, "not a field"),
    ] {
        let broken = parse(&text)
            .and_then(|rows| check::ranks(&rows))
            .unwrap_err();
        assert_eq!(broken.line, line, "{text}");
        assert!(
            broken.message.contains(message),
            "{text}: {}",
            broken.message
        );
    }
}

#[test]
fn constraints_may_keep_equal_patterns_apart() {
    let rows = parse("A a:2 x:30 where a<2\nB a:2 x:30 where a in {2,3}").unwrap();
    assert!(check::ranks(&rows).is_ok());
}
