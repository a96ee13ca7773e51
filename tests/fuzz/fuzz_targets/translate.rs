//! Random words as A64 code: translated in a random context, printed and read again, verified,
//! optimised and lowered; then run for a bounded number of instructions on a CPU with a small machine.
//!
//! The first bytes choose context and registers, the rest is code.

#![no_main]

use ferrite_aarch64::features::Features;
use ferrite_aarch64::translate::{Context, Scope, region};
use ferrite_fuzz::board::RAM_BASE;
use ferrite_fuzz::{Guest, Input};
use ferrite_ir::{Accelerator, Region, interp, opt, verify};
use libfuzzer_sys::fuzz_target;

/// Instructions run, about.
const BUDGET: u64 = 2000;
/// Instructions of code at most.
const MAX_WORDS: usize = 256;

fn context(input: &mut Input) -> Context {
    let (flags, el) = (input.u8(), input.u8());
    Context {
        el: el % 3,
        features: Features::from_bits_truncate(input.u16().into()),
        fp_trap: (flags & 1 != 0).then_some(1 + (el >> 4 & 1)),
        align_check: flags & 2 != 0,
        sp_check: flags & 4 != 0,
        big_endian: flags & 8 != 0,
        plain_unprivileged: flags & 16 != 0,
        single_step: flags & 32 != 0,
        breakpoints: flags & 64 != 0,
    }
}

fn translate(cx: Context, code: &[u32]) {
    let pc = RAM_BASE + 0xf00;
    let fetch = &mut |at: u64| code.get((at.wrapping_sub(pc) / 4) as usize).copied();
    let mut translated = region(cx, pc, Scope::Reach, fetch);
    let text = translated.to_string();
    match text.parse::<Region>() {
        Ok(again) => assert_eq!(again.to_string(), text),
        Err(error) => panic!("{error:?}\n{text}"),
    }
    verified(&translated);
    interp::lower(&translated).expect("a region is small");
    opt::optimise(&mut translated);
    verified(&translated);
    interp::lower(&translated).expect("it only gets smaller");
}

fn verified(region: &Region) {
    if let Err(error) = verify(region) {
        panic!("{error}\n{region}");
    }
}

fn execute(code: &[u32], input: &mut Input) {
    let mut guest = Guest::new(code, input);
    let mut engine = Accelerator::default();
    let mut left = BUDGET;
    for _ in 0..64 {
        let done = guest.cpu.run(&mut engine, &mut guest.board, left).executed;
        guest.board.advance(done.max(1000));
        left = left.saturating_sub(done);
        if left == 0 {
            break;
        }
        guest.cpu.resume();
    }
    assert_eq!(engine.stats().narrowed, 0);
}

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let cx = context(&mut input);
    let mut registers = Input::new(input.bytes(33));
    let words = input.rest().chunks_exact(4).take(MAX_WORDS);
    let code: Vec<u32> = words
        .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
        .collect();
    translate(cx, &code);
    execute(&code, &mut registers);
}

fuzz_target!(|data: &[u8]| run(data));
