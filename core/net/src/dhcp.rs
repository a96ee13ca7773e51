//! The DHCP server (RFC 2131): an address from a small pool, the router, the name server.

use std::net::{Ipv4Addr, SocketAddrV4};

use smoltcp::wire::{
    DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr,
    EthernetAddress, IpProtocol,
};

use crate::address::{DNS, FIRST_GUEST, GATEWAY, GUESTS, NETMASK, is_guest};
use crate::link::Link;
use crate::udp_packet::{self, Datagram};

/// How long a lease lasts, in seconds.
const LEASE: u32 = 86_400;
/// The option that tells a client its name (RFC 2132, section 3.14).
const OPTION_HOST_NAME: u8 = 12;
/// The longest value of an option.
const MAX_OPTION: usize = 255;
/// Short messages are padded to this length for the sake of old BOOTP clients (RFC 951).
const MIN_MESSAGE: usize = 300;

/// The server and its leases.
pub struct Dhcp {
    host_name: Option<String>,
    leases: [Option<EthernetAddress>; GUESTS as usize],
}

impl Dhcp {
    /// A server that tells clients the name, if there is one.
    pub fn new(host_name: Option<String>) -> Self {
        Self {
            host_name,
            leases: [None; GUESTS as usize],
        }
    }

    /// Whether a datagram is meant for the server.
    pub fn concerns(datagram: &Datagram<'_>) -> bool {
        let to = *datagram.to.ip();
        datagram.to.port() == DHCP_SERVER_PORT && (to.is_broadcast() || to == GATEWAY)
    }

    /// Answers a message.
    pub fn receive(&mut self, datagram: &Datagram<'_>, link: &mut Link) {
        let Ok(packet) = DhcpPacket::new_checked(datagram.payload) else {
            return;
        };
        let Ok(request) = DhcpRepr::parse(&packet) else {
            return;
        };
        let mac = request.client_hardware_address;
        if !mac.is_unicast()
            || request
                .server_identifier
                .is_some_and(|server| server != GATEWAY)
        {
            return;
        }
        match request.message_type {
            DhcpMessageType::Discover => {
                if let Some(ip) = self.lease(mac, request.requested_ip) {
                    self.answer(&request, DhcpMessageType::Offer, ip, link);
                }
            }
            DhcpMessageType::Request => {
                let wanted = request.requested_ip.unwrap_or(request.client_ip);
                match self.lease(mac, Some(wanted)) {
                    Some(ip) if ip == wanted => {
                        link.learn(ip, mac);
                        self.answer(&request, DhcpMessageType::Ack, ip, link);
                    }
                    _ => self.answer(&request, DhcpMessageType::Nak, Ipv4Addr::UNSPECIFIED, link),
                }
            }
            DhcpMessageType::Inform => {
                self.answer(&request, DhcpMessageType::Ack, Ipv4Addr::UNSPECIFIED, link);
            }
            DhcpMessageType::Release => {
                for lease in self.leases.iter_mut().filter(|lease| **lease == Some(mac)) {
                    *lease = None;
                }
            }
            _ => {}
        }
    }

    /// The client's address: the one that it wants if that is free, else the one that it has, else
    /// the first free one.
    fn lease(&mut self, mac: EthernetAddress, wanted: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        let base = u32::from(FIRST_GUEST);
        let usable = |place: &usize| self.leases[*place].is_none_or(|owner| owner == mac);
        let wanted = wanted
            .and_then(|ip| u32::from(ip).checked_sub(base))
            .and_then(|place| usize::try_from(place).ok())
            .filter(|place| *place < self.leases.len())
            .filter(usable);
        let place = wanted
            .or_else(|| self.leases.iter().position(|owner| *owner == Some(mac)))
            .or_else(|| self.leases.iter().position(Option::is_none))?;
        for lease in self.leases.iter_mut().filter(|lease| **lease == Some(mac)) {
            *lease = None;
        }
        self.leases[place] = Some(mac);
        // Less than GUESTS.
        Some(Ipv4Addr::from(base + place as u32))
    }

    fn answer(
        &self,
        request: &DhcpRepr<'_>,
        message_type: DhcpMessageType,
        your_ip: Ipv4Addr,
        link: &mut Link,
    ) {
        let refused = message_type == DhcpMessageType::Nak;
        let informed = request.message_type == DhcpMessageType::Inform;
        let name = self
            .host_name
            .as_deref()
            .map(str::as_bytes)
            .unwrap_or_default();
        let options = [DhcpOption {
            kind: OPTION_HOST_NAME,
            data: &name[..name.len().min(MAX_OPTION)],
        }];
        let repr = DhcpRepr {
            message_type,
            transaction_id: request.transaction_id,
            secs: 0,
            client_hardware_address: request.client_hardware_address,
            client_ip: if refused {
                Ipv4Addr::UNSPECIFIED
            } else {
                request.client_ip
            },
            your_ip,
            server_ip: GATEWAY,
            router: (!refused).then_some(GATEWAY),
            subnet_mask: (!refused).then_some(NETMASK),
            relay_agent_ip: Ipv4Addr::UNSPECIFIED,
            broadcast: request.broadcast,
            requested_ip: None,
            client_identifier: None,
            server_identifier: Some(GATEWAY),
            parameter_request_list: None,
            dns_servers: (!refused).then(|| [DNS].into_iter().collect()),
            max_size: None,
            lease_duration: (!refused && !informed).then_some(LEASE),
            renew_duration: None,
            rebind_duration: None,
            additional_options: if name.is_empty() || refused {
                &[]
            } else {
                &options
            },
        };
        let mut message = vec![0; repr.buffer_len().max(MIN_MESSAGE)];
        if repr
            .emit(&mut DhcpPacket::new_unchecked(&mut message[..]))
            .is_err()
        {
            return;
        }
        // A client that has an address hears unicast (section 4.1), others broadcast.
        let to = if is_guest(request.client_ip) && !refused {
            request.client_ip
        } else {
            Ipv4Addr::BROADCAST
        };
        let mac = if to.is_broadcast() {
            EthernetAddress::BROADCAST
        } else {
            request.client_hardware_address
        };
        let server = SocketAddrV4::new(GATEWAY, DHCP_SERVER_PORT);
        let client = SocketAddrV4::new(to, DHCP_CLIENT_PORT);
        link.send_to_mac(
            mac,
            IpProtocol::Udp,
            (GATEWAY, to),
            &udp_packet::build(server, client, &message),
        );
    }
}
