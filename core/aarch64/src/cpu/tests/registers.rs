//! System registers, hints and waiting, timers, as programs meet them.

use super::machine::{Machine, RAM};
use super::tables::{Tables, attribute as a};
use super::{ERET, NOP, WFI, movz, svc};
use crate::cpu::{Halt, RunState};

const WFE: u32 = 0xd503_205f;
const SEVL: u32 = 0xd503_20bf;

const CODE: u64 = RAM + 0x20_0000;
const VA: u64 = 0x10_0000;

/// A machine with `word` and SVC #1 at EL0.
fn user_machine(model: &str) -> Machine {
    let mut m = Machine::new(model);
    m.vectors();
    let mut t = Tables::new(&mut m);
    t.enable(&mut m);
    t.map(&mut m, VA, CODE, a::USER);
    m.code(RAM, &[ERET]);
    m
}

/// Executes `word` at EL0; EC and ISS of the exception, SVC #1 if there was none.
fn user(m: &mut Machine, word: u32) -> (u64, u64) {
    m.code(CODE, &[word, svc(1)]);
    m.cpu.set_pc(RAM);
    m.set_system("SPSR_EL1", 0);
    m.set_system("ELR_EL1", VA);
    m.run_to_wfi();
    let esr = m.system("ESR_EL1");
    (esr >> 26, esr & 0x1ff_ffff)
}

const NO_EXCEPTION: (u64, u64) = (0x15, 1);
const UNDEFINED: (u64, u64) = (0, 0);

/// The trap of an MRS (or MSR) word.
fn trapped(word: u32) -> (u64, u64) {
    let field = |low: u32, bits: u32| u64::from(word >> low & ((1 << bits) - 1));
    let op0 = field(19, 2);
    let iss = op0 << 20
        | field(5, 3) << 17
        | field(16, 3) << 14
        | field(12, 4) << 10
        | field(0, 5) << 5
        | field(8, 4) << 1
        | field(21, 1);
    (0x18, iss)
}

#[test]
fn el0_meets_the_traps_of_each_register() {
    let mut m = user_machine("max");
    // Register, what opens it: a register and its bits.
    let sctlr = "SCTLR_EL1";
    for (word, control, bits) in [
        (0xd53b_0020_u32, sctlr, 1 << 15),      // CTR_EL0: UCT
        (0xd53b_e040, "CNTKCTL_EL1", 1 << 1),   // CNTVCT_EL0: EL0VCTEN
        (0xd53b_e020, "CNTKCTL_EL1", 1),        // CNTPCT_EL0: EL0PCTEN
        (0xd53b_e320, "CNTKCTL_EL1", 1 << 8),   // CNTV_CTL_EL0: EL0VTEN
        (0xd53b_e220, "CNTKCTL_EL1", 1 << 9),   // CNTP_CTL_EL0: EL0PTEN
        (0xd53b_9d00, "PMUSERENR_EL0", 1 << 2), // PMCCNTR_EL0: CR
        (0xd53b_9c00, "PMUSERENR_EL0", 1),      // PMCR_EL0: EN
        (0xd53b_4220, sctlr, 1 << 9),           // DAIF: UMA
        (0xd50b_7b21, sctlr, 1 << 26),          // DC CVAU, X1: UCI
        (0xd50b_7421, sctlr, 1 << 14),          // DC ZVA, X1: DZE
    ] {
        m.cpu.set_x(1, VA + 0x800);
        let before = m.system(control);
        m.set_system(control, before & !bits);
        assert_eq!(user(&mut m, word), trapped(word), "{word:#x}");
        m.set_system(control, before | bits);
        assert_eq!(user(&mut m, word), NO_EXCEPTION, "{word:#x}");
        m.set_system(control, before);
    }
}

#[test]
fn el0_finds_kernel_registers_undefined() {
    let mut m = user_machine("max");
    for word in [
        0xd538_0000_u32, // MRS MIDR_EL1
        0xd518_1000,     // MSR SCTLR_EL1
        0xd51b_d060,     // MSR TPIDRRO_EL0
        0xd51b_e000,     // MSR CNTFRQ_EL0
        0xd518_4100,     // MSR SP_EL0
        ERET,
        0xd508_871f, // TLBI VMALLE1
        0xd500_419f, // MSR PAN, #1
        0xd400_0002, // HVC #0
        0xd400_0003, // SMC #0
        0xd4a0_0001, // DCPS1
    ] {
        assert_eq!(user(&mut m, word), UNDEFINED, "{word:#x}");
    }
    assert_eq!(user(&mut m, 0xd53b_d060), NO_EXCEPTION, "MRS TPIDRRO_EL0");
    assert_eq!(user(&mut m, 0xd51b_d040), NO_EXCEPTION, "MSR TPIDR_EL0");
}

