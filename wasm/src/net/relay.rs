//! TCP and UDP by way of the page's server, where that allows it. [`ferrite_net::relayed`] says
//! what the messages are.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferrite_net::host::{HostTcp, HostUdp, TcpStatus};
use ferrite_net::relayed::{CLOSE, CREDIT, DATA, END, HEADER, OPEN_TCP, OPEN_UDP, OPENED, WINDOW};

use super::names::{NameServer, Names};
use super::{DNS_PORT, RESOLVER};
use crate::bell;

/// Bytes that are sent in one message.
const CHUNK: usize = 16 << 10;
/// Messages to the server that wait for the worker; then the guest's connections wait.
const BACKLOG: usize = 1024;
/// Flows at one time.
const FLOWS: usize = 64;
/// Datagrams of a flow that wait for the guest.
const DATAGRAMS: usize = 64;
enum Arrived {
    /// Of TCP.
    Bytes(VecDeque<u8>),
    /// Of UDP.
    Datagrams(VecDeque<Vec<u8>>),
}

struct Flow {
    status: TcpStatus,
    arrived: Arrived,
    /// The peer sends no more.
    ended: bool,
    /// Bytes that may be sent.
    credit: usize,
    /// Bytes that the guest took since the server was told.
    taken: u32,
}

#[derive(Default)]
struct State {
    on: bool,
    last: u32,
    flows: BTreeMap<u32, Flow>,
    out: VecDeque<Vec<u8>>,
}

impl State {
    fn tell(&mut self, kind: u8, id: u32, rest: &[&[u8]]) {
        let mut message = vec![kind];
        message.extend(id.to_le_bytes());
        rest.iter().for_each(|part| message.extend(*part));
        self.out.push_back(message);
        bell::ring();
    }

    fn open(&mut self, kind: u8, host: &str, port: u16, arrived: Arrived) -> io::Result<u32> {
        if !self.on || self.flows.len() >= FLOWS || self.out.len() >= BACKLOG {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.last = self.last.wrapping_add(1);
        let id = self.last;
        self.tell(kind, id, &[&port.to_le_bytes(), host.as_bytes()]);
        let flow = Flow {
            status: TcpStatus::Connecting,
            arrived,
            ended: false,
            credit: WINDOW,
            taken: 0,
        };
        self.flows.insert(id, flow);
        Ok(id)
    }

    fn close(&mut self, id: u32) {
        if self.flows.remove(&id).is_some() {
            self.tell(CLOSE, id, &[]);
        }
    }
}

/// The page's way to its server's network. Clones are the same.
#[derive(Clone, Default)]
pub struct Relay(Arc<Mutex<State>>);

impl Relay {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether there is a server that carries messages; without one every flow is over.
    pub fn set_on(&self, on: bool) {
        let mut state = self.state();
        state.on = on;
        if !on {
            state.out.clear();
            for flow in state.flows.values_mut() {
                flow.status = TcpStatus::Failed;
                flow.ended = true;
            }
        }
    }

    /// Whether there is a server.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.state().on
    }

    /// Takes the next message for the server.
    #[must_use]
    pub fn take(&self) -> Option<Vec<u8>> {
        self.state().out.pop_front()
    }

    /// Hears a message of the server.
    pub fn hear(&self, message: &[u8]) {
        let Some((&[kind, a, b, c, d], rest)) = message.split_first_chunk::<HEADER>() else {
            return;
        };
        let mut state = self.state();
        let Some(flow) = state.flows.get_mut(&u32::from_le_bytes([a, b, c, d])) else {
            return;
        };
        match (kind, &mut flow.arrived) {
            (OPENED, _) => flow.status = TcpStatus::Connected,
            (DATA, Arrived::Bytes(bytes)) if bytes.len() + rest.len() <= WINDOW => {
                bytes.extend(rest);
            }
            (DATA, Arrived::Datagrams(queue)) if queue.len() < DATAGRAMS => {
                queue.push_back(rest.to_vec());
            }
            (END, _) => flow.ended = true,
            (CLOSE, _) => {
                flow.ended = true;
                // An error comes with a reason.
                if !rest.is_empty() || flow.status == TcpStatus::Connecting {
                    flow.status = TcpStatus::Failed;
                }
            }
            (CREDIT, _) => {
                if let Ok(bytes) = rest.try_into() {
                    let more = u32::from_le_bytes(bytes) as usize;
                    flow.credit = flow.credit.saturating_add(more).min(WINDOW);
                }
            }
            _ => {}
        }
    }

