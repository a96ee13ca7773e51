//! What Linux' `irq-gic-v3.c` does, in its order, and what identifies the part.

use super::spec::icc;
use super::*;

const D: Frame = Frame::Distributor;
const R: Frame = Frame::Redistributors;
const NOTHING: Outputs = Outputs {
    irq: false,
    fiq: false,
};
const IRQ: Outputs = Outputs {
    irq: true,
    fiq: false,
};

fn read(gic: &mut GicV3, frame: Frame, offset: u64) -> u32 {
    gic.read(0, frame, offset, 4).unwrap() as u32
}

fn write(gic: &mut GicV3, frame: Frame, offset: u64, value: u32) {
    gic.write(0, frame, offset, 4, value.into()).unwrap();
}

fn get(gic: &mut GicV3, cpu: usize, register: u32) -> u64 {
    gic.sysreg_read(cpu, register).unwrap()
}

fn set(gic: &mut GicV3, cpu: usize, register: u32, value: u64) {
    gic.sysreg_write(cpu, register, value).unwrap();
}

#[test]
fn registers_after_reset_are_those_of_virt() {
    // Read from QEMU's virt, where GICD_TYPER.LPIS is set besides and GICR_CTLR.CES with it.
    let mut gic = GicV3::new(&[0, 1, 2, 3]);
    let distributor = [
        (0x0000, 0x50),
        (0x0004, 0x378_0007),
        (0x0008, 0x43b),
        (0x000c, 0),
        (0x0080, 0),
        (0x0100, 0),
        (0x0c00, 0),
        (0x0c08, 0),
        (0xffd0, 0x44),
        (0xffe0, 0x92),
        (0xffe4, 0xb4),
        (0xffe8, 0x3b),
        (0xfff0, 0x0d),
        (0xfffc, 0xb1),
    ];
    for (offset, value) in distributor {
        assert_eq!(read(&mut gic, D, offset), value, "GICD {offset:#x}");
    }
    let all_ones = [
        (0x0000, 0x53),
        (0x0080, 0),
        (0x0084, u32::MAX),
        (0x0104, u32::MAX),
        (0x0400, 0),
        (0x0420, u32::MAX),
        (0x0820, 0),
        (0x0c00, 0),
        (0x0c08, 0xaaaa_aaaa),
        (0x0d04, 0),
    ];
    for (offset, value) in all_ones {
        write(&mut gic, D, offset, u32::MAX);
        assert_eq!(read(&mut gic, D, offset), value, "GICD {offset:#x}");
    }
    let typers = [
        0x0100_0000,
        0x0001_0100_0100,
        0x0002_0100_0200,
        0x0003_0100_0310_u64,
    ];
    for (cpu, typer) in typers.into_iter().enumerate() {
        let at = cpu as u64 * 0x2_0000;
        assert_eq!(gic.read(0, R, at + 8, 8), Ok(typer));
        assert_eq!(read(&mut gic, R, at + 0xffe0), 0x93);
        assert_eq!(read(&mut gic, R, at + 0xffe8), 0x3b);
        assert_eq!(read(&mut gic, R, at + 0x1_0c00), 0xaaaa_aaaa);
    }
    assert_eq!(gic.read(0, R, 4 * 0x2_0000, 4), Err(BusError));
}

