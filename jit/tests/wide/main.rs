//! Every vector and floating-point operation at every shape, compiled, against the function that
//! defines it: results, status word, whatever the operands and the words are.

#![cfg(target_os = "linux")]

#[expect(dead_code, reason = "made for tests of whole regions")]
#[path = "../../../core/ir/tests/random_regions/guest.rs"]
mod guest;
#[expect(dead_code, reason = "made for tests of whole regions")]
#[path = "../../../core/ir/tests/random_regions/random.rs"]
mod random;

use ferrite_ir::{
    Block, CodeEngine, Global, Int, Op, Region, Target, Terminator, Value, VcpuBlock, VecGlobal,
    Vector, slot,
};
use ferrite_simd::float::{Rounding, RoundingImm};
use ferrite_simd::{
    CryptoOp, Dest, FloatOp, FpEnv, Lane, LaneOp, Shape, WideArgs, WideOp, resolve,
};

use guest::Guest;
use random::Random;

const INTEGER: u16 = slot::FIRST_GUEST;
const RESULT: u16 = slot::FIRST_GUEST + 2;
const VECTORS: u16 = slot::FIRST_GUEST + 4;
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
fn vector(random: &mut Random) -> u128 {
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
    let mut half = || match random.below(4) {
        0 => DOUBLES[random.below(10) as usize],
        1 => {
            let mut single = || u64::from(SINGLES[random.below(10) as usize]);
            single() | single() << 32
        }
        // Of about the same size: sums lose few digits, products neither overflow nor underflow.
        2 => random.bits() & 0x800f_ffff_807f_ffff | 0x3fe0_0000_3f00_0000,
        _ => random.bits(),
    };
    u128::from(half()) | u128::from(half()) << 64
}

type Run<'a> = &'a mut dyn FnMut(&Region, &mut Guest, &mut VcpuBlock);

