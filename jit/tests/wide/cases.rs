//! Operations and operands, and what they have to give.

use ferrite_ir::{
    Block, Global, Int, Op, Region, Target, Terminator, Value, VcpuBlock, VecGlobal, Vector, slot,
};
use ferrite_simd::float::{Rounding, RoundingImm};
use ferrite_simd::{
    CryptoOp, Dest, FloatOp, FpEnv, Lane, LaneOp, Shape, WideArgs, WideOp, resolve,
};

use crate::guest::Guest;
use crate::random::Random;

const INTEGER: u16 = slot::FIRST_GUEST;
/// First slot of a vector that is defined.
pub const RESULT: u16 = slot::FIRST_GUEST + 2;
/// First slot of the vectors that are read.
pub const VECTORS: u16 = slot::FIRST_GUEST + 4;
const LANES: [Lane; 5] = [Lane::B, Lane::H, Lane::S, Lane::D, Lane::Q];

/// A region that does the operation between registers.
fn region(op: WideOp, shape: Shape, imm: u32) -> Region {
    let signature = op.signature();
    let mut ops = vec![Op::Insn { pc: 0x1000 }];
    let mut v = [None; 3];
    for n in 0..u16::from(signature.vecs) {
        let d = Vector(n.into());
        let from = VecGlobal(VECTORS + 2 * n);
        ops.push(Op::GetVec { d, from });
        v[usize::from(n)] = Some(d);
    }
    let int = signature.int.then_some(Int(0));
    if let Some(d) = int {
        let from = Global(INTEGER);
        ops.push(Op::Get { d, from });
    }
    let (d, keep) = match signature.dest {
        Dest::Int => {
            let (to, a) = (Global(RESULT), Int(1));
            (Value::Int(a), Op::Set { to, a })
        }
        Dest::Vec => {
            let (to, a) = (VecGlobal(RESULT), Vector(3));
            (Value::Vector(a), Op::SetVec { to, a })
        }
    };
    ops.push(Op::Wide {
        op,
        shape,
        imm,
        d,
        v,
        int,
    });
    ops.push(keep);
    let end = Terminator::Goto(Target::Guest(0x1004));
    Region {
        entry: 0x1000,
        blocks: vec![Block { ops, end }],
        insns: 1,
        bytes: 4,
    }
}

/// Numbers of every kind in single or double precision, and anything.
pub fn vector(random: &mut Random) -> u128 {
    const SINGLES: [u32; 10] = [
        0,
        0x8000_0000,
        0x3f80_0000,
        0xbfc0_0000,
        0x4b7f_ffff,
        0x7f80_0000,
        0x7fc0_0001,
        0x7fa0_0000,
        0x0080_0000,
        0x0000_0001,
    ];
    const DOUBLES: [u64; 10] = [
        0,
        1 << 63,
        0x3ff0 << 48,
        0xbff8 << 48,
        0x41df_ffff_ffc0_0000,
        0x7ff0 << 48,
        0x7ff8_0000_0000_0001,
        0x7ff4 << 48,
        0x0010 << 48,
        1,
    ];
    let mut half = || match random.below(6) {
        0 => DOUBLES[random.below(10) as usize],
        1 => {
            let mut single = || u64::from(SINGLES[random.below(10) as usize]);
            single() | single() << 32
        }
        // Of about the same size: sums lose few digits, products neither overflow nor underflow.
        2 => random.bits() & 0x800f_ffff_807f_ffff | 0x3fe0_0000_3f00_0000,
        // Few digits, far apart: sums of products are next to the middle between two numbers.
        3 => {
            let digits =
                1 << random.below(52) | 1u64.checked_shl(random.below(80) as u32).unwrap_or(0);
            let exponent = 0x3ff - 30 + random.below(120);
            random.bits() & 1 << 63 | exponent << 52 | digits & ((1 << 52) - 1)
        }
        4 => {
            let mut single = || {
                let digits = 1 << random.below(23) | 1 << random.below(23);
                let exponent = 127 - 14 + random.below(56);
                random.bits() & 1 << 31 | exponent << 23 | digits
            };
            single() | single() << 32
        }
        _ => random.bits(),
    };
    u128::from(half()) | u128::from(half()) << 64
}

