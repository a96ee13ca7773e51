//! Random words as A64 code: run compiled until an exception or `WFI`, after which the whole state
//! of the machine must be what the interpreter leaves.
//!
//! The first bytes choose model and registers, the rest is code.

#![no_main]

use std::cell::RefCell;

use ferrite_fuzz::{Guest, Input};
use ferrite_ir::Accelerator;
use ferrite_jit::x64::Engine;
use libfuzzer_sys::fuzz_target;

/// Instructions that the interpreter runs at most.
const BUDGET: u64 = 2000;
/// Instructions of code at most.
const MAX_WORDS: usize = 256;
/// Bytes of compiled code. It fills now and then, which is a path of its own.
const CACHE: usize = 1 << 20;

thread_local! {
    static COMPILED: RefCell<Option<Accelerator>> = const { RefCell::new(None) };
}

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let registers = input.bytes(33);
    let words = input.rest().chunks_exact(4).take(MAX_WORDS);
    let code: Vec<u32> = words
        .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
        .collect();
    let guest = || {
        let mut guest = Guest::new(&code, &mut Input::new(registers));
        // When they are seen is a back end's own affair.
        guest.board.silence();
        guest
    };
    let mut expected = guest();
    if !expected.run_to_wait(&mut Accelerator::default(), BUDGET) {
        return;
    }
    let mut compiled = guest();
    COMPILED.with_borrow_mut(|engine| {
        let engine = engine.get_or_insert_with(|| {
            let engine = Engine::new(CACHE).expect("a host that can run its code");
            Accelerator::Code(Box::new(engine))
        });
        engine.flush();
        // Hot code is compiled once more, with its loops.
        assert!(compiled.run_to_wait(engine, 2 * BUDGET), "it does not end");
    });
    let differences = compiled.differences(&mut expected);
    assert!(
        differences.is_empty(),
        "compiled, interpreted: {differences:?}"
    );
}

fuzz_target!(|data: &[u8]| run(data));
