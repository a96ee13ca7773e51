//! Which words are instructions at all.

use ferrite_aarch64::decode::{Features, GROUPS};

use crate::case::{Case, End, SIGILL, layout};
use crate::coverage;
use crate::generate::{self, Random};
use crate::ours::Runner;
use crate::program;

/// The reference processor and what it has.
const CPU: &str = "cortex-a57";
const FEATURES: Features = Features::AES
    .union(Features::SHA1)
    .union(Features::SHA256)
    .union(Features::CRC32);

/// Words to try, in multiples of a batch.
const BATCHES: usize = 10;

/// Random words, most of them near an instruction of the tables, are UNDEFINED here exactly when
/// they are on the reference.
#[test]
fn the_same_words_are_undefined() {
    if !crate::has_reference() {
        return;
    }
    let mut random = Random(4);
    let mut runner = Runner::new();
    runner.context.features = FEATURES;
    let rows: Vec<_> = coverage::rows().collect();
    let mut undefined_words = 0;
    let mut wrong = std::collections::BTreeMap::new();
    for _ in 0..BATCHES {
        let cases: Vec<Case> = (0..layout::CASES)
            .map(|number| Case {
                number,
                row: (0, 0),
                prefix: Vec::new(),
                word: word(&mut random, &rows),
                before: generate::registers(&mut random),
                scratch: generate::scratch(&mut random),
            })
            .collect();
        let undefined = End::Signal(SIGILL);
        for (case, reference) in cases.iter().zip(program::run(&cases, CPU)) {
            let ours = runner.run(case).after.end == undefined;
            let theirs = reference.end == undefined;
            undefined_words += usize::from(theirs);
            if ours != theirs {
                wrong.insert(case.word, if ours { "is defined" } else { "is UNDEFINED" });
            }
        }
    }
    for (word, what) in &wrong {
        let text = GROUPS.iter().find_map(|g| (g.show)(*word, Features::all()));
        println!(
            "{word:#010x} {word:032b} {what} {}",
            text.unwrap_or_default()
        );
    }
    let words = BATCHES * layout::CASES;
    println!("{undefined_words} of {words} words are UNDEFINED");
    assert!((words / 10..words * 9 / 10).contains(&undefined_words));
    assert!(wrong.is_empty(), "{} words", wrong.len());
}

/// A word that does not branch or call the system, wherever it may lead.
fn word(random: &mut Random, rows: &[(usize, usize)]) -> u32 {
    loop {
        let row = rows[random.below(rows.len())];
        let encoded = GROUPS[row.0].rows[row.1].encode(&mut || random.next() as u32);
        let flip = 1 << random.below(32) | 1 << random.below(32);
        let word = match random.below(4) {
            0 => random.next() as u32,
            _ => encoded ^ flip,
        };
        // op0 of branches and system instructions is 101x.
        if word >> 26 & 7 != 0b101 {
            return word;
        }
    }
}
