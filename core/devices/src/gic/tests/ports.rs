//! How software does each operation of the walk, by registers.

use super::CPUS;
use super::model::{Op, Rules};
use crate::gic::{Frame, Gic, Outputs};
use crate::gicv2::GicV2;
use crate::gicv3::GicV3;
use crate::gicv3::spec::icc;

pub trait Port {
    fn rules(&self) -> Rules;
    fn apply(&mut self, op: Op) -> Option<u32>;
    fn outputs(&self, cpu: usize) -> Outputs;
    fn pending_active(&mut self, cpu: usize, intid: u32) -> (bool, bool);
}

/// Where an interrupt's fields are, and the gic: the distributor, or a redistributor's SGI frame.
struct Fields<'a> {
    gic: &'a mut Gic,
    cpu: usize,
    frame: Frame,
    base: u64,
    intid: u32,
}

impl Fields<'_> {
    fn write(&mut self, offset: u64, bytes: u64, value: u64) {
        let at = self.base + offset;
        self.gic
            .write(self.cpu, self.frame, at, bytes, value)
            .unwrap();
    }

    fn read(&mut self, offset: u64) -> u64 {
        let at = self.base + offset;
        self.gic.read(self.cpu, self.frame, at, 4).unwrap()
    }

    /// Sets the interrupt's bit in the array at `set`, or in the one at `clear`.
    fn choose(&mut self, on: bool, set: u64, clear: u64) {
        let array = if on { set } else { clear };
        let word = u64::from(self.intid / 32) * 4;
        self.write(array + word, 4, 1 << (self.intid % 32));
    }

    fn bit(&mut self, array: u64) -> bool {
        let word = u64::from(self.intid / 32) * 4;
        self.read(array + word) >> (self.intid % 32) & 1 != 0
    }

    /// Reads, changes and writes a word.
    fn update(&mut self, offset: u64, mask: u64, on: bool) {
        let old = self.read(offset);
        self.write(offset, 4, if on { old | mask } else { old & !mask });
    }

    fn apply(&mut self, op: Op) {
        let intid = u64::from(self.intid);
        match op {
            Op::Enable(_, _, on) => self.choose(on, 0x100, 0x180),
            Op::Pend(_, _, on) => self.choose(on, 0x200, 0x280),
            Op::Activate(_, _, on) => self.choose(on, 0x300, 0x380),
            Op::Group(_, _, on) => self.update(0x80 + intid / 32 * 4, 1 << (intid % 32), on),
            Op::Edge(_, _, on) => {
                self.update(0xc00 + intid / 16 * 4, 2 << (intid % 16 * 2), on);
            }
            Op::Priority(_, _, priority) => self.write(0x400 + intid, 1, priority.into()),
            other => panic!("{other:?} is not about one interrupt's fields"),
        }
    }
}

fn line(gic: &mut Gic, cpu: usize, intid: u32, level: bool) {
    match intid {
        32.. => gic.set_spi(intid - 32, level),
        _ => gic.set_ppi(cpu, intid - 16, level),
    }
}

/// The interrupt that an operation on its fields is about.
fn subject(op: Op) -> Option<(usize, u32)> {
    match op {
        Op::Enable(cpu, intid, _)
        | Op::Pend(cpu, intid, _)
        | Op::Activate(cpu, intid, _)
        | Op::Group(cpu, intid, _)
        | Op::Edge(cpu, intid, _)
        | Op::Priority(cpu, intid, _) => Some((cpu, intid)),
        _ => None,
    }
}

pub struct V2Port {
    gic: Gic,
    controls: [u64; CPUS],
}

impl V2Port {
    pub fn new() -> Self {
        let mut gic = Gic::V2(GicV2::new(CPUS));
        for word in 0..64 {
            gic.write(0, Frame::Distributor, 0x820 + word * 4, 4, 0x0101_0101)
                .unwrap();
        }
        let mut port = Self {
            gic,
            // FIQEn: so that groups can be told apart by line.
            controls: [8; CPUS],
        };
        (0..CPUS).for_each(|cpu| port.control(cpu, 0, 0));
        port
    }