    /// Connects to a host by name or address.
    pub fn connect(&self, host: &str, port: u16) -> io::Result<RelayTcp> {
        let arrived = Arrived::Bytes(VecDeque::new());
        let id = self.state().open(OPEN_TCP, host, port, arrived)?;
        Ok(RelayTcp {
            relay: self.clone(),
            id,
        })
    }
}

/// A connection; dropping it closes it.
pub struct RelayTcp {
    relay: Relay,
    id: u32,
}

impl HostTcp for RelayTcp {
    fn status(&mut self) -> TcpStatus {
        let state = self.relay.state();
        let flow = state.flows.get(&self.id);
        flow.map_or(TcpStatus::Failed, |flow| flow.status)
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut state = self.relay.state();
        let Some(flow) = state.flows.get_mut(&self.id) else {
            return Err(io::ErrorKind::ConnectionReset.into());
        };
        let Arrived::Bytes(bytes) = &mut flow.arrived else {
            return Ok(0);
        };
        let count = buf.len().min(bytes.len());
        for (to, from) in buf.iter_mut().zip(bytes.drain(..count)) {
            *to = from;
        }
        if count == 0 && !buf.is_empty() {
            return match (flow.ended, flow.status) {
                (_, TcpStatus::Failed) => Err(io::ErrorKind::ConnectionReset.into()),
                (true, _) => Ok(0),
                (false, _) => Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        // At most the window, of which the server learns in large pieces.
        flow.taken += count as u32;
        let taken = flow.taken;
        if taken as usize >= WINDOW / 4 {
            flow.taken = 0;
            state.tell(CREDIT, self.id, &[&taken.to_le_bytes()]);
        }
        Ok(count)
    }

    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut state = self.relay.state();
        let full = state.out.len() >= BACKLOG;
        let Some(flow) = state.flows.get_mut(&self.id) else {
            return Err(io::ErrorKind::ConnectionReset.into());
        };
        if flow.status == TcpStatus::Failed {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let count = data.len().min(CHUNK).min(flow.credit);
        if full || count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        flow.credit -= count;
        state.tell(DATA, self.id, &[&data[..count]]);
        Ok(count)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.relay.state().tell(END, self.id, &[]);
        Ok(())
    }

    fn abort(&mut self) {}
}

impl Drop for RelayTcp {
    fn drop(&mut self) {
        self.relay.state().close(self.id);
    }
}

/// A port of the guest: questions for names are answered here, other datagrams go out.
pub struct RelayUdp {
    relay: Relay,
    names: Names,
    server: NameServer,
    flows: Vec<(SocketAddrV4, u32)>,
}

impl RelayUdp {
    /// A port whose peers are found by `names`.
    #[must_use]
    pub fn new(relay: Relay, names: Names) -> Self {
        let server = NameServer::new(names.clone());
        Self {
            relay,
            names,
            server,
            flows: Vec::new(),
        }
    }

    fn flow(&mut self, to: SocketAddrV4) -> io::Result<u32> {
        let mut state = self.relay.state();
        // The server has ended those that were silent for long.
        self.flows.retain(|(_, id)| {
            let over = state.flows.get(id).is_none_or(|flow| flow.ended);
            if over {
                state.flows.remove(id);
            }
            !over
        });
        if let Some((_, id)) = self.flows.iter().find(|(peer, _)| *peer == to) {
            return Ok(*id);
        }
        let host = self.names.name_of(*to.ip());
        let host = host.unwrap_or_else(|| to.ip().to_string());
        let arrived = Arrived::Datagrams(VecDeque::new());
        let id = state.open(OPEN_UDP, &host, to.port(), arrived)?;
        self.flows.push((to, id));
        Ok(id)
    }
}

impl HostUdp for RelayUdp {
    fn send_to(&mut self, data: &[u8], to: SocketAddrV4) -> io::Result<()> {
        if to == RESOLVER || to.port() == DNS_PORT {
            return self.server.send_to(data, to);
        }
        let id = self.flow(to)?;
        let mut state = self.relay.state();
        if state.out.len() < BACKLOG {
            state.tell(DATA, id, &[data]);
        }
        Ok(())
    }

    fn recv_from(&mut self, buf: &mut [u8]) -> io::Result<(usize, SocketAddrV4)> {
        if let Ok(answer) = self.server.recv_from(buf) {
            return Ok(answer);
        }
        let mut state = self.relay.state();
        for (peer, id) in &self.flows {
            let flow = state.flows.get_mut(id);
            if let Some(Arrived::Datagrams(queue)) = flow.map(|flow| &mut flow.arrived)
                && let Some(datagram) = queue.pop_front()
            {
                let len = datagram.len().min(buf.len());
                buf[..len].copy_from_slice(&datagram[..len]);
                return Ok((len, *peer));
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Drop for RelayUdp {
    fn drop(&mut self) {
        let mut state = self.relay.state();
        for (_, id) in &self.flows {
            state.close(*id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, id: u32, rest: &[u8]) -> Vec<u8> {
        [&[kind][..], &id.to_le_bytes(), rest].concat()
    }

    #[test]
    fn a_connection_keeps_to_its_window() {
        let relay = Relay::default();
        assert!(relay.connect("a.example", 7).is_err());
        relay.set_on(true);
        let mut tcp = relay.connect("a.example", 7).unwrap();
        assert_eq!(relay.take().unwrap(), message(1, 1, b"\x07\0a.example"));
        assert_eq!(tcp.status(), TcpStatus::Connecting);
        relay.hear(&message(OPENED, 1, b""));
        assert_eq!(tcp.status(), TcpStatus::Connected);
        let mut sent = 0;
        while let Ok(count) = tcp.write(&[7; 60_000]) {
            sent += count;
        }
        assert_eq!(sent, WINDOW);
        relay.hear(&message(CREDIT, 1, &10_u32.to_le_bytes()));
        assert_eq!(tcp.write(&[7; 60_000]).unwrap(), 10);

        relay.hear(&message(DATA, 1, b"abc"));
        relay.hear(&message(DATA, 2, b"of nobody"));
        let mut buf = [0; 2];
        assert_eq!(tcp.read(&mut buf).unwrap(), 2);
        assert_eq!(tcp.read(&mut buf).unwrap(), 1);
        assert_eq!(
            tcp.read(&mut buf).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        relay.hear(&message(END, 1, b""));
        assert_eq!(tcp.read(&mut buf).unwrap(), 0);
        while relay.take().is_some() {}
        drop(tcp);
        assert_eq!(relay.take().unwrap(), message(CLOSE, 1, b""));
    }

    #[test]
    fn a_refusal_and_the_server_s_leave_end_connections() {
        let relay = Relay::default();
        relay.set_on(true);
        let mut refused = relay.connect("a", 1).unwrap();
        let mut other = relay.connect("b", 1).unwrap();
        relay.hear(&message(CLOSE, 1, b"not allowed"));
        relay.hear(&message(OPENED, 2, b""));
        assert_eq!(refused.status(), TcpStatus::Failed);
        relay.set_on(false);
        assert_eq!(
            other.read(&mut [0; 4]).unwrap_err().kind(),
            io::ErrorKind::ConnectionReset
        );
        assert!(relay.connect("c", 1).is_err());
    }

    #[test]
    fn datagrams_come_from_where_they_were_sent() {
        let relay = Relay::default();
        relay.set_on(true);
        let mut udp = RelayUdp::new(relay.clone(), Names::default());
        let peer: SocketAddrV4 = "192.0.2.7:123".parse().unwrap();
        udp.send_to(b"time?", peer).unwrap();
        assert_eq!(
            relay.take().unwrap(),
            message(OPEN_UDP, 1, b"\x7b\x00192.0.2.7")
        );
        assert_eq!(relay.take().unwrap(), message(DATA, 1, b"time?"));
        relay.hear(&message(DATA, 1, b"late"));
        let mut buf = [0; 16];
        assert_eq!(udp.recv_from(&mut buf).unwrap(), (4, peer));
        // Ended by the server: the next datagram opens another flow.
        relay.hear(&message(CLOSE, 1, b""));
        udp.send_to(b"time?", peer).unwrap();
        assert_eq!(relay.take().unwrap()[..5], message(OPEN_UDP, 2, b"")[..]);
    }
}
