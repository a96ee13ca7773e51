//! Entry, return, syndromes.

use super::machine::{DEVICE, Machine, RAM};
use super::{WFI, add, ldr, movz, str, svc};

/// B .+4: interrupts are seen where a region ends.
const BRANCH_ON: u32 = 0x1400_0001;

/// EC and ISS of a syndrome.
fn parts(esr: u64) -> (u64, u64) {
    (esr >> 26, esr & 0x1ff_ffff)
}

#[test]
fn svc_goes_to_the_current_level_vector_and_returns_after() {
    let mut m = Machine::new("cortex-a57");
    let vectors = m.vectors();
    m.code(RAM, &[movz(0, 5), svc(0x123), add(0, 0, 1), WFI]);
    m.code(vectors + 0x200, &[add(0, 0, 10), super::ERET]);
    m.run_to_wfi();
    assert_eq!(m.cpu.x(0), 16);
    assert_eq!(parts(m.system("ESR_EL1")), (0x15, 0x123));
    assert_eq!(m.system("ELR_EL1"), RAM + 8);
    assert_eq!(m.system("SPSR_EL1"), 0x3c5);
    assert_eq!(m.cpu.pc(), RAM + 16);
}

#[test]
fn undefined_instructions_report_their_own_address() {
    let mut m = Machine::new("cortex-a57");
    let vectors = m.vectors();
    m.code(RAM, &[movz(0, 5), 0]);
    m.run_to_wfi();
    assert_eq!(m.cpu.pc(), vectors + 0x204);
    assert_eq!(parts(m.system("ESR_EL1")), (0, 0));
    assert_eq!(m.system("ELR_EL1"), RAM + 4);
}

#[test]
fn a_device_that_raises_an_interrupt_is_seen_at_once() {
    let mut m = Machine::new("cortex-a57");
    let vectors = m.vectors();
    // MSR DAIFClr, #2
    m.code(
        RAM,
        &[
            0xd503_42ff,
            movz(0, 1),
            movz(1, DEVICE as u32 + 8),
            str(0, 1),
            BRANCH_ON,
            WFI,
        ],
    );
    // Drop the line and come back.
    m.code(
        vectors + 0x280,
        &[movz(0, 0), str(0, 1), add(2, 2, 1), super::ERET],
    );
    m.run_to_wfi();
    assert_eq!(m.cpu.x(2), 1);
    assert_eq!(m.board.writes, [(8, 8, 1), (8, 8, 0)]);
    assert_eq!(m.system("SPSR_EL1"), 0x345);
    assert_eq!(m.cpu.pc(), RAM + 24);
}

#[test]
fn unmasking_takes_a_pending_interrupt_right_after() {
    let mut m = Machine::new("cortex-a57");
    let vectors = m.vectors();
    m.cpu.set_irq(true);
    m.board.irq = true;
    m.code(RAM, &[movz(0, 7), 0xd503_42ff, movz(0, 8), WFI]);
    // The handler's WFI does not wait, since the interrupt is still pending.
    m.code(
        vectors + 0x280,
        &[WFI, movz(1, DEVICE as u32 + 8), str(31, 1), WFI],
    );
    m.run_to_wfi();
    assert_eq!(m.cpu.pc(), vectors + 0x290);
    assert_eq!(m.system("ELR_EL1"), RAM + 8);
    assert_eq!(m.cpu.x(0), 7);
}

#[test]
fn bus_errors_and_misalignment_are_told_apart() {
    let mut m = Machine::new("cortex-a57");
    m.vectors();
    m.code(RAM, &[ldr(0, 1)]);
    for (address, status) in [(0x10_0000_u64, 0x10_u64), (RAM + 0x101, 0x21)] {
        m.cpu.set_pc(RAM);
        m.cpu.set_x(1, address);
        m.run_to_wfi();
        assert_eq!(parts(m.system("ESR_EL1")), (0x25, status), "{address:#x}");
        assert_eq!(m.system("FAR_EL1"), address);
        assert_eq!(m.system("ELR_EL1"), RAM);
    }
}

#[test]
fn illegal_returns_raise_the_illegal_state_exception() {
    let mut m = Machine::new("cortex-a57");
    let vectors = m.vectors();
    m.code(RAM, &[super::ERET]);
    // EL2h, AArch32 User, EL0 with SPSel, the reserved bit 1.
    for spsr in [0x3c9_u64, 0x3d0, 0x3c1, 0x3c6] {
        m.cpu.set_pc(RAM);
        m.set_system("SPSR_EL1", spsr);
        m.set_system("ELR_EL1", RAM + 0x100);
        m.run_to_wfi();
        assert_eq!(m.cpu.pc(), vectors + 0x204);
        assert_eq!(parts(m.system("ESR_EL1")).0, 0x0e, "{spsr:#x}");
        assert_eq!(m.system("ELR_EL1"), RAM + 0x100);
        assert_eq!(m.system("SPSR_EL1"), 0x10_03c5);
    }
}
