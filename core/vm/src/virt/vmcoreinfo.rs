//! What the guest's kernel says of itself to whoever reads a dump: the ELF note "VMCOREINFO", found
//! through a file of fw_cfg that the guest writes to (QEMU `docs/specs/vmcoreinfo`).

use std::any::Any;

use ferrite_devices::fw_cfg::FwCfg;
use ferrite_ram::GuestPhys;

use super::board::Board;

/// The file: what format the host knows and what format it is in (16 bits each), the note's size (32
/// bits), its guest-physical address (64 bits), all little-endian.
pub(super) const FILE: &str = "etc/vmcoreinfo";
/// An ELF note.
const FORMAT_ELF: u16 = 1;
/// The file at reset: the host knows ELF notes, and there is none.
pub(super) const EMPTY: [u8; 16] = [
    FORMAT_ELF as u8,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
];
/// Bytes of a note's head: sizes of name and content, type.
const HEAD: usize = 12;
/// Longest note that is taken. Linux' is a page.
const LONGEST: usize = 1 << 20;

/// Where the note at the start of `bytes` ends, if it is a whole one. Kernels give the size of what
/// they keep it in.
fn end_of_note(bytes: &[u8]) -> Option<usize> {
    let size = |at: usize| {
        let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
        word.map_or(usize::MAX, |word| u32::from_le_bytes(word) as usize)
    };
    let padded = |size: usize| size.checked_next_multiple_of(4);
    let end = padded(size(0))
        .zip(padded(size(4)))
        .and_then(|(name, content)| name.checked_add(content)?.checked_add(HEAD));
    end.filter(|end| *end <= bytes.len())
}

impl Board {
    /// The guest kernel's note for dumps, where it has left a whole one: its ELF head, then
    /// "VMCOREINFO", then lines of text.
    #[must_use]
    pub fn vmcoreinfo(&self) -> Option<Vec<u8>> {
        let fw_cfg = self.slots.iter().find_map(|slot| {
            let device: &dyn Any = slot.device.as_ref();
            device.downcast_ref::<FwCfg>()
        });
        let file: &[u8; 16] = fw_cfg?.file(FILE)?.try_into().ok()?;
        let [_, _, f0, f1, s0, s1, s2, s3, address @ ..] = *file;
        let size = u32::from_le_bytes([s0, s1, s2, s3]) as usize;
        if u16::from_le_bytes([f0, f1]) != FORMAT_ELF || size > LONGEST {
            return None;
        }
        let mut note = vec![0; size];
        let at = GuestPhys(u64::from_le_bytes(address));
        self.dma.read(at, &mut note).ok()?;
        note.truncate(end_of_note(&note)?);
        Some(note)
    }
}

#[cfg(test)]
mod tests {
    use super::end_of_note;

    #[test]
    fn a_note_ends_where_its_head_says() {
        let mut note = vec![11, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
        note.extend(b"VMCOREINFO\0\0A=1\nB\0\0\0");
        assert_eq!(end_of_note(&note), Some(note.len()));
        for len in 0..note.len() {
            assert_eq!(end_of_note(&note[..len]), None, "{len}");
        }
        note.extend([0; 100]);
        assert_eq!(end_of_note(&note), Some(32));
        note[4..8].fill(0xff);
        assert_eq!(end_of_note(&note), None);
    }
}