    fn control(&mut self, cpu: usize, clear: u64, set: u64) {
        self.controls[cpu] = self.controls[cpu] & !clear | set;
        self.interface(cpu, 0, self.controls[cpu]);
    }

    fn interface(&mut self, cpu: usize, offset: u64, value: u64) {
        self.gic
            .write(cpu, Frame::CpuInterface, offset, 4, value)
            .unwrap();
    }

    fn distributor(&mut self, cpu: usize, offset: u64, bytes: u64, value: u64) {
        self.gic
            .write(cpu, Frame::Distributor, offset, bytes, value)
            .unwrap();
    }

    fn fields(&mut self, cpu: usize, intid: u32) -> Fields<'_> {
        Fields {
            gic: &mut self.gic,
            cpu,
            frame: Frame::Distributor,
            base: 0,
            intid,
        }
    }
}

impl Port for V2Port {
    fn rules(&self) -> Rules {
        Rules {
            priority_mask: 0xff,
            least_points: [0, 1],
            sgi_sources: true,
            sgis_enabled: true,
            sgi_groups: false,
        }
    }

    fn apply(&mut self, op: Op) -> Option<u32> {
        if let Some((cpu, intid)) = subject(op) {
            self.fields(cpu, intid).apply(op);
            return None;
        }
        match op {
            Op::Acknowledge(cpu, group1) => {
                let offset = if group1 { 0x20 } else { 0x0c };
                let id = self.gic.read(cpu, Frame::CpuInterface, offset, 4).unwrap();
                return Some(id as u32);
            }
            Op::End(cpu, intid, group1) => {
                self.interface(cpu, if group1 { 0x24 } else { 0x10 }, intid.into());
            }
            Op::Deactivate(cpu, intid) => self.interface(cpu, 0x1000, intid.into()),
            Op::Line(cpu, intid, level) => line(&mut self.gic, cpu, intid, level),
            Op::Target(intid, cpu) => self.distributor(0, 0x800 + u64::from(intid), 1, 1 << cpu),
            Op::Sgi(from, sgi, targets, _) => {
                let value = u64::from(targets) << 16 | u64::from(sgi);
                self.distributor(from, 0xf00, 4, value);
            }
            Op::Mask(cpu, mask) => self.interface(cpu, 0x04, mask.into()),
            Op::BinaryPoint(cpu, group1, value) => {
                self.interface(cpu, if group1 { 0x1c } else { 0x08 }, value.into());
            }
            Op::CommonBinaryPoint(cpu, on) => self.control(cpu, 1 << 4, u64::from(on) << 4),
            Op::EoiMode(cpu, on) => self.control(cpu, 1 << 9, u64::from(on) << 9),
            Op::DistributorGroups(zero, one) => {
                self.distributor(0, 0, 4, u64::from(zero) | u64::from(one) << 1);
            }
            Op::CpuGroups(cpu, zero, one) => {
                self.control(cpu, 3, u64::from(zero) | u64::from(one) << 1);
            }
            other => panic!("{other:?} has no port"),
        }
        None
    }

    fn outputs(&self, cpu: usize) -> Outputs {
        self.gic.outputs(cpu)
    }

    fn pending_active(&mut self, cpu: usize, intid: u32) -> (bool, bool) {
        let mut fields = self.fields(cpu, intid);
        (fields.bit(0x200), fields.bit(0x300))
    }
}

/// Affinities with a gap and a second cluster.
const AFFINITIES: [u32; CPUS] = [0x000, 0x002, 0x100];

pub struct V3Port {
    gic: Gic,
    controls: [u64; CPUS],
}

impl V3Port {
    pub fn new() -> Self {
        Self {
            gic: Gic::V3(GicV3::new(&AFFINITIES)),
            controls: [0; CPUS],
        }
    }

