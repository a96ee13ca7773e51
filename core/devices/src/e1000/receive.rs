//! From frames to descriptors: address filters, buffers, VLAN tags (manual, section 3.2).

use ferrite_ram::GuestPhys;

use super::spec::{DESCRIPTOR, RA_COUNT, RAH_VALID, cause, ctrl, express, rctl, reg, rx};
use super::{E1000, MAX_FRAME, MAX_WORK};
use crate::pci::PciCx;

/// The shortest frame without its check sequence.
const MIN_FRAME: usize = 60;
/// The longest frame that is taken without [`rctl::LONG`], tag included, check sequence not.
const MAX_SHORT: usize = 1518;
/// The frame check sequence, which this cable does not carry.
const CHECK_SEQUENCE: [u8; 4] = [0; 4];

/// How receive descriptors are laid out.
#[derive(Clone, Copy)]
enum Layout {
    /// One buffer, results in the second half.
    Legacy,
    /// One buffer, results all over it (82574 datasheet, section 7.1.5).
    Extended,
    /// Several buffers (section 7.1.6). Headers are not told apart: frames fill buffer after buffer.
    Split,
}

/// What a descriptor tells of the piece of a frame in its buffers.
#[derive(Clone, Copy)]
struct Piece<'a> {
    bytes: &'a [u8],
    /// The VLAN tag that was taken off.
    tag: Option<u16>,
    last: bool,
}

impl Piece<'_> {
    fn status(&self) -> u8 {
        let last = if self.last {
            rx::END | rx::NO_CHECKSUM
        } else {
            0
        };
        let tagged = self.tag.map_or(0, |_| rx::VLAN);
        rx::DONE | last | tagged
    }
}

impl E1000 {
    /// Stores frames as long as there are both frames and buffers.
    pub(super) fn receive(&mut self, cx: &mut PciCx<'_>) {
        let control = self.get(reg::RCTL);
        if control & rctl::ENABLE == 0 || !cx.is_master() {
            return;
        }
        for _ in 0..MAX_WORK {
            let Some(frame) = self.held.take().or_else(|| self.backend.receive()) else {
                return;
            };
            if frame.len() > MAX_FRAME || !self.link_up || !self.accepts(control, &frame) {
                continue;
            }
            if !self.store(cx, &frame) {
                self.held = Some(frame);
                return;
            }
        }
        cx.set_timer(Some(cx.now));
    }

    /// Whether the filters let a frame through.
    fn accepts(&self, control: u32, frame: &[u8]) -> bool {
        let Some(address) = frame.first_chunk::<6>() else {
            return false;
        };
        if frame.len() > MAX_SHORT && control & rctl::LONG == 0 {
            return false;
        }
        if let Some(tag) = self.tag(frame)
            && control & rctl::VLAN_FILTER != 0
        {
            let id = u64::from(tag & 0xfff);
            if self.get(reg::VFTA + (id >> 5) * 4) >> (id & 31) & 1 == 0 {
                return false;
            }
        }
        if *address == [0xff; 6] && control & rctl::BROADCAST != 0 {
            return true;
        }
        let group = address[0] & 1 != 0;
        let all = if group {
            rctl::ALL_MULTICAST
        } else {
            rctl::ALL_UNICAST
        };
        control & all != 0 || self.is_own(*address) || group && self.hashed(control, *address)
    }

    /// Whether an address is one of the receive addresses.
    fn is_own(&self, address: [u8; 6]) -> bool {
        let [a, b, c, d, e, f] = address;
        let low = u32::from_le_bytes([a, b, c, d]);
        let high = u32::from_le_bytes([e, f, 0, 0]);
        (0..RA_COUNT).map(|n| reg::RA + 8 * n).any(|at| {
            let valid = self.get(at + 4);
            valid & RAH_VALID != 0 && valid & 0xffff == high && self.get(at) == low
        })
    }

    /// Whether the multicast table has an address (section 13.5.1).
    fn hashed(&self, control: u32, address: [u8; 6]) -> bool {
        let shift = [4, 3, 2, 0][(control >> 12 & 3) as usize];
        let hash = u64::from(u16::from_le_bytes([address[4], address[5]]) >> shift & 0xfff);
        self.get(reg::MTA + (hash >> 5) * 4) >> (hash & 31) & 1 != 0
    }

    /// A frame's VLAN tag.
    fn tag(&self, frame: &[u8]) -> Option<u16> {
        let kind = (self.get(reg::VET) as u16).to_be_bytes();
        let tag = frame.get(12..16)?;
        (tag[..2] == kind).then(|| u16::from_be_bytes([tag[2], tag[3]]))
    }

    fn layout(&self, control: u32) -> Layout {
        if !self.model.express || self.get(express::RFCTL) & express::EXTENDED == 0 {
            Layout::Legacy
        } else if control & express::RCTL_TYPE == express::RCTL_SPLIT {
            Layout::Split
        } else {
            Layout::Extended
        }
    }

    /// Bytes of each of a descriptor's buffers.
    fn buffers(&self, control: u32, layout: Layout) -> [usize; 4] {
        if let Layout::Split = layout {
            let sizes = self.get(express::PSRCTL).to_le_bytes().map(usize::from);
            return [
                (sizes[0] & 0x7f) * 128,
                (sizes[1] & 0x3f) << 10,
                (sizes[2] & 0x3f) << 10,
                (sizes[3] & 0x3f) << 10,
            ];
        }
        let scale = if control & rctl::LARGE_BUFFERS != 0 {
            16
        } else {
            1
        };
        [(2048 >> (control >> 16 & 3)) * scale, 0, 0, 0]
    }

