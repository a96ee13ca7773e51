//! From descriptors to frames: gathering, checksums, TCP segmentation, VLAN tags (manual, sections
//! 3.3 to 3.5).

use super::spec::tx;

/// Most bytes of a packet that is to be segmented: a header and the 20 bits of its payload's length.
const MAX_PACKET: usize = (1 << 20) + 256;

/// A span whose checksum goes somewhere in the packet.
#[derive(Clone, Copy, Debug, Default)]
struct Checksum {
    /// First byte.
    start: usize,
    /// Where the sum goes.
    at: usize,
    /// Last byte; 0 for the end of the packet.
    end: usize,
}

impl Checksum {
    fn from_word(word: u32) -> Self {
        Self {
            start: (word & 0xff) as usize,
            at: (word >> 8 & 0xff) as usize,
            end: (word >> 16) as usize,
        }
    }

    /// Sums the span, what is in the sum's place included, and puts the complement there.
    fn insert(self, packet: &mut [u8]) {
        let end = match self.end {
            0 => packet.len(),
            end => packet.len().min(end + 1),
        };
        let Some(span) = packet.get(self.start..end) else {
            return;
        };
        let sum = !fold(sum(span));
        if let Some(place) = packet.get_mut(self.at..self.at + 2) {
            place.copy_from_slice(&sum.to_be_bytes());
        }
    }
}

/// The sum of big-endian words, the last padded with a zero.
fn sum(bytes: &[u8]) -> u64 {
    let pair = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    bytes.chunks(2).map(pair).sum()
}

/// Ones' complement addition of all 16-bit parts.
fn fold(mut sum: u64) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// What the last context descriptor said.
#[derive(Clone, Copy, Debug, Default)]
struct Context {
    ip: Checksum,
    tcp: Checksum,
    header: usize,
    segment: usize,
    is_tcp: bool,
    is_ipv4: bool,
}

/// A packet in the making.
#[derive(Clone, Debug, Default)]
pub struct Assembler {
    /// For packets to be segmented, and for others.
    contexts: [Context; 2],
    packet: Vec<u8>,
    /// The second and third words of the packet's first data descriptor.
    first: Option<(u32, u32)>,
    /// Too long: dropped at its end.
    overlong: bool,
}

impl Assembler {
    /// Takes a context descriptor's words.
    pub fn context(&mut self, words: [u32; 4]) {
        let segmenting = words[2] & tx::CHECKSUM_OR_SEGMENT != 0;
        self.contexts[usize::from(segmenting)] = Context {
            ip: Checksum::from_word(words[0]),
            tcp: Checksum::from_word(words[1]),
            header: (words[3] >> 8 & 0xff) as usize,
            segment: (words[3] >> 16) as usize,
            is_tcp: words[2] & tx::TCP != 0,
            is_ipv4: words[2] & tx::IPV4 != 0,
        };
    }

    /// Room for a data or legacy descriptor's `len` bytes, to be filled; `None` where the packet
    /// gets too long.
    pub fn room(&mut self, len: usize, command: u32, options: u32) -> Option<&mut [u8]> {
        self.first.get_or_insert((command, options));
        let start = self.packet.len();
        if start + len > MAX_PACKET {
            self.overlong = true;
            return None;
        }
        self.packet.resize(start + len, 0);
        self.packet.get_mut(start..)
    }

    /// The packet is complete: its frames. `last` is the second word of its last descriptor; `vlan`
    /// the type of tags, where they are to be put on.
    pub fn finish(&mut self, last: [u32; 2], vlan: Option<u16>) -> Vec<Vec<u8>> {
        let packet = std::mem::take(&mut self.packet);
        let (command, options) = self.first.take().unwrap_or_default();
        if std::mem::take(&mut self.overlong) {
            return Vec::new();
        }
        let extended = command & tx::EXTENDED != 0;
        let segmenting = extended && command & tx::CHECKSUM_OR_SEGMENT != 0;
        let mut frames = if segmenting {
            segment(&packet, &self.contexts[1], options)
        } else {
            let mut packet = packet;
            if extended {
                insert(&mut packet, &self.contexts[0], options);
            } else if last[0] & tx::CHECKSUM_OR_SEGMENT != 0 {
                // Legacy: the offset of the sum in the command, the start in the status.
                let checksum = Checksum {
                    start: (last[1] >> 8 & 0xff) as usize,
                    at: (last[0] >> 16 & 0xff) as usize,
                    end: 0,
                };
                checksum.insert(&mut packet);
            }
            vec![packet]
        };
        if let Some(kind) = vlan.filter(|_| last[0] & tx::VLAN != 0) {
            let tag = (last[1] >> 16) as u16;
            for frame in frames.iter_mut().filter(|frame| frame.len() >= 12) {
                let bytes = [kind.to_be_bytes(), tag.to_be_bytes()].concat();
                frame.splice(12..12, bytes);
            }
        }
        frames
    }
}

/// Inserts the checksums that `options` ask for.
fn insert(packet: &mut [u8], context: &Context, options: u32) {
    if options & tx::INSERT_TCP != 0 {
        context.tcp.insert(packet);
    }
    if options & tx::INSERT_IP != 0 {
        context.ip.insert(packet);
    }
}

/// Cuts a packet into segments, each with the header made fit for it (section 3.5).
fn segment(packet: &[u8], context: &Context, options: u32) -> Vec<Vec<u8>> {
    if context.segment == 0 || context.header > packet.len() {
        return Vec::new();
    }
    let (header, payload) = packet.split_at(context.header);
    let count = payload.len().div_ceil(context.segment).max(1);
    let mut frames = Vec::with_capacity(count);
    for index in 0..count {
        let start = index * context.segment;
        let end = payload.len().min(start + context.segment);
        let mut frame = [header, &payload[start..end]].concat();
        fit_header(&mut frame, context, index, start, index + 1 == count);
        insert(&mut frame, context, options);
        frames.push(frame);
    }
    frames
}

/// Sets lengths, identification, sequence number and flags of segment `index`.
fn fit_header(frame: &mut [u8], context: &Context, index: usize, offset: usize, last: bool) {
    let len = frame.len();
    let (ip, tcp) = (context.ip.start, context.tcp.start);
    let word = |frame: &[u8], at: usize| {
        let bytes = frame.get(at..at + 2);
        bytes.map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    };
    let put = |frame: &mut [u8], at: usize, bytes: &[u8]| {
        if let Some(place) = frame.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    if context.is_ipv4 {
        put(
            frame,
            ip + 2,
            &(len.saturating_sub(ip) as u16).to_be_bytes(),
        );
        let identification = word(frame, ip + 4).wrapping_add(index as u16);
        put(frame, ip + 4, &identification.to_be_bytes());
    } else {
        let payload = len.saturating_sub(ip + 40) as u16;
        put(frame, ip + 4, &payload.to_be_bytes());
    }
    let transport = len.saturating_sub(tcp) as u16;
    if context.is_tcp {
        let high = u32::from(word(frame, tcp + 4)) << 16;
        let sequence = (high | u32::from(word(frame, tcp + 6))).wrapping_add(offset as u32);
        put(frame, tcp + 4, &sequence.to_be_bytes());
        if !last && let Some(flags) = frame.get_mut(tcp + 13) {
            // FIN and PSH belong to the last segment.
            *flags &= !9;
        }
    } else {
        put(frame, tcp + 4, &transport.to_be_bytes());
    }
    // The driver's partial sum lacks the length, which differs by segment.
    let at = context.tcp.at;
    let partial = fold(u64::from(word(frame, at)) + u64::from(transport));
    put(frame, at, &partial.to_be_bytes());
}
