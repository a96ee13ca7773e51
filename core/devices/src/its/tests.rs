use std::sync::{Arc, RwLock};

use ferrite_machine::bus::MappedRegion;
use ferrite_machine::{AddressMap, Dma, RegionKind};
use ferrite_ram::{GuestPhys, GuestRam, RamOffset};

use super::{Its, ItsCx};
use crate::gic::Frame;
use crate::gicv3::GicV3;
use crate::testbed::Random;

const RAM: u64 = 0x4000_0000;
const QUEUE: u64 = RAM;
const DEVICES: u64 = RAM + 0x1_0000;
const COLLECTIONS: u64 = RAM + 0xa_0000;
const EVENTS: u64 = RAM + 0xc_0000;
const CONFIGURATION: u64 = RAM + 0xd_0000;
const LPI: u32 = 8192;

/// ICC_IAR1_EL1, ICC_EOIR1_EL1.
const IAR: u32 = 3 << 14 | 12 << 7 | 12 << 3;
const EOIR: u32 = IAR | 1;

struct Bed {
    its: Its,
    gic: GicV3,
    dma: Dma,
    written: u64,
}

impl Bed {
    /// A machine with two CPUs, its ITS set up as Linux does it.
    fn new(indirect: bool) -> Self {
        let ram = Arc::new(GuestRam::new(1 << 20).unwrap());
        let mut map = AddressMap::default();
        map.add(MappedRegion {
            name: "ram".into(),
            base: GuestPhys(RAM),
            len: ram.len(),
            kind: RegionKind::Ram(RamOffset(0)),
        })
        .unwrap();
        let mut bed = Self {
            its: Its::default(),
            gic: GicV3::new(&[0, 1]).with_lpis(),
            dma: Dma::new(ram, Arc::new(RwLock::new(map))),
            written: 0,
        };
        for cpu in 0..2 {
            let base = cpu as u64 * 0x2_0000;
            bed.gicr(base + 0x70, 8, CONFIGURATION | 15);
            bed.gicr(base + 0x78, 8, RAM + 0xe_0000);
            bed.gicr(base, 4, 1);
            // Everything through: ICC_PMR_EL1, ICC_IGRPEN1_EL1.
            bed.gic
                .sysreg_write(cpu, 3 << 14 | 4 << 7 | 6 << 3, 0xff)
                .unwrap();
            bed.gic.sysreg_write(cpu, IAR | 7, 1).unwrap();
        }
        bed.gic.write(0, Frame::Distributor, 0, 4, 2).unwrap();
        let devices = if indirect {
            // One page of the second level.
            bed.dma
                .store(GuestPhys(DEVICES), 1 << 63 | (DEVICES + 0x1000))
                .unwrap();
            3 << 62 | DEVICES
        } else {
            1 << 63 | DEVICES | 0x7f
        };
        bed.set(0x100, 8, devices);
        bed.set(0x108, 8, 1 << 63 | COLLECTIONS);
        bed.set(0x80, 8, 1 << 63 | QUEUE | 0xf);
        bed.set(0, 4, 1);
        bed
    }

    fn gicr(&mut self, offset: u64, bytes: u64, value: u64) {
        self.gic
            .write(0, Frame::Redistributors, offset, bytes, value)
            .unwrap();
    }

