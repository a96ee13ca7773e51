//! Nanoseconds for each lane and cryptographic operation, at every shape.
//!
//! `cargo bench -p ferrite-simd --bench lanes [-- NAME]`

use std::hint::black_box;
use std::time::Instant;

use ferrite_simd::{CryptoOp, FpEnv, Lane, LaneOp, Shape, WideArgs, WideOp, resolve};

const RUNS: u32 = 100_000;

fn operands() -> Vec<WideArgs> {
    let number = |i: u128| i.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    (1..65)
        .map(|i| WideArgs {
            v: [number(i), number(i + 64), number(i + 128)],
            int: number(i + 192) as u64,
            imm: 1,
        })
        .collect()
}

fn nanoseconds(op: WideOp, shape: Shape, operands: &[WideArgs]) -> Option<f64> {
    let f = resolve(op, shape)?;
    let mut env = FpEnv::default();
    let start = Instant::now();
    for i in 0..RUNS {
        black_box(f(&mut env, black_box(&operands[i as usize % 64])));
    }
    Some(start.elapsed().as_secs_f64() * 1e9 / f64::from(RUNS))
}

fn main() {
    let wanted = std::env::args().nth(1).filter(|a| !a.starts_with('-'));
    let wanted = wanted.unwrap_or_default();
    let operands = operands();
    let shapes = [Lane::B, Lane::H, Lane::S, Lane::D]
        .into_iter()
        .flat_map(|lane| {
            let full = (128 / lane.bits()) as u8;
            [1, full / 2, full].map(|count| Shape { lane, count })
        });
    let mut shapes: Vec<Shape> = shapes.collect();
    shapes.dedup();
    let lanes = LaneOp::ALL.iter().map(|&op| WideOp::Lanes(op));
    let crypto = CryptoOp::ALL.iter().map(|&op| WideOp::Crypto(op));
    for op in lanes
        .chain(crypto)
        .filter(|op| op.name().starts_with(&wanted))
    {
        print!("{:14}", op.name());
        for &shape in &shapes {
            if let Some(time) = nanoseconds(op, shape, &operands) {
                print!(" {:?}x{} {time:.1}", shape.lane, shape.count);
            }
        }
        println!();
    }
}
