//! Breakpoints, watchpoints, software step.

use super::machine::{Machine, RAM};
use super::tables::{Tables, attribute as a};
use super::{ERET, WFI, add, ldr, str};

/// EL0 code and data.
const CODE: u64 = RAM + 0x20_0000;
const DATA: u64 = RAM + 0x30_0000;
const VA: u64 = 0x10_0000;
const DATA_VA: u64 = 0x20_0000;

const SS: u64 = 1;
const KDE: u64 = 1 << 13;
const MDE: u64 = 1 << 15;
const LDXR: u32 = 0xc85f_7c22;
const SVC: u32 = 0xd400_0001;
/// CBNZ X0, .-4.
const CBNZ_BACK: u32 = 0xb5ff_ffe0;

fn machine(code: &[u32]) -> Machine {
    let mut m = Machine::new("cortex-a57");
    m.vectors();
    let mut t = Tables::new(&mut m);
    t.enable(&mut m);
    t.map(&mut m, VA, CODE, a::USER);
    t.map(&mut m, DATA_VA, DATA, a::USER);
    m.code(CODE, code);
    m.code(RAM, &[ERET]);
    m.set_system("OSLAR_EL1", 0);
    m.cpu.set_x(1, DATA_VA);
    m
}

/// Returns to EL0 at `pc`; the syndrome's EC and ISS, and ELR of the exception that ends it.
fn user(m: &mut Machine, pc: u64, spsr: u64) -> (u64, u64, u64) {
    m.cpu.set_pc(RAM);
    m.set_system("SPSR_EL1", spsr);
    m.set_system("ELR_EL1", pc);
    m.run_to_wfi();
    let esr = m.system("ESR_EL1");
    (esr >> 26, esr & 0x1ff_ffff, m.system("ELR_EL1"))
}

const STEPPED: u64 = 1 << 24;
const EX: u64 = 1 << 6;
const DEBUG: u64 = 0b100010;
const SPSR_SS: u64 = 1 << 21;

#[test]
fn each_step_runs_one_instruction() {
    let mut m = machine(&[add(0, 0, 1), LDXR, add(0, 0, 1), CBNZ_BACK, SVC]);
    m.set_system("MDSCR_EL1", SS);
    assert_eq!(user(&mut m, VA, SPSR_SS), (0x32, STEPPED | DEBUG, VA + 4));
    assert_eq!(m.cpu.x(0), 1);
    assert_eq!(m.system("SPSR_EL1"), 0);
    assert_eq!(
        user(&mut m, VA + 4, SPSR_SS),
        (0x32, STEPPED | EX | DEBUG, VA + 8)
    );
    assert_eq!(
        user(&mut m, VA + 8, SPSR_SS),
        (0x32, STEPPED | DEBUG, VA + 12)
    );
    assert_eq!(
        user(&mut m, VA + 12, SPSR_SS),
        (0x32, STEPPED | DEBUG, VA + 8)
    );
    assert_eq!(m.cpu.x(0), 2);
    // A return with SPSR.SS clear runs nothing.
    assert_eq!(user(&mut m, VA, 0), (0x32, DEBUG, VA));
    assert_eq!(m.cpu.x(0), 2);
    // SVC is complete when its exception is taken: a return would step at once.
    assert_eq!(user(&mut m, VA + 16, SPSR_SS), (0x15, 0, VA + 20));
    assert_eq!(m.system("SPSR_EL1"), 0);
    // An instruction that faults is not.
    m.cpu.set_x(1, 0xdead_0000);
    assert_eq!(user(&mut m, VA + 4, SPSR_SS).0, 0x24);
    assert_eq!(m.system("SPSR_EL1"), SPSR_SS);
}

#[test]
fn stepping_needs_mdscr_and_the_unlocked_os_lock() {
    let mut m = machine(&[add(0, 0, 1), SVC]);
    assert_eq!(user(&mut m, VA, SPSR_SS).0, 0x15);
    m.set_system("MDSCR_EL1", SS);
    m.set_system("OSLAR_EL1", 1);
    assert_eq!(user(&mut m, VA, SPSR_SS).0, 0x15);
    assert_eq!(m.cpu.x(0), 2);
    m.set_system("OSLAR_EL1", 0);
    assert_eq!(user(&mut m, VA, SPSR_SS).0, 0x32);
}

#[test]
fn the_kernel_can_step_itself() {
    let mut m = machine(&[]);
    let body = RAM + 0x100;
    m.code(body, &[add(0, 0, 1), add(0, 0, 1), WFI]);
    m.set_system("MDSCR_EL1", SS | KDE);
    // From a masked state into EL1h with D clear.
    assert_eq!(
        user(&mut m, body, SPSR_SS | 0x1c5),
        (0x33, STEPPED | DEBUG, body + 4)
    );
    assert_eq!(m.cpu.x(0), 1);
    // With D set nothing is stepped.
    user(&mut m, body, SPSR_SS | 0x3c5);
    assert_eq!((m.cpu.x(0), m.cpu.pc()), (3, body + 12));
}

