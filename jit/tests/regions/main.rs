//! Random regions, compiled, against a direct reading of the operations' descriptions: both must
//! leave the same registers, flags, memory and count of instructions, and call helpers in the same
//! state, whatever faults come in between.

#![cfg(target_os = "linux")]

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

use ferrite_ir::{CodeEngine, Region, VcpuBlock, slot, verify};

use generate::region;
use guest::Guest;
use naive::End;
use outcome::{copy, cpu, differences, outcome};
use random::Random;

/// An engine whose code is looked at.
trait Tested: CodeEngine {
    fn run_once(&mut self, region: &Region, guest: &mut Guest, cpu: &mut VcpuBlock);
}

#[cfg(target_arch = "x86_64")]
impl Tested for ferrite_jit::x64::Engine {
    fn run_once(&mut self, region: &Region, guest: &mut Guest, cpu: &mut VcpuBlock) {
        self.run_once(region, guest, cpu);
    }
}

impl Tested for ferrite_jit::cranelift::Engine {
    fn run_once(&mut self, region: &Region, guest: &mut Guest, cpu: &mut VcpuBlock) {
        let compiled = self.run_once(region, guest, cpu);
        compiled.expect("a region that keeps the rules can be compiled");
    }
}

fn check(engine: &mut dyn Tested, seed: u64) {
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
            "{}, seed {seed}, round {round}: {differences}\n{region}",
            engine.name()
        );
        assert!(
            tested.memory() == reference.memory(),
            "{}, memory, seed {seed}, round {round}: \n{region}",
            engine.name()
        );
        for cpu in [&mut expected_cpu, &mut cpu] {
            cpu.set(slot::BUDGET, 100);
            cpu.set(slot::DEFERRED, 0);
        }
    }
}

fn check_many(engine: &mut dyn Tested, many: u64) {
    if let Ok(seed) = std::env::var("SEED") {
        return check(engine, seed.parse().expect("a number"));
    }
    let seeds = std::env::var("SEEDS").map_or(Ok(many), |n| n.parse());
    for seed in 0..seeds.expect("a number") {
        check(engine, seed);
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn x64_is_what_the_operations_say() {
    let engine = ferrite_jit::x64::Engine::new(4 << 20);
    check_many(&mut engine.expect("a host that can run its code"), 3000);
}

#[test]
fn cranelift_is_what_the_operations_say() {
    use ferrite_jit::cranelift::{Engine, Mode};
    let engine = Engine::new(4 << 20, Mode::Synchronous);
    check_many(&mut engine.expect("a host that can run its code"), 400);
}
