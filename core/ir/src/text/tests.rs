//! What is written is read back; what is wrong is said where.

use crate::op::Region;

const EVERY_OPERATION: &str = "\
region 0x1000, insns 3, bytes 12
block 0:
  insn 0x1000
  i0 = const 0xffff
  i1 = get 33
  set 34, i1
  v0 = get_vec 64
  set_vec 66, v0
  i2 = add.64 i0, i1
  i3 = mul_high_s.32 i0, i1
  i4 = reverse_bytes16.32 i3
  i5 = extract_s.64 i4, 3, 9
  i6 = extract_u.32 i4, 3, 9
  i7 = insert.64 i4, i5, 0, 64
  i8 = funnel.32 i4, i5, 31
  i9 = compare_le_s.64 i7, i8
  i10 = select i9, i7, i8
  set_flags nzcv i10
  set_flags logic.32 i10
  set_flags sub.64 i10, i9
  set_flags add_carry.32 i10, i9, i8
  set_flags_if i9, 0x40000000, add.32 i7, i8
  i11 = test hi
  i12 = get_nzcv
  insn 0x1004
  i13 = load.b2.s32.natural [i12 - 16]
  store.b8.release.swap.user [i12 + 8], i13
  v1 = load_vec.b16 [i12]
  store_vec.b1 [i12 + 1], v1
  i14 = load_exclusive.b4.acquire.natural [i12]
  i15, i16 = load_exclusive_pair.b8.pair [i12]
  i17 = store_exclusive.b4 [i12], i14
  i18 = store_exclusive_pair.b8 [i12], i15, i16
  clear_exclusive
  i19 = atomic_max_u.b4.s64.acqrel [i12], i1
  i20 = cas.b1 [i12], i1, i2
  i21, i22 = cas_pair.b8 [i12], i1, i2, i3, i4
  fence full
  i23 = call 3, i1, i2
  call 4
  guard i23, 0xf, 5
  goto block 1
block 1:
  insn 0x1008
  i24 = get 32
  branch i24, block 0, 0x2000
block 2:
  i25 = get 32
  indirect.return i25
block 3:
  exit
";

#[test]
fn text_survives_a_round_trip() {
    let region: Region = EVERY_OPERATION.parse().unwrap();
    assert_eq!(region.to_string(), EVERY_OPERATION);
    assert_eq!(region.blocks.len(), 4);
}

#[test]
fn wide_operations_survive_a_round_trip() {
    use crate::op::{Op, Value, Vector};
    use ferrite_simd::{FloatOp, Lane, Shape, WideOp};
    let mut region: Region = "region 0x0, insns 0, bytes 0\nblock 0:\n  exit\n"
        .parse()
        .unwrap();
    for &op in FloatOp::ALL {
        let op = WideOp::Float(op);
        let signature = op.signature();
        region.blocks[0].ops.push(Op::Wide {
            op,
            shape: Shape::vector(Lane::S, true),
            imm: 7,
            d: Value::Vector(Vector(9)),
            v: std::array::from_fn(|i| (i < signature.vecs.into()).then_some(Vector(i as u32))),
            int: signature.int.then_some(crate::op::Int(4)),
        });
    }
    assert_eq!(region.to_string().parse::<Region>().unwrap(), region);
}

#[test]
fn mistakes_are_named_with_their_line() {
    let message = |text: &str| text.parse::<Region>().unwrap_err().to_string();
    let in_block = |line: &str| {
        message(&format!(
            "region 0x0, insns 0, bytes 0\nblock 0:\n{line}\nexit\n"
        ))
    };
    assert_eq!(message(""), r#"line 1: cannot read "" as region"#);
    assert_eq!(
        in_block("i0 = frob i1"),
        r#"line 3: cannot read "frob" as an operation"#
    );
    assert_eq!(
        in_block("set 99999999, i0"),
        r#"line 3: cannot read "99999999" as a number"#
    );
    assert_eq!(
        in_block("i0 = add.64 i1, v2"),
        r#"line 3: cannot read "v2" as an integer value"#
    );
    assert_eq!(
        in_block("i0 = load.b3 [i1]"),
        r#"line 3: cannot read "load.b3" as an operation"#
    );
    assert_eq!(
        in_block("i0 = get 3 4"),
        r#"line 3: cannot read "4" as the end of the line"#
    );
}