    fn cx<T>(&mut self, act: impl FnOnce(&mut Its, &mut ItsCx<'_>) -> T) -> T {
        let mut cx = ItsCx {
            dma: &self.dma,
            gic: &mut self.gic,
        };
        act(&mut self.its, &mut cx)
    }

    fn set(&mut self, offset: u64, bytes: u64, value: u64) {
        self.cx(|its, cx| its.write(cx, offset, bytes, value))
            .unwrap();
    }

    fn command(&mut self, words: [u64; 4]) {
        for (n, word) in (0..).zip(words) {
            self.dma
                .store(GuestPhys(QUEUE + self.written + 8 * n), word)
                .unwrap();
        }
        self.written = (self.written + 32) % 0x1_0000;
        self.set(0x88, 8, self.written);
        assert_eq!(self.its.read(0x90, 8), Ok(self.written));
    }

    /// MAPD, MAPC for both CPUs, MAPTI of event 3 of device 0x18 to LPI 8192 + 5 on CPU 0.
    fn mapped(indirect: bool) -> Self {
        let mut bed = Self::new(indirect);
        bed.command([0x18 << 32 | 8, 4, 1 << 63 | EVENTS, 0]);
        for cpu in 0..2 {
            bed.command([9, 0, 1 << 63 | cpu << 16 | cpu, 0]);
        }
        bed.command([0x18 << 32 | 0xa, u64::from(LPI + 5) << 32 | 3, 0, 0]);
        bed
    }

    fn configure(&mut self, byte: u8) {
        self.dma.store(GuestPhys(CONFIGURATION + 5), byte).unwrap();
    }

    fn message(&mut self, device: u16, event: u32) {
        self.cx(|its, cx| its.message(cx, 0x1_0040, device, event));
    }

    fn irqs(&self) -> [bool; 2] {
        [0, 1].map(|cpu| self.gic.outputs(cpu).irq)
    }

    fn take(&mut self, cpu: usize) -> u64 {
        let intid = self.gic.sysreg_read(cpu, IAR).unwrap();
        if intid != 1023 {
            self.gic.sysreg_write(cpu, EOIR, intid).unwrap();
        }
        intid
    }
}

#[test]
fn commands_are_told_of() {
    let mut bed = Bed::mapped(false);
    let lines = crate::told::told(bed.dma.trace());
    bed.command([0x18 << 32 | 3, 3, 0, 0]);
    let expected = "gicv3_its_process_command cmd 0x03 0x1800000003 0x3 0x0";
    assert_eq!(*lines.lock().unwrap(), [expected]);
}

#[test]
fn a_message_becomes_an_interrupt() {
    for indirect in [false, true] {
        let mut bed = Bed::mapped(indirect);
        bed.configure(0xa1);
        // Neither another device nor another event.
        bed.message(0x20, 3);
        bed.message(0x18, 4);
        assert_eq!(bed.irqs(), [false; 2]);
        bed.message(0x18, 3);
        assert_eq!(bed.irqs(), [true, false]);
        assert_eq!(bed.take(1), 1023);
        assert_eq!(bed.take(0), u64::from(LPI + 5));
        assert_eq!((bed.irqs(), bed.take(0)), ([false; 2], 1023));
        // It can come again while its handler runs, but not before its priority is dropped.
        bed.message(0x18, 3);
        let intid = bed.gic.sysreg_read(0, IAR).unwrap();
        bed.message(0x18, 3);
        assert_eq!(bed.irqs(), [false; 2]);
        bed.gic.sysreg_write(0, EOIR, intid).unwrap();
        assert_eq!(bed.irqs(), [true, false]);
    }
}

#[test]
fn a_disabled_interrupt_waits_for_its_configuration() {
    let mut bed = Bed::mapped(false);
    bed.configure(0xa0);
    for invalidate in [[0x18 << 32 | 0xc, 3, 0, 0], [0xd, 0, 0, 0]] {
        bed.message(0x18, 3);
        assert_eq!(bed.irqs(), [false; 2]);
        bed.configure(0xa1);
        assert_eq!(bed.irqs(), [false; 2]);
        bed.command(invalidate);
        assert_eq!(bed.take(0), u64::from(LPI + 5));
        bed.configure(0xa0);
    }
}

#[test]
fn interrupts_move_and_are_dropped() {
    let mut bed = Bed::mapped(false);
    bed.configure(0xa1);
    bed.message(0x18, 3);
    // MOVI to collection 1, MOVALL back to CPU 0, CLEAR.
    bed.command([0x18 << 32 | 1, 3, 1, 0]);
    assert_eq!(bed.irqs(), [false, true]);
    bed.command([0xe, 0, 1 << 16, 0]);
    assert_eq!(bed.irqs(), [true, false]);
    assert_eq!(bed.take(0), u64::from(LPI + 5));
    bed.command([0x18 << 32 | 3, 3, 0, 0]);
    assert_eq!(bed.irqs(), [false, true]);
    bed.command([0x18 << 32 | 4, 3, 0, 0]);
    assert_eq!(bed.irqs(), [false; 2]);
    bed.message(0x18, 3);
    bed.command([0x18 << 32 | 0xf, 3, 0, 0]);
    assert_eq!(bed.irqs(), [false; 2]);
    bed.message(0x18, 3);
    assert_eq!(bed.irqs(), [false; 2]);
}

#[test]
fn registers_say_what_there_is() {
    let bed = Bed::new(false);
    assert_eq!(bed.its.read(0, 4), Ok(0x8000_0001));
    let typer = bed.its.read(8, 8).unwrap();
    assert_eq!(
        (
            typer & 1,
            typer >> 4 & 15,
            typer >> 8 & 31,
            typer >> 13 & 31
        ),
        (1, 7, 15, 15)
    );
    assert_eq!(
        bed.its.read(0x100, 8),
        Ok(1 << 63 | 1 << 56 | 7 << 48 | DEVICES | 0x7f)
    );
    assert_eq!(bed.its.read(0x10c, 4).unwrap() >> 24, 0x84);
    assert_eq!(bed.its.read(0x110, 8), Ok(0));
    assert_eq!(bed.its.read(0xffe8, 4), Ok(0x3b));
}

#[test]
fn no_command_is_too_strange() {
    let mut bed = Bed::mapped(true);
    let mut random = Random(5);
    for _ in 0..20_000 {
        let mut words: [u64; 4] = std::array::from_fn(|_| random.interesting());
        if random.chance(2) {
            words[0] = words[0] & !0xff | random.below(16);
        }
        bed.command(words);
        let (event, device) = (random.below(8) as u32, random.below(64) as u16);
        bed.message(device, event);
        if random.chance(16) {
            let _ = bed.take(random.below(2) as usize);
        }
    }
}
