//! Each rule, broken.

use ferrite_simd::{CryptoOp, Lane, Shape, WideOp};

use super::{Broken, verify};
use crate::op::{Int, Op, Region, Value, Vector};

fn region(blocks: &str) -> Region {
    let insns = blocks.matches("insn").count();
    format!("region 0x0, insns {insns}, bytes 0\n{blocks}")
        .parse()
        .unwrap()
}

fn broken(ops: &str) -> Broken {
    let region = region(&format!(
        "block 0:\n  insn 0x0\n  i0 = get 40\n  v0 = get_vec 64\n{ops}\n  exit\n"
    ));
    verify(&region).unwrap_err().rule
}

#[test]
fn each_rule_is_checked() {
    let int = |n| Value::Int(Int(n));
    assert_eq!(broken("i1 = not.64 i2"), Broken::Undefined(int(2)));
    assert_eq!(
        broken("set_vec 64, v1"),
        Broken::Undefined(Value::Vector(Vector(1)))
    );
    assert_eq!(broken("i0 = get 41"), Broken::Redefined(int(0)));
    for slot in [1, 7, 8, 12, 31, 256, 1023, 65535] {
        assert_eq!(broken(&format!("set {slot}, i0")), Broken::Slot(slot));
        assert_eq!(broken(&format!("i1 = get {slot}")), Broken::Slot(slot));
    }
    assert_eq!(broken("set_vec 65, v0"), Broken::Slot(65));
    assert_eq!(broken("i1 = extract_u.32 i0, 30, 3"), Broken::Field);
    assert_eq!(broken("i1 = extract_s.64 i0, 3, 0"), Broken::Field);
    assert_eq!(broken("i1 = insert.64 i0, i0, 255, 255"), Broken::Field);
    assert_eq!(broken("i1 = funnel.32 i0, i0, 32"), Broken::Field);
    assert_eq!(broken("set_flags_if i0, 0x0, logic.32 i0"), Broken::Flags);
    assert_eq!(broken("i1 = load.b16 [i0]"), Broken::Size);
    assert_eq!(broken("i1 = cas.b16 [i0], i0, i0"), Broken::Size);
    assert_eq!(broken("i1, i2 = load_exclusive_pair.b2 [i0]"), Broken::Size);
    assert_eq!(broken("store.b2.s32 [i0], i0"), Broken::Extends);
}

#[test]
fn wide_operations_are_checked_against_their_signature() {
    let op = WideOp::Crypto(*CryptoOp::ALL.first().unwrap());
    let signature = op.signature();
    let check = |shape, d, vectors: usize| {
        let mut r = region("block 0:\n  insn 0x0\n  i0 = get 40\n  v0 = get_vec 64\n  exit\n");
        r.blocks[0].ops.push(Op::Wide {
            op,
            shape,
            imm: 0,
            d,
            v: std::array::from_fn(|i| (i < vectors).then_some(Vector(0))),
            int: signature.int.then_some(Int(0)),
        });
        verify(&r).map_err(|error| error.rule)
    };
    let shape = Shape::vector(Lane::B, true);
    let d = Value::Vector(Vector(1));
    let vectors = usize::from(signature.vecs);
    assert_eq!(check(shape, d, vectors), Ok(()));
    assert_eq!(check(shape, d, vectors - 1), Err(Broken::Signature));
    assert_eq!(
        check(shape, Value::Int(Int(1)), vectors),
        Err(Broken::Signature)
    );
    let odd = Shape {
        lane: Lane::B,
        count: 3,
    };
    assert_eq!(check(odd, d, vectors), Err(Broken::Shape));
}

#[test]
fn control_flow_is_checked() {
    let rule = |blocks: &str| verify(&region(blocks)).unwrap_err().rule;
    assert_eq!(rule(""), Broken::Empty);
    assert_eq!(rule("block 0:\n  goto block 1\n"), Broken::Target(1));
    assert_eq!(rule("block 0:\n  goto block 0\n"), Broken::Header(0));
    assert_eq!(
        rule("block 0:\n  clear_exclusive\n  i0 = call 1\n  exit\n"),
        Broken::NoInsn
    );
    assert_eq!(
        rule("block 0:\n  i0 = get 40\n  goto block 1\nblock 1:\n  set 40, i0\n  exit\n"),
        Broken::Undefined(Value::Int(Int(0)))
    );
    let mut miscounted = region("block 0:\n  insn 0x0\n  exit\n");
    miscounted.insns = 2;
    assert_eq!(
        verify(&miscounted).unwrap_err().to_string(),
        "block 0: region: the region counts 2 instructions and marks 1"
    );
    let fine =
        "block 0:\n  insn 0x0\n  i0 = get 40\n  branch i0, block 0, block 1\nblock 1:\n  exit\n";
    assert_eq!(verify(&region(fine)), Ok(()));
}
