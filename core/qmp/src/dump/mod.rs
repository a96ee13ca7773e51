//! The guest's memory and its processors' registers as a file (`dump-guest-memory`).
//!
//! A dump is a job ([`crate::jobs`]) that `query-dump` tells of instead of `query-jobs`, so that
//! monitors are served while a large one is written in the background. The guest stands still
//! meanwhile.

mod elf;
mod kdump;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use crate::control::VmControl;
use crate::error::Error;
use crate::jobs::{JobNumber, Next, Progress, Visibility, Work};
use crate::schema::{DumpGuestMemoryFormat, DumpQueryResult, DumpStatus, Event, RunState};

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

/// Virtual addresses that the guest's tables map to physical ones in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The first virtual address.
    pub virt: u64,
    /// The physical address that it leads to.
    pub phys: u64,
    /// Number of bytes.
    pub len: u64,
}

/// What a dump is to have.
pub(crate) struct Wanted {
    /// Physical memory: address and number of bytes of each range.
    pub ranges: Vec<(u64, u64)>,
    /// How it is written.
    pub format: DumpGuestMemoryFormat,
    /// Whether the guest's mappings are in it.
    pub paging: bool,
}

/// What is told of the current or last dump of a machine.
pub struct DumpState {
    result: DumpQueryResult,
}

impl Default for DumpState {
    fn default() -> Self {
        Self {
            result: DumpQueryResult {
                status: DumpStatus::None,
                completed: 0,
                total: 0,
            },
        }
    }
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

/// The parts of mappings that lead to memory in `ranges`, in the order of virtual addresses; the memory
/// as it is where nothing is mapped.
fn mapped(mappings: &[Mapping], ranges: &[(u64, u64)]) -> Vec<Mapping> {
    let whole = |&(phys, len): &(u64, u64)| Mapping {
        virt: phys,
        phys,
        len,
    };
    if mappings.is_empty() {
        return ranges.iter().map(whole).collect();
    }
    let parts = |mapping: &Mapping| {
        let Mapping { virt, phys, len } = *mapping;
        clip(ranges, phys, len)
            .into_iter()
            .map(move |(at, len)| Mapping {
                virt: virt.wrapping_add(at - phys),
                phys: at,
                len,
            })
    };
    let mut parts: Vec<Mapping> = mappings.iter().flat_map(parts).collect();
    parts.sort_by_key(|part| (part.virt, part.phys, part.len));
    // Processors have much in common.
    parts.dedup();
    parts
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
        self.result.status == DumpStatus::Active
    }
}

/// A dump that is being written.
struct Dump {
    out: Box<dyn Write>,
    body: Body,
    /// Whether the guest ran before.
    resume: bool,
}

/// What a dump has after its head.
enum Body {
    /// The memory as it is; what is left of it, the last first: address and number of bytes.
    Elf(Vec<(u64, u64)>),
    /// Compressed pages.
    Kdump(kdump::Writer),
}

/// How dumps can be written.
pub(crate) fn formats() -> Vec<DumpGuestMemoryFormat> {
    let compressed = kdump::FORMS.iter().map(|(format, _)| *format);
    std::iter::once(DumpGuestMemoryFormat::Elf)
        .chain(compressed)
        .collect()
}

/// Reads guest memory. What cannot be read is zeros, as in QEMU's dumps.
fn read_or_zero(vm: &mut dyn VmControl, at: u64, into: &mut [u8]) {
    if vm.read_physical(at, into).is_err() {
        into.fill(0);
    }
}

