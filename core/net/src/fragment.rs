//! IPv4 fragments (RFC 791, section 3.2): long packets to the guest are split, those of the guest
//! put together, a few at a time.

use std::net::Ipv4Addr;

use smoltcp::wire::{IpProtocol, Ipv4Packet};

use crate::link::MTU;

/// Length of an IPv4 header without options.
pub const IPV4_HEADER: usize = 20;
/// Payload of a fragment; a multiple of 8.
const PIECE: usize = (MTU - IPV4_HEADER) / 8 * 8;
/// The longest payload.
const MAX_PAYLOAD: usize = 0xffff - IPV4_HEADER;
/// Packets that are put together at the same time.
const MAX_PARTIAL: usize = 8;
/// Ranges of a packet that have come, not adjacent to each other.
const MAX_RANGES: usize = 64;
/// Time until the rest of a packet is given up, in milliseconds.
const PATIENCE: i64 = 30_000;

/// The fragments of a payload: offset in bytes, whether more follow, bytes.
pub fn split(payload: &[u8]) -> impl Iterator<Item = (u16, bool, &[u8])> {
    let payload = &payload[..payload.len().min(MAX_PAYLOAD)];
    let count = payload.len().div_ceil(PIECE).max(1);
    (0..count).map(move |n| {
        let from = n * PIECE;
        let to = payload.len().min(from + PIECE);
        // At most MAX_PAYLOAD.
        (from as u16, n + 1 < count, &payload[from..to])
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    from: Ipv4Addr,
    to: Ipv4Addr,
    protocol: IpProtocol,
    identification: u16,
}

struct Partial {
    key: Key,
    since: i64,
    payload: Vec<u8>,
    /// What has come, sorted, neither overlapping nor adjacent.
    ranges: Vec<(usize, usize)>,
    total: Option<usize>,
}

impl Partial {
    fn add(&mut self, offset: usize, more: bool, piece: &[u8]) -> Option<()> {
        let end = offset + piece.len();
        if end > MAX_PAYLOAD || self.total.is_some_and(|total| end > total) {
            return None;
        }
        if !more {
            if self.total.is_some_and(|total| total != end) || self.payload.len() > end {
                return None;
            }
            self.total = Some(end);
        }
        if self.payload.len() < end {
            self.payload.resize(end, 0);
        }
        self.payload[offset..end].copy_from_slice(piece);
        let (mut from, mut to) = (offset, end);
        self.ranges.retain(|&(a, b)| {
            let apart = b < from || to < a;
            if !apart {
                from = from.min(a);
                to = to.max(b);
            }
            apart
        });
        self.ranges.push((from, to));
        self.ranges.sort_unstable();
        (self.ranges.len() <= MAX_RANGES).then_some(())
    }

    fn complete(&self) -> bool {
        self.total.is_some_and(|total| self.ranges == [(0, total)])
    }

    /// The whole packet under a header of its own.
    fn packet(self) -> Vec<u8> {
        let len = IPV4_HEADER + self.payload.len();
        let mut whole = vec![0; len];
        let mut packet = Ipv4Packet::new_unchecked(&mut whole[..]);
        packet.set_version(4);
        packet.set_header_len(IPV4_HEADER as u8);
        // Bounded by MAX_PAYLOAD.
        packet.set_total_len(len as u16);
        packet.set_hop_limit(64);
        packet.set_next_header(self.key.protocol);
        packet.set_src_addr(self.key.from);
        packet.set_dst_addr(self.key.to);
        packet.payload_mut().copy_from_slice(&self.payload);
        packet.fill_checksum();
        whole
    }
}

/// Packets of the guest of which parts have come.
#[derive(Default)]
pub struct Reassembly {
    partial: Vec<Partial>,
}

impl Reassembly {
    /// Takes a checked packet; returns it when it is whole, or the whole when it was the last part.
    pub fn take(&mut self, packet: &Ipv4Packet<&[u8]>, now: i64) -> Option<Vec<u8>> {
        let offset = usize::from(packet.frag_offset());
        let more = packet.more_frags();
        if offset == 0 && !more {
            return packet
                .as_ref()
                .get(..usize::from(packet.total_len()))
                .map(<[u8]>::to_vec);
        }
        let piece = packet.payload();
        if piece.is_empty() || more && !piece.len().is_multiple_of(8) {
            return None;
        }
        let key = Key {
            from: packet.src_addr(),
            to: packet.dst_addr(),
            protocol: packet.next_header(),
            identification: packet.ident(),
        };
        self.partial
            .retain(|partial| now - partial.since < PATIENCE);
        let mut partial = match self.partial.iter().position(|partial| partial.key == key) {
            Some(place) => self.partial.remove(place),
            None => Partial {
                key,
                since: now,
                payload: Vec::new(),
                ranges: Vec::new(),
                total: None,
            },
        };
        partial.add(offset, more, piece)?;
        if partial.complete() {
            return Some(partial.packet());
        }
        if self.partial.len() == MAX_PARTIAL {
            self.partial.remove(0);
        }
        self.partial.push(partial);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(identification: u16, (offset, more, piece): (u16, bool, &[u8])) -> Vec<u8> {
        let mut bytes = vec![0; IPV4_HEADER + piece.len()];
        let len = bytes.len() as u16;
        let mut packet = Ipv4Packet::new_unchecked(&mut bytes[..]);
        packet.set_version(4);
        packet.set_header_len(IPV4_HEADER as u8);
        packet.set_total_len(len);
        packet.set_ident(identification);
        packet.set_more_frags(more);
        packet.set_frag_offset(offset);
        packet.payload_mut().copy_from_slice(piece);
        bytes
    }

    fn take(reassembly: &mut Reassembly, bytes: &[u8]) -> Option<Vec<u8>> {
        reassembly.take(&Ipv4Packet::new_checked(bytes).unwrap(), 0)
    }

    #[test]
    fn splits_and_joins_in_any_order() {
        let payload: Vec<u8> = (0..20_000u32).map(|n| (n * 7) as u8).collect();
        let mut pieces: Vec<_> = split(&payload).collect();
        assert_eq!(pieces.len(), 14);
        assert!(pieces.iter().all(|piece| piece.2.len() <= 1480));
        pieces.reverse();
        pieces.swap(2, 9);
        let mut reassembly = Reassembly::default();
        let last = pieces.len() - 1;
        for (n, piece) in pieces.into_iter().enumerate() {
            let whole = take(&mut reassembly, &fragment(5, piece));
            assert_eq!(whole.is_some(), n == last);
            if let Some(whole) = whole {
                assert_eq!(whole[IPV4_HEADER..], payload[..]);
            }
        }
        assert!(reassembly.partial.is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let mut reassembly = Reassembly::default();
        for n in 0..1000 {
            assert_eq!(
                take(&mut reassembly, &fragment(n, (0xff00, true, &[0; 8]))),
                None
            );
        }
        assert_eq!(reassembly.partial.len(), MAX_PARTIAL);
        let mut holes = Reassembly::default();
        for n in 0..200 {
            take(&mut holes, &fragment(1, (n * 16, true, &[0; 8])));
        }
        assert!(
            holes
                .partial
                .iter()
                .all(|partial| partial.ranges.len() <= MAX_RANGES)
        );
    }

    #[test]
    fn contradictions_are_dropped() {
        let mut reassembly = Reassembly::default();
        assert_eq!(
            take(&mut reassembly, &fragment(1, (16, false, &[1; 8]))),
            None
        );
        assert_eq!(
            take(&mut reassembly, &fragment(1, (32, true, &[1; 8]))),
            None,
            "behind the end"
        );
        assert!(reassembly.partial.is_empty());
        assert_eq!(
            take(&mut reassembly, &fragment(2, (0xfff8, false, &[1; 64]))),
            None,
            "too long"
        );
    }
}
