//! Instructions in the contexts that the reference cannot be put in: with alignment checked or data
//! big-endian they have to do the same as without, on memory laid out accordingly; where floating
//! point and Advanced SIMD trap, what is not UNDEFINED has to trap.

use ferrite_aarch64::decode::{GROUPS, Row};
use ferrite_aarch64::translate::helper;

use crate::case::{Case, End, SCRATCH_BYTES, SIGBUS, SIGILL, layout};
use crate::coverage;
use crate::generate::{self, Random};
use crate::ours::{Run, Runner};

/// Rows of SIMD loads and stores with the bytes of the elements that they move.
fn element_bytes(row: &Row, word: u32) -> Option<u64> {
    let field = |name: &str| row.field(name).map(|f| f.of(word));
    let log2 = match row.name.trim_end_matches("_post") {
        "LD_mult" | "ST_mult" | "LD_rep" => field("size")?,
        "LD_single" | "ST_single" if field("scale")? == 2 => 2 + (field("size")? & 1),
        "LD_single" | "ST_single" => field("scale")?,
        "STP" | "LDP" | "STNP" | "LDNP" => 2 + field("opc")?,
        _ => field("size")? | field("opc1")? << 2,
    };
    (log2 < 5).then_some(1 << log2)
}

/// Runs `check` on cases of SIMD loads and stores: the case, the bytes of its elements, and what it
/// does without further ado.
fn each(check: impl Fn(&mut Runner, &Case, u64, &Run)) {
    let mut runner = Runner::new();
    let plain = runner.context;
    let mut checked = 0;
    for row in coverage::rows().filter(|row| GROUPS[row.0].name == "simd_ldst") {
        for n in 0..40 {
            runner.context = plain;
            let case = generate::case(&mut runner, &mut Random((row.1 << 16 | n) as u64), row, 0);
            let table_row = &GROUPS[row.0].rows[row.1];
            let run = runner.run(&case);
            let Some(bytes) = element_bytes(table_row, case.word) else {
                continue;
            };
            if matches!(run.after.end, End::Pad(_)) && run.access.is_some() {
                check(&mut runner, &case, bytes, &run);
                checked += 1;
            }
        }
    }
    assert!(checked > 500, "{checked} cases");
}

#[test]
fn checked_alignment_is_that_of_elements() {
    each(|runner, case, bytes, plain| {
        runner.context.align_check = true;
        let run = runner.run(case);
        let at = plain.access.expect("an access").at;
        if at % bytes == 0 {
            assert_eq!(run.after, plain.after, "{:#010x} at {at:#x}", case.word);
        } else {
            assert_eq!(run.after.end, End::Signal(SIGBUS), "{:#010x}", case.word);
        }
    });
}

#[test]
fn big_endian_elements_are_reversed() {
    let reversed = |memory: &[u8], bytes: u64| -> Vec<u8> {
        let units = memory.chunks(bytes as usize);
        units.flat_map(|unit| unit.iter().rev().copied()).collect()
    };
    each(|runner, case, bytes, plain| {
        let at = plain.access.expect("an access").at;
        if at % bytes != 0 {
            return;
        }
        assert_eq!(layout::scratch(case.number) % SCRATCH_BYTES as u64, 0);
        runner.context.big_endian = true;
        let mut other = case.clone();
        other.scratch = reversed(&case.scratch, bytes);
        let mut after = runner.run(&other).after;
        after.scratch = reversed(&after.scratch, bytes);
        assert_eq!(after, plain.after, "{:#010x} at {at:#x}", case.word);
    });
}

#[test]
fn disabled_registers_trap() {
    let mut runner = Runner::new();
    let plain = runner.context;
    for row in coverage::rows() {
        let group = GROUPS[row.0].name;
        let traps = group.starts_with("simd_") || matches!(group, "fp" | "crypto");
        if !traps && group != "crc" {
            continue;
        }
        for n in 0..20 {
            runner.context = plain;
            let case = generate::case(&mut runner, &mut Random((row.1 << 16 | n) as u64), row, 0);
            let undefined = runner.run(&case).after.end == End::Signal(SIGILL);
            runner.context.fp_trap = Some(1);
            let run = runner.run(&case);
            let trapped = run.helper == Some(helper::FP_ACCESS_TRAP);
            assert_eq!(trapped, traps && !undefined, "{:#010x}", case.word);
            assert_eq!(run.after.end == End::Signal(SIGILL), undefined);
            assert!(!trapped || run.after.registers == case.before);
        }
    }
}
