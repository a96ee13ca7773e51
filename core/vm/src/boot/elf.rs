//! ELF kernels: AArch64 executables loaded by their physical addresses.

use object::LittleEndian;
use object::elf::{EM_AARCH64, ET_DYN, ET_EXEC, FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};

use super::{BootError, Kernel, Segment};

/// Reads an ELF file; `None` if it is something else.
pub(super) fn parse(data: &[u8]) -> Result<Option<Kernel<'_>>, BootError> {
    if !data.starts_with(b"\x7fELF") {
        return Ok(None);
    }
    let bad = |what: &str| BootError::BadKernel(format!("the ELF file {what}"));
    let broken = |e: object::Error| BootError::BadKernel(format!("the ELF file is broken: {e}"));
    let header = FileHeader64::<LittleEndian>::parse(data).map_err(broken)?;
    let endian = header.endian().map_err(broken)?;
    if header.e_machine(endian) != EM_AARCH64 {
        return Err(bad("is not for AArch64"));
    }
    if !matches!(header.e_type(endian), ET_EXEC | ET_DYN) {
        return Err(bad("is not an executable"));
    }
    let mut segments = Vec::new();
    let mut entry = header.e_entry(endian);
    for program in header.program_headers(endian, data).map_err(broken)? {
        if program.p_type(endian) != PT_LOAD || program.p_memsz(endian) == 0 {
            continue;
        }
        let content = program
            .data(endian, data)
            .map_err(|()| bad("has a segment beyond the end of the file"))?;
        if content.len() as u64 > program.p_memsz(endian) {
            return Err(bad(
                "has a segment with more bytes in the file than in memory",
            ));
        }
        let (at, va) = (program.p_paddr(endian), program.p_vaddr(endian));
        let from_start = header.e_entry(endian).wrapping_sub(va);
        if from_start < program.p_memsz(endian) {
            entry = at.wrapping_add(from_start);
        }
        segments.push(Segment {
            at,
            data: content,
            mem_len: program.p_memsz(endian),
        });
    }
    if segments.is_empty() {
        return Err(bad("has nothing to load"));
    }
    Ok(Some(Kernel { entry, segments }))
}