/// gic_of_init, gic_dist_init, gic_cpu_init and gic_cpu_sys_reg_init.
fn linux(affinities: &[u32]) -> GicV3 {
    let mut gic = GicV3::new(affinities);
    assert_eq!(read(&mut gic, D, 0xffe8) & 0xf0, 0x30);
    let lines = u64::from(32 * ((read(&mut gic, D, 0x4) & 0x1f) + 1));
    write(&mut gic, D, 0, 0);
    assert_eq!(read(&mut gic, D, 0) >> 31, 0, "register write pending");
    for first in (32..lines).step_by(32) {
        write(&mut gic, D, 0x080 + first / 8, u32::MAX);
        write(&mut gic, D, 0x180 + first / 8, u32::MAX);
        write(&mut gic, D, 0x380 + first / 8, u32::MAX);
    }
    for first in (32..lines).step_by(4) {
        write(&mut gic, D, 0x400 + first, 0xa0a0_a0a0);
    }
    write(&mut gic, D, 0, 0x13);
    for spi in 32..lines {
        let at = 0x6000 + spi * 8;
        gic.write(0, D, at, 8, affinities[0].into()).unwrap();
    }
    for cpu in 0..affinities.len() {
        let base = cpu as u64 * 0x2_0000;
        let typer = gic.read(cpu, R, base + 8, 8).unwrap();
        assert_eq!(typer >> 32, u64::from(affinities[cpu]));
        assert_eq!(typer & 0x10 != 0, cpu + 1 == affinities.len());
        let waker = read(&mut gic, R, base + 0x14);
        assert_eq!(waker, 6);
        write(&mut gic, R, base + 0x14, waker & !2);
        assert_eq!(read(&mut gic, R, base + 0x14) & 4, 0, "children asleep");
        let sgis = base + 0x1_0000;
        write(&mut gic, R, sgis + 0x080, u32::MAX);
        write(&mut gic, R, sgis + 0x380, u32::MAX);
        write(&mut gic, R, sgis + 0x180, 0xffff_0000);
        write(&mut gic, R, sgis + 0x100, 0x0000_ffff);
        for first in (0..32).step_by(4) {
            write(&mut gic, R, sgis + 0x400 + first, 0xa0a0_a0a0);
        }
        assert_eq!(
            read(&mut gic, R, base) & 1 << 3,
            0,
            "register write pending"
        );
        assert_eq!(get(&mut gic, cpu, icc::SRE) & 1, 1);
        let bits = (get(&mut gic, cpu, icc::CTLR) >> 8 & 7) + 1;
        assert_eq!(bits, 5);
        // gic_has_group0: a priority that only a single security state keeps.
        set(&mut gic, cpu, icc::PMR, 1 << (8 - bits));
        assert_eq!(get(&mut gic, cpu, icc::PMR), 1 << (8 - bits));
        set(&mut gic, cpu, icc::PMR, 0xf0);
        set(&mut gic, cpu, icc::BPR1, 0);
        assert_eq!(get(&mut gic, cpu, icc::BPR1), 3);
        set(&mut gic, cpu, icc::CTLR, 0);
        set(&mut gic, cpu, icc::AP0R0, 0);
        set(&mut gic, cpu, icc::AP1R0, 0);
        set(&mut gic, cpu, icc::IGRPEN1, 1);
    }
    gic
}

#[test]
fn a_timer_interrupt_is_taken_and_ended() {
    let mut gic = linux(&[0, 1]);
    write(&mut gic, R, 0x3_0100, 1 << 27);
    gic.set_ppi(1, 11, true);
    assert_eq!([gic.outputs(0), gic.outputs(1)], [NOTHING, IRQ]);
    assert_eq!(get(&mut gic, 1, icc::HPPIR1), 27);
    assert_eq!(get(&mut gic, 1, icc::HPPIR0), 1023);
    assert_eq!(get(&mut gic, 1, icc::IAR0), 1023);
    assert_eq!(get(&mut gic, 1, icc::IAR1), 27);
    assert_eq!(get(&mut gic, 1, icc::RPR), 0xa0);
    assert_eq!(get(&mut gic, 1, icc::AP1R0), 1 << 20);
    gic.set_ppi(1, 11, false);
    // An end of the wrong group does nothing.
    set(&mut gic, 1, icc::EOIR0, 27);
    assert_eq!(get(&mut gic, 1, icc::RPR), 0xa0);
    set(&mut gic, 1, icc::EOIR1, 27);
    assert_eq!(get(&mut gic, 1, icc::RPR), 0xff);
    assert_eq!(gic.outputs(1), NOTHING);
}

#[test]
fn with_eoimode_ending_and_deactivating_are_apart() {
    let mut gic = linux(&[0]);
    set(&mut gic, 0, icc::CTLR, 2);
    write(&mut gic, D, 0x104, 0b11);
    gic.set_spi(0, true);
    assert_eq!(get(&mut gic, 0, icc::IAR1), 32);
    set(&mut gic, 0, icc::EOIR1, 32);
    assert_eq!(get(&mut gic, 0, icc::RPR), 0xff);
    assert_eq!(gic.outputs(0), NOTHING, "still active");
    gic.set_spi(1, true);
    assert_eq!(get(&mut gic, 0, icc::IAR1), 33, "others come through");
    set(&mut gic, 0, icc::EOIR1, 33);
    set(&mut gic, 0, icc::DIR, 32);
    assert_eq!(gic.outputs(0), IRQ);
}

