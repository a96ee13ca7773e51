//! What a row of the system register table says.

use ferrite_ir::{Global, VcpuBlock};

use super::Denied;
use crate::cpu::{CpuCore, CpuEnv};
use crate::features::Features;

/// op0:op1:CRn:CRm:op2, packed as in bits 20:5 of MRS and MSR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Encoding(pub u16);

impl Encoding {
    /// Packs the fields. `op0` is 1 to 3.
    #[must_use]
    pub const fn new(op0: u16, op1: u16, crn: u16, crm: u16, op2: u16) -> Self {
        Self((op0 & 3) << 14 | op1 << 11 | crn << 7 | crm << 3 | op2)
    }

    /// The op0 field.
    #[must_use]
    pub const fn op0(self) -> u16 {
        self.0 >> 14
    }

    /// The op1 field.
    #[must_use]
    pub const fn op1(self) -> u16 {
        self.0 >> 11 & 7
    }

    /// The CRn field.
    #[must_use]
    pub const fn crn(self) -> u16 {
        self.0 >> 7 & 15
    }

    /// The CRm field.
    #[must_use]
    pub const fn crm(self) -> u16 {
        self.0 >> 3 & 15
    }

    /// The op2 field.
    #[must_use]
    pub const fn op2(self) -> u16 {
        self.0 & 7
    }

    /// The lowest exception level that may use an encoding, which op1 says (Arm ARM C5.1.2).
    #[must_use]
    pub const fn lowest_el(self) -> u8 {
        match self.op1() {
            3 => 0,
            4 | 5 => 2,
            6 | 7 => 3,
            _ => 1,
        }
    }
}

/// In which directions a register can be accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// MRS only.
    Read,
    /// MSR (or SYS) only.
    Write,
    /// Both.
    Both,
}

/// What a CPU must have for a row to exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// A feature.
    Feature(Features),
    /// The implementation defined registers of the Cortex cores.
    Cortex,
    /// The GIC's system registers.
    Gic,
}

