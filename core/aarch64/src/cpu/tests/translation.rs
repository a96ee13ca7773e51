//! Translation as programs see it: faults, permissions, the TLB and its maintenance.

use super::machine::{DEVICE, Machine, RAM};
use super::tables::{Tables, attribute as a};
use super::{ERET, WFI, add, ldr, movz, str};

const LDTR: u32 = 0xf840_0820;
const LDXR: u32 = 0xc85f_7c22;
const LDP: u32 = 0xa940_0c22;
const TLBI_VAE1: u32 = 0xd508_8724;
const TLBI_VAE1IS: u32 = 0xd508_8324;
const TLBI_ASIDE1: u32 = 0xd508_8744;
const ISB: u32 = 0xd503_3fdf;
const AT_S1E1R: u32 = 0xd508_7801;
const AT_S1E0W: u32 = 0xd508_7861;
const DC_ZVA: u32 = 0xd50b_7421;
const DC_CVAU: u32 = 0xd50b_7b21;
const MSR_PAN_1: u32 = 0xd500_419f;
const MSR_PAN_0: u32 = 0xd500_409f;
const MSR_TTBR0: u32 = 0xd518_2005;

/// A page for data, in RAM.
const DATA: u64 = RAM + 0x20_0000;
/// Where tests map it.
const VA: u64 = 0x7f_0000_0000;

fn machine() -> (Machine, Tables) {
    with_model("max")
}

fn with_model(model: &str) -> (Machine, Tables) {
    let mut m = Machine::new(model);
    m.vectors();
    let tables = Tables::new(&mut m);
    tables.enable(&mut m);
    (m, tables)
}

/// Runs `words` to the WFI that follows or that of a vector, and returns EC, ISS and FAR of the
/// exception, if there was one.
fn attempt(m: &mut Machine, words: &[u32]) -> Option<(u64, u64, u64)> {
    let mut code = words.to_vec();
    code.push(WFI);
    m.code(RAM, &code);
    m.cpu.set_pc(RAM);
    m.set_system("ESR_EL1", 0);
    m.run_to_wfi();
    let esr = m.system("ESR_EL1");
    (esr != 0).then(|| (esr >> 26, esr & 0x1ff_ffff, m.system("FAR_EL1")))
}

const DATA_ABORT: u64 = 0x25;
const WRITE: u64 = 1 << 6;
const MAINTENANCE: u64 = 1 << 8;

#[test]
fn loads_and_stores_reach_the_mapped_page() {
    let (mut m, mut t) = machine();
    t.map(&mut m, VA, DATA, a::KERNEL);
    m.cpu.set_x(1, VA + 8);
    assert_eq!(attempt(&mut m, &[movz(0, 77), str(0, 1), ldr(2, 1)]), None);
    assert_eq!((m.word(DATA + 8), m.cpu.x(2)), (77, 77));
}

#[test]
fn faults_have_exact_syndromes() {
    let (mut m, mut t) = machine();
    t.map(&mut m, VA, DATA, a::KERNEL | a::READ_ONLY);
    t.map(&mut m, VA + 0x1000, DATA, a::KERNEL & !a::ACCESS_FLAG);
    t.map(&mut m, VA + 0x2000, 1 << 47, a::KERNEL);
    m.cpu.set_x(1, VA);
    let write = str(0, 1);
    assert_eq!(attempt(&mut m, &[ldr(0, 1)]), None);
    assert_eq!(
        attempt(&mut m, &[write]),
        Some((DATA_ABORT, WRITE | 0b001111, VA))
    );
    for (va, status) in [
        (VA + 0x1000, 0b001011),
        (VA + 0x2000, 0b000011),
        (VA + 0x3000, 0b000111),
        (VA + 0x4000_0000, 0b000101),
        (VA | 1 << 40, 0b000100),
    ] {
        m.cpu.set_x(1, va);
        let read = attempt(&mut m, &[ldr(0, 1)]);
        assert_eq!(read, Some((DATA_ABORT, status, va)));
        let written = attempt(&mut m, &[write]);
        assert_eq!(written, Some((DATA_ABORT, WRITE | status, va)));
    }
}

