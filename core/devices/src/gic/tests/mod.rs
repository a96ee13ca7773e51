//! Both controllers against a model that keeps one record per interrupt and a stack of what is
//! active, and looks at everything each time; and both under random accesses.

mod model;
mod ports;

use self::model::{Model, Op};
use self::ports::{Port, V2Port, V3Port};
use super::{Frame, Gic};
use crate::gicv2::GicV2;
use crate::gicv3::GicV3;
use crate::testbed::Random;

pub(super) const CPUS: usize = 3;
/// The interrupts that the random walk uses: two of each kind, and shared ones in two banks.
const INTIDS: [u32; 8] = [0, 5, 27, 30, 32, 33, 70, 200];

fn random_op(random: &mut Random) -> Op {
    let cpu = random.below(CPUS as u64) as usize;
    let intid = random.pick(&INTIDS);
    let on = !random.chance(3);
    let level = random.chance(2);
    match random.below(48) {
        0..=6 => Op::Acknowledge(cpu, random.chance(2)),
        7..=12 => Op::EndRunning(cpu),
        13..=16 | 36..=41 if intid >= 16 => Op::Line(cpu, intid, level),
        17 => Op::Enable(cpu, intid, on),
        18 => Op::Group(cpu, intid, level),
        19 => Op::Priority(cpu, intid, random.next_u64() as u8),
        20 if intid >= 16 => Op::Edge(cpu, intid, level),
        21 if intid >= 16 => Op::Pend(cpu, intid, level),
        22 => Op::Activate(cpu, intid, random.chance(4)),
        23 if intid >= 32 => Op::Target(intid, random.below(CPUS as u64) as usize),
        24..=25 | 42..=47 => Op::Sgi(
            cpu,
            random.pick(&[0, 5]),
            random.below(1 << CPUS) as u8,
            level,
        ),
        26 => Op::Mask(cpu, random.next_u64() as u8 | random.pick(&[0, 0xc0, 0xff])),
        27 => Op::BinaryPoint(
            cpu,
            level,
            (random.next_u64() & random.next_u64() & 7) as u8,
        ),
        28 => Op::DistributorGroups(on, !random.chance(4)),
        29 => Op::CpuGroups(cpu, on, !random.chance(4)),
        30 => Op::CommonBinaryPoint(cpu, random.chance(3)),
        31 => Op::EoiMode(cpu, random.chance(3)),
        _ => Op::Deactivate(cpu, intid),
    }
}

/// Turns everything on, so that the walk starts where interrupts flow.
fn opening() -> Vec<Op> {
    let mut ops = vec![Op::DistributorGroups(true, true)];
    for cpu in 0..CPUS {
        ops.extend([Op::CpuGroups(cpu, true, true), Op::Mask(cpu, 0xff)]);
        ops.extend(INTIDS.map(|intid| Op::Enable(cpu, intid, true)));
    }
    ops
}

/// Walks both; the answer is how many interrupts were acknowledged.
fn walk(port: &mut impl Port, seed: u64) -> usize {
    let mut random = Random(seed);
    let mut model = Model::new(port.rules());
    let mut acknowledged = 0;
    let mut history = Vec::new();
    let steps = opening()
        .into_iter()
        .map(Some)
        .chain((0..3000).map(|_| None));
    for step in steps {
        let op = step.unwrap_or_else(|| random_op(&mut random));
        // Ending names the interrupt that the model has on top.
        let op = match op {
            Op::EndRunning(cpu) => match model.running(cpu) {
                Some((intid, group1)) => Op::End(cpu, intid, group1),
                None => continue,
            },
            other => other,
        };
        history.push(op);
        let recent = &history[history.len().saturating_sub(30)..];
        let expected = model.apply(op);
        let got = port.apply(op);
        assert_eq!(
            got, expected,
            "seed {seed}: answer to the last of {recent:#?}"
        );
        acknowledged += usize::from(expected.is_some_and(|id| id & 0x3ff < 1020));
        for cpu in 0..CPUS {
            assert_eq!(
                port.outputs(cpu),
                model.outputs(cpu),
                "seed {seed}: lines of CPU {cpu} after the last of {recent:#?}"
            );
            for intid in INTIDS {
                assert_eq!(
                    port.pending_active(cpu, intid),
                    model.pending_active(cpu, intid),
                    "seed {seed}: state of {intid} on CPU {cpu} after the last of {recent:#?}"
                );
            }
        }
    }
    acknowledged
}

#[test]
fn gicv2_does_as_the_model() {
    let taken: usize = (0..12).map(|seed| walk(&mut V2Port::new(), seed)).sum();
    assert!(taken > 500, "only {taken} interrupts");
}

#[test]
fn gicv3_does_as_the_model() {
    let taken: usize = (0..12).map(|seed| walk(&mut V3Port::new(), seed)).sum();
    assert!(taken > 500, "only {taken} interrupts");
}

/// Random accesses to every register; then each output must be what a reset restores.
fn storm(mut gic: Gic, frames: &[(Frame, u64)]) {
    let mut random = Random(7);
    for _ in 0..60_000 {
        let cpu = random.below(gic.cpus() as u64 + 1) as usize;
        let (frame, size) = random.pick(frames);
        let bytes = 1 << random.below(4);
        let offset = random.below(size) & !(bytes - 1);
        let value = random.interesting();
        match random.below(8) {
            0..=2 => drop(gic.read(cpu, frame, offset, bytes)),
            3..=5 => drop(gic.write(cpu, frame, offset, bytes, value)),
            6 => gic.set_spi(random.below(300) as u32, value & 1 != 0),
            _ => gic.set_ppi(cpu, random.below(20) as u32, value & 1 != 0),
        }
        let register = 3 << 14 | 12 << 7 | random.below(128) as u32;
        match random.below(4) {
            0 => drop(gic.sysreg_read(cpu, register)),
            1 => drop(gic.sysreg_write(cpu, register, value)),
            _ => {}
        }
    }
    gic.reset();
    for cpu in 0..gic.cpus() {
        assert_eq!(gic.outputs(cpu), super::Outputs::default());
    }
}

#[test]
fn gicv2_survives_random_accesses() {
    let frames = [(Frame::Distributor, 0x1000), (Frame::CpuInterface, 0x110)];
    storm(Gic::V2(GicV2::new(8)), &frames);
    storm(Gic::V2(GicV2::new(1)), &frames);
}

#[test]
fn gicv3_survives_random_accesses() {
    let frames = [
        (Frame::Distributor, 0x1000),
        (Frame::Distributor, 0x1_0000),
        (Frame::Redistributors, 0x9_0000),
        (Frame::CpuInterface, 0x2000),
    ];
    storm(Gic::V3(GicV3::new(&[0, 1, 0x100, 0x0102_0300])), &frames);
}

#[test]
fn changed_outputs_are_told_once() {
    let mut gic = Gic::V2(GicV2::new(2));
    assert!(!gic.changed());
    for (frame, offset, value) in [
        (Frame::Distributor, 0x000, 1),
        (Frame::Distributor, 0x104, 1),
        (Frame::Distributor, 0x820, 2),
        (Frame::CpuInterface, 0x000, 1),
        (Frame::CpuInterface, 0x004, 0xff),
    ] {
        gic.write(1, frame, offset, 4, value).unwrap();
    }
    gic.set_spi(0, true);
    assert_eq!(gic.take_changed().iter().collect::<Vec<_>>(), [1]);
    assert!(!gic.changed());
    gic.set_spi(0, true);
    assert!(!gic.changed());
}
