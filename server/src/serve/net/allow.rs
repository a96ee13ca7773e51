//! What guests in pages may reach through this server, and how fast.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A host and a port that may be reached; either may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The name or address, in lower case; `None` for any that is not this server's own or its
    /// neighbours'.
    host: Option<String>,
    port: Option<u16>,
}

impl Rule {
    /// Reads `HOST:PORT`, each of which may be `*`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
        let host = match host {
            "*" => None,
            _ if !host.is_empty() && host.bytes().all(plain) => Some(host.to_ascii_lowercase()),
            _ => return None,
        };
        let port = match port {
            "*" => None,
            _ => Some(port.parse().ok().filter(|port| *port != 0)?),
        };
        Some(Self { host, port })
    }

    /// Whether it lets a guest reach `address`, which it calls `host`.
    #[must_use]
    pub fn allows(&self, host: &str, address: IpAddr, port: u16) -> bool {
        let host = match &self.host {
            Some(named) => host.eq_ignore_ascii_case(named),
            // A name may lead anywhere; only who names a neighbour means it.
            None => is_public(address),
        };
        host && self.port.is_none_or(|wanted| wanted == port)
    }
}

/// Whether an address is the internet's and not one of this host or of the networks around it (RFC
/// 6890).
fn is_public(address: IpAddr) -> bool {
    let IpAddr::V4(v4) = address.to_canonical() else {
        // Global unicast, 2000::/3 (RFC 4291); not 6to4 or Teredo, which hold addresses of the other kind.
        let IpAddr::V6(v6) = address else {
            return false;
        };
        let [first, second, ..] = v6.segments();
        return first & 0xe000 == 0x2000 && first != 0x2002 && (first, second) != (0x2001, 0);
    };
    let [a, b, ..] = v4.octets();
    let shared = a == 100 && b & 0xc0 == 64;
    let benchmark = a == 198 && b & 0xfe == 18;
    let reserved = a >= 240 || a == 0 || v4.octets()[..3] == [192, 0, 0];
    let near = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast();
    !(near || shared || benchmark || reserved || v4 == Ipv4Addr::BROADCAST)
}

/// Bytes per second, with as many at once as pass in a second.
pub struct Rate {
    per_second: u64,
    /// When all that was taken has passed.
    paid: Mutex<Instant>,
}

impl Rate {
    /// A rate that was not used yet.
    #[must_use]
    pub fn new(per_second: u64) -> Self {
        Self {
            per_second: per_second.max(1),
            paid: Mutex::new(Instant::now()),
        }
    }

    /// Waits until `bytes` may pass.
    pub async fn take(&self, bytes: usize) {
        let now = Instant::now();
        let wait = self.charge(now, bytes);
        if !wait.is_zero() {
            sleep_until(now + wait).await;
        }
    }

    /// How long after `now` these bytes may pass.
    fn charge(&self, now: Instant, bytes: usize) -> Duration {
        let cost = Duration::from_nanos(bytes as u64 * 1_000_000_000 / self.per_second);
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        *paid = (*paid).max(now) + cost;
        (*paid - now).saturating_sub(Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_reached() {
        let web = Rule::parse("*:443").unwrap();
        let public = IpAddr::from([93, 184, 215, 14]);
        assert!(web.allows("example.org", public, 443));
        assert!(!web.allows("example.org", public, 80));
        for near in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "::ffff:127.0.0.1",
            "fe80::1",
            "fc00::1",
            "2002:7f00:1::",
        ] {
            assert!(
                !web.allows("evil.example", near.parse().unwrap(), 443),
                "{near}"
            );
        }
        assert!(web.allows("a", "2606:2800:21f::1".parse().unwrap(), 443));
        let local = Rule::parse("Localhost:*").unwrap();
        assert!(local.allows("localhost", IpAddr::from([127, 0, 0, 1]), 22));
        assert!(!local.allows("localhost.evil.example", public, 22));
        for bad in ["a", "a:", "a:0", "a:70000", ":1", "a/b:1", ""] {
            assert_eq!(Rule::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_second_passes_for_every_second_s_worth() {
        let rate = Rate::new(1000);
        let now = Instant::now();
        let waits: Vec<_> = (0..30).map(|_| rate.charge(now, 100).as_millis()).collect();
        assert_eq!(waits[9], 0, "as much as a second's at once");
        assert_eq!(waits[29], 2000);
        assert_eq!(
            rate.charge(now + Duration::from_secs(3), 100).as_millis(),
            0
        );
    }
}