#[test]
fn an_access_across_pages_reports_the_page_that_faults() {
    let (mut m, mut t) = machine();
    t.map(&mut m, VA, DATA, a::KERNEL);
    m.set_word(DATA + 0xff8, 0x8877_6655_4433_2211);
    m.cpu.set_x(1, VA + 0xffc);
    let fault = attempt(&mut m, &[ldr(0, 1)]);
    assert_eq!(fault, Some((DATA_ABORT, 0b000111, VA + 0x1000)));
    // Physically the second page comes from elsewhere.
    t.map(&mut m, VA + 0x1000, DATA + 0x5000, a::KERNEL);
    m.set_word(DATA + 0x5000, 0xddcc_bbaa);
    assert_eq!(attempt(&mut m, &[ldr(0, 1), str(0, 1)]), None);
    assert_eq!(m.cpu.x(0), 0xddcc_bbaa_8877_6655);
    let m1 = VA - 4;
    m.cpu.set_x(1, m1);
    let fault = attempt(&mut m, &[str(0, 1)]);
    assert_eq!(fault, Some((DATA_ABORT, WRITE | 0b000101, m1)));
}

#[test]
fn device_memory_and_exclusives_demand_alignment() {
    let (mut m, mut t) = machine();
    t.map(&mut m, VA, DATA, a::KERNEL | a::DEVICE);
    t.map(&mut m, VA + 0x1000, DATA, a::KERNEL);
    m.cpu.set_x(1, VA + 4);
    let fault = Some((DATA_ABORT, 0b100001, VA + 4));
    assert_eq!(attempt(&mut m, &[ldr(0, 1)]), fault);
    m.cpu.set_x(1, VA + 0x1004);
    assert_eq!(attempt(&mut m, &[ldr(0, 1), LDP]), None);
    let fault = Some((DATA_ABORT, 0b100001, VA + 0x1004));
    assert_eq!(attempt(&mut m, &[LDXR]), fault);
}

/// ESR_ELx.WnR of an instruction that reads and writes: 0 if the read alone would have faulted.
#[test]
fn atomics_fault_as_reads_where_a_read_would() {
    const LDADD: u32 = 0xf820_0022;
    const CAS: u32 = 0xc8a0_7c22;
    const CASP: u32 = 0x4820_7c22;
    const STXR: u32 = 0xc803_7c20;
    let (mut m, mut t) = machine();
    t.map(&mut m, VA, DATA, a::KERNEL | a::READ_ONLY);
    t.map(&mut m, VA + 0x2000, DATA, a::KERNEL);
    for word in [LDADD, CAS, CASP] {
        m.cpu.set_x(1, VA + 0x1000);
        let fault = Some((DATA_ABORT, 0b000111, VA + 0x1000));
        assert_eq!(attempt(&mut m, &[word]), fault, "{word:#x} unmapped");
        m.cpu.set_x(1, VA);
        let fault = Some((DATA_ABORT, WRITE | 0b001111, VA));
        assert_eq!(attempt(&mut m, &[word]), fault, "{word:#x} read-only");
        m.cpu.set_x(1, VA + 0x2004);
        let fault = Some((DATA_ABORT, 0b100001, VA + 0x2004));
        assert_eq!(attempt(&mut m, &[word]), fault, "{word:#x} misaligned");
    }
    // STXR only writes.
    m.cpu.set_x(1, VA);
    let fault = Some((DATA_ABORT, WRITE | 0b001111, VA));
    assert_eq!(attempt(&mut m, &[LDXR, STXR]), fault);
    let elsewhere = movz(1, 0);
    let fault = attempt(&mut m, &[LDXR, elsewhere, STXR]);
    assert_eq!(fault, Some((DATA_ABORT, WRITE | 0b000101, 0)));
}

#[test]
fn device_registers_are_reached_through_a_mapping() {
    let (mut m, mut t) = machine();
    t.map(&mut m, VA, DEVICE, a::KERNEL | a::DEVICE);
    m.cpu.set_x(1, VA + 0x18);
    assert_eq!(
        attempt(&mut m, &[ldr(0, 1), movz(2, 9), str(2, 1), LDP]),
        None
    );
    assert_eq!(m.cpu.x(0), 0x1122_3344_5566_7788);
    assert_eq!(m.board.writes, [(0x18, 8, 9)]);
    // Nothing there at all: an external abort of the access.
    t.map(&mut m, VA + 0x1000, 0x5000, a::KERNEL | a::DEVICE);
    m.cpu.set_x(1, VA + 0x1000);
    let fault = Some((DATA_ABORT, 0b010000, VA + 0x1000));
    assert_eq!(attempt(&mut m, &[ldr(0, 1)]), fault);
}

