//! TCP and unix sockets as character back ends, one peer at a time.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use ferrite_machine::backend::CharBackend;

pub use ferrite_cli::chardev::Address;

use super::connection::Connection;
use super::inherited;
use super::queue::ByteQueue;
use crate::tls::{self, Credentials};
use crate::wake::Waker;

enum Peer {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// The plain end of a connection, and the other's address.
    Relayed(UnixStream, String),
}

impl Peer {
    /// The same behind TLS, where that is asked for; `host` is whom a client means.
    fn behind(self, tls: Option<&Credentials>, host: &str) -> io::Result<Self> {
        let address = self.address();
        Ok(match (self, tls) {
            (Self::Tcp(socket), Some(tls)) => Self::Relayed(tls.relay(socket, host)?, address),
            (peer, _) => peer,
        })
    }

    fn split(&self) -> io::Result<(Box<dyn Read + Send>, Box<dyn Write + Send>)> {
        Ok(match self {
            Self::Tcp(s) => {
                s.set_nodelay(true)?;
                (Box::new(s.try_clone()?), Box::new(s.try_clone()?))
            }
            Self::Unix(s) | Self::Relayed(s, _) => {
                (Box::new(s.try_clone()?), Box::new(s.try_clone()?))
            }
        })
    }

    /// Its address, as `query-chardev` writes it; a path has none worth telling.
    fn address(&self) -> String {
        match self {
            Self::Tcp(socket) => socket
                .peer_addr()
                .map_or_else(|_| String::new(), |peer| peer.to_string()),
            Self::Unix(_) => String::new(),
            Self::Relayed(_, peer) => peer.clone(),
        }
    }

    fn shut_down(&self) {
        // The peer may be gone already.
        let _ = match self {
            Self::Tcp(s) => s.shutdown(Shutdown::Both),
            Self::Unix(s) | Self::Relayed(s, _) => s.shutdown(Shutdown::Both),
        };
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    fn bind(address: &Address) -> io::Result<Self> {
        Ok(match address {
            Address::Tcp(at) => Self::Tcp(TcpListener::bind(at)?),
            Address::Unix(path) => {
                // A socket left behind by an earlier run is in the way; anything else is an error.
                if UnixStream::connect(path)
                    .is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
                {
                    std::fs::remove_file(path)?;
                }
                Self::Unix(UnixListener::bind(path)?)
            }
            Address::Descriptor(number) => match inherited::listener(*number)? {
                inherited::Listener::Tcp(listener) => Self::Tcp(listener),
                inherited::Listener::Unix(listener) => Self::Unix(listener),
            },
        })
    }

    /// Where it listens, with the port that was chosen.
    fn local(&self, address: &Address) -> String {
        match (self, address) {
            (Self::Tcp(listener), Address::Tcp(asked)) => match listener.local_addr() {
                Ok(local) => format!("tcp:{local}"),
                Err(_) => format!("tcp:{asked}"),
            },
            _ => name(address),
        }
    }

    /// Lets a thread that waits in [`Self::accept`] go, for good.
    fn shut_down(&self) {
        use rustix::net::{Shutdown, shutdown};
        // It may be shut down already.
        let _ = match self {
            Self::Tcp(listener) => shutdown(listener, Shutdown::Both),
            Self::Unix(listener) => shutdown(listener, Shutdown::Both),
        };
    }

    fn accept(&self) -> io::Result<Peer> {
        Ok(match self {
            Self::Tcp(l) => Peer::Tcp(l.accept()?.0),
            Self::Unix(l) => Peer::Unix(l.accept()?.0),
        })
    }
}

/// An address as `query-chardev` writes it.
fn name(address: &Address) -> String {
    match address {
        Address::Tcp(at) => format!("tcp:{at}"),
        Address::Unix(path) => format!("unix:{}", path.display()),
        Address::Descriptor(number) => format!("fd:{number}"),
    }
}

/// The host that an address names.
fn host(address: &Address) -> &str {
    match address {
        Address::Tcp(at) => tls::host(at),
        Address::Unix(_) | Address::Descriptor(_) => "",
    }
}

fn connect(address: &Address) -> io::Result<Peer> {
    Ok(match address {
        Address::Tcp(at) => Peer::Tcp(TcpStream::connect(at)?),
        Address::Unix(path) => Peer::Unix(UnixStream::connect(path)?),
        Address::Descriptor(number) => match inherited::stream(*number)? {
            inherited::Stream::Tcp(socket) => Peer::Tcp(socket),
            inherited::Stream::Unix(socket) => Peer::Unix(socket),
        },
    })
}

/// The machine's end of the socket.
pub struct Socket {
    link: Arc<Link>,
    listener: Option<Arc<Listener>>,
    local: String,
    /// A socket file to remove at the end.
    path: Option<PathBuf>,
}

/// What the socket and its thread share.
struct Link {
    input: ByteQueue,
    output: ByteQueue,
    connected: AtomicBool,
    connection: Connection,
    /// The machine's end is gone.
    closed: AtomicBool,
    peer: Mutex<Option<Peer>>,
    waker: Waker,
}

impl Socket {
    /// Listens at `address`; with `wait`, only returns once a peer is there.
    pub fn listen(
        address: &Address,
        wait: bool,
        tls: Option<Credentials>,
        waker: Waker,
    ) -> io::Result<Self> {
        let listener = Arc::new(Listener::bind(address)?);
        let local = listener.local(address);
        let link = Link::new(waker);
        let first = if wait {
            Some(listener.accept()?.behind(tls.as_ref(), "")?)
        } else {
            None
        };
        link.connected.store(first.is_some(), Ordering::Release);
        let (shared, accepting) = (Arc::clone(&link), Arc::clone(&listener));
        thread::spawn(move || {
            if let Some(peer) = first {
                shared.serve(peer);
            }
            while !shared.closed.load(Ordering::Acquire)
                && let Ok(peer) = accepting.accept()
            {
                // One that does not speak TLS, or has no certificate, is none.
                if let Ok(peer) = peer.behind(tls.as_ref(), "") {
                    shared.serve(peer);
                }
            }
        });
        let path = match address {
            Address::Unix(path) => Some(path.clone()),
            Address::Tcp(_) | Address::Descriptor(_) => None,
        };
        Ok(Self {
            link,
            listener: Some(listener),
            local,
            path,
        })
    }

