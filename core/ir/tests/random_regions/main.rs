//! Random regions, run by a direct reading of the operations' descriptions and by the optimiser and
//! interpreter: both must leave the same registers, flags, memory and count of instructions, and
//! call helpers in the same state, whatever faults come in between.

mod generate;
mod guest;
mod naive;
mod random;

use ferrite_ir::interp::{self, BlockEnd, lower};
use ferrite_ir::opt::optimise;
use ferrite_ir::{Region, VcpuBlock, slot, verify};

use generate::region;
use guest::Guest;
use random::Random;

/// What a run leaves behind.
struct Outcome {
    end: naive::End,
    pc: u64,
    globals: Vec<u64>,
    nzcv: u32,
    fp_status: u64,
    exclusive: [u64; 3],
    insns_left: u64,
    calls: Vec<guest::Event>,
}

/// Each difference on a line, actual before expected.
fn differences(actual: &Outcome, expected: &Outcome) -> String {
    let mut text = String::new();
    let mut line = |name: String, a: &dyn std::fmt::Debug, b: &dyn std::fmt::Debug| {
        let (a, b) = (format!("{a:x?}"), format!("{b:x?}"));
        if a != b {
            text += &format!("\n{name}: {a} instead of {b}");
        }
    };
    let calls = actual.calls.len().max(expected.calls.len());
    for n in 0..calls {
        line(
            format!("event {n}"),
            &actual.calls.get(n),
            &expected.calls.get(n),
        );
    }
    for (n, (a, b)) in actual.globals.iter().zip(&expected.globals).enumerate() {
        line(
            format!("global {}", n + usize::from(slot::FIRST_GUEST)),
            a,
            b,
        );
    }
    line("end".into(), &actual.end, &expected.end);
    line("pc".into(), &actual.pc, &expected.pc);
    line("nzcv".into(), &actual.nzcv, &expected.nzcv);
    line("fp_status".into(), &actual.fp_status, &expected.fp_status);
    line("exclusive".into(), &actual.exclusive, &expected.exclusive);
    line(
        "insns left".into(),
        &actual.insns_left,
        &expected.insns_left,
    );
    text
}

fn outcome(end: naive::End, cpu: &VcpuBlock, guest: &Guest) -> Outcome {
    let reserved = cpu.get(slot::EXCLUSIVE_AT) != slot::NO_EXCLUSIVE;
    Outcome {
        end,
        pc: cpu.get(slot::PC),
        globals: (slot::FIRST_GUEST..slot::FIRST_TEMP)
            .map(|s| cpu.get(s))
            .collect(),
        nzcv: cpu.nzcv(),
        fp_status: cpu.get(slot::FP_STATUS),
        exclusive: [
            cpu.get(slot::EXCLUSIVE_AT),
            if reserved {
                cpu.get(slot::EXCLUSIVE_LOW)
            } else {
                0
            },
            if reserved {
                cpu.get(slot::EXCLUSIVE_HIGH)
            } else {
                0
            },
        ],
        insns_left: cpu.get(slot::BUDGET).wrapping_add(cpu.get(slot::DEFERRED)),
        calls: guest.events.clone(),
    }
}

fn cpu(random: &mut Random) -> Box<VcpuBlock> {
    let mut cpu = VcpuBlock::new();
    for s in slot::FIRST_GUEST..slot::FIRST_TEMP {
        cpu.set(s, random.value());
    }
    cpu.set(slot::PC, 0xdead);
    cpu.set(slot::BUDGET, 1 + random.below(100));
    cpu.set(slot::CONTEXT_LOW, 5);
    cpu.set(slot::CONTEXT_HIGH, 6);
    cpu.set(slot::CONTEXT_LOW_USER, 7);
    cpu.set(slot::CONTEXT_HIGH_USER, 8);
    cpu.set_nzcv((random.value() as u32) & 0xf000_0000);
    cpu
}

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

fn copy(cpu: &VcpuBlock) -> Box<VcpuBlock> {
    let mut copy = VcpuBlock::new();
    copy.slots = cpu.slots;
    copy
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
