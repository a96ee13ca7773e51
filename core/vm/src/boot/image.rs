//! The arm64 Image format (Linux `Documentation/arch/arm64/booting.rst`), and its wrappings: gzip,
//! and the EFI zboot form that carries a compressed Image behind a small PE header. A file without
//! that header is a program that starts with its first word.

use std::borrow::Cow;
use std::io::Read;

use super::{BootError, Kernel, Segment};
use crate::virt::memory_map::RAM_BASE;

const MAGIC_AT: usize = 56;
const MAGIC: &[u8] = b"ARM\x64";
const GZIP: &[u8] = &[0x1f, 0x8b];
/// Room that boot loaders keep below a kernel whose header asks for none.
const MIN_OFFSET: u64 = 4096;
const OFFSET: u64 = 2 << 20;
/// Where kernels start that do not say so.
const OLD_OFFSET: u64 = 0x8_0000;

fn bad(what: impl Into<String>) -> BootError {
    BootError::BadKernel(what.into())
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(data.get(at..at + 8)?.try_into().ok()?))
}

/// Removes every wrapping from a kernel file. `limit` bounds the unpacked size (RAM's size is a
/// good one: what is larger cannot be loaded anyway).
pub fn unpack(file: &[u8], limit: u64) -> Result<Cow<'_, [u8]>, BootError> {
    if file.starts_with(GZIP) {
        return inflate(file, limit).map(Cow::Owned);
    }
    match zboot(file)? {
        None => Ok(Cow::Borrowed(file)),
        Some(Zboot {
            packing: b"gzip",
            payload,
        }) => inflate(payload, limit).map(Cow::Owned),
        Some(Zboot {
            packing: b"zstd",
            payload,
        }) => unzstd(payload, limit).map(Cow::Owned),
        Some(Zboot { packing, .. }) => Err(bad(format!(
            "its EFI zboot image is packed with '{}': gzip and zstd are supported",
            packing.escape_ascii()
        ))),
    }
}

/// A gzip'd kernel file without that wrapping; any other file as it is, and one that is broken or
/// unpacks to more than `limit` bytes. Firmware is given kernels so: it knows the other wrappings.
pub fn gunzip(file: &[u8], limit: u64) -> Cow<'_, [u8]> {
    if !file.starts_with(GZIP) {
        return Cow::Borrowed(file);
    }
    inflate(file, limit).map_or(Cow::Borrowed(file), Cow::Owned)
}

/// What an EFI zboot image carries (Linux `drivers/firmware/efi/libstub/zboot-header.S`).
struct Zboot<'a> {
    packing: &'a [u8],
    payload: &'a [u8],
}

/// Reads the header of an EFI zboot image; `None` for other files.
fn zboot(file: &[u8]) -> Result<Option<Zboot<'_>>, BootError> {
    if !file.starts_with(b"MZ") || file.get(4..8) != Some(b"zimg") {
        return Ok(None);
    }
    let truncated = || bad("its EFI zboot header is cut short");
    let offset = u32_at(file, 8).ok_or_else(truncated)? as usize;
    let len = u32_at(file, 12).ok_or_else(truncated)? as usize;
    let packing = file.get(24..56).ok_or_else(truncated)?;
    let packing = packing.split(|b| *b == 0).next().unwrap_or_default();
    let payload = offset
        .checked_add(len)
        .and_then(|end| file.get(offset..end));
    let payload =
        payload.ok_or_else(|| bad("its EFI zboot payload lies beyond the end of the file"))?;
    Ok(Some(Zboot { packing, payload }))
}

fn read_bounded(from: impl Read, limit: u64, format: &str) -> Result<Vec<u8>, BootError> {
    let mut out = Vec::new();
    from.take(limit.saturating_add(1))
        .read_to_end(&mut out)
        .map_err(|e| bad(format!("broken {format} data: {e}")))?;
    if out.len() as u64 > limit {
        return Err(bad(format!(
            "unpacked from {format} it is larger than the machine's RAM"
        )));
    }
    Ok(out)
}

fn inflate(data: &[u8], limit: u64) -> Result<Vec<u8>, BootError> {
    read_bounded(flate2::read::GzDecoder::new(data), limit, "gzip")
}

fn unzstd(data: &[u8], limit: u64) -> Result<Vec<u8>, BootError> {
    let decoder = ruzstd::decoding::StreamingDecoder::new(data)
        .map_err(|e| bad(format!("broken zstd data: {e}")))?;
    read_bounded(decoder, limit, "zstd")
}

/// Whether a file without the header may be a program: it is neither text nor another system's.
fn may_be_program(data: &[u8]) -> bool {
    let text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    !data.starts_with(b"MZ") && !data.iter().all(text)
}