/// Runs a region, compiled.
pub type Run<'a> = &'a mut dyn FnMut(&Region, &mut Guest, &mut VcpuBlock);

fn check(run: Run<'_>, op: WideOp, shape: Shape, imm: u32, random: &mut Random) {
    let Some(define) = resolve(op, shape) else {
        return;
    };
    let region = region(op, shape, imm);
    let mut guest = Guest::new(1);
    let rounds = if op.signature().vecs == 3 { 64 } else { 8 };
    for round in 0..rounds {
        let mut args = WideArgs {
            imm,
            int: random.value(),
            ..WideArgs::default()
        };
        let mut cpu = VcpuBlock::new();
        for n in 0..usize::from(op.signature().vecs) {
            args.v[n] = vector(random);
            cpu.set_vector(VECTORS + 2 * n as u16, args.v[n]);
        }
        if !op.signature().int {
            args.int = 0;
        }
        cpu.set(INTEGER, args.int);
        let mut env = FpEnv {
            // Rounding modes and flushing now and then; results are inexact mostly.
            control: if round % 8 == 7 {
                random.bits() as u32 & 0x03c0_0000
            } else {
                0
            },
            status: if round & 1 == 0 { 0x10 } else { 0 },
        };
        cpu.set(slot::FP_CONTROL, env.control.into());
        cpu.set(slot::FP_STATUS, env.status.into());
        cpu.set(slot::BUDGET, 10);
        run(&region, &mut guest, &mut cpu);
        let mut expected = define(&mut env, &args);
        if op.signature().dest == Dest::Int {
            expected = u128::from(expected as u64);
        }
        assert_eq!(
            (cpu.get_vector(RESULT), cpu.get(slot::FP_STATUS)),
            (expected, env.status.into()),
            "{region}\n{args:x?}\n{env:x?}"
        );
    }
}

fn shapes() -> impl Iterator<Item = Shape> {
    LANES.into_iter().flat_map(|lane| {
        let full = 128 / lane.bits() as u8;
        [1, (full / 2).max(1), full].map(|count| Shape { lane, count })
    })
}

/// Every operation on lanes, with up to three immediates.
pub fn check_lanes(run: Run<'_>, immediates: usize) {
    let mut random = Random::new(1);
    for shape in shapes() {
        for &op in LaneOp::ALL {
            let op = WideOp::Lanes(op);
            // What the immediate counts: lanes, or bits.
            let bits = match op.name() {
                "umov" | "smov" | "dup" | "ins" | "ins_int" => 128 / u64::from(shape.lane.bits()),
                "ext" => shape.count.into(),
                _ => u64::from(shape.lane.bits()),
            };
            // Right shifts are by 1 to the width, others by 0 to the width less 1.
            let right = ["shr", "sra", "sri"].iter().any(|n| op.name().contains(n));
            for imm in [random.below(bits), 0, bits - 1]
                .into_iter()
                .take(immediates)
            {
                let imm = imm as u32 + u32::from(right);
                check(run, op, shape, imm, &mut random);
            }
        }
    }
}

/// Every operation of ciphers and hashes.
pub fn check_crypto(run: Run<'_>) {
    let mut random = Random::new(3);
    for shape in shapes() {
        for (&op, imm) in CryptoOp::ALL
            .iter()
            .flat_map(|op| [1, 2, 4].map(|imm| (op, imm)))
        {
            check(run, WideOp::Crypto(op), shape, imm, &mut random);
        }
    }
}

/// Every floating-point operation.
pub fn check_floats(run: Run<'_>) {
    let mut random = Random::new(2);
    for shape in shapes() {
        for &op in FloatOp::ALL {
            let op = WideOp::Float(op);
            check(run, op, shape, 0, &mut random);
            if ["fcvts", "fcvtu", "frint"]
                .iter()
                .any(|n| op.name().starts_with(n))
            {
                let to_zero = RoundingImm::by(Rounding::ToZero).encode();
                check(run, op, shape, to_zero, &mut random);
            }
        }
    }
}
