//! Nanoseconds for each floating-point operation, on the fast path and off it.
//!
//! `cargo bench -p ferrite-simd --bench float`

use std::hint::black_box;
use std::time::Instant;

use ferrite_simd::float::env::{control, status};
use ferrite_simd::{FloatOp, FpEnv, Lane, Shape, WideArgs, WideOp, resolve};

const RUNS: u32 = 1_000_000;

/// Words that decide which path is taken.
const STATES: [(&str, u32, u32); 3] = [
    ("inexact set", 0, status::IXC),
    ("inexact clear", 0, 0),
    ("rounding up", 1 << control::RMODE_SHIFT, 0),
];

fn operands(shape: Shape) -> Vec<WideArgs> {
    let number = |i: u32| match shape.lane {
        Lane::D => u128::from((f64::from(i % 97) * 1.1 + 0.3).to_bits()),
        _ => u128::from(((i % 97) as f32 * 1.1 + 0.3).to_bits()),
    };
    let vector = |i: u32| {
        (0..u32::from(shape.count)).fold(0, |v, k| v | number(i * 7 + k) << (k * shape.lane.bits()))
    };
    (0..64)
        .map(|i| WideArgs {
            v: [vector(i), vector(i + 11), vector(i + 23)],
            int: u64::from(i) * 12_345,
            imm: 0,
        })
        .collect()
}

fn measure(op: FloatOp, shape: Shape) {
    let Some(f) = resolve(WideOp::Float(op), shape) else {
        return;
    };
    let operands = operands(shape);
    let name = WideOp::Float(op).name();
    print!("{name:10} {:?}x{}", shape.lane, shape.count);
    for (state, control, status) in STATES {
        let mut env = FpEnv { control, status };
        let start = Instant::now();
        for i in 0..RUNS {
            env.status = status;
            black_box(f(&mut env, black_box(&operands[i as usize % 64])));
        }
        let nanoseconds = start.elapsed().as_secs_f64() * 1e9 / f64::from(RUNS);
        print!("  {state}: {nanoseconds:6.1}");
    }
    println!();
}

fn main() {
    let shapes = [
        Shape::scalar(Lane::S),
        Shape::scalar(Lane::D),
        Shape::vector(Lane::S, true),
        Shape::vector(Lane::D, true),
    ];
    for op in [
        FloatOp::Add,
        FloatOp::Mul,
        FloatOp::Div,
        FloatOp::Sqrt,
        FloatOp::MulAdd,
        FloatOp::Max,
        FloatOp::Compare,
        FloatOp::ToS64,
        FloatOp::FromS64,
        FloatOp::Round,
    ] {
        for shape in shapes {
            measure(op, shape);
        }
    }
}
