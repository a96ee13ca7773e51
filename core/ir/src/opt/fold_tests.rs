//! What folding must and must not do.

use crate::op::Region;

fn after(ops: &str) -> String {
    let text = format!("region 0x0, insns 1, bytes 4\nblock 0:\n{ops}");
    let mut region: Region = text.parse().unwrap();
    let mut next = super::first_unused(&region);
    super::block(&mut region.blocks[0], &mut next);
    super::super::dead::block(&mut region.blocks[0], next);
    let text = region.to_string();
    text.split_once("block 0:\n").unwrap().1.to_owned()
}

#[test]
fn constants_fold_through_globals() {
    assert_eq!(
        after(
            "  i0 = const 0x5\n  set 40, i0\n  i1 = get 40\n  i2 = add.64 i0, i1\n  set 41, i2\n  exit\n"
        ),
        "  i0 = const 0x5\n  set 40, i0\n  i2 = const 0xa\n  set 41, i2\n  exit\n"
    );
}

#[test]
fn helpers_and_overlaps_end_what_is_known_of_globals() {
    for clobber in ["  call 1\n", "  v0 = get_vec 50\n  set_vec 40, v0\n"] {
        let text =
            format!("  i0 = get 41\n  set 44, i0\n{clobber}  i1 = get 41\n  set 43, i1\n  exit\n");
        assert_eq!(after(&text), text);
    }
}

#[test]
fn conditions_over_known_flags_become_comparisons() {
    let test = |kind: &str, cond: &str| {
        after(&format!(
            "  i0 = get 40\n  i1 = get 41\n  set_flags {kind}\n  i2 = test {cond}\n  set 42, i2\n  exit\n"
        ))
        .lines()
        .find(|line| line.contains("i2 = "))
        .unwrap()
        .trim()
        .to_owned()
    };
    assert_eq!(test("sub.32 i0, i1", "cs"), "i2 = compare_le_u.32 i1, i0");
    assert_eq!(test("sub.64 i0, i1", "gt"), "i2 = compare_lt_s.64 i1, i0");
    assert_eq!(test("sub.64 i0, i1", "ne"), "i2 = compare_ne.64 i0, i1");
    assert_eq!(test("logic.32 i0", "pl"), "i2 = compare_le_s.32 i3, i0");
    assert_eq!(test("logic.32 i0", "cs"), "i2 = const 0x0");
    assert_eq!(test("sub.64 i0, i1", "vs"), "i2 = test vs");
    assert_eq!(test("add.64 i0, i1", "eq"), "i2 = test eq");
}

#[test]
fn addresses_take_constants_in() {
    assert_eq!(
        after(
            "  i0 = get 40\n  i1 = const 0x10\n  i2 = add.64 i0, i1\n  i3 = load.b8 [i2 + 8]\n  set 41, i3\n  exit\n"
        ),
        "  i0 = get 40\n  i3 = load.b8 [i0 + 24]\n  set 41, i3\n  exit\n"
    );
}

#[test]
fn a_check_is_made_once() {
    let text = "  i0 = get 63
  guard i0, 0xf, 0
  i1 = const 0x20
  i2 = sub.64 i0, i1
  guard i2, 0xf, 0
  set 63, i2
  i3 = const 0x8
  i4 = add.64 i2, i3
  guard i4, 0xf, 0
  set 63, i4
  guard i4, 0xf, 1
  exit
";
    assert_eq!(after(text), text.replacen("  guard i2, 0xf, 0\n", "", 1));
}

#[test]
fn thirty_two_bits_are_cut_even_where_nothing_else_happens() {
    assert_eq!(
        after(
            "  i0 = get 40\n  i1 = const 0x100000000\n  i2 = add.32 i0, i1\n  set 40, i2\n  exit\n"
        ),
        "  i0 = get 40\n  i2 = mov.32 i0\n  set 40, i2\n  exit\n"
    );
}