#[test]
fn el0_masks_interrupts_only_where_allowed() {
    let mut m = user_machine("max");
    // MSR DAIFSet, #2: the syndrome has op0 0, CRn 4, the immediate as CRm and Rt 31.
    let word = 0xd503_42df_u32;
    assert_eq!(
        user(&mut m, word),
        (0x18, 6 << 17 | 3 << 14 | 4 << 10 | 31 << 5 | 2 << 1)
    );
    let sctlr = m.system("SCTLR_EL1");
    m.set_system("SCTLR_EL1", sctlr | 1 << 9);
    assert_eq!(user(&mut m, word), NO_EXCEPTION);
    assert_eq!(m.system("SPSR_EL1") & 0x3c0, 0x80);
}

#[test]
fn waiting_at_el0_is_trapped_where_asked_for() {
    let mut m = user_machine("max");
    let sctlr = m.system("SCTLR_EL1") & !(1 << 16 | 1 << 18);
    m.set_system("SCTLR_EL1", sctlr);
    let cond = 1 << 24 | 0xe << 20;
    assert_eq!(user(&mut m, WFI), (1, cond));
    // The exception return set the event register: the first WFE consumes that.
    assert_eq!(user(&mut m, 0xd503_205f), NO_EXCEPTION);
    m.code(CODE, &[0xd503_205f, 0xd503_205f]);
    m.cpu.set_pc(RAM);
    m.set_system("ELR_EL1", VA);
    m.run_to_wfi();
    assert_eq!(m.system("ESR_EL1"), 1 << 26 | 1 << 25 | cond | 1);
    assert_eq!(m.system("ELR_EL1"), VA + 4);
}

#[test]
fn fp_instructions_trap_by_cpacr() {
    let mut m = user_machine("max");
    let fmov = 0x9e66_0000; // FMOV X0, D0
    let trap = (7, 1 << 24 | 0xe << 20);
    for (fpen, at_el0) in [(0, trap), (1, trap), (2, trap), (3, NO_EXCEPTION)] {
        m.set_system("CPACR_EL1", fpen << 20);
        assert_eq!(user(&mut m, fmov), at_el0, "FPEN {fpen}");
        assert_eq!(user(&mut m, 0xd53b_4400), at_el0, "MRS FPCR, FPEN {fpen}");
        m.code(RAM + 0x40, &[fmov, svc(2)]);
        m.cpu.set_pc(RAM + 0x40);
        m.run_to_wfi();
        let trapped = m.system("ESR_EL1") >> 26 == 7;
        assert_eq!(trapped, fpen == 0 || fpen == 2, "at EL1, FPEN {fpen}");
    }
}

#[test]
fn sp_el0_is_undefined_while_it_is_the_stack_pointer() {
    let mut m = Machine::new("max");
    m.vectors();
    let mrs_sp_el0 = 0xd538_4100;
    m.cpu.set_sp(0x1111);
    m.code(
        RAM,
        &[
            mrs_sp_el0,
            0xd500_40bf,
            movz(3, 0x30),
            0x9100_007f,
            mrs_sp_el0,
            NOP,
        ],
    );
    m.run_to_wfi();
    assert_eq!(m.system("ESR_EL1"), 1 << 25);
    assert_eq!(m.system("ELR_EL1"), RAM + 16);
    // The exception was taken with SP_EL1, which kept its value.
    assert_eq!((m.cpu.sp(), m.system("SP_EL0")), (0x1111, 0x30));
    assert_eq!(m.cpu.pc(), RAM + 0x8004, "the vector of EL1t");
}

