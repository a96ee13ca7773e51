//! The addresses of the guest's network: those that QEMU's `-netdev user` has by default.

use std::net::{Ipv4Addr, SocketAddrV4};

use smoltcp::wire::EthernetAddress;

/// The network, 10.0.2.0.
pub const NETWORK: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 0);
/// Its mask.
pub const NETMASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);
/// The router, which also stands for the host itself.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// The name server.
pub const DNS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
/// The first address that DHCP gives.
pub const FIRST_GUEST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
/// How many addresses DHCP gives, from [`FIRST_GUEST`] on.
pub const GUESTS: u8 = 16;
/// The port of name servers.
pub const DNS_PORT: u16 = 53;

const DIRECTED_BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 255);

/// Whether an address lies in the guest's network.
#[must_use]
pub fn in_network(address: Ipv4Addr) -> bool {
    address & NETMASK == NETWORK
}

/// Whether an address is one of those that the network itself answers for.
#[must_use]
pub fn is_ours(address: Ipv4Addr) -> bool {
    address == GATEWAY || address == DNS
}

/// Whether a guest may have the address.
#[must_use]
pub fn is_guest(address: Ipv4Addr) -> bool {
    in_network(address) && !is_ours(address) && address != NETWORK && address != DIRECTED_BROADCAST
}

/// The Ethernet address of one of our addresses: 52:55 and the four bytes, as in QEMU.
#[must_use]
pub fn mac_of(address: Ipv4Addr) -> EthernetAddress {
    let [a, b, c, d] = address.octets();
    EthernetAddress([0x52, 0x55, a, b, c, d])
}

/// Where on the host an endpoint of the guest's world leads; `None` where nothing is.
#[must_use]
pub fn to_host(to: SocketAddrV4, resolver: Option<SocketAddrV4>) -> Option<SocketAddrV4> {
    let ip = *to.ip();
    if ip == GATEWAY {
        return Some(SocketAddrV4::new(Ipv4Addr::LOCALHOST, to.port()));
    }
    if ip == DNS {
        return resolver.filter(|_| to.port() == DNS_PORT);
    }
    is_outside(ip).then_some(to)
}

/// Whether an address is of a single host beyond the gateway. The host's loopback addresses are
/// not: the guest has its own.
#[must_use]
pub fn is_outside(ip: Ipv4Addr) -> bool {
    let special = ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast() || ip.is_loopback();
    !special && !in_network(ip)
}

/// How the guest sees a peer of the host: peers on the host itself appear as the gateway. Of peers
/// that would look alike, `taken` knows which ports are in use; the later one gets another.
pub fn from_host(peer: SocketAddrV4, taken: impl Fn(SocketAddrV4) -> bool) -> Option<SocketAddrV4> {
    let ip = if is_outside(*peer.ip()) {
        *peer.ip()
    } else {
        GATEWAY
    };
    let own = SocketAddrV4::new(ip, peer.port());
    if !taken(own) {
        return Some(own);
    }
    let others = (49152..=u16::MAX).map(|port| SocketAddrV4::new(ip, port));
    others.into_iter().find(|view| !taken(*view))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddrV4 {
        text.parse().unwrap()
    }

    #[test]
    fn endpoints_lead_to_the_host() {
        let resolver = Some(at("127.0.0.53:53"));
        assert_eq!(
            to_host(at("10.0.2.2:80"), resolver),
            Some(at("127.0.0.1:80"))
        );
        assert_eq!(to_host(at("10.0.2.3:53"), resolver), resolver);
        assert_eq!(to_host(at("10.0.2.3:53"), None), None);
        assert_eq!(to_host(at("10.0.2.3:80"), resolver), None);
        assert_eq!(
            to_host(at("192.0.2.7:80"), resolver),
            Some(at("192.0.2.7:80"))
        );
        for nowhere in [
            "10.0.2.4:80",
            "127.0.0.1:80",
            "224.0.0.1:80",
            "255.255.255.255:1",
            "0.0.0.0:1",
        ] {
            assert_eq!(to_host(at(nowhere), resolver), None, "{nowhere}");
        }
    }

    #[test]
    fn peers_keep_apart() {
        assert_eq!(
            from_host(at("127.0.0.1:5000"), |_| false),
            Some(at("10.0.2.2:5000"))
        );
        assert_eq!(
            from_host(at("192.0.2.1:5000"), |_| false),
            Some(at("192.0.2.1:5000"))
        );
        let taken = |view| view == at("10.0.2.2:5000") || view == at("10.0.2.2:49152");
        assert_eq!(
            from_host(at("127.0.0.2:5000"), taken),
            Some(at("10.0.2.2:49153"))
        );
        assert_eq!(from_host(at("127.0.0.2:5000"), |_| true), None);
    }
}
