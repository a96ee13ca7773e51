//! Unix and TCP sockets: nonblocking, writable from any thread.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use super::client::{CHUNK, Client};

/// A connected socket.
pub(super) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
    /// The plain end of a connection, and the other's address.
    Relayed(UnixStream, String),
}

impl Socket {
    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Unix(socket) | Self::Relayed(socket, _) => socket.readable().await,
            Self::Tcp(socket) => socket.readable().await,
        }
    }

    pub(super) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Unix(socket) | Self::Relayed(socket, _) => socket.writable().await,
            Self::Tcp(socket) => socket.writable().await,
        }
    }

    /// Reads what is there; file descriptors that come along (SCM_RIGHTS) go to `attach`.
    pub(super) fn try_read(
        &self,
        into: &mut [u8],
        attach: impl FnMut(OwnedFd),
    ) -> io::Result<usize> {
        match self {
            Self::Unix(socket) => {
                socket.try_io(Interest::READABLE, || receive(socket.as_fd(), into, attach))
            }
            Self::Tcp(socket) => socket.try_read(into),
            Self::Relayed(socket, _) => socket.try_read(into),
        }
    }

    /// The other end's address, as `query-chardev` writes it; a path has none worth telling.
    pub(super) fn peer(&self) -> String {
        match self {
            Self::Unix(_) => String::new(),
            Self::Relayed(_, peer) => peer.clone(),
            Self::Tcp(socket) => socket
                .peer_addr()
                .map_or_else(|_| String::new(), |peer| peer.to_string()),
        }
    }

    fn try_write(&self, from: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(socket) | Self::Relayed(socket, _) => socket.try_write(from),
            Self::Tcp(socket) => socket.try_write(from),
        }
    }
}

/// Descriptors that one read takes at most; the system closes more.
const RIGHTS: usize = 16;

/// Reads bytes with the file descriptors that come along.
fn receive(
    socket: BorrowedFd<'_>,
    into: &mut [u8],
    attach: impl FnMut(OwnedFd),
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(RIGHTS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = recvmsg(
        socket,
        &mut [IoSliceMut::new(into)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .for_each(attach);
    Ok(message.bytes)
}

/// How far a client's lines went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// All of them are sent.
    All,
    /// The socket takes no more for now.
    Part,
    /// The connection is gone.
    Broken,
}

/// Bytes taken from the session and not yet by the socket.
#[derive(Default)]
struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
}

/// Writes a client's lines to its socket, from one thread at a time.
pub(super) struct SocketWriter {
    socket: Arc<Socket>,
    unsent: Mutex<Unsent>,
}

impl SocketWriter {
    pub(super) fn new(socket: Arc<Socket>) -> Self {
        Self {
            socket,
            unsent: Mutex::default(),
        }
    }

    fn unsent(&self) -> MutexGuard<'_, Unsent> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent().bytes.is_empty()
    }

    /// Sends the client's lines as far as the socket takes them now.
    pub(super) fn send(&self, client: &Client) -> Written {
        let mut unsent = self.unsent();
        loop {
            while unsent.bytes.len() < CHUNK {
                let Some(line) = client.next_line() else {
                    break;
                };
                unsent.bytes.extend_from_slice(line.as_bytes());
            }
            if unsent.bytes.is_empty() {
                return Written::All;
            }
            match self.socket.try_write(&unsent.bytes[unsent.sent..]) {
                Ok(0) => return Written::Broken,
                Ok(len) => unsent.sent += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Written::Part,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Written::Broken,
            }
            if unsent.sent == unsent.bytes.len() {
                unsent.bytes.clear();
                unsent.sent = 0;
            }
        }
    }
}
