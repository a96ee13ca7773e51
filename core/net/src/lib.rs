//! The user-mode network (`-netdev user`): a guest's packets become calls of the host's sockets,
//! so that a machine has a network without any rights on the host.
//!
//! The guest sees what QEMU shows it: the network 10.0.2.0/24, a router at 10.0.2.2 that is also
//! the host, a name server at 10.0.2.3, and its own address, 10.0.2.15, by DHCP.
//!
//! - [`host`]: the sockets, as traits that the host implements;
//! - [`address`]: who is who;
//! - [`relayed`]: messages to a server that has the sockets for a page;
//! - [`UserNet`]: the network, a [`ferrite_machine::backend::NetBackend`].
//!
//! A frame of the guest goes through `link` (Ethernet, ARP) and `fragment` to `dhcp`, `icmp`,
//! `udp` or `tcp`; smoltcp is the other end of the guest's TCP connections. Everything is bounded:
//! frames, partial packets, sockets, and the bytes on their way.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod address;
mod dhcp;
mod fragment;
pub mod host;
mod icmp;
mod link;
pub mod relayed;
mod tcp;
mod udp;
mod udp_packet;
mod user_net;

pub use tcp::MAX_FLOWS;
pub use user_net::{Forward, Options, UserNet};