/// Writes what comes before the memory.
fn head(
    vm: &mut dyn VmControl,
    out: &mut dyn Write,
    wanted: Wanted,
    mappings: &[Mapping],
) -> io::Result<Body> {
    let Wanted { ranges, format, .. } = wanted;
    let cpus: Vec<CpuState> = (0..vm.cpus().len())
        .filter_map(|cpu| vm.cpu_state(cpu))
        .collect();
    let mut notes = elf::notes(&cpus);
    let guest = vm.vmcoreinfo().unwrap_or_default();
    let guest_at = notes.len();
    notes.extend(&guest);
    notes.resize(notes.len().next_multiple_of(4), 0);
    let form = kdump::FORMS.iter().find(|row| row.0 == format);
    let Some((_, form)) = form else {
        out.write_all(&elf::head(&notes, &ranges, &mapped(mappings, &ranges)))?;
        return Ok(Body::Elf(ranges.into_iter().rev().collect()));
    };
    let source = kdump::Source {
        notes: &notes,
        guest: elf::content(&guest).map(|content| (guest_at + content.start, content.len())),
        cpus: cpus.len(),
        ranges: &ranges,
        page: vm.page_size(),
    };
    Ok(Body::Kdump(kdump::start(*form, &source, out)?))
}

/// Stops the guest and writes the head of a dump; the rest is a job's work.
pub(crate) fn start(
    vm: &mut dyn VmControl,
    mut out: Box<dyn Write>,
    wanted: Wanted,
) -> Result<JobNumber, Error> {
    let resume = vm.run_state() == RunState::Running;
    if resume {
        vm.stop()?;
    }
    let mappings = if wanted.paging {
        vm.mappings()
    } else {
        Ok(Vec::new())
    };
    let total: u64 = wanted.ranges.iter().map(|(_, len)| len).sum();
    let body = mappings.and_then(|mappings| {
        head(vm, &mut out, wanted, &mappings)
            .map_err(|error| Error::generic(format!("dump: failed to write the header: {error}")))
    });
    let host = vm.host().ok_or_else(Error::unsupported)?;
    host.dump().result = DumpQueryResult {
        status: DumpStatus::Active,
        completed: 0,
        total: i64::try_from(total).unwrap_or(i64::MAX),
    };
    match body {
        Ok(body) => {
            let dump = Dump { out, body, resume };
            host.jobs().add(Visibility::Internal, Box::new(dump))
        }
        Err(error) => {
            end(vm, resume, Err(&error));
            Err(error)
        }
    }
}

impl Dump {
    /// Writes another piece; tells how many bytes of memory that was, nothing at the end.
    fn piece(&mut self, vm: &mut dyn VmControl) -> io::Result<Option<u64>> {
        let left = match &mut self.body {
            Body::Elf(left) => left,
            Body::Kdump(writer) => return writer.step(vm, &mut self.out),
        };
        let Some((at, len)) = left.last_mut() else {
            self.out.flush()?;
            return Ok(None);
        };
        let count = (*len).min(PIECE);
        // A piece fits any size type.
        let mut piece = vec![0; count as usize];
        read_or_zero(vm, *at, &mut piece);
        *at = at.wrapping_add(count);
        *len -= count;
        if *len == 0 {
            left.pop();
        }
        self.out.write_all(&piece)?;
        Ok(Some(count))
    }
}

/// Lets the guest go on, and tells the monitors.
fn end(vm: &mut dyn VmControl, resume: bool, result: Result<(), &Error>) {
    let Some(host) = vm.host() else { return };
    let told = &mut host.dump().result;
    told.status = match result {
        Ok(()) => DumpStatus::Completed,
        Err(_) => DumpStatus::Failed,
    };
    let event = Event::DumpCompleted {
        result: told.clone(),
        error: result.err().map(|error| error.message.clone()),
    };
    vm.emit(&event);
    if resume && vm.cont().is_err() {
        // It was reset or powered off by then, and stays stopped.
    }
}

impl Work for Dump {
    fn step(&mut self, vm: &mut dyn VmControl, _: &mut Progress) -> Result<Next, Error> {
        let count = self
            .piece(vm)
            .map_err(|error| Error::generic(format!("dump: failed to save memory: {error}")))?;
        if let Some(host) = vm.host() {
            let told = &mut host.dump().result;
            told.completed = match count {
                Some(count) => told.completed.saturating_add_unsigned(count),
                None => told.total,
            };
        }
        Ok(count.map_or(Next::Done, |_| Next::More))
    }

    fn commit(&mut self, vm: &mut dyn VmControl) {
        end(vm, self.resume, Ok(()));
    }

    fn abort(&mut self, vm: &mut dyn VmControl, why: &Error) {
        end(vm, self.resume, Err(why));
    }
}
