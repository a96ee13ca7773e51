use ferrite_ir::{BlockId, Op, Region, Target, Terminator};

use super::{BLOCK_LIMIT, BLOCKS_LIMIT, PAGE, REGION_LIMIT, Scope, refusal, region};
use crate::state;
use crate::translate::{Context, helper};

const NOP_ADD: u32 = 0x9100_0000; // add x0, x0, #0
const RET: u32 = 0xd65f_03c0;
const UDF: u32 = 0;

/// The region of `code` at `pc`; behind the code memory is absent.
fn of(cx: Context, pc: u64, code: &[u32]) -> Region {
    region(cx, pc, Scope::Block, &mut |at| {
        code.get(((at - pc) / 4) as usize).copied()
    })
}

/// What the third instruction of `code`, at 0x1000, reaches.
fn reach(code: &[u32]) -> Region {
    let region = region(Context::KERNEL, 0x1008, Scope::Reach, &mut |at| {
        code.get((at.wrapping_sub(0x1000) / 4) as usize).copied()
    });
    assert_eq!(ferrite_ir::verify(&region), Ok(()));
    region
}

fn calls(region: &Region) -> Vec<u16> {
    let ops = region.blocks.iter().flat_map(|b| &b.ops);
    ops.filter_map(|op| match op {
        Op::Call { helper, .. } => Some(helper.0),
        _ => None,
    })
    .collect()
}

#[test]
fn a_refusal_can_always_be_run() {
    let mut region = refusal(0x1000);
    assert_eq!(calls(&region), [helper::UNDEFINED.0]);
    assert_eq!(ferrite_ir::verify(&region), Ok(()));
    ferrite_ir::opt::optimise(&mut region);
    assert!(ferrite_ir::interp::lower(&region).is_ok());
}

#[test]
fn straight_code_ends_at_the_page_the_limit_or_where_fetching_does() {
    let code = [NOP_ADD; 200];
    let region = of(Context::KERNEL, 0x1ff0, &code);
    assert_eq!((region.insns, region.bytes), (4, 16));
    assert_eq!(
        region.blocks[0].end,
        Terminator::Goto(Target::Guest(0x2000))
    );

    let region = of(Context::KERNEL, 0x1000, &code);
    assert_eq!(region.insns, BLOCK_LIMIT);
    let next = 0x1000 + 4 * u64::from(BLOCK_LIMIT);
    assert_eq!(region.blocks[0].end, Terminator::Goto(Target::Guest(next)));

    let region = of(Context::KERNEL, 0x1000, &code[..3]);
    assert_eq!(
        region.blocks[0].end,
        Terminator::Goto(Target::Guest(0x100c))
    );
}

#[test]
fn a_branch_to_the_entry_stays_in_the_region() {
    let b_back = 0x17ff_ffff; // b . - 4
    let region = of(Context::KERNEL, 0x1000, &[NOP_ADD, b_back, RET]);
    assert_eq!(region.insns, 2);
    assert_eq!(
        region.blocks[0].end,
        Terminator::Goto(Target::Block(BlockId(0)))
    );

    let cbnz_back = 0xb5ff_ffe0; // cbnz x0, . - 4
    let region = of(Context::KERNEL, 0x1000, &[NOP_ADD, cbnz_back, RET]);
    let Terminator::Branch { then, other, .. } = region.blocks[0].end else {
        panic!("{region:?}");
    };
    assert_eq!(then, Target::Block(BlockId(0)));
    assert_eq!(other, Target::Guest(0x1008));
}

#[test]
fn loops_are_whole_and_leave_for_what_direct_branches_do_not_reach() {
    let (b_back_4, cbnz_back_1) = (0x17ff_fffc, 0xb5ff_ffe0);
    // An inner loop at 0x1008 within an outer one at 0x1004.
    let code = [
        NOP_ADD,
        NOP_ADD,
        NOP_ADD,
        cbnz_back_1,
        0xb400_0040,
        b_back_4,
        RET,
    ];
    let region = reach(&code);
    let block = |n| Target::Block(BlockId(n));
    let ends: Vec<_> = region.blocks.iter().map(|b| b.end.clone()).collect();
    let ways = |end: &Terminator| match *end {
        Terminator::Goto(to) => vec![to],
        Terminator::Branch { then, other, .. } => vec![then, other],
        _ => vec![],
    };
    let ways: Vec<_> = ends.iter().map(ways).collect();
    // 0x1008; 0x1010 (its condition turned round); 0x1014; 0x1004, which falls into 0x1008; 0x1018.
    assert_eq!(ways[0], [block(0), block(1)]);
    assert_eq!(ways[1], [block(2), block(4)]);
    assert_eq!(ways[2], [block(3)]);
    assert_eq!(ways[3], [block(0)]);
    assert!(matches!(ends[4], Terminator::Indirect { .. }));
    assert_eq!(region.bytes, 20);
}