    /// Puts a frame into buffers; `false` if there are not enough of them.
    fn store(&mut self, cx: &mut PciCx<'_>, frame: &[u8]) -> bool {
        let control = self.get(reg::RCTL);
        let tag = self
            .tag(frame)
            .filter(|_| self.get(reg::CTRL) & ctrl::VLAN != 0);
        let mut data = match tag {
            Some(_) => [&frame[..12], &frame[16..]].concat(),
            None => frame.to_vec(),
        };
        data.resize(data.len().max(MIN_FRAME), 0);
        if control & rctl::STRIP_CRC == 0 {
            data.extend(CHECK_SEQUENCE);
        }
        let layout = self.layout(control);
        // Head and tail count 16 bytes, also where a descriptor has 32.
        let units = match layout {
            Layout::Split => (express::SPLIT_DESCRIPTOR / DESCRIPTOR) as u32,
            _ => 1,
        };
        let entries = self.get(reg::RDLEN) / DESCRIPTOR as u32;
        let (head, tail) = (self.get(reg::RDH), self.get(reg::RDT));
        if entries == 0 || head >= entries || tail >= entries {
            return false;
        }
        let free = (tail + entries - head) % entries;
        let sizes = self.buffers(control, layout);
        let room: usize = sizes.iter().sum();
        if room == 0 {
            return false;
        }
        let pieces = data.len().div_ceil(room) as u32;
        let needed = pieces * units;
        if needed > free {
            return false;
        }
        for (n, bytes) in (0..).zip(data.chunks(room)) {
            let at = self.descriptor(reg::RDBAL, (head + n * units) % entries);
            let last = n + 1 == pieces;
            let piece = Piece { bytes, tag, last };
            match layout {
                Layout::Legacy => fill_legacy(cx, at, piece),
                Layout::Extended => fill_extended(cx, at, piece),
                Layout::Split => fill_split(cx, at, sizes, piece),
            }
        }
        self.set(reg::RDH, (head + needed) % entries);
        self.count_received(frame);
        let low = ((free - needed) * 2) << (control >> 8 & 3) <= entries;
        let causes = cause::RX | if low { cause::RX_LOW } else { 0 };
        self.raise(cx, causes);
        true
    }

    fn count_received(&mut self, frame: &[u8]) {
        for packets in [0x4074, 0x40d0] {
            self.count(packets, 1);
        }
        for octets in [0x4088, 0x40c0] {
            self.count_wide(octets, frame.len() as u64 + 4);
        }
        self.count_size(reg::SIZES_RECEIVED, frame.len());
        match frame.first() {
            Some(_) if frame.starts_with(&[0xff; 6]) => self.count(0x4078, 1),
            Some(first) if first & 1 != 0 => self.count(0x407c, 1),
            _ => {}
        }
    }
}

/// Stores a piece and returns whether it went anywhere: a ring or buffer that is no memory loses
/// the frame, as the wire would.
fn store_at(cx: &mut PciCx<'_>, pointer: GuestPhys, bytes: &[u8]) -> bool {
    let Ok(buffer) = cx.dma.load::<u64>(pointer) else {
        return false;
    };
    let _ = cx.dma.write(GuestPhys(buffer), bytes);
    true
}

fn fill_legacy(cx: &mut PciCx<'_>, at: GuestPhys, piece: Piece<'_>) {
    if !store_at(cx, at, piece.bytes) {
        return;
    }
    let mut back = [0; 8];
    back[..2].copy_from_slice(&(piece.bytes.len() as u16).to_le_bytes());
    back[4] = piece.status();
    back[6..].copy_from_slice(&piece.tag.unwrap_or(0).to_le_bytes());
    let _ = cx.dma.write(at.offset(8), &back);
}

fn fill_extended(cx: &mut PciCx<'_>, at: GuestPhys, piece: Piece<'_>) {
    if store_at(cx, at, piece.bytes) {
        // No hash and no checksum in the first half. The status is the driver's sign: it goes last.
        let _ = cx.dma.write(at, &[0; 8]);
        let _ = cx
            .dma
            .write(at.offset(8), &results(piece, piece.bytes.len()));
    }
}

/// Status, length and tag.
fn results(piece: Piece<'_>, len: usize) -> [u8; 8] {
    let mut back = [0; 8];
    back[0] = piece.status();
    back[4..6].copy_from_slice(&(len as u16).to_le_bytes());
    back[6..].copy_from_slice(&piece.tag.unwrap_or(0).to_le_bytes());
    back
}

fn fill_split(cx: &mut PciCx<'_>, at: GuestPhys, sizes: [usize; 4], piece: Piece<'_>) {
    let mut rest = piece.bytes;
    let mut lengths = [0; 4];
    for (n, (size, len)) in (0..).zip(sizes.into_iter().zip(&mut lengths)) {
        let (part, after) = rest.split_at(size.min(rest.len()));
        if !part.is_empty() && !store_at(cx, at.offset(8 * n), part) {
            return;
        }
        (*len, rest) = (part.len(), after);
    }
    let mut tail = [0; 16];
    for (n, len) in lengths[1..].iter().enumerate() {
        // The header's status, which says that there is none, comes first.
        tail[2 + 2 * n..4 + 2 * n].copy_from_slice(&(*len as u16).to_le_bytes());
    }
    let _ = cx.dma.write(at, &[0; 8]);
    let _ = cx.dma.write(at.offset(16), &tail);
    let _ = cx.dma.write(at.offset(8), &results(piece, lengths[0]));
}