    fn set(&mut self, cpu: usize, register: u32, value: u64) {
        self.gic.sysreg_write(cpu, register, value).unwrap();
    }

    fn control(&mut self, cpu: usize, bit: u64, on: bool) {
        self.controls[cpu] = self.controls[cpu] & !bit | if on { bit } else { 0 };
        self.set(cpu, icc::CTLR, self.controls[cpu]);
    }

    fn fields(&mut self, cpu: usize, intid: u32) -> Fields<'_> {
        let (frame, base) = match intid {
            0..32 => (Frame::Redistributors, cpu as u64 * 0x2_0000 + 0x1_0000),
            _ => (Frame::Distributor, 0),
        };
        Fields {
            gic: &mut self.gic,
            cpu,
            frame,
            base,
            intid,
        }
    }

    fn send(&mut self, from: usize, sgi: u32, targets: u8, group1: bool) {
        let register = if group1 { icc::SGI1R } else { icc::SGI0R };
        for (cpu, affinity) in AFFINITIES.iter().enumerate() {
            if targets >> cpu & 1 != 0 {
                let aff1 = u64::from(affinity >> 8);
                let list = 1 << (affinity & 0xf);
                self.set(from, register, u64::from(sgi) << 24 | aff1 << 16 | list);
            }
        }
    }
}

impl Port for V3Port {
    fn rules(&self) -> Rules {
        Rules {
            priority_mask: 0xf8,
            least_points: [2, 3],
            sgi_sources: false,
            sgis_enabled: false,
            sgi_groups: true,
        }
    }

    fn apply(&mut self, op: Op) -> Option<u32> {
        if let Some((cpu, intid)) = subject(op) {
            self.fields(cpu, intid).apply(op);
            return None;
        }
        match op {
            Op::Acknowledge(cpu, group1) => {
                let register = if group1 { icc::IAR1 } else { icc::IAR0 };
                return Some(self.gic.sysreg_read(cpu, register).unwrap() as u32);
            }
            Op::End(cpu, intid, group1) => {
                let register = if group1 { icc::EOIR1 } else { icc::EOIR0 };
                self.set(cpu, register, intid.into());
            }
            Op::Deactivate(cpu, intid) => self.set(cpu, icc::DIR, intid.into()),
            Op::Line(cpu, intid, level) => line(&mut self.gic, cpu, intid, level),
            Op::Target(intid, cpu) => {
                let at = 0x6000 + u64::from(intid) * 8;
                let route = AFFINITIES[cpu].into();
                self.gic.write(0, Frame::Distributor, at, 8, route).unwrap();
            }
            Op::Sgi(from, sgi, targets, group1) => self.send(from, sgi, targets, group1),
            Op::Mask(cpu, mask) => self.set(cpu, icc::PMR, mask.into()),
            Op::BinaryPoint(cpu, group1, value) => {
                let register = if group1 { icc::BPR1 } else { icc::BPR0 };
                self.set(cpu, register, value.into());
            }
            Op::CommonBinaryPoint(cpu, on) => self.control(cpu, 1, on),
            Op::EoiMode(cpu, on) => self.control(cpu, 2, on),
            Op::DistributorGroups(zero, one) => {
                let value = u64::from(zero) | u64::from(one) << 1;
                self.gic.write(0, Frame::Distributor, 0, 4, value).unwrap();
            }
            Op::CpuGroups(cpu, zero, one) => {
                self.set(cpu, icc::IGRPEN0, zero.into());
                self.set(cpu, icc::IGRPEN1, one.into());
            }
            other => panic!("{other:?} has no port"),
        }
        None
    }

    fn outputs(&self, cpu: usize) -> Outputs {
        self.gic.outputs(cpu)
    }

    fn pending_active(&mut self, cpu: usize, intid: u32) -> (bool, bool) {
        let mut fields = self.fields(cpu, intid);
        (fields.bit(0x200), fields.bit(0x300))
    }
}
