//! Random regions, compiled to WebAssembly, against a direct reading of the operations' descriptions,
//! as in `jit/tests/regions`: this is what runs inside an engine for WebAssembly, whose host compiles
//! modules when asked. See `jit/tests/wasm`.

#![cfg(target_arch = "wasm32")]

#[path = "../../wide/cases.rs"]
mod cases;
#[path = "../../../../core/ir/tests/random_regions/generate.rs"]
mod generate;
#[path = "../../../../core/ir/tests/random_regions/guest.rs"]
mod guest;
#[path = "../../../../core/ir/tests/random_regions/naive.rs"]
mod naive;
#[path = "../../../../core/ir/tests/random_regions/outcome.rs"]
mod outcome;
#[path = "../../../../core/ir/tests/random_regions/random.rs"]
mod random;

use ferrite_ir::{CodeEngine, Region, VcpuBlock, verify};
use ferrite_jit::wasm::{Engine, Host};

use generate::region;
use guest::Guest;
use naive::End;
use outcome::{copy, cpu, differences, outcome};
use random::Random;

mod host {
    #[link(wasm_import_module = "host")]
    unsafe extern "C" {
        /// Grows the table; returns the first new slot, or 0.
        pub safe fn reserve(slots: u32) -> u32;
        /// Compiles and instantiates what is at an address; 0 if that fails.
        pub safe fn install(module: *const u8, bytes: usize) -> u32;
        /// Tells a person something.
        pub safe fn say(text: *const u8, bytes: usize);
    }
}

struct Outside;

impl Host for Outside {
    fn reserve(&mut self, slots: u32) -> Option<u32> {
        Some(host::reserve(slots)).filter(|&first| first != 0)
    }

    fn install(&mut self, module: &[u8]) -> bool {
        host::install(module.as_ptr(), module.len()) != 0
    }
}

fn say(text: &str) {
    host::say(text.as_ptr(), text.len());
}

/// Checks regions with seeds from `first` on; returns how many did what their operations say.
#[unsafe(no_mangle)]
extern "C" fn check(first: u32, count: u32) -> u32 {
    std::panic::set_hook(Box::new(|info| say(&info.to_string())));
    let Ok(mut engine) = Engine::new(Outside) else {
        say("the table cannot grow");
        return 0;
    };
    let good = |seed: &u32| check_one(&mut engine, u64::from(*seed));
    (first..first + count).take_while(good).count() as u32
}

/// Checks every operation on lanes (0), of ciphers (1), or on numbers.
#[unsafe(no_mangle)]
extern "C" fn check_wide(which: u32) {
    std::panic::set_hook(Box::new(|info| say(&info.to_string())));
    let mut engine = Engine::new(Outside).unwrap_or_else(|problem| panic!("{problem}"));
    let mut last = None;
    let mut run = |region: &Region, guest: &mut Guest, cpu: &mut VcpuBlock| {
        if last.as_ref() != Some(region) {
            engine.flush();
            last = Some(region.clone());
        }
        assert!(engine.run_once(region, guest, cpu), "no code\n{region}");
    };
    match which {
        0 => cases::check_lanes(&mut run, 1),
        1 => cases::check_crypto(&mut run),
        _ => cases::check_floats(&mut run),
    }
}

fn check_one(engine: &mut Engine<Outside>, seed: u64) -> bool {
    let mut random = Random::new(seed);
    let region = region(&mut random);
    verify(&region).expect("what is generated keeps the rules");
    let start = cpu(&mut random);
    let mut reference = Guest::new(seed);
    let mut tested = Guest::new(seed);
    let (mut expected_cpu, mut cpu) = (copy(&start), copy(&start));
    engine.flush();
    for round in 0..2 {
        naive::run(&region, &mut reference, &mut expected_cpu);
        let expected = outcome(End::Lookup, &expected_cpu, &reference);
        if !engine.run_once(&region, &mut tested, &mut cpu) {
            say(&format!("seed {seed}: no code\n{region}"));
            return false;
        }
        let actual = outcome(End::Lookup, &cpu, &tested);
        let differences = differences(&actual, &expected);
        if !differences.is_empty() {
            say(&format!(
                "seed {seed}, round {round}: {differences}\n{region}"
            ));
            return false;
        }
        if tested.memory() != reference.memory() {
            say(&format!("memory, seed {seed}, round {round}\n{region}"));
            return false;
        }
        for cpu in [&mut expected_cpu, &mut cpu] {
            cpu.set(ferrite_ir::slot::BUDGET, 100);
            cpu.set(ferrite_ir::slot::DEFERRED, 0);
        }
    }
    true
}
