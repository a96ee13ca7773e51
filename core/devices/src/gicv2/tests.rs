//! What Linux' `irq-gic.c` and `irq-gic-v2m.c` do, in their order, and what identifies the part.

use super::*;

fn read(gic: &mut GicV2, cpu: usize, frame: Frame, offset: u64) -> u32 {
    gic.read(cpu, frame, offset, 4).unwrap() as u32
}

fn write(gic: &mut GicV2, cpu: usize, frame: Frame, offset: u64, value: u32) {
    gic.write(cpu, frame, offset, 4, value.into()).unwrap();
}

const D: Frame = Frame::Distributor;
const C: Frame = Frame::CpuInterface;
const NOTHING: Outputs = Outputs {
    irq: false,
    fiq: false,
};
const IRQ: Outputs = Outputs {
    irq: true,
    fiq: false,
};

#[test]
fn registers_after_reset_are_those_of_virt() {
    // Read from QEMU's virt with one CPU.
    let mut gic = GicV2::new(1);
    let distributor = [
        (0x000, 0),
        (0x004, 8),
        (0x008, 0x43b),
        (0x080, 0),
        (0x100, 0xffff),
        (0x180, 0xffff),
        (0x200, 0),
        (0x400, 0),
        (0x800, 0),
        (0x820, 0),
        (0xc00, 0xaaaa_aaaa),
        (0xc04, 0),
        (0xfd0, 0x04),
        (0xfe0, 0x90),
        (0xfe4, 0xb4),
        (0xfe8, 0x2b),
        (0xff0, 0x0d),
        (0xffc, 0xb1),
    ];
    for (offset, value) in distributor {
        assert_eq!(read(&mut gic, 0, D, offset), value, "GICD {offset:#x}");
    }
    let interface = [
        (0x00, 0),
        (0x04, 0),
        (0x08, 0),
        (0x0c, 0x3ff),
        (0x14, 0xff),
        (0x18, 0x3ff),
        (0x1c, 1),
        (0xd0, 0),
        (0xfc, 0x2043b),
    ];
    for (offset, value) in interface {
        assert_eq!(read(&mut gic, 0, C, offset), value, "GICC {offset:#x}");
    }
    for (offset, value) in [(0x00, 0x21f), (0x04, 0xff), (0x08, 7), (0x1c, 7)] {
        write(&mut gic, 0, C, offset, u32::MAX);
        assert_eq!(read(&mut gic, 0, C, offset), value, "GICC {offset:#x}");
    }
}

/// gic_dist_init and gic_cpu_init.
fn linux(cpus: usize) -> GicV2 {
    let mut gic = GicV2::new(cpus);
    let lines = 32 * ((read(&mut gic, 0, D, 0x004) & 0x1f) + 1);
    assert_eq!(lines, 288);
    write(&mut gic, 0, D, 0x000, 0);
    let mask = read(&mut gic, 0, D, 0x800);
    let mask = if cpus == 1 { 0 } else { mask & 0xff };
    for offset in (32..lines).step_by(4) {
        write(
            &mut gic,
            0,
            D,
            0x800 + u64::from(offset),
            mask * 0x0101_0101,
        );
        write(&mut gic, 0, D, 0x400 + u64::from(offset), 0xa0a0_a0a0);
    }
    for offset in (32..lines).step_by(16) {
        write(&mut gic, 0, D, 0xc00 + u64::from(offset) / 4, 0);
    }
    for offset in (32..lines).step_by(32) {
        write(&mut gic, 0, D, 0x380 + u64::from(offset) / 8, u32::MAX);
        write(&mut gic, 0, D, 0x180 + u64::from(offset) / 8, u32::MAX);
    }
    write(&mut gic, 0, D, 0x000, 1);
    for cpu in 0..cpus {
        assert!(cpus == 1 || read(&mut gic, cpu, D, 0x800) == 0x0101_0101 << cpu);
        write(&mut gic, cpu, D, 0x380, u32::MAX);
        write(&mut gic, cpu, D, 0x180, 0xffff_0000);
        write(&mut gic, cpu, D, 0x100, 0x0000_ffff);
        for offset in (0..32).step_by(4) {
            write(&mut gic, cpu, D, 0x400 + offset, 0xa0a0_a0a0);
        }
        write(&mut gic, cpu, C, 0x04, 0xf0);
        for word in 0..4 {
            write(&mut gic, cpu, C, 0xd0 + word * 4, 0);
        }
        write(&mut gic, cpu, C, 0x00, 1);
    }
    gic
}

