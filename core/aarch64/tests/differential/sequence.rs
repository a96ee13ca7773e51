//! Sequences of instructions, which share one region: values that live in temporaries, flags that
//! nobody has computed yet, constants folded from one instruction into the next.

use ferrite_aarch64::decode::{Features, GROUPS, Row};

use crate::case::{Case, End, SCRATCH_TARGET, layout};
use crate::coverage;
use crate::generate::{self, Random};
use crate::ours::Runner;
use crate::{difference, program};

/// Sequences to try, in multiples of a batch.
const BATCHES: usize = 3;
/// The register that memory accesses are based on, which nothing else writes.
const BASE: u32 = 28;
/// The registers that instructions use: few, so that they meet.
const REGISTERS: u32 = 6;

/// Loads and stores whose base register does not change, with immediates small enough.
const ACCESSES: [&str; 16] = [
    "STUR",
    "LDUR",
    "LDURS",
    "LDURSW",
    "STR_imm",
    "LDR_imm",
    "LDRS_imm",
    "LDRSW_imm",
    "STNP",
    "LDNP",
    "STP_offset",
    "LDP_offset",
    "LDPSW_offset",
    "LDADD",
    "SWP",
    "CAS",
];

#[test]
fn sequences_agree_with_the_reference() {
    if !crate::has_reference() {
        return;
    }
    let mut random = Random(5);
    let mut runner = Runner::new();
    let rows: Vec<_> = coverage::rows().filter(|&row| usable(row)).collect();
    let branches: Vec<_> = coverage::rows()
        .filter(|row| GROUPS[row.0].name == "branch")
        .collect();
    let mut failures = 0;
    for _ in 0..BATCHES {
        let cases: Vec<Case> = (0..layout::CASES)
            .map(|n| sequence(&mut runner, &mut random, &rows, &branches, n))
            .collect();
        for (case, reference) in cases.iter().zip(program::run(&cases, "max")) {
            for optimised in [false, true] {
                runner.optimised = optimised;
                let run = runner.run(case);
                if let Some(difference) = difference(case, &run, &reference) {
                    failures += 1;
                    println!("optimised: {optimised}");
                    tell(case, &difference);
                }
            }
        }
    }
    assert_eq!(failures, 0, "sequences differ");
}

fn usable(row: (usize, usize)) -> bool {
    let row = &GROUPS[row.0].rows[row.1];
    match row.group {
        "branch" | "system" | "simd_ldst" => false,
        "ldst" => ACCESSES.contains(&row.name),
        _ => true,
    }
}

/// A sequence that ends in a branch and raises no signal.
fn sequence(
    runner: &mut Runner,
    random: &mut Random,
    rows: &[(usize, usize)],
    branches: &[(usize, usize)],
    number: usize,
) -> Case {
    loop {
        let row = random.of(branches);
        let branch = &GROUPS[row.0].rows[row.1];
        let length = 1 + random.below(layout::PREFIX);
        let mut case = Case {
            number,
            row,
            prefix: (0..length).map(|_| word(runner, random, rows)).collect(),
            word: branch.encode(&mut || random.next() as u32),
            before: generate::registers(random),
            scratch: generate::scratch(random),
        };
        generate::aim_branch(&mut case, branch, random);
        case.before.x[BASE as usize] = layout::scratch(number) + SCRATCH_TARGET;
        // A register that a branch goes to may have changed on the way there.
        if let End::Pad(_) = runner.run(&case).after.end {
            return case;
        }
    }
}

/// An instruction on few registers.
fn word(runner: &mut Runner, random: &mut Random, rows: &[(usize, usize)]) -> u32 {
    // A few groups have most of the rows: let integers come as often.
    let mut row = random.of(rows);
    while GROUPS[row.0].name.starts_with("simd") && !random.one_in(4) {
        row = random.of(rows);
    }
    let row = &GROUPS[row.0].rows[row.1];
    loop {
        let mut word = row.encode(&mut || random.next() as u32);
        for field in row.fields {
            let old = field.of(word);
            word = match field.name {
                "rn" if row.group == "ldst" => field.put(word, BASE),
                "imm7" | "imm9" | "imm12" if row.group == "ldst" => field.put(word, old % 4),
                name if name.starts_with('r') && field.width == 5 && old != 31 => {
                    field.put(word, old % REGISTERS)
                }
                _ => word,
            };
        }
        if row.matches(word) && defined(runner, row, word) {
            return word;
        }
    }
}

/// Whether an instruction is not UNDEFINED for a reason that its row does not tell.
fn defined(runner: &mut Runner, row: &Row, word: u32) -> bool {
    let mut random = Random(0);
    let case = Case {
        number: 0,
        row: (0, 0),
        prefix: Vec::new(),
        word,
        before: generate::registers(&mut random),
        scratch: generate::scratch(&mut random),
    };
    row.group == "ldst" || runner.run(&case).after.end == End::Pad(0)
}

fn tell(case: &Case, difference: &str) {
    println!("sequence:");
    for word in case.prefix.iter().chain([&case.word]) {
        let text = GROUPS.iter().find_map(|g| (g.show)(*word, Features::all()));
        println!("  {word:#010x} {}", text.unwrap_or_default());
    }
    let before = &case.before;
    println!(
        "  with nzcv={:#x} fpcr={:#x} sp={:#x}",
        before.nzcv, before.fpcr, before.sp
    );
    for n in (0..REGISTERS as usize).chain([30]) {
        println!("  with x{n}={:#x} v{n}={:#x}", before.x[n], before.v[n]);
    }
    print!("{difference}");
}
