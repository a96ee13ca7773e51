//! An ELF core file: "Tool Interface Standard (TIS) Executable and Linking Format", version 1.2,
//! with the notes of Linux's core files for AArch64.

use core::ops::Range;

use super::{CpuState, Mapping};

const EHDR: u64 = 64;
const PHDR: u64 = 56;
const ET_CORE: u16 = 4;
const EM_AARCH64: u16 = 183;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const NT_PRSTATUS: u32 = 1;
const NT_PRFPREG: u32 = 2;

/// The number of program headers that says that it is elsewhere: in the first section header.
const PN_XNUM: u16 = 0xffff;
const SHDR: u64 = 64;
/// Where a section header has the field that the number of program headers is in.
const SH_INFO: usize = 44;

/// Everything before the memory of `ranges`, which follows without gaps. Each of `mappings` is a segment;
/// it leads to memory in one of `ranges`.
pub(super) fn head(notes: &[u8], ranges: &[(u64, u64)], mappings: &[Mapping]) -> Vec<u8> {
    let count = 1 + mappings.len() as u64;
    let small = u16::try_from(count).ok().filter(|&count| count < PN_XNUM);
    let (sections_at, sections) = match small {
        Some(_) => (0, 0),
        None => (EHDR + count * PHDR, 1),
    };
    let notes_at = EHDR + count * PHDR + sections * SHDR;
    let mut out = Vec::new();
    out.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    for half in [ET_CORE, EM_AARCH64] {
        out.extend(half.to_le_bytes());
    }
    out.extend(1_u32.to_le_bytes());
    // No entry.
    for word in [0, EHDR, sections_at] {
        out.extend(word.to_le_bytes());
    }
    out.extend(0_u32.to_le_bytes());
    let headers = small.unwrap_or(PN_XNUM);
    let shdr = (SHDR * sections) as u16;
    for half in [EHDR as u16, PHDR as u16, headers, shdr, sections as u16, 0] {
        out.extend(half.to_le_bytes());
    }
    let no_address = Mapping {
        virt: 0,
        phys: 0,
        len: notes.len() as u64,
    };
    segment(&mut out, PT_NOTE, notes_at, &no_address);
    let memory_at = notes_at + notes.len() as u64;
    for mapping in mappings {
        let offset = offset_of(ranges, mapping.phys);
        segment(&mut out, PT_LOAD, memory_at + offset, mapping);
    }
    if small.is_none() {
        let mut section = [0; SHDR as usize];
        // There are at most a million mappings.
        section[SH_INFO..SH_INFO + 4].copy_from_slice(&(count as u32).to_le_bytes());
        out.extend(section);
    }
    out.extend(notes);
    out
}

/// How far a physical address is into the memory of `ranges`.
fn offset_of(ranges: &[(u64, u64)], phys: u64) -> u64 {
    let mut before = 0;
    for &(base, len) in ranges {
        if phys >= base && phys - base < len {
            return before + (phys - base);
        }
        before += len;
    }
    before
}

fn segment(out: &mut Vec<u8>, kind: u32, offset: u64, mapping: &Mapping) {
    out.extend(kind.to_le_bytes());
    out.extend(0_u32.to_le_bytes());
    let Mapping { virt, phys, len } = *mapping;
    for word in [offset, virt, phys, len, len, 0] {
        out.extend(word.to_le_bytes());
    }
}

/// The notes about processors.
pub(super) fn notes(cpus: &[CpuState]) -> Vec<u8> {
    cpus.iter().enumerate().flat_map(notes_of).collect()
}

/// Where a note has its content.
pub(super) fn content(note: &[u8]) -> Option<Range<usize>> {
    let word = |at: usize| {
        let word = note.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(word)).ok()
    };
    let start = word(0)?.checked_next_multiple_of(4)?.checked_add(12)?;
    let end = start.checked_add(word(4)?)?;
    (end <= note.len()).then_some(start..end)
}

/// A processor's notes; processors are numbered like threads, from 1 on.
fn notes_of((index, cpu): (usize, &CpuState)) -> Vec<u8> {
    let mut out = Vec::new();
    note(&mut out, NT_PRSTATUS, &prstatus(index as u32 + 1, cpu));
    note(&mut out, NT_PRFPREG, &fpsimd(cpu));
    out
}

fn note(out: &mut Vec<u8>, kind: u32, content: &[u8]) {
    // Sizes of name and content are a few hundred bytes at most.
    for word in [5, content.len() as u32, kind] {
        out.extend(word.to_le_bytes());
    }
    out.extend(b"CORE\0\0\0\0");
    out.extend(content);
}

/// Linux's `struct elf_prstatus` for 64-bit processors with AArch64's `struct user_pt_regs`.
fn prstatus(pid: u32, cpu: &CpuState) -> [u8; 392] {
    let mut out = [0; 392];
    out[32..36].copy_from_slice(&pid.to_le_bytes());
    let registers = cpu.x.iter().chain([&cpu.sp, &cpu.pc, &cpu.pstate]);
    for (to, register) in out[112..384].chunks_mut(8).zip(registers) {
        to.copy_from_slice(&register.to_le_bytes());
    }
    out
}

/// Linux's `struct user_fpsimd_state`.
fn fpsimd(cpu: &CpuState) -> [u8; 528] {
    let mut out = [0; 528];
    for (to, register) in out.chunks_mut(16).zip(&cpu.v) {
        to.copy_from_slice(&register.to_le_bytes());
    }
    out[512..516].copy_from_slice(&cpu.fpsr.to_le_bytes());
    out[516..520].copy_from_slice(&cpu.fpcr.to_le_bytes());
    out
}
