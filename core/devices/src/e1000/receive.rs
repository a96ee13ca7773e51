//! From frames to descriptors: address filters, buffers, VLAN tags (manual, section 3.2).

use super::spec::{DESCRIPTOR, RA_COUNT, RAH_VALID, cause, ctrl, rctl, reg, rx};
use super::{E1000, MAX_FRAME, MAX_WORK};
use crate::pci::PciCx;

/// The shortest frame without its check sequence.
const MIN_FRAME: usize = 60;
/// The longest frame that is taken without [`rctl::LONG`], tag included, check sequence not.
const MAX_SHORT: usize = 1518;
/// The frame check sequence, which this cable does not carry.
const CHECK_SEQUENCE: [u8; 4] = [0; 4];

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

    /// Bytes of a receive buffer.
    fn buffer_len(control: u32) -> usize {
        let scale = if control & rctl::LARGE_BUFFERS != 0 {
            16
        } else {
            1
        };
        (2048 >> (control >> 16 & 3)) * scale
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
        let entries = self.get(reg::RDLEN) / DESCRIPTOR as u32;
        let (head, tail) = (self.get(reg::RDH), self.get(reg::RDT));
        if entries == 0 || head >= entries || tail >= entries {
            return false;
        }
        let free = (tail + entries - head) % entries;
        let buffer_len = Self::buffer_len(control);
        let needed = data.len().div_ceil(buffer_len) as u32;
        if needed > free {
            return false;
        }
        for (n, piece) in (0..).zip(data.chunks(buffer_len)) {
            let last = n + 1 == needed;
            self.fill(
                cx,
                (head + n) % entries,
                piece,
                tag.unwrap_or(0),
                last,
                tag.is_some(),
            );
        }
        self.set(reg::RDH, (head + needed) % entries);
        self.count_received(frame);
        let low = ((free - needed) * 2) << (control >> 8 & 3) <= entries;
        let causes = cause::RX | if low { cause::RX_LOW } else { 0 };
        self.raise(cx, causes);
        true
    }

    /// Fills one buffer and writes its descriptor back.
    fn fill(
        &self,
        cx: &mut PciCx<'_>,
        index: u32,
        piece: &[u8],
        tag: u16,
        last: bool,
        tagged: bool,
    ) {
        let at = self.descriptor(reg::RDBAL, index);
        // A ring or buffer that is no memory loses the frame, as the wire would.
        let Ok(buffer) = cx.dma.load::<u64>(at) else {
            return;
        };
        let _ = cx.dma.write(ferrite_ram::GuestPhys(buffer), piece);
        let mut status = rx::DONE;
        if last {
            status |= rx::END | rx::NO_CHECKSUM;
        }
        if tagged {
            status |= rx::VLAN;
        }
        let mut back = [0; 8];
        back[..2].copy_from_slice(&(piece.len() as u16).to_le_bytes());
        back[4] = status;
        back[6..].copy_from_slice(&tag.to_le_bytes());
        let _ = cx.dma.write(at.offset(8), &back);
    }

    fn count_received(&mut self, frame: &[u8]) {
        for packets in [0x4074, 0x40d0] {
            self.count(packets, 1);
        }
        for octets in [0x4088, 0x40c0] {
            self.count_wide(octets, frame.len() as u64 + 4);
        }
        match frame.first() {
            Some(_) if frame.starts_with(&[0xff; 6]) => self.count(0x4078, 1),
            Some(first) if first & 1 != 0 => self.count(0x407c, 1),
            _ => {}
        }
    }
}