#[test]
fn unprivileged_loads_and_pan_see_user_pages_their_way() {
    let (mut m, mut t) = machine();
    t.map(&mut m, VA, DATA, a::USER);
    t.map(&mut m, VA + 0x1000, DATA, a::KERNEL);
    m.set_word(DATA, 5);
    m.cpu.set_x(1, VA + 0x1000);
    let denied = Some((DATA_ABORT, 0b001111, VA + 0x1000));
    assert_eq!(attempt(&mut m, &[ldr(0, 1)]), None);
    assert_eq!(attempt(&mut m, &[LDTR]), denied);
    m.cpu.set_x(1, VA);
    assert_eq!(attempt(&mut m, &[ldr(0, 1), LDTR]), None);
    let denied = Some((DATA_ABORT, 0b001111, VA));
    assert_eq!(attempt(&mut m, &[MSR_PAN_1, LDTR, ldr(0, 1)]), denied);
    assert_eq!(m.system("ELR_EL1"), RAM + 8);
    assert_eq!(m.system("SPSR_EL1") >> 22 & 1, 1);
    assert_eq!(
        attempt(&mut m, &[MSR_PAN_0, ldr(0, 1), MSR_PAN_1, LDTR]),
        None
    );
    // Exceptions set PAN unless SCTLR_EL1.SPAN says otherwise.
    let sctlr = m.system("SCTLR_EL1");
    for span in [0, 1 << 23] {
        m.set_system("SCTLR_EL1", sctlr & !(1 << 23) | span);
        m.set_system("PAN", 0);
        attempt(&mut m, &[super::svc(0)]);
        assert_eq!(m.system("PAN") == 0, span != 0);
    }
}

#[test]
fn fetches_check_execute_permission() {
    let (mut m, mut t) = machine();
    t.map(&mut m, VA, DATA, a::KERNEL | a::PXN);
    t.map(&mut m, VA + 0x1000, DATA, a::USER);
    m.code(DATA, &[WFI]);
    let branch = 0xd61f_0020;
    for (target, status) in [
        (VA, 0b001111),
        (VA + 0x1000, 0b001111),
        (VA + 0x2000, 0b000111),
    ] {
        m.cpu.set_x(1, target);
        assert_eq!(attempt(&mut m, &[branch]), Some((0x21, status, target)));
        assert_eq!(m.system("ELR_EL1"), target);
    }
    m.cpu.set_x(1, VA + 2);
    assert_eq!(attempt(&mut m, &[branch]), Some((0x22, 0, VA + 2)));
}

#[test]
fn a_changed_page_is_seen_after_tlbi_by_address() {
    let (mut m, mut t) = machine();
    t.map(&mut m, VA, DATA, a::KERNEL);
    m.set_word(DATA, 1);
    m.set_word(DATA + 0x1000, 2);
    m.cpu.set_x(1, VA);
    assert_eq!(attempt(&mut m, &[ldr(0, 1)]), None);
    t.map(&mut m, VA, DATA + 0x1000, a::KERNEL);
    assert_eq!(attempt(&mut m, &[ldr(2, 1)]), None);
    assert_eq!(
        (m.cpu.x(0), m.cpu.x(2)),
        (1, 1),
        "the TLB holds the old page"
    );
    m.cpu.set_x(4, VA >> 12);
    assert_eq!(attempt(&mut m, &[TLBI_VAE1, ISB, ldr(2, 1)]), None);
    assert_eq!(m.cpu.x(2), 2);
    assert!(m.board.broadcasts.is_empty());
    assert_eq!(attempt(&mut m, &[TLBI_VAE1IS]), None);
    assert_eq!(
        m.board.broadcasts,
        [crate::platform::Maintenance::TlbPage {
            va: VA,
            asid: Some(0)
        }]
    );
}

#[test]
fn tlbi_inside_a_block_drops_all_of_it() {
    let (mut m, mut t) = machine();
    t.map_block(&mut m, VA, DATA, a::KERNEL);
    m.set_word(DATA + 0x1_0000, 1);
    m.set_word(DATA + 0x21_0000, 2);
    m.cpu.set_x(1, VA + 0x1_0000);
    assert_eq!(attempt(&mut m, &[ldr(0, 1)]), None);
    t.map_block(&mut m, VA, DATA + 0x20_0000, a::KERNEL);
    // Another page of the same block is named.
    m.cpu.set_x(4, (VA + 0x5000) >> 12);
    assert_eq!(attempt(&mut m, &[TLBI_VAE1, ISB, ldr(2, 1)]), None);
    assert_eq!((m.cpu.x(0), m.cpu.x(2)), (1, 2));
}

