//! Every operation at every shape against [`reference`], which computes with exact numbers, on
//! random operands that lean towards the ends of the lanes' ranges.

mod reference;

use super::LaneOp;
use super::element::QC;
use crate::{Dest, FpEnv, Lane, Shape, WideArgs, WideOp, resolve};

/// A xorshift generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Lanes of some width, each random, or at or near an end of its range.
    fn vector(&mut self) -> u128 {
        let bits = 8 << (self.next() % 4);
        let mut v = 0;
        for i in 0..128 / bits {
            let lane = match self.next() % 8 {
                0 => 0,
                1 => u64::MAX,
                2 => 1 << (bits - 1),
                3 => (1 << (bits - 1)) - 1,
                4 => self.next() % 5,
                5 => (self.next() % 300).wrapping_sub(150),
                _ => self.next(),
            };
            v |= (u128::from(lane) & ((1 << bits) - 1)) << (i * bits);
        }
        v
    }
}

/// Immediates that make sense for the operation at this shape.
fn immediate(op: LaneOp, shape: Shape, random: &mut Random) -> u32 {
    use LaneOp::*;
    let bits = shape.lane.bits();
    let full = 128 / bits;
    let random = random.next() as u32;
    match op {
        Shl | Sli | SqshlImm | UqshlImm | Sqshlu | Sshll | Ushll => random % bits,
        Sshr | Ushr | Srshr | Urshr | Ssra | Usra | Srsra | Ursra | Sri | Shrn | Rshrn | Sqshrn
        | Sqrshrn | Sqshrun | Sqrshrun | Uqshrn | Uqrshrn => 1 + random % bits,
        Dup | Umov | Smov => random % full,
        Ins => (random % u32::from(shape.count)) | (((random >> 8) % full) << 8),
        InsInt | Ext => random % u32::from(shape.count),
        Deinterleave3 | Interleave3 => random % 3,
        Tbx => random % 4 * 16,
        _ => 0,
    }
}

fn shapes() -> impl Iterator<Item = Shape> {
    let lanes = [Lane::B, Lane::H, Lane::S, Lane::D];
    lanes.into_iter().flat_map(|lane| {
        let full = 128 / lane.bits();
        let counts = [1, full / 2, full];
        let distinct = if full == 2 { 1 } else { 0 };
        (counts.into_iter().skip(distinct)).map(move |count| Shape {
            lane,
            count: count as u8,
        })
    })
}

#[test]
fn every_operation_matches_the_reference() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for &op in LaneOp::ALL {
        let mut resolved = 0;
        for shape in shapes() {
            let Some(f) = resolve(WideOp::Lanes(op), shape) else {
                continue;
            };
            resolved += 1;
            for _ in 0..300 {
                let args = WideArgs {
                    v: std::array::from_fn(|_| random.vector()),
                    int: random.next(),
                    imm: immediate(op, shape, &mut random),
                };
                let mut env = FpEnv {
                    status: 0x15,
                    ..FpEnv::default()
                };
                let result = f(&mut env, &args);
                let (expected, saturated) = reference::compute(op, shape, &args);
                assert_eq!(
                    (result, env.status),
                    (expected, 0x15 | if saturated { QC } else { 0 }),
                    "{op:?} {shape:?} {args:x?}: {result:#034x}, expected {expected:#034x}"
                );
                assert!(!saturated || op.signature().fp_env, "{op:?}");
            }
        }
        assert!(resolved > 0, "{op:?} has no shape");
    }
}

#[test]
fn saturation_is_sticky() {
    let f = resolve(WideOp::Lanes(LaneOp::Sqadd), Shape::scalar(Lane::B)).expect("a shape");
    let mut env = FpEnv::default();
    let args = |a: i8, b: i8| WideArgs {
        v: [a as u8 as u128, b as u8 as u128, 0],
        ..WideArgs::default()
    };
    assert_eq!(f(&mut env, &args(100, 27)), 127);
    assert_eq!(env.status, 0);
    assert_eq!(f(&mut env, &args(100, 28)), 127);
    assert_eq!(env.status, QC);
    assert_eq!(f(&mut env, &args(1, 1)), 2);
    assert_eq!(env.status, QC);
}

#[test]
fn lanes_above_the_count_neither_show_nor_saturate() {
    let shape = Shape::vector(Lane::H, false);
    let f = resolve(WideOp::Lanes(LaneOp::Sqadd), shape).expect("a shape");
    let mut env = FpEnv::default();
    let v = 0x7fff_7fff_7fff_7fff_0001_0002_0003_0004;
    let args = WideArgs {
        v: [v, v, 0],
        ..WideArgs::default()
    };
    assert_eq!(f(&mut env, &args), 0x0002_0004_0006_0008);
    assert_eq!(env.status, 0);
}

#[test]
fn names_are_distinct_and_integers_come_out_of_moves_only() {
    let mut names: Vec<_> = LaneOp::ALL.iter().map(|op| op.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), LaneOp::ALL.len());
    for &op in LaneOp::ALL {
        let moves = matches!(op, LaneOp::Umov | LaneOp::Smov);
        assert_eq!(op.signature().dest == Dest::Int, moves, "{op:?}");
    }
}
