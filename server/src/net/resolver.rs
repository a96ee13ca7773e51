//! Which name server the host asks.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use ferrite_net::address::DNS_PORT;

/// Where Unix systems say it (resolv.conf(5)).
const FILE: &str = "/etc/resolv.conf";
/// How long an answer is good: laptops change networks.
const FRESH: Duration = Duration::from_secs(5);

/// Remembers the host's name server for a while.
#[derive(Default)]
pub struct Resolver {
    known: Option<(Duration, Option<SocketAddrV4>)>,
}

impl Resolver {
    /// The name server, at a time counted from any moment.
    pub fn address(&mut self, now: Duration) -> Option<SocketAddrV4> {
        match self.known {
            Some((at, address)) if now.saturating_sub(at) < FRESH => address,
            _ => {
                let address = std::fs::read_to_string(FILE)
                    .ok()
                    .and_then(|text| first(&text));
                self.known = Some((now, address));
                address
            }
        }
    }
}

/// The first IPv4 name server of a file.
fn first(text: &str) -> Option<SocketAddrV4> {
    let address = text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let is_server = words.next() == Some("nameserver");
        words.next().filter(|_| is_server)?.parse::<Ipv4Addr>().ok()
    });
    address.map(|address| SocketAddrV4::new(address, DNS_PORT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_ipv4_server() {
        let text = "# nameserver 1.2.3.4\nsearch example\nnameserver fe80::1\nnameserver 192.0.2.53 # x\nnameserver 9.9.9.9\n";
        assert_eq!(first(text), Some("192.0.2.53:53".parse().unwrap()));
        assert_eq!(first("search x\n"), None);
    }
}