#[test]
fn sgis_go_by_affinity_and_group() {
    let mut gic = linux(&[0x000, 0x001, 0x100, 0x0203_0104]);
    set(&mut gic, 0, icc::SGI1R, 5 << 24 | 0b11);
    let lines = |gic: &GicV3| [0, 1, 2, 3].map(|cpu| gic.outputs(cpu).irq);
    assert_eq!(lines(&gic), [true, true, false, false]);
    set(&mut gic, 0, icc::SGI1R, 6 << 24 | 1 << 16 | 0b1);
    assert_eq!(lines(&gic), [true, true, true, false]);
    set(
        &mut gic,
        0,
        icc::SGI1R,
        2 << 48 | 3 << 32 | 7 << 24 | 1 << 16 | 1 << 4,
    );
    assert_eq!(lines(&gic), [true; 4]);
    assert_eq!(
        [1, 2, 3].map(|cpu| get(&mut gic, cpu, icc::IAR1)),
        [5, 6, 7]
    );
    // All but the sender; group 0 does not reach interrupts of group 1.
    set(&mut gic, 0, icc::SGI0R, 1 << 40 | 9 << 24);
    assert_eq!(get(&mut gic, 1, icc::HPPIR1), 1023);
    set(&mut gic, 0, icc::SGI1R, 1 << 40 | 9 << 24);
    assert_eq!(get(&mut gic, 0, icc::HPPIR1), 5);
    assert_eq!(get(&mut gic, 1, icc::HPPIR1), 9);
}

#[test]
fn shared_interrupts_follow_their_route() {
    let mut gic = linux(&[0, 1, 0x100]);
    write(&mut gic, D, 0x104, 1);
    gic.set_spi(0, true);
    let lines = |gic: &GicV3| [0, 1, 2].map(|cpu| gic.outputs(cpu).irq);
    assert_eq!(lines(&gic), [true, false, false]);
    gic.write(0, D, 0x6100, 8, 0x100).unwrap();
    assert_eq!(lines(&gic), [false, false, true]);
    gic.write(0, D, 0x6100, 8, 0x77).unwrap();
    assert_eq!(lines(&gic), [false; 3], "no such CPU");
    // Any CPU: the first that is awake.
    gic.write(0, D, 0x6100, 8, 1 << 31).unwrap();
    assert_eq!(lines(&gic), [true, false, false]);
    write(&mut gic, R, 0x14, 2);
    assert_eq!(lines(&gic), [false, true, false]);
}

#[test]
fn group_0_is_signalled_by_fiq() {
    let mut gic = linux(&[0]);
    set(&mut gic, 0, icc::IGRPEN0, 1);
    write(&mut gic, D, 0x084, 0);
    write(&mut gic, D, 0x104, 1);
    gic.set_spi(0, true);
    assert_eq!(
        gic.outputs(0),
        Outputs {
            irq: false,
            fiq: true
        }
    );
    assert_eq!(get(&mut gic, 0, icc::IAR1), 1023);
    assert_eq!(get(&mut gic, 0, icc::IAR0), 32);
    assert_eq!(get(&mut gic, 0, icc::AP0R0), 1 << 20);
}

#[test]
fn directions_of_system_registers_are_kept() {
    let mut gic = linux(&[0]);
    for write_only in [
        icc::EOIR0,
        icc::EOIR1,
        icc::DIR,
        icc::SGI1R,
        icc::SGI0R,
        icc::ASGI1R,
    ] {
        assert_eq!(gic.sysreg_read(0, write_only), None);
    }
    for read_only in [icc::IAR0, icc::IAR1, icc::HPPIR0, icc::HPPIR1, icc::RPR] {
        assert_eq!(gic.sysreg_write(0, read_only, 0), None);
    }
    // ICC_AP0R1_EL1 needs more priority bits.
    assert_eq!(gic.sysreg_read(0, icc::AP0R0 + 1), None);
    // The encodings as assemblers print them: S3_0_C12_C12_0 and S3_0_C4_C6_0.
    assert_eq!(icc::IAR1, 3 << 14 | 12 << 7 | 12 << 3);
    assert_eq!(icc::PMR, 3 << 14 | 4 << 7 | 6 << 3);
}

/// A step of the sequence that [`system_registers_answer_as_on_virt`] runs.
enum Step {
    /// Write.
    W(u32, u64),
    /// Read: the register and what QEMU's virt answers.
    R(u32, u64),
    /// Write to the redistributor's SGI frame.
    M(u64, u32),
}