#[test]
fn address_spaces_are_kept_apart_by_asid() {
    let (mut m, mut t) = machine();
    let mut other = Tables::like(&mut m, &t, RAM + 0x18_0000);
    // The two use different entries of the TLB, so that neither evicts the other's.
    let (near, far) = (VA, VA + 0x5000);
    t.map(&mut m, near, DATA, a::KERNEL | a::NOT_GLOBAL);
    other.map(&mut m, near, DATA + 0x1000, a::KERNEL | a::NOT_GLOBAL);
    other.map(&mut m, far, DATA + 0x1000, a::KERNEL | a::NOT_GLOBAL);
    for n in 0..4 {
        m.set_word(DATA + 0x1000 * n, n + 1);
    }
    let (first, second) = (t.base | 5 << 48, other.base | 6 << 48);
    let read_in = |m: &mut Machine, ttbr: u64, va: u64, before: &[u32]| {
        m.cpu.set_x(1, va);
        m.cpu.set_x(5, ttbr);
        m.cpu.set_x(4, 5 << 48);
        let code = [&[MSR_TTBR0, ISB], before, &[ldr(0, 1)]].concat();
        assert_eq!(attempt(m, &code), None);
        m.cpu.x(0)
    };
    assert_eq!(read_in(&mut m, first, near, &[]), 1);
    assert_eq!(read_in(&mut m, second, near, &[]), 2);
    assert_eq!(read_in(&mut m, first, near, &[]), 1);
    assert_eq!(read_in(&mut m, second, far, &[]), 2);
    // Both tables change, which nobody sees; then the translations of ASID 5 are dropped.
    t.map(&mut m, near, DATA + 0x2000, a::KERNEL | a::NOT_GLOBAL);
    other.map(&mut m, far, DATA + 0x3000, a::KERNEL | a::NOT_GLOBAL);
    assert_eq!(read_in(&mut m, first, near, &[]), 1);
    assert_eq!(read_in(&mut m, second, far, &[TLBI_ASIDE1, ISB]), 2);
    assert_eq!(read_in(&mut m, first, near, &[]), 3);
}

#[test]
fn the_high_half_learns_that_its_pages_have_asids() {
    let (mut m, t) = machine();
    let mut high = Tables::like(&mut m, &t, RAM + 0x18_0000);
    let mut twin = Tables::like(&mut m, &t, RAM + 0x1c_0000);
    let va = 0xffff_ff80_0000_0000;
    high.map(&mut m, va, DATA, a::KERNEL);
    high.map(&mut m, va + 0x1000, DATA, a::KERNEL | a::NOT_GLOBAL);
    twin.map(&mut m, va, DATA, a::KERNEL);
    m.set_word(DATA, 4);
    m.set_system("TTBR1_EL1", high.base);
    m.cpu.set_x(1, va);
    m.cpu.set_x(6, va + 0x1000);
    assert_eq!(attempt(&mut m, &[ldr(0, 1), ldr(2, 6), ldr(3, 1)]), None);
    assert_eq!([m.cpu.x(0), m.cpu.x(2), m.cpu.x(3)], [4; 3]);
    m.set_system("TTBR1_EL1", twin.base);
    m.cpu.set_x(1, va + 0x1000);
    let fault = Some((DATA_ABORT, 0b000111, va + 0x1000));
    assert_eq!(attempt(&mut m, &[ldr(0, 1)]), fault);
}

#[test]
fn more_address_spaces_than_numbers_still_work() {
    let (mut m, mut t) = machine();
    t.map(&mut m, VA, DATA, a::KERNEL | a::NOT_GLOBAL);
    m.cpu.set_x(1, VA);
    for asid in 0..3000_u64 {
        m.set_word(DATA, asid);
        m.cpu.set_x(5, t.base | asid << 48);
        assert_eq!(attempt(&mut m, &[MSR_TTBR0, ISB, ldr(0, 1)]), None);
        assert_eq!(m.cpu.x(0), asid);
    }
}

