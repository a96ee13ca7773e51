//! Names and addresses (RFC 1035). A page cannot look names up, and need not: every name gets an
//! address in the range for benchmarks, 198.18.0.0/15 (RFC 2544), which leads back to the name.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};

use ferrite_net::host::HostUdp;

use super::DNS_PORT;

/// First address given; 198.18.0.1 is the name server.
const FIRST: u32 = 0xc612_0100;
/// Names that are remembered; then the first addresses are given again.
const MAX_NAMES: usize = 4096;
/// Answers that wait to be read.
const MAX_ANSWERS: usize = 64;
/// Bytes of a message's header.
const HEADER: usize = 12;
/// How long a name may be, in bytes.
const MAX_NAME: usize = 253;
/// How long an answer may be remembered, in seconds.
const TTL: u32 = 60;

const TYPE_A: u16 = 1;
const CLASS_IN: u16 = 1;
/// Flags of an answer: response, recursion available; that of the question's wish is added.
const ANSWER: u16 = 0x8080;
const RECURSION_DESIRED: u16 = 0x0100;
/// Flags that a query must not have: response, and any operation but the standard one.
const NOT_A_QUERY: u16 = 0xf800;

/// The names that were asked for. Clones are the same.
#[derive(Clone, Default)]
pub struct Names(Arc<Mutex<VecDeque<(Ipv4Addr, String)>>>);

impl Names {
    /// The address of a name.
    fn address_of(&self, name: &str) -> Ipv4Addr {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((address, _)) = names.iter().find(|(_, known)| known == name) {
            return *address;
        }
        let address = if names.len() < MAX_NAMES {
            Ipv4Addr::from(FIRST + names.len() as u32)
        } else {
            names.pop_front().map_or(Ipv4Addr::from(FIRST), |(a, _)| a)
        };
        names.push_back((address, name.to_owned()));
        address
    }

    /// The name that an address was given for.
    #[must_use]
    pub fn name_of(&self, address: Ipv4Addr) -> Option<String> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let row = names.iter().find(|(known, _)| *known == address);
        row.map(|(_, name)| name.clone())
    }
}

/// A UDP socket that answers questions for names, and drops everything else.
pub struct NameServer {
    names: Names,
    answers: VecDeque<(Vec<u8>, SocketAddrV4)>,
}

impl NameServer {
    /// A socket that gives addresses from `names`.
    #[must_use]
    pub fn new(names: Names) -> Self {
        Self {
            names,
            answers: VecDeque::new(),
        }
    }
}

impl HostUdp for NameServer {
    fn send_to(&mut self, data: &[u8], to: SocketAddrV4) -> io::Result<()> {
        if to.port() == DNS_PORT
            && self.answers.len() < MAX_ANSWERS
            && let Some(answer) = answer(data, &self.names)
        {
            self.answers.push_back((answer, to));
        }
        Ok(())
    }

    fn recv_from(&mut self, buf: &mut [u8]) -> io::Result<(usize, SocketAddrV4)> {
        let (answer, from) = self.answers.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        let len = answer.len().min(buf.len());
        buf[..len].copy_from_slice(&answer[..len]);
        Ok((len, from))
    }
}

/// Answers a query of one question; `None` for anything else.
fn answer(query: &[u8], names: &Names) -> Option<Vec<u8>> {
    let word = |at: usize| Some(u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]));
    let flags = word(2)?;
    if flags & NOT_A_QUERY != 0 || word(4)? != 1 {
        return None;
    }
    let (name, end) = name(query)?;
    let address =
        (word(end)? == TYPE_A && word(end + 2)? == CLASS_IN).then(|| names.address_of(&name));
    let mut out = query[..2].to_vec();
    out.extend((ANSWER | flags & RECURSION_DESIRED).to_be_bytes());
    for count in [1, u16::from(address.is_some()), 0, 0] {
        out.extend(count.to_be_bytes());
    }
    out.extend(&query[HEADER..end + 4]);
    if let Some(address) = address {
        // A pointer to the question's name.
        out.extend([0xc0, HEADER as u8]);
        out.extend(TYPE_A.to_be_bytes());
        out.extend(CLASS_IN.to_be_bytes());
        out.extend(TTL.to_be_bytes());
        out.extend(4_u16.to_be_bytes());
        out.extend(address.octets());
    }
    Some(out)
}

/// The name of the first question, in lower case, and where it ends.
fn name(query: &[u8]) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut at = HEADER;
    loop {
        let len = usize::from(*query.get(at)?);
        at += 1;
        if len == 0 {
            return (!name.is_empty()).then_some((name, at));
        }
        // Longer labels would be pointers, which a question has no use for.
        let label = query.get(at..at + len).filter(|_| len < 64)?;
        let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if !label.iter().all(plain) || name.len() + len + 1 > MAX_NAME {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.extend(label.iter().map(|b| char::from(b.to_ascii_lowercase())));
        at += len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(kind: u16) -> Vec<u8> {
        let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        query.extend(b"\x07Example\x03org\x00");
        query.extend(kind.to_be_bytes());
        query.extend([0, 1]);
        query
    }

    #[test]
    fn a_name_gets_an_address_that_leads_back() {
        let names = Names::default();
        let mut socket = NameServer::new(names.clone());
        let server = SocketAddrV4::new(Ipv4Addr::new(198, 18, 0, 1), 53);
        socket.send_to(&query(1), server).unwrap();
        let mut buf = [0; 512];
        let (len, from) = socket.recv_from(&mut buf).unwrap();
        assert_eq!(from, server);
        assert_eq!(buf[..4], [0x12, 0x34, 0x81, 0x80]);
        assert_eq!(buf[6..8], [0, 1]);
        let address: [u8; 4] = buf[len - 4..len].try_into().unwrap();
        assert_eq!(address, [198, 18, 1, 0]);
        assert_eq!(names.name_of(address.into()).unwrap(), "example.org");
        // Another type of record: the name exists, and has none.
        socket.send_to(&query(28), server).unwrap();
        socket.recv_from(&mut buf).unwrap();
        assert_eq!(buf[6..8], [0, 0]);
    }

    #[test]
    fn nonsense_is_dropped() {
        let names = Names::default();
        let good = query(1);
        for len in 0..good.len() {
            assert_eq!(answer(&good[..len], &names), None);
        }
        for (at, byte) in [(2, 0x80), (5, 2), (12, 0xc0), (13, b'/')] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(answer(&bad, &names), None, "{at}");
        }
    }
}
