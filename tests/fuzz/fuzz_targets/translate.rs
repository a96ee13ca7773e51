//! Random words as A64 code: translated in a random context, printed and read again, verified,
//! optimised and lowered; then run for a bounded number of instructions on a CPU with a small machine.
//!
//! The first bytes choose context and registers, the rest is code.

#![no_main]

use std::sync::Arc;

use ferrite_aarch64::cpu::{Cpu, CpuConfig};
use ferrite_aarch64::features::Features;
use ferrite_aarch64::model::MODELS;
use ferrite_aarch64::translate::{Context, Scope, region};
use ferrite_fuzz::board::{RAM_BASE, RAM_LEN};
use ferrite_fuzz::{Board, Input};
use ferrite_ir::{Accelerator, Region, interp, opt, verify};
use ferrite_ram::{GuestRam, RamOffset};
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
    let ram = Arc::new(GuestRam::new(RAM_LEN).expect("1 MiB"));
    for (n, word) in code.iter().enumerate() {
        ram.store(RamOffset(4 * n as u64), *word).expect("in RAM");
    }
    let model = &MODELS[usize::from(input.u8()) % MODELS.len()];
    let mut cpu = Cpu::new(CpuConfig::new(0, model, 8, true));
    cpu.reset(RAM_BASE);
    for n in 0..31 {
        // Addresses in RAM as often as anything.
        let value = u64::from(input.u8());
        cpu.set_x(n, RAM_BASE + (value << 8 | value));
    }
    cpu.set_sp(RAM_BASE + 0x8000);
    let mut board = Board::new(ram);
    let vectors = RAM_BASE + RAM_LEN / 2;
    cpu.set_system_register(&mut board, "VBAR_EL1", vectors);
    cpu.set_system_register(&mut board, "CPACR_EL1", 3 << 20);
    if input.u8() & 1 != 0 {
        cpu.set_pstate(0x3c0);
    }
    let mut engine = Accelerator::default();
    let mut left = BUDGET;
    for _ in 0..64 {
        let done = cpu.run(&mut engine, &mut board, left).executed;
        board.advance(done.max(1000));
        left = left.saturating_sub(done);
        if left == 0 {
            break;
        }
        cpu.resume();
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