#[test]
fn at_reports_in_par() {
    let (mut m, mut t) = machine();
    t.map(&mut m, VA, DATA, a::USER | a::READ_ONLY);
    m.cpu.set_x(1, VA + 0x123);
    assert_eq!(attempt(&mut m, &[AT_S1E1R]), None);
    let par = m.system("PAR_EL1");
    assert_eq!((par & 0x0000_ffff_ffff_f001, par >> 56), (DATA, 0xff));
    assert_eq!(attempt(&mut m, &[AT_S1E0W]), None);
    assert_eq!(m.system("PAR_EL1") & 0x7f, 0b001111 << 1 | 1);
}

#[test]
fn cache_maintenance_by_address_faults_as_such() {
    let (mut m, _) = machine();
    m.cpu.set_x(1, VA + 0x40);
    let fault = Some((DATA_ABORT, MAINTENANCE | WRITE | 0b000101, VA + 0x40));
    assert_eq!(attempt(&mut m, &[DC_CVAU]), fault);
}

#[test]
fn dc_zva_zeroes_a_block_of_64_bytes() {
    let (mut m, mut t) = machine();
    t.map(&mut m, VA, DATA, a::KERNEL);
    for n in 0..16 {
        m.set_word(DATA + 8 * n, !0);
    }
    m.cpu.set_x(1, VA + 0x47);
    assert_eq!(attempt(&mut m, &[DC_ZVA]), None);
    let zero: Vec<bool> = (0..17).map(|n| m.word(DATA + 8 * n) == 0).collect();
    assert_eq!(
        zero,
        [[false; 8], [true; 8]]
            .concat()
            .into_iter()
            .chain([true])
            .collect::<Vec<_>>()
    );
    m.cpu.set_x(1, VA + 0x1047);
    let fault = Some((DATA_ABORT, WRITE | 0b000111, VA + 0x1047));
    assert_eq!(attempt(&mut m, &[DC_ZVA]), fault);
}

#[test]
fn the_top_byte_is_ignored_where_asked_for() {
    let (mut m, mut t) = machine();
    t.map(&mut m, VA, DATA, a::KERNEL);
    m.set_word(DATA, 9);
    let tagged = VA | 0xab << 56;
    m.cpu.set_x(1, tagged);
    let fault = Some((DATA_ABORT, 0b000100, tagged));
    assert_eq!(attempt(&mut m, &[ldr(0, 1)]), fault);
    let tcr = m.system("TCR_EL1");
    m.set_system("TCR_EL1", tcr | 1 << 37);
    assert_eq!(attempt(&mut m, &[ldr(0, 1)]), None);
    assert_eq!(m.cpu.x(0), 9);
    // A branch drops the tag.
    m.code(DATA, &[super::svc(0)]);
    assert!(attempt(&mut m, &[0xd61f_0020]).is_some());
    assert_eq!(m.system("ELR_EL1"), VA + 4);
}

#[test]
fn el0_runs_by_its_own_permissions_and_e0pd_keeps_it_out() {
    let (mut m, mut t) = machine();
    t.map(&mut m, VA, DATA, a::USER);
    t.map(&mut m, VA + 0x1000, DATA + 0x1000, a::KERNEL);
    m.code(DATA, &[add(0, 0, 1), ldr(2, 1)]);
    m.cpu.set_x(1, VA + 0x1000);
    m.set_system("SPSR_EL1", 0);
    m.set_system("ELR_EL1", VA);
    m.cpu.set_x(0, 0);
    let fault = Some((0x24, 0b001111, VA + 0x1000));
    assert_eq!(attempt(&mut m, &[ERET]), fault);
    assert_eq!((m.cpu.x(0), m.system("ELR_EL1")), (1, VA + 4));
    assert_eq!(m.cpu.pc(), RAM + 0x8404);
    let tcr = m.system("TCR_EL1");
    m.set_system("TCR_EL1", tcr | 1 << 55);
    m.set_system("ELR_EL1", VA);
    assert_eq!(attempt(&mut m, &[ERET]), Some((0x20, 0b000100, VA)));
}

#[test]
fn models_without_pan_have_no_such_field() {
    let (mut m, _) = with_model("cortex-a57");
    attempt(&mut m, &[MSR_PAN_1]);
    assert_eq!(m.system("ESR_EL1"), 1 << 25, "UNDEFINED");
}