fn check(run: Run<'_>, op: WideOp, shape: Shape, imm: u32, random: &mut Random) {
    let Some(define) = resolve(op, shape) else {
        return;
    };
    let region = region(op, shape, imm);
    let mut guest = Guest::new(1);
    for round in 0..8 {
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
            control: if round == 7 {
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

fn check_all(run: Run<'_>) {
    let mut random = Random::new(1);
    let shapes = LANES.into_iter().flat_map(|lane| {
        let full = 128 / lane.bits() as u8;
        [1, (full / 2).max(1), full].map(|count| Shape { lane, count })
    });
    for shape in shapes {
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
            for imm in [0, bits - 1, random.below(bits)] {
                let imm = imm as u32 + u32::from(right);
                check(run, op, shape, imm, &mut random);
            }
        }
        for &op in CryptoOp::ALL {
            for imm in [1, 2, 4] {
                check(run, WideOp::Crypto(op), shape, imm, &mut random);
            }
        }
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

/// Two operations, of which the second may take the result of the first, give in the globals from
/// [`RESULT`] on what the functions do.
fn check_two(run: Run<'_>, ops: [(CryptoOp, [u32; 3]); 2], random: &mut Random) {
    const READ: u32 = 3;
    let mut insns = vec![Op::Insn { pc: 0x1000 }];
    insns.extend((0..READ).map(|n| Op::GetVec {
        d: Vector(n),
        from: VecGlobal(VECTORS + 2 * n as u16),
    }));
    for (n, (op, v)) in ops.into_iter().enumerate() {
        let count = usize::from(WideOp::Crypto(op).signature().vecs);
        insns.push(Op::Wide {
            op: WideOp::Crypto(op),
            shape: op.shape(),
            imm: 0,
            d: Value::Vector(Vector(READ + n as u32)),
            v: std::array::from_fn(|i| (i < count).then_some(Vector(v[i]))),
            int: None,
        });
    }
    // The first goes where its operand was, which is looked at once more; or nowhere.
    let chained = ops[1].1.contains(&READ);
    if !chained {
        let (from, to) = (VecGlobal(VECTORS), VecGlobal(VECTORS));
        let (d, a) = (Vector(READ + 2), Vector(READ));
        insns.insert(insns.len() - 1, Op::SetVec { to, a });
        insns.push(Op::GetVec { d, from });
        let (to, a) = (VecGlobal(RESULT + 8), d);
        insns.push(Op::SetVec { to, a });
    }
    let (to, a) = (VecGlobal(RESULT), Vector(READ + 1));
    insns.push(Op::SetVec { to, a });
    let region = Region {
        entry: 0x1000,
        blocks: vec![Block {
            ops: insns,
            end: Terminator::Goto(Target::Guest(0x1004)),
        }],
        insns: 1,
        bytes: 4,
    };
    let mut guest = Guest::new(1);
    let mut cpu = VcpuBlock::new();
    let mut values: Vec<u128> = (0..READ).map(|_| vector(random)).collect();
    for (n, &value) in values.iter().enumerate() {
        cpu.set_vector(VECTORS + 2 * n as u16, value);
    }
    for (op, v) in ops {
        let args = WideArgs {
            v: v.map(|n| values[n as usize]),
            ..WideArgs::default()
        };
        let define = resolve(WideOp::Crypto(op), op.shape()).expect("it has that shape");
        values.push(define(&mut FpEnv::default(), &args));
    }
    cpu.set(slot::BUDGET, 10);
    run(&region, &mut guest, &mut cpu);
    assert_eq!(cpu.get_vector(RESULT), values[4], "{region}");
    if !chained {
        assert_eq!(cpu.get_vector(RESULT + 8), values[3], "{region}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn x64_does_together_what_belongs_together() {
    use CryptoOp::{Aesd, Aese, Aesimc, Aesmc, Sha256h, Sha256h2};
    let engine = ferrite_jit::x64::Engine::new(4 << 20);
    let mut engine = engine.expect("a host that can run its code");
    let mut random = Random::new(2);
    let mut run = |region: &Region, guest: &mut Guest, cpu: &mut VcpuBlock| {
        engine.flush();
        engine.run_once(region, guest, cpu);
    };
    for second in [Aesmc, Aesimc] {
        for first in [Aese, Aesd] {
            check_two(
                &mut run,
                [(first, [0, 1, 0]), (second, [3, 0, 0])],
                &mut random,
            );
        }
    }
    check_two(
        &mut run,
        [(Sha256h, [0, 1, 2]), (Sha256h2, [1, 0, 2])],
        &mut random,
    );
    check_two(
        &mut run,
        [(Sha256h2, [0, 1, 2]), (Sha256h, [1, 0, 2])],
        &mut random,
    );
    // Of other rounds.
    check_two(
        &mut run,
        [(Sha256h, [0, 1, 2]), (Sha256h2, [1, 3, 2])],
        &mut random,
    );
    check_two(
        &mut run,
        [(Sha256h, [0, 1, 2]), (Sha256h2, [1, 2, 0])],
        &mut random,
    );
}

#[cfg(target_arch = "x86_64")]
#[test]
fn x64_computes_what_the_functions_do() {
    let engine = ferrite_jit::x64::Engine::new(4 << 20);
    let mut engine = engine.expect("a host that can run its code");
    check_all(&mut |region, guest, cpu| {
        engine.flush();
        engine.run_once(region, guest, cpu);
    });
}

#[test]
fn cranelift_computes_what_the_functions_do() {
    use ferrite_jit::cranelift::{Engine, Mode};
    let engine = Engine::new(4 << 20, Mode::Synchronous);
    let mut engine = engine.expect("a host that can run its code");
    let mut last = None;
    check_all(&mut |region, guest, cpu| {
        if last.as_ref() != Some(region) {
            engine.flush();
            last = Some(region.clone());
        }
        let compiled = engine.run_once(region, guest, cpu);
        compiled.expect("every operation can be compiled");
    });
}
