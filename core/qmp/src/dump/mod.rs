//! The guest's memory and its processors' registers as a file (`dump-guest-memory`).
//!
//! A dump is worked off in pieces ([`step`]), so that monitors are served while a large
//! one is written in the background. The guest stands still meanwhile.

mod elf;
#[cfg(test)]
mod tests;

use std::io::Write;

use crate::control::VmControl;
use crate::error::Error;
use crate::schema::{DumpQueryResult, DumpStatus, Event, RunState};

/// Bytes of guest memory that are read at once.
const PIECE: u64 = 64 << 10;

/// Registers of an AArch64 processor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuState {
    /// The general registers, X0 to X30.
    pub x: [u64; 31],
    /// The stack pointer in use.
    pub sp: u64,
    /// The program counter.
    pub pc: u64,
    /// The processor state, as SPSR has it.
    pub pstate: u64,
    /// The vector registers, V0 to V31.
    pub v: [u128; 32],
    /// FPSR.
    pub fpsr: u32,
    /// FPCR.
    pub fpcr: u32,
}

/// The current or last dump of a machine.
pub struct DumpState {
    result: DumpQueryResult,
    active: Option<Active>,
}

impl Default for DumpState {
    fn default() -> Self {
        Self {
            result: DumpQueryResult {
                status: DumpStatus::None,
                completed: 0,
                total: 0,
            },
            active: None,
        }
    }
}

/// A dump that is being written.
struct Active {
    out: Box<dyn Write>,
    /// What is left: first address and number of bytes.
    left: Vec<(u64, u64)>,
    /// Whether the guest ran before.
    resume: bool,
}

/// The parts of `ranges` between `begin` and `begin + length`.
fn clip(ranges: &[(u64, u64)], begin: u64, length: u64) -> Vec<(u64, u64)> {
    let end = begin.saturating_add(length);
    let part = |&(base, len): &(u64, u64)| {
        let (from, to) = (base.max(begin), base.saturating_add(len).min(end));
        (from < to).then(|| (from, to - from))
    };
    ranges.iter().filter_map(part).collect()
}

/// The ranges of guest memory that a dump has.
pub(crate) fn ranges(
    vm: &dyn VmControl,
    part: Option<(u64, u64)>,
) -> Result<Vec<(u64, u64)>, Error> {
    let mut ranges = vm.ram_ranges();
    if let Some((begin, length)) = part {
        ranges = clip(&ranges, begin, length);
    }
    if ranges.is_empty() {
        return Err(Error::generic("dump: no guest memory to dump"));
    }
    Ok(ranges)
}

impl DumpState {
    /// How far it is.
    #[must_use]
    pub fn result(&self) -> DumpQueryResult {
        self.result.clone()
    }

    /// Whether one is being written.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.active.is_some()
    }
}

/// Stops the guest and writes the head of a dump; [`step`] does the rest.
pub(crate) fn start(
    vm: &mut dyn VmControl,
    mut out: Box<dyn Write>,
    ranges: Vec<(u64, u64)>,
) -> Result<(), Error> {
    let resume = vm.run_state() == RunState::Running;
    if resume {
        vm.stop()?;
    }
    let cpus: Vec<CpuState> = (0..vm.cpus().len())
        .filter_map(|cpu| vm.cpu_state(cpu))
        .collect();
    let head = elf::head(&cpus, &ranges);
    let total: u64 = ranges.iter().map(|(_, len)| len).sum();
    let written = out
        .write_all(&head)
        .map_err(|error| Error::generic(format!("dump: failed to write the header: {error}")));
    let state = vm.host().ok_or_else(Error::unsupported)?.dump();
    state.result = DumpQueryResult {
        status: DumpStatus::Active,
        completed: 0,
        total: i64::try_from(total).unwrap_or(i64::MAX),
    };
    state.active = Some(Active {
        out,
        left: ranges.into_iter().rev().collect(),
        resume,
    });
    if let Err(error) = written {
        finish(vm, Err(error.clone()));
        return Err(error);
    }
    Ok(())
}

/// Writes another piece of the dump that is active, if one is. True once there is nothing left,
/// with the dump's own failure if it has failed now.
pub fn step(vm: &mut dyn VmControl) -> Result<bool, Error> {
    let Some(mut active) = vm.host().and_then(|host| host.dump().active.take()) else {
        return Ok(true);
    };
    let mut piece = Vec::new();
    let result = match active.left.last_mut() {
        None => active.out.flush(),
        Some((at, len)) => {
            let count = (*len).min(PIECE);
            // A piece fits any size type.
            piece.resize(count as usize, 0);
            // What cannot be read is zeros, as in QEMU's dumps.
            if vm.read_physical(*at, &mut piece).is_err() {
                piece.fill(0);
            }
            *at = at.wrapping_add(count);
            *len -= count;
            active.out.write_all(&piece)
        }
    };
    let done = active.left.is_empty();
    if active.left.last().is_some_and(|(_, len)| *len == 0) {
        active.left.pop();
    }
    if let Some(host) = vm.host() {
        let state = host.dump();
        state.result.completed += piece.len() as i64;
        state.active = Some(active);
    }
    match result {
        Err(error) => {
            let error = Error::generic(format!("dump: failed to save memory: {error}"));
            finish(vm, Err(error.clone()));
            Err(error)
        }
        Ok(()) if done => {
            finish(vm, Ok(()));
            Ok(true)
        }
        Ok(()) => Ok(false),
    }
}

/// Ends the dump, lets the guest go on, and tells the monitors.
fn finish(vm: &mut dyn VmControl, result: Result<(), Error>) {
    let Some(host) = vm.host() else { return };
    let state = host.dump();
    let resume = state.active.take().is_some_and(|active| active.resume);
    state.result.status = match result {
        Ok(()) => DumpStatus::Completed,
        Err(_) => DumpStatus::Failed,
    };
    let event = Event::DumpCompleted {
        result: state.result.clone(),
        error: result.err().map(|error| error.message),
    };
    vm.emit(&event);
    if resume && vm.cont().is_err() {
        // It was reset or powered off by then, and stays stopped.
    }
}