#[test]
fn returns_are_compared_with_the_calls_of_their_region() {
    let (bl_1, bl_3, cbnz_back_2) = (0x9400_0003, 0x9400_0001, 0xb5ff_ffc0);
    // Two calls of 0x1014 in a loop at 0x1008.
    let code = [NOP_ADD, NOP_ADD, bl_1, bl_3 + 1, cbnz_back_2, RET];
    let region = reach(&code);
    let ends: Vec<_> = region.blocks.iter().map(|b| b.end.clone()).collect();
    let block = |n| Target::Block(BlockId(n));
    // 0x1008, 0x1014, 0x100c, 0x1010, and what is left of the return.
    assert_eq!(ends[0], Terminator::Goto(block(1)));
    assert_eq!(ends[2], Terminator::Goto(block(1)));
    let ways = |n: usize| match ends[n] {
        Terminator::Branch { then, other, .. } => [then, other],
        _ => panic!("{region}"),
    };
    assert_eq!(ways(1), [block(2), block(4)]);
    assert_eq!(ways(3), [block(0), block(1)]);
    assert_eq!(ways(4), [block(3), block(5)]);
    assert!(matches!(ends[5], Terminator::Indirect { .. }));
    // A call of another page is none of those.
    let region = reach(&[NOP_ADD, NOP_ADD, 0x9400_0400, RET]);
    assert_eq!(region.blocks.len(), 1);
}

#[test]
fn regions_stay_in_their_page_and_within_limits() {
    // Each instruction branches on x0 to the last of the page.
    let code: Vec<u32> = (0..PAGE / 4)
        .map(|n| 0xb400_0000 | ((PAGE / 4 - 1 - n) as u32 & 0x7_ffff) << 5)
        .collect();
    let region = reach(&code);
    assert_eq!(region.blocks.len(), BLOCKS_LIMIT);
    let long = [&[NOP_ADD; 60][..], &[0xb400_0040]].concat().repeat(16);
    let region = reach(&long);
    assert!((REGION_LIMIT..REGION_LIMIT + BLOCK_LIMIT).contains(&region.insns));
    let branch_away = reach(&[NOP_ADD, NOP_ADD, 0x1400_0400]);
    let away = Terminator::Goto(Target::Guest(0x2008));
    assert_eq!(branch_away.blocks.last().map(|b| &b.end), Some(&away));
}

#[test]
fn what_is_not_an_instruction_is_undefined() {
    let region = of(Context::KERNEL, 0x1000, &[NOP_ADD, UDF, RET]);
    assert_eq!(region.insns, 2);
    assert_eq!(calls(&region), [helper::UNDEFINED.0]);
    assert_eq!(region.blocks[0].end, Terminator::Exit);
}

#[test]
fn a_step_is_one_instruction_that_leaves_the_next_address() {
    let stepping = Context {
        single_step: true,
        ..Context::KERNEL
    };
    for word in [NOP_ADD, RET, 0x1400_0000, 0xb500_0040] {
        let region = of(stepping, 0x1000, &[word, NOP_ADD]);
        assert_eq!(region.insns, 1);
        assert_eq!(calls(&region), [helper::STEP_DONE.0]);
        assert_eq!(region.blocks[0].end, Terminator::Exit);
        let sets_pc = |op: &Op| matches!(op, Op::Set { to, .. } if *to == state::PC);
        assert!(region.blocks[0].ops.iter().any(sets_pc), "{word:#x}");
    }
}

#[test]
fn breakpoints_are_looked_for_at_each_instruction() {
    let watched = Context {
        breakpoints: true,
        ..Context::KERNEL
    };
    let region = of(watched, 0x1000, &[NOP_ADD, NOP_ADD, RET]);
    assert_eq!(calls(&region), [helper::BREAKPOINT.0; 3]);
}
