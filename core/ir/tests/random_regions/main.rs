//! Random regions, run by a direct reading of the operations' descriptions and by the optimiser and
//! interpreter: both must leave the same registers, flags, memory and count of instructions, and
//! call helpers in the same state, whatever faults come in between.

mod generate;
mod guest;
mod naive;
mod outcome;
mod random;

use ferrite_ir::interp::{self, BlockEnd, lower};
use ferrite_ir::opt::optimise;
use ferrite_ir::{Region, VcpuBlock, slot, verify};

use generate::region;
use guest::Guest;
use outcome::{copy, cpu, differences, outcome};
use random::Random;

fn interpret(region: &Region, guest: &mut Guest, cpu: &mut VcpuBlock) -> naive::End {
    let lowered = lower(region).expect("a verified region");
    match interp::run(&lowered, guest, cpu) {
        BlockEnd::Direct(n) => {
            cpu.set(slot::PC, lowered.exits()[usize::from(n)].pc);
            naive::End::Direct
        }
        BlockEnd::Indirect(kind) => naive::End::Indirect(kind),
        BlockEnd::Lookup => naive::End::Lookup,
    }
}

fn check(seed: u64, optimised: bool) {
    let mut random = Random::new(seed);
    let region = region(&mut random);
    verify(&region).expect("what is generated keeps the rules");
    let mut better = region.clone();
    if optimised {
        optimise(&mut better);
        verify(&better).expect("what is optimised keeps the rules");
    }
    let start = cpu(&mut random);
    let mut reference = Guest::new(seed);
    let mut tested = Guest::new(seed);
    let mut expected_cpu = copy(&start);
    let mut cpu = copy(&start);
    // Twice, so that the second time finds a filled look-aside buffer.
    for round in 0..2 {
        let end = naive::run(&region, &mut reference, &mut expected_cpu);
        let expected = outcome(end, &expected_cpu, &reference);
        let end = interpret(&better, &mut tested, &mut cpu);
        let actual = outcome(end, &cpu, &tested);
        let differences = differences(&actual, &expected);
        assert!(
            differences.is_empty(),
            "seed {seed}, round {round}: {differences}\n{region}\n{better}"
        );
        assert!(
            tested.memory() == reference.memory(),
            "memory, seed {seed}, round {round}: \n{region}"
        );
        for cpu in [&mut expected_cpu, &mut cpu] {
            cpu.set(slot::BUDGET, 100);
            cpu.set(slot::DEFERRED, 0);
        }
    }
}

fn check_many(optimised: bool) {
    if let Ok(seed) = std::env::var("SEED") {
        return check(seed.parse().expect("a number"), optimised);
    }
    let seeds = std::env::var("SEEDS").map_or(Ok(1500), |n| n.parse());
    for seed in 0..seeds.expect("a number") {
        check(seed, optimised);
    }
}

#[test]
fn interpreted_is_what_the_operations_say() {
    check_many(false);
}

#[test]
fn optimised_and_interpreted_is_what_the_operations_say() {
    check_many(true);
}