#[test]
fn a_level_interrupt_comes_until_its_line_falls() {
    let mut gic = linux(1);
    write(&mut gic, 0, D, 0x104, 2);
    gic.set_spi(1, true);
    assert_eq!(gic.outputs(0), IRQ);
    assert_eq!(read(&mut gic, 0, C, 0x0c), 33);
    assert_eq!(gic.outputs(0), NOTHING);
    assert_eq!(read(&mut gic, 0, C, 0x14), 0xa0);
    assert_eq!(read(&mut gic, 0, C, 0xd8), 1 << 16);
    assert_eq!(read(&mut gic, 0, C, 0x0c), 1023);
    write(&mut gic, 0, C, 0x10, 33);
    assert_eq!(gic.outputs(0), IRQ);
    assert_eq!(read(&mut gic, 0, C, 0x0c), 33);
    gic.set_spi(1, false);
    write(&mut gic, 0, C, 0x10, 33);
    assert_eq!(gic.outputs(0), NOTHING);
}

#[test]
fn an_edge_during_handling_is_not_lost() {
    let mut gic = linux(1);
    write(&mut gic, 0, D, 0xc08, 0b10 << 2);
    write(&mut gic, 0, D, 0x104, 2);
    for _ in 0..2 {
        gic.set_spi(1, true);
        gic.set_spi(1, false);
    }
    assert_eq!(read(&mut gic, 0, C, 0x0c), 33);
    gic.set_spi(1, true);
    gic.set_spi(1, false);
    assert_eq!(gic.outputs(0), NOTHING);
    write(&mut gic, 0, C, 0x10, 33);
    assert_eq!(read(&mut gic, 0, C, 0x0c), 33);
    write(&mut gic, 0, C, 0x10, 33);
    assert_eq!(read(&mut gic, 0, C, 0x0c), 1023);
}

#[test]
fn sgis_tell_their_sender_and_queue_by_it() {
    let mut gic = linux(4);
    write(&mut gic, 0, D, 0xf00, 0b0100 << 16 | 3);
    write(&mut gic, 3, D, 0xf00, 1 << 24 | 3);
    assert_eq!(
        [0, 1, 2, 3].map(|cpu| gic.outputs(cpu).irq),
        [true, true, true, false]
    );
    assert_eq!(read(&mut gic, 2, D, 0xf20), 0b1001 << 24);
    assert_eq!(read(&mut gic, 2, C, 0x18), 3);
    assert_eq!(read(&mut gic, 2, C, 0x0c), 3);
    write(&mut gic, 2, C, 0x10, 3);
    assert_eq!(read(&mut gic, 2, C, 0x0c), 3 << 10 | 3);
    write(&mut gic, 2, C, 0x10, 3 << 10 | 3);
    assert_eq!(read(&mut gic, 2, C, 0x0c), 1023);
    write(&mut gic, 1, D, 0xf10, u32::MAX);
    assert_eq!(gic.outputs(1), NOTHING);
    // To itself.
    write(&mut gic, 1, D, 0xf00, 2 << 24 | 15);
    assert_eq!(read(&mut gic, 1, C, 0x0c), 1 << 10 | 15);
}

#[test]
fn shared_interrupts_follow_their_targets() {
    let mut gic = linux(4);
    write(&mut gic, 0, D, 0x104, 1);
    gic.write(0, D, 0x820, 1, 0b1100).unwrap();
    gic.set_spi(0, true);
    assert_eq!(
        [0, 1, 2, 3].map(|cpu| gic.outputs(cpu).irq),
        [false, false, true, true]
    );
    assert_eq!(read(&mut gic, 3, C, 0x0c), 32);
    assert_eq!(read(&mut gic, 2, C, 0x0c), 1023, "taken by one CPU only");
    assert_eq!(gic.outputs(2), NOTHING);
}

#[test]
fn group_1_needs_its_own_registers_or_ackctl() {
    let mut gic = linux(1);
    write(&mut gic, 0, D, 0x000, 3);
    write(&mut gic, 0, D, 0x084, 1);
    write(&mut gic, 0, D, 0x104, 1);
    write(&mut gic, 0, C, 0x00, 0b1011);
    gic.set_spi(0, true);
    assert_eq!(gic.outputs(0), IRQ);
    assert_eq!(read(&mut gic, 0, C, 0x0c), 1022);
    assert_eq!(read(&mut gic, 0, C, 0x28), 32);
    write(&mut gic, 0, C, 0x00, 0b1111);
    assert_eq!(read(&mut gic, 0, C, 0x18), 32);
    assert_eq!(read(&mut gic, 0, C, 0x0c), 32);
    // Group 0 goes to FIQ.
    write(&mut gic, 0, D, 0x104, 2);
    gic.write(0, D, 0x421, 1, 0x20).unwrap();
    gic.set_spi(1, true);
    assert_eq!(
        gic.outputs(0),
        Outputs {
            irq: false,
            fiq: true
        }
    );
}

#[test]
fn accesses_outside_fail() {
    let mut gic = GicV2::new(2);
    assert_eq!(gic.read(0, D, 0x1000, 4), Err(BusError));
    assert_eq!(gic.read(0, C, 0x2000, 4), Err(BusError));
    assert_eq!(gic.read(0, D, 0x2, 4), Err(BusError));
    assert_eq!(gic.read(2, D, 0, 4), Err(BusError));
    assert_eq!(gic.read(0, Frame::Redistributors, 0, 4), Err(BusError));
}