#[test]
fn system_registers_answer_as_on_virt() {
    use Step::{M, R, W};
    let steps = [
        // After reset.
        R(icc::CTLR, 0x8c00),
        R(icc::SRE, 7),
        R(icc::PMR, 0),
        R(icc::BPR0, 2),
        R(icc::BPR1, 3),
        R(icc::RPR, 0xff),
        R(icc::IGRPEN0, 0),
        R(icc::IGRPEN1, 0),
        R(icc::HPPIR0, 0x3ff),
        R(icc::HPPIR1, 0x3ff),
        R(icc::IAR0, 0x3ff),
        R(icc::IAR1, 0x3ff),
        // What can be written.
        W(icc::PMR, 0xff),
        R(icc::PMR, 0xf8),
        W(icc::PMR, 8),
        R(icc::PMR, 8),
        W(icc::BPR0, 0),
        R(icc::BPR0, 2),
        W(icc::BPR0, 7),
        R(icc::BPR0, 7),
        W(icc::BPR1, 7),
        R(icc::BPR1, 7),
        W(icc::BPR1, 1),
        R(icc::BPR1, 3),
        W(icc::BPR0, 1),
        W(icc::CTLR, 0xffff_ffff),
        R(icc::CTLR, 0x8c03),
        R(icc::BPR1, 3),
        W(icc::BPR0, 5),
        R(icc::BPR1, 6),
        W(icc::BPR1, 7),
        R(icc::BPR1, 6),
        W(icc::CTLR, 0),
        R(icc::CTLR, 0x8c00),
        R(icc::BPR1, 3),
        W(icc::BPR0, 0),
        W(icc::SRE, 0),
        R(icc::SRE, 7),
        W(icc::IGRPEN0, 0xff),
        R(icc::IGRPEN0, 1),
        W(icc::IGRPEN1, 0xff),
        R(icc::IGRPEN1, 1),
        // Priorities drop in the group that runs.
        W(icc::AP1R0, 0x10_0000),
        R(icc::RPR, 0xa0),
        W(icc::AP0R0, 3),
        R(icc::RPR, 0),
        W(icc::EOIR1, 32),
        R(icc::AP0R0, 3),
        R(icc::AP1R0, 0x10_0000),
        W(icc::EOIR0, 32),
        R(icc::AP0R0, 2),
        W(icc::EOIR0, 32),
        R(icc::AP0R0, 0),
        W(icc::EOIR1, 1023),
        R(icc::AP1R0, 0x10_0000),
        W(icc::EOIR1, 0),
        R(icc::AP1R0, 0),
        // SGIs 0 to 7 in group 1, the others in group 0.
        M(0x100, 0xffff),
        M(0x080, 0x00ff),
        W(icc::PMR, 0xff),
        W(icc::SGI1R, 5 << 24 | 1),
        R(icc::HPPIR1, 5),
        R(icc::IAR1, 5),
        R(icc::RPR, 0),
        R(icc::AP1R0, 1),
        W(icc::EOIR1, 5),
        W(icc::SGI1R, 9 << 24 | 1),
        R(icc::HPPIR0, 0x3ff),
        W(icc::SGI0R, 9 << 24 | 1),
        R(icc::HPPIR0, 9),
        R(icc::HPPIR1, 0x3ff),
        R(icc::IAR1, 0x3ff),
        R(icc::IAR0, 9),
        R(icc::AP0R0, 1),
        W(icc::EOIR0, 9),
        W(icc::ASGI1R, 10 << 24 | 1),
        R(icc::HPPIR0, 10),
        R(icc::IAR0, 10),
        W(icc::EOIR0, 10),
        W(icc::ASGI1R, 3 << 24 | 1),
        R(icc::HPPIR1, 0x3ff),
        W(icc::SGI0R, 3 << 24 | 1),
        R(icc::HPPIR1, 0x3ff),
    ];
    let mut gic = GicV3::new(&[0]);
    write(&mut gic, D, 0, 3);
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            W(register, value) => set(&mut gic, 0, register, value),
            R(register, value) => assert_eq!(get(&mut gic, 0, register), value, "step {number}"),
            M(offset, value) => write(&mut gic, Frame::Redistributors, 0x1_0000 + offset, value),
        }
    }
}