/// Reads a register.
pub type Read = fn(&mut CpuEnv<'_>, &mut VcpuBlock, &Row) -> Result<u64, Denied>;
/// Writes a register or carries out a system instruction.
pub type Write = fn(&mut CpuEnv<'_>, &mut VcpuBlock, &Row, u64) -> Result<(), Denied>;
/// What follows a change of a stored register.
pub type Effect = fn(&mut CpuEnv<'_>, &mut VcpuBlock);
/// Whether EL0's access (a write, if the last argument says so) is allowed; else it is trapped.
pub type El0 = fn(&CpuCore, &VcpuBlock, bool) -> bool;

/// Where a register's value is.
#[derive(Clone, Copy)]
pub enum Body {
    /// In a slot. Without an effect, translated code accesses it inline.
    Slot {
        /// The slot.
        slot: Global,
        /// Bits that a write can change.
        mask: u64,
        /// Bits that are always 1.
        ones: u64,
        /// What a write entails.
        effect: Option<Effect>,
    },
    /// Determined by the CPU's configuration; writes, where allowed, are ignored.
    Fixed(fn(&CpuCore) -> u64),
    /// Computed.
    Live {
        /// How to read it.
        read: Read,
        /// How to write it.
        write: Write,
    },
}

/// A system register or system instruction.
#[derive(Clone, Copy)]
pub struct Row {
    /// The manual's name.
    pub name: &'static str,
    /// Its encoding.
    pub encoding: Encoding,
    /// Directions.
    pub direction: Direction,
    /// What has to be there.
    pub needs: Needs,
    /// EL0's condition, where op1 lets EL0 use it at all.
    pub el0: Option<El0>,
    /// EL0 can read it at most.
    pub privileged_write: bool,
    /// A write may change what is translated or make an interrupt due: the region ends after it.
    pub ends_region: bool,
    /// The value.
    pub body: Body,
    /// The value out of reset, of a register in a slot.
    pub reset: u64,
}

fn unreadable(_: &mut CpuEnv<'_>, _: &mut VcpuBlock, _: &Row) -> Result<u64, Denied> {
    Err(Denied::Undefined)
}

fn unwritable(_: &mut CpuEnv<'_>, _: &mut VcpuBlock, _: &Row, _: u64) -> Result<(), Denied> {
    Err(Denied::Undefined)
}

impl Row {
    const fn new(name: &'static str, encoding: Encoding, direction: Direction, body: Body) -> Self {
        Self {
            name,
            encoding,
            direction,
            needs: Needs::Nothing,
            el0: None,
            privileged_write: false,
            ends_region: false,
            body,
            reset: 0,
        }
    }

    /// A register that holds its value.
    pub const fn stored(name: &'static str, encoding: Encoding, slot: Global) -> Self {
        let body = Body::Slot {
            slot,
            mask: u64::MAX,
            ones: 0,
            effect: None,
        };
        Self::new(name, encoding, Direction::Both, body)
    }

    /// A register whose value the configuration determines; read-only.
    pub const fn fixed(name: &'static str, encoding: Encoding, value: fn(&CpuCore) -> u64) -> Self {
        Self::new(name, encoding, Direction::Read, Body::Fixed(value))
    }

    /// A register that reads as zero and ignores writes.
    pub const fn zero(name: &'static str, encoding: Encoding) -> Self {
        Self::new(name, encoding, Direction::Both, Body::Fixed(|_| 0))
    }

    /// A register that is computed.
    pub const fn live(name: &'static str, encoding: Encoding, read: Read, write: Write) -> Self {
        Self::new(name, encoding, Direction::Both, Body::Live { read, write })
    }

    /// One that is computed and read-only.
    pub const fn computed(name: &'static str, encoding: Encoding, read: Read) -> Self {
        let write = unwritable;
        Self::new(name, encoding, Direction::Read, Body::Live { read, write })
    }

    /// A write-only register or a system instruction.
    pub const fn action(name: &'static str, encoding: Encoding, write: Write) -> Self {
        let read = unreadable;
        Self::new(name, encoding, Direction::Write, Body::Live { read, write })
    }

    /// With only the bits of `mask` writable and those of `ones` set.
    pub const fn bits(mut self, writable: u64, always: u64) -> Self {
        if let Body::Slot { mask, ones, .. } = &mut self.body {
            *mask = writable;
            *ones = always;
        }
        self
    }

    /// With a value out of reset.
    pub const fn reset(mut self, value: u64) -> Self {
        self.reset = value;
        self
    }

    /// With an effect of a write, which ends the region.
    pub const fn then(mut self, after: Effect) -> Self {
        if let Body::Slot { effect, .. } = &mut self.body {
            *effect = Some(after);
        }
        self.ends()
    }

    /// A write ends the region.
    pub const fn ends(mut self) -> Self {
        self.ends_region = true;
        self
    }

    /// With a condition on EL0's accesses.
    pub const fn el0(mut self, allowed: El0) -> Self {
        self.el0 = Some(allowed);
        self
    }

    /// With writes UNDEFINED at EL0.
    pub const fn privileged_write(mut self) -> Self {
        self.privileged_write = true;
        self
    }

    /// Only where the CPU has it.
    pub const fn needs(mut self, needs: Needs) -> Self {
        self.needs = needs;
        self
    }

    /// Only where it can be read.
    pub const fn read_only(mut self) -> Self {
        self.direction = Direction::Read;
        self
    }

    /// Whether this CPU has it.
    #[must_use]
    pub fn exists(&self, core: &CpuCore) -> bool {
        match self.needs {
            Needs::Nothing => true,
            Needs::Feature(feature) => core.features.contains(feature),
            Needs::Cortex => core.model.cortex_registers,
            Needs::Gic => core.gic_registers,
        }
    }

    /// Whether the access exists at exception level `el`, without regard to traps.
    #[must_use]
    pub fn permits(&self, el: u8, write: bool) -> bool {
        let direction = match self.direction {
            Direction::Read => !write,
            Direction::Write => write,
            Direction::Both => true,
        };
        let lowest = if write && self.privileged_write {
            1
        } else {
            self.encoding.lowest_el()
        };
        direction && el >= lowest
    }
}
