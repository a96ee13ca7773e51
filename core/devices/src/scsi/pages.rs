//! What a unit tells of itself: INQUIRY (SPC-4, section 6.4 and 7.8; SBC-3, section 6.6) and MODE SENSE
//! (SPC-4, section 6.9 and 7.5).

use super::disk::{ScsiDisk, UnitKind};
use super::number;
use super::spec::{Sense, op};

/// Most ranges of one UNMAP command.
pub(super) const MAX_UNMAP_RANGES: u32 = 255;
/// Most blocks of one UNMAP or WRITE SAME command: a gibibyte of the smallest.
pub(super) const MAX_UNMAP_BLOCKS: u64 = 0x20_0000;

/// A text of `N` bytes, filled up with spaces.
fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut field = [b' '; N];
    for (place, byte) in field.iter_mut().zip(text.bytes()) {
        *place = byte;
    }
    field
}

/// A page of vital product data.
fn page(kind: UnitKind, code: u8, body: &[u8]) -> Vec<u8> {
    let mut page = vec![kind.device_type(), code];
    page.extend((body.len() as u16).to_be_bytes());
    page.extend_from_slice(body);
    page
}

/// The answer to INQUIRY.
pub(super) fn inquiry(unit: &ScsiDisk, cdb: &[u8]) -> Result<Vec<u8>, Sense> {
    let vital = cdb[1] & 1 != 0;
    if !vital {
        return match cdb[2] {
            0 => Ok(standard(unit)),
            _ => Err(Sense::INVALID_FIELD),
        };
    }
    let serial = unit.options().serial.as_bytes();
    let serial = &serial[..serial.len().min(36)];
    let kind = unit.kind();
    match cdb[2] {
        0x00 => {
            let mut codes = vec![0x00];
            if !serial.is_empty() {
                codes.push(0x80);
            }
            codes.push(0x83);
            if kind == UnitKind::Disk {
                codes.extend([0xb0, 0xb1, 0xb2]);
            }
            Ok(page(kind, 0, &codes))
        }
        0x80 if !serial.is_empty() => Ok(page(kind, 0x80, serial)),
        0x83 => Ok(page(kind, 0x83, &identification(unit))),
        0xb0 if kind == UnitKind::Disk => Ok(page(kind, 0xb0, &limits())),
        // Neither a rotation rate nor a form factor is known.
        0xb1 if kind == UnitKind::Disk => Ok(page(kind, 0xb1, &[0; 0x3c])),
        // UNMAP and WRITE SAME give space back; blocks may then read as anything.
        0xb2 if kind == UnitKind::Disk => Ok(page(kind, 0xb2, &[0, 0xe0, 2, 0])),
        _ => Err(Sense::INVALID_FIELD),
    }
}

fn standard(unit: &ScsiDisk) -> Vec<u8> {
    let kind = unit.kind();
    // SPC-3, answers in its format, commands queued.
    let removable = if kind == UnitKind::Cd { 0x80 } else { 0 };
    let mut data = vec![kind.device_type(), removable, 5, 0x12, 31, 0, 0, 2];
    data.extend(padded::<8>("QEMU"));
    data.extend(padded::<16>(match kind {
        UnitKind::Disk => "QEMU HARDDISK",
        UnitKind::Cd => "QEMU CD-ROM",
    }));
    data.extend(padded::<4>("2.5+"));
    data
}

/// Designators: the text that the user gave, or the name.
fn identification(unit: &ScsiDisk) -> Vec<u8> {
    let options = unit.options();
    let text = match options.serial.is_empty() {
        true => unit.name(),
        false => &options.serial,
    };
    let text = &text.as_bytes()[..text.len().min(20)];
    let mut body = Vec::new();
    if !text.is_empty() {
        // ASCII, vendor specific.
        body.extend([2, 0, 0, text.len() as u8]);
        body.extend_from_slice(text);
    }
    if let Some(wwn) = options.wwn {
        // Binary, NAA.
        body.extend([1, 3, 0, 8]);
        body.extend(wwn.to_be_bytes());
    }
    body
}

fn limits() -> [u8; 0x3c] {
    let mut body = [0; 0x3c];
    // WRITE SAME of no blocks is refused.
    body[0] = 1;
    body[16..20].copy_from_slice(&(MAX_UNMAP_BLOCKS as u32).to_be_bytes());
    body[20..24].copy_from_slice(&MAX_UNMAP_RANGES.to_be_bytes());
    body[32..40].copy_from_slice(&MAX_UNMAP_BLOCKS.to_be_bytes());
    body
}

/// A mode page: its code and what follows the length.
fn mode_page(unit: &ScsiDisk, code: u8) -> Option<Vec<u8>> {
    match (code, unit.kind()) {
        // Errors are told, automatic reallocation of blocks is on.
        (0x01, UnitKind::Disk) => Some(vec![0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (0x01, UnitKind::Cd) => Some(vec![0, 0x20, 0, 0, 0, 0]),
        // The write cache is on.
        (0x08, UnitKind::Disk) => {
            let mut body = vec![0; 18];
            body[0] = 4;
            Some(body)
        }
        // What the drive can read; a tray that can be locked and ejects.
        (0x2a, UnitKind::Cd) => {
            let mut body = vec![0x3b, 0, 0x7f, 0xff, 0x2d, 0];
            // Speeds in kB/s, two levels of volume, 2 MiB of buffer.
            for word in [706_u16, 2, 2048, 706] {
                body.extend(word.to_be_bytes());
            }
            body.extend([0; 4]);
            Some(body)
        }
        _ => None,
    }
}

/// The answer to MODE SENSE, of either length.
pub(super) fn mode_sense(unit: &ScsiDisk, cdb: &[u8]) -> Result<Vec<u8>, Sense> {
    let long = cdb[0] == op::MODE_SENSE_10;
    let (control, code) = (cdb[2] >> 6, cdb[2] & 0x3f);
    if control == 3 {
        // Nothing is saved.
        return Err(Sense(5, 0x39, 0));
    }
    let codes: &[u8] = match code {
        0x3f => &[0x01, 0x08, 0x2a],
        _ => &[code],
    };
    let mut pages = Vec::new();
    for code in codes {
        let Some(mut body) = mode_page(unit, *code) else {
            continue;
        };
        if control == 1 {
            // Nothing can be changed.
            body.fill(0);
        }
        pages.extend([*code, body.len() as u8]);
        pages.extend(body);
    }
    if pages.is_empty() {
        return Err(Sense::INVALID_FIELD);
    }
    let described = number(cdb, 1, 1) & 8 == 0 && unit.kind() == UnitKind::Disk;
    let descriptor = if described {
        descriptor(unit)
    } else {
        Vec::new()
    };
    let protected = if unit.read_only() && unit.kind() == UnitKind::Disk {
        0x80
    } else {
        0
    };
    let after = descriptor.len() + pages.len();
    let mut data = Vec::with_capacity(8 + after);
    if long {
        data.extend((after as u16 + 6).to_be_bytes());
        data.extend([0, protected, 0, 0, 0, descriptor.len() as u8]);
    } else {
        data.extend([after as u8 + 3, 0, protected, descriptor.len() as u8]);
    }
    data.extend(descriptor);
    data.extend(pages);
    Ok(data)
}

fn descriptor(unit: &ScsiDisk) -> Vec<u8> {
    // A number that does not fit is told as none.
    let blocks = u32::try_from(unit.blocks()).ok().filter(|n| *n < 1 << 24);
    let mut bytes = blocks.unwrap_or(0).to_be_bytes().to_vec();
    bytes.extend(unit.block_size().to_be_bytes());
    bytes
}