/// E, PMC EL0, BAS of a whole instruction.
const BREAK_EL0: u64 = 1 | 2 << 1 | 0xf << 5;

#[test]
fn breakpoints_stop_before_the_instruction() {
    let mut m = machine(&[add(0, 0, 1), add(0, 0, 1), SVC]);
    m.set_system("DBGBVR2_EL1", VA + 4);
    m.set_system("DBGBCR2_EL1", BREAK_EL0);
    assert_eq!(user(&mut m, VA, 0).0, 0x15, "MDSCR_EL1.MDE is clear");
    m.set_system("MDSCR_EL1", MDE);
    m.cpu.set_x(0, 0);
    assert_eq!(user(&mut m, VA, 0), (0x30, DEBUG, VA + 4));
    assert_eq!(m.cpu.x(0), 1);
    // EL1 only: EL0 runs through.
    m.set_system("DBGBCR2_EL1", BREAK_EL0 & !(3 << 1) | 1 << 1);
    assert_eq!(user(&mut m, VA, 0).0, 0x15);
}

#[test]
fn linked_breakpoints_ask_for_the_context() {
    let mut m = machine(&[add(0, 0, 1), add(0, 0, 1), SVC]);
    m.set_system("MDSCR_EL1", MDE);
    // Breakpoint 5 matches CONTEXTIDR 77 when linked to; 0 links to it.
    m.set_system("DBGBVR5_EL1", 77);
    m.set_system("DBGBCR5_EL1", BREAK_EL0 | 3 << 20);
    m.set_system("DBGBVR0_EL1", VA);
    m.set_system("DBGBCR0_EL1", BREAK_EL0 | 1 << 20 | 5 << 16);
    assert_eq!(user(&mut m, VA, 0).0, 0x15);
    m.set_system("CONTEXTIDR_EL1", 77);
    assert_eq!(user(&mut m, VA, 0), (0x30, DEBUG, VA));
    // Breakpoint 3 cannot compare contexts.
    m.set_system("DBGBVR3_EL1", 77);
    m.set_system("DBGBCR3_EL1", BREAK_EL0 | 3 << 20);
    m.set_system("DBGBCR0_EL1", BREAK_EL0 | 1 << 20 | 3 << 16);
    assert_eq!(user(&mut m, VA, 0).0, 0x15);
}

/// E, PAC EL0, LSC, BAS.
const fn watch(lsc: u64, bas: u64) -> u64 {
    1 | 2 << 1 | lsc << 3 | bas << 5
}
const LOADS: u64 = 1;
const STORES: u64 = 2;

#[test]
fn watchpoints_see_the_bytes_they_select() {
    let strb = 0x3900_0020;
    let mut m = machine(&[ldr(2, 1), str(2, 1), strb, SVC]);
    m.set_system("MDSCR_EL1", MDE);
    m.set_system("DBGWVR1_EL1", DATA_VA);
    let far = |m: &mut Machine| m.system("FAR_EL1");
    // Warm the TLB first: watching has to take the page out of it.
    assert_eq!(user(&mut m, VA, 0).0, 0x15);
    m.set_system("DBGWCR1_EL1", watch(LOADS, 0xff));
    assert_eq!(user(&mut m, VA, 0), (0x34, DEBUG, VA));
    assert_eq!(far(&mut m), DATA_VA);
    m.set_system("DBGWCR1_EL1", watch(STORES, 0xff));
    assert_eq!(user(&mut m, VA, 0), (0x34, DEBUG | 1 << 6, VA + 4));
    // Bytes 4 and 5 only: the byte store at 0 does not touch them.
    m.set_system("DBGWCR1_EL1", watch(STORES, 0x30));
    assert_eq!(user(&mut m, VA + 8, 0).0, 0x15);
    assert_eq!(user(&mut m, VA + 4, 0), (0x34, DEBUG | 1 << 6, VA + 4));
    assert_eq!(far(&mut m), DATA_VA + 4);
    m.cpu.set_x(1, DATA_VA + 5);
    assert_eq!(user(&mut m, VA + 8, 0).0, 0x34);
    // MASK 12: the whole page; an address beyond it is not watched.
    m.set_system("DBGWCR1_EL1", watch(STORES, 0xff) | 12 << 24);
    m.cpu.set_x(1, DATA_VA + 0xfff);
    assert_eq!(user(&mut m, VA + 8, 0).0, 0x34);
    m.set_system("DBGWCR1_EL1", 0);
    assert_eq!(user(&mut m, VA + 8, 0).0, 0x15);
}

#[test]
fn brk_reports_its_own_address() {
    let mut m = machine(&[0xd420_00e0]);
    assert_eq!(user(&mut m, VA, 0), (0x3c, 7, VA));
}
