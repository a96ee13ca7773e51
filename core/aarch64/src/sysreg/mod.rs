//! System registers and system instructions: one table, and its interpretation.
//!
//! [`table`] has a row per register: name, encoding, directions, EL0's conditions, where the value
//! lives and what a write entails. What has no row is UNDEFINED. To add a register: give it a slot
//! in [`state`](crate::state) if it holds a value, and a row in the chapter's file.

pub mod row;
pub mod table;

#[cfg(test)]
mod tests;

use ferrite_ir::VcpuBlock;

use crate::cpu::{CpuCore, CpuEnv};
pub use row::{Body, Encoding, Row};

/// An access did not take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The instruction is UNDEFINED.
    Undefined,
    /// It is trapped to EL1 with a system access syndrome.
    Trapped,
    /// It took an exception already.
    Left,
}

/// Reserved encodings of the identification space read as zero (Arm ARM D18.3.1).
static RESERVED_ID: Row = Row::fixed("ID_RESERVED", Encoding::new(3, 0, 0, 0, 0), |_| 0);

/// The row of `encoding`, if this CPU has it.
#[must_use]
pub fn find(core: &CpuCore, encoding: Encoding) -> Option<&'static Row> {
    let identification =
        encoding.op0() == 3 && encoding.op1() == 0 && encoding.crn() == 0 && encoding.crm() <= 7;
    match table::lookup(encoding).filter(|row| row.exists(core)) {
        None if identification => Some(&RESERVED_ID),
        found => found,
    }
}

impl CpuEnv<'_> {
    fn check(
        &self,
        block: &VcpuBlock,
        encoding: Encoding,
        write: bool,
    ) -> Result<&'static Row, Denied> {
        let row = find(self.core, encoding).ok_or(Denied::Undefined)?;
        let el = self.core.pstate.el;
        if !row.permits(el, write) {
            return Err(Denied::Undefined);
        }
        match row.el0 {
            Some(allowed) if el == 0 && !allowed(self.core, block, write) => Err(Denied::Trapped),
            _ => Ok(row),
        }
    }

    /// MRS at the current exception level.
    pub fn read_register(
        &mut self,
        block: &mut VcpuBlock,
        encoding: Encoding,
    ) -> Result<u64, Denied> {
        let row = self.check(block, encoding, false)?;
        self.read_row(block, row)
    }

    /// MSR or SYS at the current exception level.
    pub fn write_register(
        &mut self,
        block: &mut VcpuBlock,
        encoding: Encoding,
        value: u64,
    ) -> Result<(), Denied> {
        let row = self.check(block, encoding, true)?;
        self.write_row(block, row, value)
    }

    /// Writes to a row, without regard to the exception level.
    pub(crate) fn write_row(
        &mut self,
        block: &mut VcpuBlock,
        row: &'static Row,
        value: u64,
    ) -> Result<(), Denied> {
        match row.body {
            Body::Slot {
                slot,
                mask,
                ones,
                effect,
            } => {
                block.set(slot.0, value & mask | ones);
                if let Some(effect) = effect {
                    effect(self, block);
                }
                Ok(())
            }
            Body::Fixed(_) => Ok(()),
            Body::Live { write, .. } => write(self, block, row, value),
        }
    }

    /// The value of a row, without regard to the exception level.
    pub(crate) fn read_row(
        &mut self,
        block: &mut VcpuBlock,
        row: &'static Row,
    ) -> Result<u64, Denied> {
        match row.body {
            Body::Slot { slot, .. } => Ok(block.get(slot.0)),
            Body::Fixed(value) => Ok(value(self.core)),
            Body::Live { read, .. } => read(self, block, row),
        }
    }
}

/// Gives every stored register its value out of reset.
pub fn reset(block: &mut VcpuBlock) {
    for row in table::rows() {
        if let Body::Slot { slot, ones, .. } = row.body {
            block.set(slot.0, row.reset | ones);
        }
    }
}
