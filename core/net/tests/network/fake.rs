//! A host of made-up sockets, whose other ends the tests hold.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard};

use ferrite_net::host::{HostListener, HostNet, HostPing, HostTcp, HostUdp, TcpStatus};

#[derive(Debug)]
pub struct Connection {
    pub to: SocketAddrV4,
    pub status: TcpStatus,
    /// What the peer has sent.
    pub incoming: VecDeque<u8>,
    /// The peer sends no more.
    pub finished: bool,
    /// The peer has broken the connection.
    pub broken: bool,
    /// What the peer has received.
    pub outgoing: Vec<u8>,
    /// How many bytes the peer is willing to receive in all.
    pub window: usize,
    pub shut_down: bool,
    pub aborted: bool,
    pub dropped: bool,
}

#[derive(Debug)]
pub struct Datagrams {
    pub at: SocketAddrV4,
    pub sent: Vec<(Vec<u8>, SocketAddrV4)>,
    pub incoming: VecDeque<(Vec<u8>, SocketAddrV4)>,
    pub dropped: bool,
}

#[derive(Debug)]
pub struct Ping {
    pub to: Ipv4Addr,
    pub asked: Vec<(u16, Vec<u8>)>,
    pub answers: VecDeque<(u16, Vec<u8>)>,
}

#[derive(Default)]
pub struct World {
    pub now: i64,
    pub status: Option<TcpStatus>,
    pub connections: Vec<Connection>,
    pub listening: Vec<SocketAddrV4>,
    /// Connections that wait to be accepted, by listener.
    pub callers: VecDeque<(usize, SocketAddrV4)>,
    pub datagrams: Vec<Datagrams>,
    pub pings: Vec<Ping>,
    pub ping_allowed: bool,
    pub resolver: Option<SocketAddrV4>,
    /// What becomes of datagrams, if they are not sent.
    pub failure: Option<io::ErrorKind>,
}

impl World {
    fn add(&mut self, to: SocketAddrV4, status: TcpStatus) -> usize {
        self.connections.push(Connection {
            to,
            status,
            incoming: VecDeque::new(),
            finished: false,
            broken: false,
            outgoing: Vec::new(),
            window: usize::MAX,
            shut_down: false,
            aborted: false,
            dropped: false,
        });
        self.connections.len() - 1
    }

    /// Connections that have not been dropped.
    pub fn open_connections(&self) -> usize {
        self.connections
            .iter()
            .filter(|connection| !connection.dropped)
            .count()
    }
}

#[derive(Clone, Default)]
pub struct Fake(Arc<Mutex<World>>);

impl Fake {
    pub fn world(&self) -> MutexGuard<'_, World> {
        // After a failed test, what comes down with it must not fail again.
        self.0.lock().unwrap_or_else(|poison| poison.into_inner())
    }
}

struct End(Fake, usize);

fn would_block() -> io::Error {
    io::ErrorKind::WouldBlock.into()
}

impl HostTcp for End {
    fn status(&mut self) -> TcpStatus {
        self.0.world().connections[self.1].status
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut world = self.0.world();
        let connection = &mut world.connections[self.1];
        if connection.broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if connection.incoming.is_empty() {
            return if connection.finished {
                Ok(0)
            } else {
                Err(would_block())
            };
        }
        let len = buf.len().min(connection.incoming.len());
        for (to, from) in buf.iter_mut().zip(connection.incoming.drain(..len)) {
            *to = from;
        }
        Ok(len)
    }

    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut world = self.0.world();
        let connection = &mut world.connections[self.1];
        assert!(!connection.shut_down, "bytes after the end");
        let len = data
            .len()
            .min(connection.window - connection.outgoing.len());
        if len == 0 {
            return Err(would_block());
        }
        connection.outgoing.extend(&data[..len]);
        Ok(len)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.world().connections[self.1].shut_down = true;
        Ok(())
    }

    fn abort(&mut self) {
        self.0.world().connections[self.1].aborted = true;
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.world().connections[self.1].dropped = true;
    }
}

struct Listener(Fake, usize);

impl HostListener for Listener {
    fn accept(&mut self) -> io::Result<(Box<dyn HostTcp>, SocketAddrV4)> {
        let mut world = self.0.world();
        let place = world
            .callers
            .iter()
            .position(|(listener, _)| *listener == self.1);
        let (_, peer) = place
            .and_then(|place| world.callers.remove(place))
            .ok_or_else(would_block)?;
        let n = world.add(peer, TcpStatus::Connected);
        Ok((Box::new(End(self.0.clone(), n)), peer))
    }
}

struct Socket(Fake, usize);

impl HostUdp for Socket {
    fn send_to(&mut self, data: &[u8], to: SocketAddrV4) -> io::Result<()> {
        let mut world = self.0.world();
        if let Some(failure) = world.failure {
            return Err(failure.into());
        }
        world.datagrams[self.1].sent.push((data.to_vec(), to));
        Ok(())
    }

    fn recv_from(&mut self, buf: &mut [u8]) -> io::Result<(usize, SocketAddrV4)> {
        let mut world = self.0.world();
        let (data, from) = world.datagrams[self.1]
            .incoming
            .pop_front()
            .ok_or_else(would_block)?;
        buf[..data.len()].copy_from_slice(&data);
        Ok((data.len(), from))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.world().datagrams[self.1].dropped = true;
    }
}

struct PingSocket(Fake, usize);

impl HostPing for PingSocket {
    fn send(&mut self, sequence: u16, payload: &[u8]) -> io::Result<()> {
        self.0.world().pings[self.1]
            .asked
            .push((sequence, payload.to_vec()));
        Ok(())
    }

    fn receive(&mut self, buf: &mut [u8]) -> io::Result<(u16, usize)> {
        let mut world = self.0.world();
        let (sequence, data) = world.pings[self.1]
            .answers
            .pop_front()
            .ok_or_else(would_block)?;
        buf[..data.len()].copy_from_slice(&data);
        Ok((sequence, data.len()))
    }
}

impl HostNet for Fake {
    fn now_ms(&self) -> i64 {
        self.world().now
    }

    fn random_seed(&mut self) -> io::Result<u64> {
        Ok(4)
    }

    fn tcp_connect(&mut self, to: SocketAddrV4) -> io::Result<Box<dyn HostTcp>> {
        let mut world = self.world();
        let status = world.status.unwrap_or(TcpStatus::Connected);
        let n = world.add(to, status);
        Ok(Box::new(End(self.clone(), n)))
    }

    fn tcp_listen(&mut self, at: SocketAddrV4) -> io::Result<Box<dyn HostListener>> {
        let mut world = self.world();
        if world.listening.contains(&at) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        world.listening.push(at);
        Ok(Box::new(Listener(self.clone(), world.listening.len() - 1)))
    }

    fn udp_bind(&mut self, at: SocketAddrV4) -> io::Result<Box<dyn HostUdp>> {
        let mut world = self.world();
        world.datagrams.push(Datagrams {
            at,
            sent: Vec::new(),
            incoming: VecDeque::new(),
            dropped: false,
        });
        Ok(Box::new(Socket(self.clone(), world.datagrams.len() - 1)))
    }

    fn ping(&mut self, to: Ipv4Addr) -> io::Result<Box<dyn HostPing>> {
        let mut world = self.world();
        if !world.ping_allowed {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        world.pings.push(Ping {
            to,
            asked: Vec::new(),
            answers: VecDeque::new(),
        });
        Ok(Box::new(PingSocket(self.clone(), world.pings.len() - 1)))
    }

    fn resolver(&mut self) -> Option<SocketAddrV4> {
        self.world().resolver
    }
}
