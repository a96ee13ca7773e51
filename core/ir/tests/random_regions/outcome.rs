//! What a run starts from and leaves behind.

use ferrite_ir::{VcpuBlock, slot};

use crate::guest::{self, Guest};
use crate::naive;
use crate::random::Random;

/// What a run leaves behind.
pub struct Outcome {
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
pub fn differences(actual: &Outcome, expected: &Outcome) -> String {
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

pub fn outcome(end: naive::End, cpu: &VcpuBlock, guest: &Guest) -> Outcome {
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

pub fn cpu(random: &mut Random) -> Box<VcpuBlock> {
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

/// Another CPU with the same registers, and nothing in its look-aside buffer.
pub fn copy(cpu: &VcpuBlock) -> Box<VcpuBlock> {
    let mut copy = VcpuBlock::new();
    copy.slots = cpu.slots;
    copy
}
