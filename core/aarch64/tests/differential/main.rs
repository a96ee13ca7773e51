//! Instructions at random, compared with an independent emulator.
//!
//! For every row of every decode table, instructions with random operands run twice: by translation
//! and the interpreter of this project, and in a generated program under `qemu-aarch64`. Registers,
//! flags, memory, where control went and which signal was raised have to be the same.
//!
//! Besides, [`sequence`] tries several instructions in one region, and [`holes`] words that may not be
//! instructions.
//!
//! `FERRITE_DIFFERENTIAL` narrows or widens a run: `rows=LDADD` or `rows=simd_` (a prefix of a
//! row's or group's name), `cases=1000` (for each row), `seed=7`, separated by commas. Without
//! `qemu-aarch64` (Debian: `qemu-user`) the test does nothing.

mod assembler;
mod case;
mod contexts;
mod coverage;
mod float;
mod generate;
mod holes;
mod ours;
mod program;
mod sequence;

use ferrite_aarch64::decode::{Features, GROUPS};

use case::{After, Case, End, layout};
use coverage::Coverage;
use generate::{FPSR_MASK, Random};
use ours::{Run, Runner};

/// What to run.
struct Options {
    rows: String,
    cases: usize,
    seed: u64,
}

impl Options {
    fn from_env() -> Self {
        let mut options = Self {
            rows: String::new(),
            cases: 64,
            seed: 1,
        };
        let text = std::env::var("FERRITE_DIFFERENTIAL").unwrap_or_default();
        for option in text.split(',').filter(|o| !o.is_empty()) {
            match option.split_once('=') {
                Some(("rows", rows)) => options.rows = rows.to_owned(),
                Some(("cases", n)) => options.cases = n.parse().expect("a number of cases"),
                Some(("seed", n)) => options.seed = n.parse().expect("a seed"),
                _ => panic!("unknown option {option}"),
            }
        }
        options
    }

    fn selects(&self, row: (usize, usize)) -> bool {
        let row = &GROUPS[row.0].rows[row.1];
        row.name.starts_with(&self.rows) || row.group.starts_with(&self.rows)
    }
}

/// Whether the reference is installed; says so if not.
fn has_reference() -> bool {
    let version = std::process::Command::new(program::EMULATOR)
        .arg("--version")
        .output();
    if version.is_err() {
        eprintln!("skipped: {} is not installed", program::EMULATOR);
    }
    version.is_ok()
}

#[test]
fn instructions_agree_with_the_reference() {
    if !has_reference() {
        return;
    }
    let options = Options::from_env();
    let mut coverage = Coverage::default();
    let mut batches = [Batch::new("cortex-a57"), Batch::new("max")];
    for row in coverage::rows().filter(|&row| options.selects(row)) {
        if coverage::excuse(row).is_some() {
            continue;
        }
        let batch = &mut batches[usize::from(is_new(row))];
        for n in 0..options.cases {
            batch.add(&mut coverage, &options, row, n);
        }
    }
    for batch in &mut batches {
        batch.finish(&mut coverage);
    }
    coverage.report(options.rows.is_empty());
}

/// Whether the row is of a feature that the older of the two processors lacks.
fn is_new(row: (usize, usize)) -> bool {
    let old = Features::AES | Features::SHA1 | Features::SHA256 | Features::CRC32;
    let feature = GROUPS[row.0].rows[row.1].feature;
    feature.is_some_and(|f| !old.contains(f))
}

/// Cases for one run of the reference.
struct Batch {
    cpu: &'static str,
    runner: Runner,
    cases: Vec<Case>,
}

impl Batch {
    fn new(cpu: &'static str) -> Self {
        Self {
            cpu,
            runner: Runner::new(),
            cases: Vec::new(),
        }
    }

    fn add(&mut self, coverage: &mut Coverage, options: &Options, row: (usize, usize), n: usize) {
        let seed = options.seed << 48 | (row.0 << 40 | row.1 << 24 | n) as u64;
        let number = self.cases.len();
        let case = generate::case(&mut self.runner, &mut Random(seed), row, number);
        self.cases.push(case);
        if self.cases.len() == layout::CASES {
            self.finish(coverage);
        }
    }