#[test]
fn wfi_waits_for_interrupts_and_wfe_for_events() {
    let mut m = Machine::new("max");
    m.vectors();
    m.code(RAM, &[SEVL, WFE, WFE, movz(0, 1), WFI, movz(0, 2), WFI]);
    let outcome = m.run(100);
    assert_eq!(
        (outcome.state, outcome.executed),
        (RunState::WaitForEvent, 3)
    );
    assert_eq!(m.cpu.pc(), RAM + 12);
    m.cpu.look_for_events(&m.board);
    assert_eq!(m.cpu.halted(), Some(Halt::Event));
    assert_eq!(m.run(100).executed, 0);
    m.cpu.set_event();
    assert_eq!(m.cpu.halted(), None);
    let outcome = m.run(100);
    assert_eq!(
        (outcome.state, outcome.executed),
        (RunState::WaitForInterrupt, 2)
    );
    assert_eq!(m.cpu.halted(), Some(Halt::Interrupt));
    assert_eq!(m.run(100).executed, 0);
    // A masked interrupt ends the wait without being taken.
    m.cpu.set_irq(true);
    assert_eq!(m.cpu.halted(), None);
    m.run(1);
    assert_eq!(m.cpu.x(0), 2);
}

#[test]
fn an_event_ends_one_wait() {
    let mut m = Machine::new("max");
    m.code(RAM, &[WFE, WFE, WFE]);
    m.run(100);
    m.cpu.set_event();
    m.run(100);
    assert_eq!((m.cpu.pc(), m.cpu.halted()), (RAM + 8, Some(Halt::Event)));
    // An interrupt ends the wait where it is not masked.
    m.vectors();
    m.cpu.set_irq(true);
    assert_eq!(m.cpu.halted(), Some(Halt::Event));
    m.cpu.set_irq(false);
    m.cpu.resume();
    m.code(RAM + 0x100, &[0xd503_42ff, WFE]); // MSR DAIFCLR, #2
    m.cpu.set_pc(RAM + 0x100);
    m.run(100);
    assert_eq!(m.cpu.halted(), Some(Halt::Event));
    m.cpu.set_irq(true);
    assert_eq!(m.cpu.halted(), None);
    m.run(1);
    assert_eq!(m.system("ELR_EL1"), RAM + 0x108);
}

/// How CPUs wait for a lock: LDXR, and WFE while it is taken.
#[test]
fn a_store_to_a_reserved_place_is_an_event() {
    let place = RAM + 0x4000;
    for (load, bytes) in [(0x085f_7c20, 1), (0x885f_7c20, 4), (0xc85f_7c20, 8_u32)] {
        let mut m = Machine::new("max");
        m.set_word(place, 0x8877_6655_4433_2211);
        m.code(RAM, &[load, WFE, WFI]); // LDXR{B} Wt|Xt, [X1]; Xt is X0
        m.cpu.set_x(1, place);
        assert_eq!(m.run(100).state, RunState::WaitForEvent);
        m.cpu.look_for_events(&m.board);
        assert_eq!(m.cpu.halted(), Some(Halt::Event), "{bytes} bytes");
        // It is not asleep for ever: a store of the same value cannot be seen.
        let deadline = m.cpu.next_timer_deadline(0).unwrap();
        assert_eq!(deadline, 62_500);
        m.set_word(place, 0x8877_6655_4433_2210);
        m.cpu.look_for_events(&m.board);
        assert_eq!(m.cpu.halted(), None, "{bytes} bytes");
        // A store before the wait began.
        let mut m = Machine::new("max");
        m.set_word(place, 0x8877_6655_4433_2211);
        m.code(RAM, &[load, SEVL, WFE, WFE, WFI]);
        m.cpu.set_x(1, place);
        m.run(1);
        m.cpu.set_pc(RAM + 4);
        m.set_word(place, 0x8877_6655_4433_2210);
        assert_eq!(m.run(100).state, RunState::WaitForInterrupt);
    }
}