/// Reads the header of an Image and places it; a file without one goes where old kernels do.
pub(super) fn parse(data: &[u8]) -> Result<Kernel<'_>, BootError> {
    if data.get(MAGIC_AT..MAGIC_AT + 4) != Some(MAGIC) {
        return match may_be_program(data) {
            true => Ok(placed(data, OLD_OFFSET, data.len() as u64)),
            false => Err(bad(
                "not an arm64 Image (no ARM64 magic number), ELF, gzip or EFI zboot file, and no program",
            )),
        };
    }
    let truncated = || bad("its header is cut short");
    let text_offset = u64_at(data, 8).ok_or_else(truncated)?;
    let image_size = u64_at(data, 16).ok_or_else(truncated)?;
    let flags = u64_at(data, 24).ok_or_else(truncated)?;
    if flags & 1 != 0 {
        return Err(bad("it is a big-endian kernel"));
    }
    // Kernels before 3.17 leave the size 0 and want the offset 0x80000.
    let text_offset = if image_size == 0 {
        OLD_OFFSET
    } else {
        text_offset
    };
    let offset = if text_offset < MIN_OFFSET {
        text_offset.saturating_add(OFFSET)
    } else {
        text_offset
    };
    if RAM_BASE.checked_add(offset).is_none() {
        return Err(bad("its header asks for an impossible offset"));
    }
    // What is behind the size of the header, as a signature, is in memory too.
    let mem_len = image_size.max(data.len() as u64);
    Ok(placed(data, offset, mem_len))
}

/// A file in memory at that offset, which begins with its first instruction.
fn placed(data: &[u8], offset: u64, mem_len: u64) -> Kernel<'_> {
    let at = RAM_BASE + offset;
    Kernel {
        entry: at,
        segments: vec![Segment { at, data, mem_len }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn header(text_offset: u64, image_size: u64) -> Vec<u8> {
        let mut image = vec![0; 64];
        image[8..16].copy_from_slice(&text_offset.to_le_bytes());
        image[16..24].copy_from_slice(&image_size.to_le_bytes());
        image[MAGIC_AT..MAGIC_AT + 4].copy_from_slice(MAGIC);
        image
    }

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn zboot_of(name: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 64];
        file[0..2].copy_from_slice(b"MZ");
        file[4..8].copy_from_slice(b"zimg");
        file[8..12].copy_from_slice(&64u32.to_le_bytes());
        file[12..16].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        file[24..24 + name.len()].copy_from_slice(name);
        file.extend_from_slice(payload);
        file
    }

    #[test]
    fn firmware_gets_kernels_without_gzip() {
        let kernel = header(0, 4096);
        let packed = gzip(&kernel);
        assert_eq!(*gunzip(&packed, 64), kernel);
        assert_eq!(*gunzip(&packed, 63), packed, "too large");
        assert_eq!(*gunzip(&packed[..20], 64), packed[..20], "broken");
        let zboot = zboot_of(b"gzip", &packed);
        assert_eq!(*gunzip(&zboot, 4096), zboot);
    }

    #[test]
    fn wrappings_come_off() {
        let image = header(0, 4096);
        assert_eq!(*unpack(&image, 1 << 20).unwrap(), *image);
        assert_eq!(*unpack(&gzip(&image), 1 << 20).unwrap(), *image);
        assert_eq!(
            *unpack(&zboot_of(b"gzip", &gzip(&image)), 1 << 20).unwrap(),
            *image
        );
        assert!(unpack(&zboot_of(b"lzo", &image), 1 << 20).is_err());
    }

    #[test]
    fn bombs_and_stumps_are_refused() {
        assert!(unpack(&gzip(&vec![0; 1 << 20]), 4096).is_err());
        let packed = gzip(&header(0, 4096));
        assert!(unpack(&packed[..packed.len() / 2], 1 << 20).is_err());
        let mut far = zboot_of(b"gzip", &[]);
        far[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(unpack(&far, 1 << 20).is_err());
        assert!(parse(&header(u64::MAX, 4096)).is_err());
        assert!(parse(&[]).is_err());
    }

    #[test]
    fn a_file_without_a_header_is_a_program() {
        let program = [1, 2, 3, 4];
        let kernel = parse(&program).unwrap();
        assert_eq!(kernel.entry, RAM_BASE + 0x8_0000);
        assert_eq!(kernel.segments[0].data, program);
        // A text, a program of UEFI.
        assert!(parse(b"no kernel\n").is_err());
        assert!(parse(b"MZ\0\0\0\0\0\0").is_err());
    }

    #[test]
    fn what_follows_the_size_of_the_header_is_loaded() {
        let mut signed = header(0, 4096);
        signed.resize(8192, 1);
        let kernel = parse(&signed).unwrap();
        assert_eq!(kernel.segments[0].mem_len, 8192);
    }

    #[test]
    fn offset_zero_leaves_room_below() {
        assert_eq!(parse(&header(0, 4096)).unwrap().entry, RAM_BASE + OFFSET);
        assert_eq!(
            parse(&header(0x8_0000, 4096)).unwrap().entry,
            RAM_BASE + 0x8_0000
        );
        assert_eq!(parse(&header(0, 0)).unwrap().entry, RAM_BASE + 0x8_0000);
    }
}
