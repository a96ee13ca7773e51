//! What instructions become, as text that a person can review.
//!
//! In the files of `golden/` a line `assembly = words` is followed by the region of these instructions in
//! its text form, indented, as the optimiser gets it. With `FERRITE_BLESS=1` the test rewrites the files; the
//! difference is then for the reviewer to judge.

use std::fmt::Write;
use std::path::Path;

use ferrite_aarch64::decode::Features;
use ferrite_aarch64::translate::{Context, Scope, region};

/// Address of the first instruction.
const PC: u64 = 0x1000;

/// An application with nothing special going on.
const CONTEXT: Context = Context {
    el: 0,
    features: Features::all(),
    fp_trap: None,
    align_check: false,
    sp_check: false,
    big_endian: false,
    plain_unprivileged: true,
    single_step: false,
    breakpoints: false,
};

#[test]
fn translations_are_as_reviewed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let expected = std::fs::read_to_string(&path).unwrap();
        let actual = rewrite(&expected);
        if std::env::var_os("FERRITE_BLESS").is_some() {
            std::fs::write(&path, actual).unwrap();
            continue;
        }
        for (line, (expected, actual)) in expected.lines().zip(actual.lines()).enumerate() {
            assert_eq!(actual, expected, "{}:{}", path.display(), line + 1);
        }
        assert_eq!(actual, expected, "{}", path.display());
    }
}

/// The file with its regions made anew.
fn rewrite(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines().filter(|line| !line.starts_with(' ')) {
        writeln!(out, "{line}").unwrap();
        if let Some((_, words)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            let words = words
                .split(' ')
                .map(|w| u32::from_str_radix(w, 16).unwrap());
            write_region(&mut out, &words.collect::<Vec<_>>());
        }
    }
    out
}

fn write_region(out: &mut String, words: &[u32]) {
    let mut fetch = |at: u64| words.get(((at - PC) / 4) as usize).copied();
    let region = region(CONTEXT, PC, Scope::Block, &mut fetch);
    let text = region.to_string();
    // The first lines tell the address and the only block, and marks separate instructions.
    let boring = |line: &&str| !line.starts_with("region") && !line.starts_with("block");
    for line in text.lines().filter(boring) {
        let line = line.trim_start();
        if !line.starts_with("insn ") {
            writeln!(out, "    {line}").unwrap();
        }
    }
}
