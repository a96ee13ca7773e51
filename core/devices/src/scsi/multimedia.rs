//! Commands of CD drives (MMC-6).

use super::disk::ScsiDisk;
use super::number;
use super::spec::Sense;

/// Profiles: what a medium is.
mod profile {
    pub const CD_ROM: u16 = 8;
    pub const DVD_ROM: u16 = 0x10;
}

/// Sectors of the largest CD: what has more is a DVD.
const MAX_CD_SECTORS: u64 = 80 * 60 * 75;
/// The address of the lead-out of a disc in minutes, seconds, frames counts from two seconds before
/// sector 0.
const LEAD_IN_FRAMES: u64 = 150;

fn current_profile(unit: &ScsiDisk) -> u16 {
    match unit.medium() {
        Err(_) => 0,
        Ok(()) if unit.blocks() > MAX_CD_SECTORS => profile::DVD_ROM,
        Ok(()) => profile::CD_ROM,
    }
}

/// An address of a track.
fn track_address(block: u64, in_minutes: bool) -> [u8; 4] {
    if !in_minutes {
        return u32::try_from(block).unwrap_or(u32::MAX).to_be_bytes();
    }
    let frames = block + LEAD_IN_FRAMES;
    let minutes = (frames / 75 / 60).min(255);
    [
        0,
        minutes as u8,
        (frames / 75 % 60) as u8,
        (frames % 75) as u8,
    ]
}

/// READ TOC/PMA/ATIP: one data track, or one session.
pub(super) fn read_toc(unit: &ScsiDisk, cdb: &[u8]) -> Result<Vec<u8>, Sense> {
    unit.medium()?;
    let in_minutes = cdb[1] & 2 != 0;
    // Some drivers put the format where earlier drives had it.
    let format = match cdb[2] & 0xf {
        0 => cdb[9] >> 6,
        format => format,
    };
    let start = cdb[6];
    match format {
        0 if start > 1 && start != 0xaa => Err(Sense::INVALID_FIELD),
        0 => {
            let mut tracks = Vec::new();
            for (number, block) in [(1, 0), (0xaa, unit.blocks())] {
                if start <= number {
                    tracks.extend([0, 0x14, number, 0]);
                    tracks.extend(track_address(block, in_minutes));
                }
            }
            let mut data = (tracks.len() as u16 + 2).to_be_bytes().to_vec();
            data.extend([1, 1]);
            data.extend(tracks);
            Ok(data)
        }
        1 => {
            let mut data = vec![0, 10, 1, 1, 0, 0x14, 1, 0];
            data.extend(track_address(0, in_minutes));
            Ok(data)
        }
        _ => Err(Sense::INVALID_FIELD),
    }
}

/// A feature: code, version with flags, what it says.
fn feature(code: u16, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut data = code.to_be_bytes().to_vec();
    data.extend([flags, body.len() as u8]);
    data.extend_from_slice(body);
    data
}

/// GET CONFIGURATION: the profiles, and the features that every drive has.
pub(super) fn get_configuration(unit: &ScsiDisk, cdb: &[u8]) -> Result<Vec<u8>, Sense> {
    if cdb[1] & 3 > 2 {
        return Err(Sense::INVALID_FIELD);
    }
    let current = current_profile(unit);
    let mut profiles = Vec::new();
    for known in [profile::DVD_ROM, profile::CD_ROM] {
        profiles.extend(known.to_be_bytes());
        profiles.extend([u8::from(known == current), 0]);
    }
    let all = [
        (0, feature(0, 3, &profiles)),
        // Core: SCSI family.
        (1, feature(1, 0xb, &[0, 0, 0, 1, 1, 0, 0, 0])),
        // Removable medium: tray that locks and ejects.
        (3, feature(3, 3, &[0x29, 0, 0, 0])),
    ];
    let (only, from) = (cdb[1] & 3 == 2, number(cdb, 2, 2));
    let chosen = all.into_iter().filter(|(code, _)| match only {
        true => *code == from,
        false => *code >= from,
    });
    let features: Vec<u8> = chosen.flat_map(|(_, feature)| feature).collect();
    let mut data = (features.len() as u32 + 4).to_be_bytes().to_vec();
    data.extend([0, 0]);
    data.extend(current.to_be_bytes());
    data.extend(features);
    Ok(data)
}

/// GET EVENT STATUS NOTIFICATION: the media class, polled.
pub(super) fn event_status(unit: &mut ScsiDisk, cdb: &[u8]) -> Result<Vec<u8>, Sense> {
    const MEDIA: u8 = 1 << 4;
    if cdb[1] & 1 == 0 {
        // Only polling is supported.
        return Err(Sense::INVALID_FIELD);
    }
    if cdb[4] & MEDIA == 0 {
        return Ok(vec![0, 2, 0x80, MEDIA]);
    }
    let event = unit.take_media_event();
    Ok(vec![0, 6, 4, MEDIA, event, unit.media_status(), 0, 0])
}

/// READ DISC INFORMATION: one finished session.
pub(super) fn disc_information(unit: &ScsiDisk, cdb: &[u8]) -> Result<Vec<u8>, Sense> {
    unit.medium()?;
    if cdb[1] & 7 != 0 {
        return Err(Sense::INVALID_FIELD);
    }
    let mut data = vec![0; 34];
    data[1] = 32;
    data[2..8].copy_from_slice(&[0xe, 1, 1, 1, 1, 0x20]);
    Ok(data)
}
