//! One TCP connection: bytes both ways between a smoltcp socket and the host's.

use std::io;

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, State};

use crate::host::{HostTcp, is_transient};
use crate::link::Link;

/// How long the guest may take to answer a forwarded connection, in milliseconds.
const HANDSHAKE: i64 = 75_000;

/// How far a connection is.
pub enum Stage {
    /// The host is connecting; the guest's SYN waits.
    Connecting {
        /// The packet with the SYN.
        syn: Vec<u8>,
    },
    /// The guest is connected or about to be.
    Open {
        /// Its connection.
        socket: SocketHandle,
    },
    /// The guest has closed both ways; the host is still to take the last bytes.
    Draining {
        /// These bytes.
        rest: Vec<u8>,
    },
}

/// What is to become of a connection that is over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Both sides have closed.
    Orderly,
    /// One side broke it off.
    Aborted,
}

/// A connection.
pub struct Flow {
    /// The host's side.
    pub host: Box<dyn HostTcp>,
    /// How far it is.
    pub stage: Stage,
    /// When bytes last moved, in milliseconds.
    pub last_used: i64,
    since: i64,
    /// The host sends no more, and the guest has been told.
    host_done: bool,
    /// The guest sends no more.
    guest_done: bool,
    /// The host has been told that the guest sends no more.
    shut_down: bool,
    failed: bool,
}

impl Flow {
    pub fn new(host: Box<dyn HostTcp>, stage: Stage, now: i64) -> Self {
        let (host_done, guest_done, shut_down, failed) = (false, false, false, false);
        Self {
            host,
            stage,
            last_used: now,
            since: now,
            host_done,
            guest_done,
            shut_down,
            failed,
        }
    }

    /// The guest's side.
    pub fn socket(&self) -> Option<SocketHandle> {
        match self.stage {
            Stage::Open { socket } => Some(socket),
            Stage::Connecting { .. } | Stage::Draining { .. } => None,
        }
    }

    /// Moves bytes as far as they go.
    pub fn pump(&mut self, sockets: &mut SocketSet<'_>, now: i64) {
        let socket = match &mut self.stage {
            Stage::Connecting { .. } => return,
            Stage::Draining { rest } => {
                match write(&mut *self.host, rest) {
                    Ok(0) => {}
                    Ok(len) => {
                        rest.drain(..len);
                        self.last_used = now;
                    }
                    Err(_) => self.failed = true,
                }
                return;
            }
            Stage::Open { socket } => sockets.get_mut::<Socket<'_>>(*socket),
        };
        let moved = self
            .pump_to_guest(socket)
            .and_then(|first| Ok(self.pump_to_host(socket)? | first));
        match moved {
            Ok(true) => self.last_used = now,
            Ok(false) => {}
            Err(_) => self.failed = true,
        }
        let late = socket.state() == State::SynSent && now - self.since > HANDSHAKE;
        if self.failed || late {
            socket.abort();
        }
    }

    fn pump_to_guest(&mut self, socket: &mut Socket<'_>) -> io::Result<bool> {
        let mut moved = false;
        while !self.host_done && socket.can_send() {
            let mut error = None;
            let read = socket.send(|room| match self.host.read(room) {
                Ok(len) => (len.min(room.len()), len),
                Err(failure) => {
                    error = Some(failure);
                    (0, 0)
                }
            });
            match (error, read) {
                (Some(error), _) if is_transient(&error) => break,
                (Some(error), _) => return Err(error),
                (None, Ok(0)) => {
                    self.host_done = true;
                    socket.close();
                }
                (None, _) => moved = true,
            }
        }
        Ok(moved)
    }

    fn pump_to_host(&mut self, socket: &mut Socket<'_>) -> io::Result<bool> {
        let mut moved = false;
        // A guest may send on after its FIN; nobody waits for that.
        while !self.shut_down && socket.can_recv() {
            let written = socket.recv(|bytes| match write(&mut *self.host, bytes) {
                Ok(len) => (len, Ok(len)),
                Err(error) => (0, Err(error)),
            });
            match written {
                Ok(Ok(0)) | Err(_) => break,
                Ok(Ok(_)) => moved = true,
                Ok(Err(error)) => return Err(error),
            }
        }
        self.guest_done |= matches!(
            socket.state(),
            State::CloseWait | State::LastAck | State::Closing | State::TimeWait
        );
        if self.guest_done && !self.shut_down && !socket.can_recv() {
            self.shut_down = true;
            // If the host's connection is broken, the next read says so.
            let _told = self.host.shutdown_write();
        }
        Ok(moved)
    }

    /// Whether the connection is over. When both sides of the guest's end have closed, what the
    /// host has not taken yet is kept, so that the guest's end can go.
    pub fn over(&mut self, sockets: &mut SocketSet<'_>, link: &Link) -> Option<End> {
        let handle = match &self.stage {
            Stage::Connecting { .. } => return None,
            Stage::Draining { .. } if self.failed => return Some(End::Aborted),
            Stage::Draining { rest } => return rest.is_empty().then_some(End::Orderly),
            Stage::Open { socket } => *socket,
        };
        let socket = sockets.get_mut::<Socket<'_>>(handle);
        match socket.state() {
            // The last acknowledgement has been sent if there was room for it.
            State::TimeWait if link.has_room() => {}
            State::Closed if !self.host_done || !self.guest_done || self.failed => {
                // An aborted socket knows its peer until it has sent the reset.
                return socket.remote_endpoint().is_none().then_some(End::Aborted);
            }
            State::Closed => {}
            _ => return None,
        }
        if self.shut_down {
            return Some(End::Orderly);
        }
        if !self.guest_done {
            // The FIN came after the pump: the next one sees it.
            return None;
        }
        let mut rest = vec![0; socket.recv_queue()];
        let len = socket.recv_slice(&mut rest).unwrap_or(0);
        rest.truncate(len);
        sockets.remove(handle);
        self.stage = Stage::Draining { rest };
        None
    }
}

/// Writes what the host takes now: 0 when it takes nothing.
fn write(host: &mut dyn HostTcp, bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() {
        return Ok(0);
    }
    match host.write(bytes) {
        Ok(len) => Ok(len.min(bytes.len())),
        Err(error) if is_transient(&error) => Ok(0),
        Err(error) => Err(error),
    }
}
