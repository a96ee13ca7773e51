//! Random regions, compiled, against a direct reading of the operations' descriptions: both must
//! leave the same registers, flags, memory and count of instructions, and call helpers in the same
//! state, whatever faults come in between.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

#[path = "../../../core/ir/tests/random_regions/generate.rs"]
mod generate;
#[path = "../../../core/ir/tests/random_regions/guest.rs"]
mod guest;
#[path = "../../../core/ir/tests/random_regions/naive.rs"]
mod naive;
#[path = "../../../core/ir/tests/random_regions/outcome.rs"]
mod outcome;
#[path = "../../../core/ir/tests/random_regions/random.rs"]
mod random;

use ferrite_ir::{CodeEngine, verify};
use ferrite_jit::x64::Engine;

use generate::region;
use guest::Guest;
use naive::End;
use outcome::{copy, cpu, differences, outcome};
use random::Random;

fn check(engine: &mut Engine, seed: u64) {
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
        engine.run_once(&region, &mut tested, &mut cpu);
        let actual = outcome(End::Lookup, &cpu, &tested);
        let differences = differences(&actual, &expected);
        assert!(
            differences.is_empty(),
            "seed {seed}, round {round}: {differences}\n{region}"
        );
        assert!(
            tested.memory() == reference.memory(),
            "memory, seed {seed}, round {round}: \n{region}"
        );
        for cpu in [&mut expected_cpu, &mut cpu] {
            cpu.set(ferrite_ir::slot::BUDGET, 100);
            cpu.set(ferrite_ir::slot::DEFERRED, 0);
        }
    }
}

#[test]
fn compiled_is_what_the_operations_say() {
    let mut engine = Engine::new(4 << 20).expect("a host that can run generated code");
    if let Ok(seed) = std::env::var("SEED") {
        return check(&mut engine, seed.parse().expect("a number"));
    }
    let seeds = std::env::var("SEEDS").map_or(Ok(3000), |n| n.parse());
    for seed in 0..seeds.expect("a number") {
        check(&mut engine, seed);
    }
}