#[test]
fn the_event_stream_ends_waits() {
    let mut m = Machine::new("max");
    m.code(RAM, &[WFE; 8]);
    // EVNTEN, rises of bit 4: at 16, 48, 80 …
    m.set_system("CNTKCTL_EL1", 1 << 2 | 4 << 4);
    m.board.counter = 20;
    m.cpu.look_for_events(&m.board);
    m.run(100);
    assert_eq!(m.cpu.pc(), RAM + 8);
    assert_eq!(m.cpu.next_timer_deadline(20), Some(48));
    for (counter, waits) in [(47, true), (48, false)] {
        m.board.counter = counter;
        m.cpu.look_for_events(&m.board);
        assert_eq!(m.cpu.halted().is_some(), waits, "{counter}");
    }
    m.run(100);
    // EVNTDIR: falls, at 64, 96 …
    m.set_system("CNTKCTL_EL1", 3 << 2 | 4 << 4);
    assert_eq!(m.cpu.next_timer_deadline(50), Some(64));
    m.set_system("CNTKCTL_EL1", 0);
    assert_eq!(m.cpu.next_timer_deadline(50), None);
}

#[test]
fn timers_fire_when_the_counter_gets_there() {
    let mut m = Machine::new("max");
    m.board.counter = 1000;
    // MSR CNTV_TVAL_EL0, X0; MSR CNTV_CTL_EL0, X1; MRS X2, CNTV_CTL_EL0; MRS X3, CNTV_TVAL_EL0
    m.code(
        RAM,
        &[
            movz(0, 500),
            movz(1, 1),
            0xd51b_e300,
            0xd51b_e321,
            0xd53b_e322,
            0xd53b_e303,
            WFI,
        ],
    );
    m.run_to_wfi();
    assert_eq!((m.cpu.x(2), m.cpu.x(3)), (1, 500));
    assert_eq!(m.cpu.next_timer_deadline(1000), Some(1500));
    assert!(!m.cpu.timers(1499).virtual_);
    let lines = m.cpu.timers(1500);
    assert!(lines.virtual_ && !lines.physical && !lines.pmu);
    assert_eq!(m.cpu.next_timer_deadline(1500), None);
    m.board.counter = 1600;
    assert_eq!(m.system("CNTV_CTL_EL0"), 5);
    assert_eq!(m.system("CNTV_TVAL_EL0"), 0xffff_ff9c);
    m.set_system("CNTV_CTL_EL0", 3);
    assert!(!m.cpu.timers(1600).virtual_, "masked");
    m.set_system("CNTP_CVAL_EL0", 1600);
    m.set_system("CNTP_CTL_EL0", 1);
    assert!(m.cpu.timers(1600).physical);
}

#[test]
fn firmware_is_called_by_hvc_and_smc_or_they_are_undefined() {
    let mut m = Machine::new("max");
    m.vectors();
    for word in [0xd400_0002, 0xd400_0003] {
        m.code(RAM, &[word, WFI]);
        m.cpu.set_pc(RAM);
        m.run_to_wfi();
        assert_eq!(m.system("ESR_EL1"), 1 << 25);
        assert_eq!(m.system("ELR_EL1"), RAM);
    }
    m.board.firmware = true;
    m.cpu.set_pc(RAM);
    m.cpu.set_x(0, 0);
    m.cpu.set_x(1, 41);
    m.run_to_wfi();
    assert_eq!((m.cpu.x(0), m.cpu.pc()), (42, RAM + 8));
    m.cpu.resume();
    m.cpu.set_pc(RAM);
    m.cpu.set_x(0, 1);
    assert_eq!(m.run(10).state, RunState::Stopped);
    assert_eq!(m.run(10).executed, 0);
}

#[test]
fn the_cycle_counter_counts_and_overflows() {
    let mut m = Machine::new("max");
    m.set_system("PMCR_EL0", 1);
    m.set_system("PMINTENSET_EL1", 1 << 31);
    m.set_system("PMCCNTR_EL0", 0xffff_ff00);
    m.set_system("PMCNTENSET_EL0", 1 << 31);
    let mut code = vec![NOP; 100];
    code.push(WFI);
    m.code(RAM, &code);
    m.run_to_wfi();
    let counted = m.system("PMCCNTR_EL0") - 0xffff_ff00;
    assert!((100..110).contains(&counted), "{counted}");
    assert!(!m.cpu.timers(0).pmu);
    m.cpu.set_pc(RAM);
    m.run_to_wfi();
    m.cpu.set_pc(RAM);
    m.run_to_wfi();
    assert!(m.cpu.timers(0).pmu);
    assert_eq!(m.system("PMOVSCLR_EL0"), 1 << 31);
    m.set_system("PMOVSCLR_EL0", 1 << 31);
    assert!(!m.cpu.timers(0).pmu);
}
