//! Every vector and floating-point operation at every shape, compiled, against the function that
//! defines it: results, status word, whatever the operands and the words are.

#![cfg(target_os = "linux")]

mod cases;
#[expect(dead_code, reason = "made for tests of whole regions")]
#[path = "../../../core/ir/tests/random_regions/guest.rs"]
mod guest;
#[expect(dead_code, reason = "made for tests of whole regions")]
#[path = "../../../core/ir/tests/random_regions/random.rs"]
mod random;

use ferrite_ir::{
    Block, CodeEngine, Op, Region, Target, Terminator, Value, VcpuBlock, VecGlobal, Vector, slot,
};
use ferrite_simd::{CryptoOp, FpEnv, WideArgs, WideOp, resolve};

use cases::{RESULT, Run, VECTORS, check_crypto, check_floats, check_lanes, vector};
use guest::Guest;
use random::Random;

fn check_all(run: Run<'_>) {
    check_lanes(run, 3);
    check_crypto(run);
    check_floats(run);
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
