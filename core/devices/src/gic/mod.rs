//! What Arm's interrupt controllers have in common, and the one interface that a board uses.
//!
//! The board drives input lines ([`Gic::set_spi`], [`Gic::set_ppi`]), forwards register accesses
//! with the number of the CPU that makes them, and hands each CPU its [`Outputs`] whenever
//! [`Gic::take_changed`] names it.

mod bank;
mod cpus;
mod pending;
pub mod spec;
#[cfg(test)]
mod tests;
mod view;

pub use bank::{Bank, Fixed, set_shared_line};
pub use cpus::{CpuSet, MAX_CPUS};
pub use pending::{
    Groups, Pending, drop_priority, group_priority, highest, running_priority, shared_place,
};
pub use view::Views;

use ferrite_machine::BusError;

use crate::gicv2::GicV2;
use crate::gicv3::GicV3;

/// Interrupt numbers that `virt` wires up beyond the private ones.
pub const VIRT_SPIS: u32 = 256;

/// The interrupt lines of one CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// IRQ is asserted.
    pub irq: bool,
    /// FIQ is asserted.
    pub fiq: bool,
}

/// One of an interrupt controller's register windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// GICD: the distributor.
    Distributor,
    /// GICC: GICv2's CPU interface, 8 KiB; each CPU sees its own.
    CpuInterface,
    /// GICR: GICv3's redistributors, 128 KiB per CPU, one after the other in CPU order.
    Redistributors,
}

/// An interrupt controller of either version.
#[derive(Clone, Debug)]
pub enum Gic {
    /// GICv2.
    V2(GicV2),
    /// GICv3.
    V3(GicV3),
}

macro_rules! either {
    ($self:ident, $gic:ident => $body:expr) => {
        match $self {
            Gic::V2($gic) => $body,
            Gic::V3($gic) => $body,
        }
    };
}

impl Gic {
    /// How many CPUs it serves.
    #[must_use]
    pub fn cpus(&self) -> usize {
        either!(self, gic => gic.cpus())
    }

    /// Returns to the state after power-on. Input lines keep their level.
    pub fn reset(&mut self) {
        either!(self, gic => gic.reset());
    }

    /// Sets the line of shared interrupt `spi` (INTID 32 + `spi`); one that does not exist is
    /// ignored.
    pub fn set_spi(&mut self, spi: u32, level: bool) {
        either!(self, gic => gic.set_spi(spi, level));
    }

    /// Raises and lowers the line of a shared interrupt: a message-signalled one.
    pub fn pulse_spi(&mut self, spi: u32) {
        self.set_spi(spi, true);
        self.set_spi(spi, false);
    }

    /// Sets the line of a CPU's private interrupt `ppi` (0 to 15: INTID 16 + `ppi`); one that does
    /// not exist is ignored.
    pub fn set_ppi(&mut self, cpu: usize, ppi: u32, level: bool) {
        either!(self, gic => gic.set_ppi(cpu, ppi, level));
    }

    /// The interrupt lines of a CPU.
    #[must_use]
    pub fn outputs(&self, cpu: usize) -> Outputs {
        either!(self, gic => gic.outputs(cpu))
    }

    /// Whether any CPU's outputs changed since [`Self::take_changed`].
    #[must_use]
    pub fn changed(&self) -> bool {
        either!(self, gic => !gic.changed().is_empty())
    }

    /// Takes the set of CPUs whose outputs changed since the last call.
    pub fn take_changed(&mut self) -> CpuSet {
        either!(self, gic => std::mem::take(gic.changed_mut()))
    }

    /// Reads a register as CPU `cpu`. Fails for a frame that this version lacks, an offset beyond
    /// it, or an unaligned access; reserved registers read as zero.
    pub fn read(
        &mut self,
        cpu: usize,
        frame: Frame,
        offset: u64,
        bytes: u64,
    ) -> Result<u64, BusError> {
        either!(self, gic => gic.read(cpu, frame, offset, bytes))
    }

    /// Writes a register as CPU `cpu`; fails as [`Self::read`] does.
    pub fn write(
        &mut self,
        cpu: usize,
        frame: Frame,
        offset: u64,
        bytes: u64,
        value: u64,
    ) -> Result<(), BusError> {
        either!(self, gic => gic.write(cpu, frame, offset, bytes, value))
    }

    /// Whether CPUs reach it by system registers.
    #[must_use]
    pub fn has_system_registers(&self) -> bool {
        matches!(self, Self::V3(_))
    }

    /// Reads the system register with this packed op0:op1:CRn:CRm:op2 (bits 20:5 of MRS). `None`:
    /// there is no such register, or it is write-only.
    pub fn sysreg_read(&mut self, cpu: usize, register: u32) -> Option<u64> {
        match self {
            Self::V2(_) => None,
            Self::V3(gic) => gic.sysreg_read(cpu, register),
        }
    }

    /// Writes a system register. `None`: there is no such register, or it is read-only.
    pub fn sysreg_write(&mut self, cpu: usize, register: u32, value: u64) -> Option<()> {
        match self {
            Self::V2(_) => None,
            Self::V3(gic) => gic.sysreg_write(cpu, register, value),
        }
    }
}
