//! Attributes of accesses, which no comparison of results at one exception level can see.

use ferrite_ir::{Align, Mem, Op, Order, Sign, Size};

use crate::translate::{Context, Scope, region};

const KERNEL: Context = Context::KERNEL;

/// The accesses of an instruction.
fn accesses(cx: Context, word: u32) -> Vec<Mem> {
    let region = region(cx, 0x1000, Scope::Block, &mut |at| {
        (at == 0x1000).then_some(word)
    });
    let ops = region.blocks.iter().flat_map(|b| &b.ops);
    ops.filter_map(|op| match op {
        Op::Load { mem, .. }
        | Op::Store { mem, .. }
        | Op::LoadExclusive { mem, .. }
        | Op::StoreExclusive { mem, .. }
        | Op::LoadExclusivePair { mem, .. }
        | Op::StoreExclusivePair { mem, .. }
        | Op::AtomicRmw { mem, .. }
        | Op::AtomicCas { mem, .. }
        | Op::AtomicCasPair { mem, .. } => Some(*mem),
        _ => None,
    })
    .collect()
}

fn access(cx: Context, word: u32) -> Mem {
    let all = accesses(cx, word);
    assert_eq!(all.len(), 1, "{word:#x}");
    all[0]
}

#[test]
fn sizes_and_extensions() {
    for (word, size, sign) in [
        (0x3940_0020, Size::B1, Sign::Zero), // ldrb w0, [x1]
        (0x39c0_0020, Size::B1, Sign::To32), // ldrsb w0, [x1]
        (0x3980_0020, Size::B1, Sign::To64), // ldrsb x0, [x1]
        (0x7980_0020, Size::B2, Sign::To64), // ldrsh x0, [x1]
        (0xb980_0020, Size::B4, Sign::To64), // ldrsw x0, [x1]
        (0xb940_0020, Size::B4, Sign::Zero), // ldr w0, [x1]
        (0xf940_0020, Size::B8, Sign::Zero), // ldr x0, [x1]
        (0xf900_0020, Size::B8, Sign::Zero), // str x0, [x1]
    ] {
        let mem = access(KERNEL, word);
        assert_eq!((mem.size, mem.sign), (size, sign), "{word:#x}");
        let plain = Mem {
            sign,
            ..Mem::plain(size)
        };
        assert_eq!(mem, plain, "{word:#x}");
    }
}

#[test]
fn unprivileged_accesses_are_so_at_el1_without_uao() {
    let (ldtr, sttrb) = (0xf840_0820, 0x3800_0820);
    for word in [ldtr, sttrb] {
        assert!(access(KERNEL, word).unprivileged);
        let uao = Context {
            plain_unprivileged: true,
            ..KERNEL
        };
        assert!(!access(uao, word).unprivileged);
        let el2 = Context { el: 2, ..KERNEL };
        assert!(!access(el2, word).unprivileged);
    }
    let ldur = 0xf840_0020;
    assert!(!access(KERNEL, ldur).unprivileged);
}

#[test]
fn ordering_and_alignment() {
    use {Align::Natural, Align::Pair, Order::Acquire, Order::AcquireRelease, Order::Plain};
    for (word, order, align) in [
        (0xc8df_fc20, Acquire, Natural),        // ldar x0, [x1]
        (0x089f_fc20, Order::Release, Natural), // stlrb w0, [x1]
        (0x885f_7c20, Plain, Natural),          // ldxr w0, [x1]
        (0x885f_fc20, Acquire, Natural),        // ldaxr w0, [x1]
        (0x8802_fc20, Order::Release, Natural), // stlxr w2, w0, [x1]
        (0xc87f_0c22, Plain, Pair),             // ldxp x2, x3, [x1]
        (0x8822_8c20, Order::Release, Pair),    // stlxp w2, w0, w3, [x1]
        (0xf8e2_0020, AcquireRelease, Natural), // ldaddal x2, x0, [x1]
        (0xb8a2_8020, Acquire, Natural),        // swpa w2, w0, [x1]
        (0xc8a2_fc20, Order::Release, Natural), // casl x2, x0, [x1]
        (0x0860_fc22, AcquireRelease, Pair),    // caspal w0, w1, w2, w3, [x1]
    ] {
        let mem = access(KERNEL, word);
        assert_eq!((mem.order, mem.align), (order, align), "{word:#x}");
    }
}

#[test]
fn the_context_sets_endianness_and_alignment_checks() {
    let strict = Context {
        align_check: true,
        big_endian: true,
        ..KERNEL
    };
    let ldp = 0xa940_0c22; // ldp x2, x3, [x1]
    for mem in accesses(strict, ldp) {
        assert!(mem.swap);
        assert_eq!((mem.size, mem.align), (Size::B8, Align::Natural));
    }
    assert_eq!(accesses(strict, ldp).len(), 2);
    let ldxp = 0xc87f_0c22; // ldxp x2, x3, [x1]
    let mem = access(strict, ldxp);
    assert!(mem.swap && mem.align == Align::Pair);
}

#[test]
fn stack_pointer_bases_are_checked_where_asked() {
    let checked = Context {
        sp_check: true,
        ..KERNEL
    };
    let guards = |cx, word| {
        let region = region(cx, 0x1000, Scope::Block, &mut |at| {
            (at == 0x1000).then_some(word)
        });
        let ops = region.blocks[0].ops.iter();
        ops.filter(|op| matches!(op, Op::Guard { mask: 15, .. }))
            .count()
    };
    // ldr x0, [sp]; stp x0, x1, [sp, #-16]!; ldxr x0, [sp]; ldadd x0, x1, [sp]
    for word in [0xf940_03e0, 0xa9bf_07e0, 0xc85f_7fe0, 0xf820_03e1] {
        assert_eq!(guards(checked, word), 1, "{word:#x}");
        assert_eq!(guards(KERNEL, word), 0, "{word:#x}");
    }
    // Not for other bases, nor for prefetches: ldr x0, [x1]; prfm pldl1keep, [sp]
    for word in [0xf940_0020, 0xf980_03e0] {
        assert_eq!(guards(checked, word), 0, "{word:#x}");
    }
}