    fn finish(&mut self, coverage: &mut Coverage) {
        let cases = std::mem::take(&mut self.cases);
        if cases.is_empty() {
            return;
        }
        let reference = program::run(&cases, self.cpu);
        for (case, reference) in cases.iter().zip(&reference) {
            let run = self.runner.run(case);
            coverage.ran(case.row, reference.end);
            if let Some(difference) = difference(case, &run, reference) {
                coverage.failed(case, &difference);
            }
        }
    }
}

/// How two results differ, as text; nothing if they agree.
fn difference(case: &Case, run: &Run, reference: &After) -> Option<String> {
    let ours = &run.after;
    if let Some(helper) = run.helper {
        return Some(format!("  calls helper {}, which is not here\n", helper.0));
    }
    if ours.end != reference.end {
        let (ours, reference) = (ours.end, reference.end);
        return Some(format!("  ends in {ours:?}, not {reference:?}\n"));
    }
    if matches!(ours.end, End::Signal(_)) {
        return None;
    }
    let mut text = String::new();
    let mut compare = |name: &str, before: u128, ours: u128, reference: u128| {
        if ours != reference {
            text += &format!("  {name}: {ours:#x}, not {reference:#x} (was {before:#x})\n");
        }
    };
    let (before, a, b) = (&case.before, &ours.registers, &reference.registers);
    for n in 0..31 {
        let name = format!("x{n}");
        compare(&name, before.x[n].into(), a.x[n].into(), b.x[n].into());
    }
    for n in 0..32 {
        compare(&format!("v{n}"), before.v[n], a.v[n], b.v[n]);
    }
    compare("sp", before.sp.into(), a.sp.into(), b.sp.into());
    compare("nzcv", before.nzcv.into(), a.nzcv.into(), b.nzcv.into());
    // Stride and Len do nothing in AArch64 state; only processors with AArch32 have to keep them.
    let fpcr = |fpcr: u64| u128::from(fpcr & !0x0037_0000);
    compare("fpcr", fpcr(before.fpcr), fpcr(a.fpcr), fpcr(b.fpcr));
    let fpsr = |fpsr: u64| u128::from(fpsr & FPSR_MASK);
    compare("fpsr", fpsr(before.fpsr), fpsr(a.fpsr), fpsr(b.fpsr));
    for (n, before) in case.scratch.iter().enumerate() {
        let (ours, reference) = (ours.scratch[n], reference.scratch[n]);
        let at = format!("scratch[{n}]");
        compare(&at, (*before).into(), ours.into(), reference.into());
    }
    (!text.is_empty()).then_some(text)
}

/// Pairs of instructions that differ in one respect each: the first is told to the reference, the
/// second is what runs here.
#[test]
fn what_differs_is_noticed() {
    if !has_reference() {
        return;
    }
    const DIFFERENT: [(u32, u32, &str); 7] = [
        (0x8b01_0000, 0xcb01_0000, "x0"),      // add, sub x0, x0, x1
        (0xab01_001f, 0xeb01_001f, "nzcv"),    // cmn, cmp x0, x1
        (0x9100_43ff, 0xd100_43ff, "sp"),      // add, sub sp, sp, #16
        (0xf900_0041, 0xf900_0043, "scratch"), // str x1, x3, [x2]
        (0x1400_0007, 0x1400_0001, "ends in"), // b to the second pad, to the first
        (0x1e60_2800, 0x1e60_3800, "v0"),      // fadd, fsub d0, d0, d0
        (0x0000_0000, 0xaa00_03e0, "ends in"), // udf, mov x0, x0
    ];
    let mut runner = Runner::new();
    let row = coverage::rows()
        .find(|row| GROUPS[row.0].rows[row.1].name == "LDR_lit")
        .expect("a row that leaves registers alone");
    let cases: Vec<Case> = (0..DIFFERENT.len())
        .map(|n| {
            let mut case = generate::case(&mut runner, &mut Random(n as u64), row, n);
            case.word = DIFFERENT[n].0;
            case.before.x[..4].copy_from_slice(&[5, 1, layout::scratch(n), 7]);
            case.before.v[0] = 1;
            case.before.fpcr = 0;
            case
        })
        .collect();
    let reference = program::run(&cases, "max");
    for ((mut case, reference), (_, ours, name)) in cases.into_iter().zip(&reference).zip(DIFFERENT)
    {
        let same = runner.run(&case);
        assert_eq!(difference(&case, &same, reference), None);
        case.word = ours;
        let run = runner.run(&case);
        let told = difference(&case, &run, reference).unwrap_or_default();
        assert!(told.contains(name), "{ours:#x}: {told}");
    }
}
