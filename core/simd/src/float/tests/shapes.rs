//! The table: names, shapes, lanes.

use crate::{Lane, Shape, WideArgs, WideOp, float::FloatOp, resolve};

use super::super::env::{FpEnv, Rounding, RoundingImm};

fn run(op: FloatOp, shape: Shape, args: WideArgs) -> u128 {
    let f = resolve(WideOp::Float(op), shape).expect("the shape exists");
    f(&mut FpEnv::default(), &args)
}

fn vec4(lanes: [f32; 4]) -> u128 {
    lanes
        .into_iter()
        .rev()
        .fold(0, |v, lane| v << 32 | u128::from(lane.to_bits()))
}

fn args(v: &[u128]) -> WideArgs {
    WideArgs {
        v: std::array::from_fn(|i| v.get(i).copied().unwrap_or(0)),
        ..WideArgs::default()
    }
}

const S4: Shape = Shape::vector(Lane::S, true);
const S2: Shape = Shape::vector(Lane::S, false);
const D2: Shape = Shape::vector(Lane::D, true);

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = FloatOp::ALL.iter().map(|op| op.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FloatOp::ALL.len());
}

#[test]
fn every_operation_has_a_shape_and_clears_what_is_above_it() {
    let all = WideArgs {
        v: [u128::MAX / 3, u128::MAX / 5, u128::MAX / 7],
        int: 77,
        imm: 0,
    };
    for &op in FloatOp::ALL {
        let mut shapes = 0;
        for lane in [Lane::H, Lane::S, Lane::D] {
            for count in [1, 2, 4, 8] {
                let shape = Shape { lane, count };
                let Some(f) = resolve(WideOp::Float(op), shape) else {
                    continue;
                };
                shapes += 1;
                let result = f(&mut FpEnv::default(), &all);
                let widens = matches!(op, FloatOp::Widen | FloatOp::WidenTwice);
                if shape.bits() < 64 && !widens && op.signature().dest == crate::Dest::Vec {
                    assert_eq!(result >> shape.bits(), 0, "{op:?} {shape:?}");
                }
            }
        }
        assert!(shapes > 0, "{op:?}");
    }
}

#[test]
fn lanes_keep_their_places() {
    let a = vec4([1.0, 2.0, 3.0, 4.0]);
    let b = vec4([10.0, 20.0, 30.0, 40.0]);
    let c = vec4([0.5, 0.25, 2.0, -1.0]);
    assert_eq!(
        run(FloatOp::Add, S4, args(&[a, b])),
        vec4([11.0, 22.0, 33.0, 44.0])
    );
    assert_eq!(
        run(FloatOp::Sub, S2, args(&[a, b])),
        vec4([-9.0, -18.0, 0.0, 0.0])
    );
    assert_eq!(
        run(FloatOp::MulSub, S4, args(&[a, b, c])),
        vec4([-4.0, -3.0, -57.0, 44.0])
    );
    assert_eq!(
        run(FloatOp::AddPairs, S4, args(&[a, b])),
        vec4([3.0, 7.0, 30.0, 70.0])
    );
    assert_eq!(
        run(FloatOp::AddPairs, S2, args(&[a, b])),
        vec4([3.0, 30.0, 0.0, 0.0])
    );
    assert_eq!(
        run(FloatOp::MaxAll, S4, args(&[c])),
        vec4([2.0, 0.0, 0.0, 0.0])
    );
    assert_eq!(
        run(FloatOp::AddAll, S2, args(&[a])),
        vec4([3.0, 0.0, 0.0, 0.0])
    );
    let mask = u128::from(u32::MAX);
    assert_eq!(run(FloatOp::LtZero, S4, args(&[c])), mask << 96);
    assert_eq!(
        run(FloatOp::Gt, S4, args(&[c, vec4([0.0, 1.0, 1.0, 0.0])])),
        mask | mask << 64
    );
}

#[test]
fn widening_takes_either_half() {
    let a = vec4([1.0, 2.0, 3.0, 4.0]);
    let pair = |a: f64, b: f64| u128::from(a.to_bits()) | u128::from(b.to_bits()) << 64;
    assert_eq!(run(FloatOp::Widen, S2, args(&[a])), pair(1.0, 2.0));
    let upper = WideArgs {
        imm: 1,
        ..args(&[a])
    };
    assert_eq!(run(FloatOp::Widen, S2, upper), pair(3.0, 4.0));
    let narrow = run(FloatOp::Narrow, S2, args(&[pair(3.0, 4.0)]));
    assert_eq!(narrow, vec4([3.0, 4.0, 0.0, 0.0]));
}

#[test]
fn integers_of_lanes() {
    let a = vec4([1.5, -2.5, 3.0e10, -0.25]);
    let imm = RoundingImm::by(Rounding::TiesToEven).encode();
    let whole = run(FloatOp::ToSigned, S4, WideArgs { imm, ..args(&[a]) });
    let lanes = [2i32, -2, i32::MAX, 0];
    let expected = (0..4).fold(0, |v, i| v | u128::from(lanes[i] as u32) << (32 * i));
    assert_eq!(whole, expected);
    let imm = RoundingImm::by_control().with_fraction(1).encode();
    let back = run(FloatOp::FromSigned, D2, WideArgs { imm, ..args(&[5]) });
    assert_eq!(back, u128::from(2.5f64.to_bits()));
    let int = WideArgs {
        int: u64::MAX,
        imm: RoundingImm::by_control().encode(),
        ..WideArgs::default()
    };
    let scalar = Shape::scalar(Lane::D);
    assert_eq!(
        run(FloatOp::FromS32, scalar, int),
        u128::from((-1f64).to_bits())
    );
    assert_eq!(
        run(FloatOp::FromU32, scalar, int),
        u128::from(4_294_967_295f64.to_bits())
    );
}