    /// Connects to `address`.
    pub fn connect(address: &Address, tls: Option<Credentials>, waker: Waker) -> io::Result<Self> {
        let peer = connect(address)?.behind(tls.as_ref(), host(address))?;
        let link = Link::new(waker);
        link.connected.store(true, Ordering::Release);
        let shared = Arc::clone(&link);
        thread::spawn(move || shared.serve(peer));
        Ok(Self {
            link,
            listener: None,
            local: name(address),
            path: None,
        })
    }

    /// Its own address and who is connected, for `query-chardev`.
    #[must_use]
    pub fn ends(&self) -> (String, Connection) {
        (self.local.clone(), self.link.connection.clone())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.link.closed.store(true, Ordering::Release);
        if let Some(listener) = &self.listener {
            listener.shut_down();
        }
        if let Some(peer) = self.link.peer().as_ref() {
            peer.shut_down();
        }
        self.link.input.close();
        self.link.output.close();
        if let Some(path) = &self.path {
            // Somebody may have tidied up already.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Link {
    fn new(waker: Waker) -> Arc<Self> {
        Arc::new(Self {
            input: ByteQueue::default(),
            output: ByteQueue::default(),
            connected: AtomicBool::new(false),
            connection: Connection::default(),
            closed: AtomicBool::new(false),
            peer: Mutex::new(None),
            waker,
        })
    }

    fn peer(&self) -> MutexGuard<'_, Option<Peer>> {
        self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries bytes both ways until the peer is gone.
    fn serve(self: &Arc<Self>, peer: Peer) {
        let Ok((from, to)) = peer.split() else {
            return;
        };
        let shared = Arc::clone(self);
        self.connection.open(peer.address(), move || {
            if let Some(peer) = shared.peer().as_ref() {
                peer.shut_down();
            }
        });
        *self.peer() = Some(peer);
        if !self.closed.load(Ordering::Acquire) {
            carry(self, from, to);
        }
        self.connection.close();
        *self.peer() = None;
    }
}

/// Copies bytes both ways until the peer is gone.
fn carry(link: &Link, mut from: Box<dyn Read + Send>, mut to: Box<dyn Write + Send>) {
    let Link {
        input,
        output,
        connected,
        waker,
        ..
    } = link;
    connected.store(true, Ordering::Release);
    waker.wake();
    let live = Arc::new(AtomicBool::new(true));
    let (writer_live, writer_output) = (live.clone(), output.clone());
    let writer = thread::spawn(move || {
        while writer_live.load(Ordering::Acquire) {
            let Some(bytes) = writer_output.pop(4096) else {
                return;
            };
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
    });
    let mut buf = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buf) {
        if !input.push(&buf[..count]) {
            break;
        }
        waker.wake();
    }
    connected.store(false, Ordering::Release);
    live.store(false, Ordering::Release);
    if let Some(peer) = link.peer().as_ref() {
        peer.shut_down();
    }
    // The writer may wait for bytes: a last one, which the closed peer never sees, lets it go.
    output.clear();
    output.try_push(&[0]);
    let _ = writer.join();
    output.clear();
    waker.wake();
}

impl CharBackend for Socket {
    fn write(&mut self, data: &[u8]) -> usize {
        // Without a peer, output goes nowhere, as with QEMU.
        if self.connected() {
            self.link.output.try_push(data)
        } else {
            data.len()
        }
    }

    fn read(&mut self, buf: &mut [u8]) -> usize {
        self.link.input.try_pop(buf)
    }

    fn connected(&self) -> bool {
        self.link.connected.load(Ordering::Acquire)
    }
}
