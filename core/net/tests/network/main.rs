//! The network between a guest with a TCP/IP stack of its own and a host of made-up sockets.

mod dhcp;
mod fake;
mod guest;
mod hostile;
mod icmp;
mod setup;
mod tcp;
mod udp;
