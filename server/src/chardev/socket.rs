//! TCP and unix sockets as character back ends, one peer at a time.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ferrite_machine::backend::CharBackend;

pub use ferrite_cli::chardev::Address;

use super::queue::ByteQueue;
use crate::wake::Waker;

enum Peer {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Peer {
    fn split(&self) -> io::Result<(Box<dyn Read + Send>, Box<dyn Write + Send>)> {
        Ok(match self {
            Self::Tcp(s) => {
                s.set_nodelay(true)?;
                (Box::new(s.try_clone()?), Box::new(s.try_clone()?))
            }
            Self::Unix(s) => (Box::new(s.try_clone()?), Box::new(s.try_clone()?)),
        })
    }

    fn shut_down(&self) {
        // The peer may be gone already.
        let _ = match self {
            Self::Tcp(s) => s.shutdown(Shutdown::Both),
            Self::Unix(s) => s.shutdown(Shutdown::Both),
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
        })
    }

    fn accept(&self) -> io::Result<Peer> {
        Ok(match self {
            Self::Tcp(l) => Peer::Tcp(l.accept()?.0),
            Self::Unix(l) => Peer::Unix(l.accept()?.0),
        })
    }
}

fn connect(address: &Address) -> io::Result<Peer> {
    Ok(match address {
        Address::Tcp(at) => Peer::Tcp(TcpStream::connect(at)?),
        Address::Unix(path) => Peer::Unix(UnixStream::connect(path)?),
    })
}

/// The machine's end of the socket.
pub struct Socket {
    input: ByteQueue,
    output: ByteQueue,
    connected: Arc<AtomicBool>,
}

impl Socket {
    /// Listens at `address`; with `wait`, only returns once a peer is there.
    pub fn listen(address: &Address, wait: bool, waker: Waker) -> io::Result<Self> {
        let listener = Listener::bind(address)?;
        let socket = Self::unconnected();
        let first = if wait { Some(listener.accept()?) } else { None };
        let (input, output, connected) = socket.parts();
        connected.store(first.is_some(), Ordering::Release);
        thread::spawn(move || {
            if let Some(peer) = first {
                serve(&peer, &input, &output, &connected, &waker);
            }
            while let Ok(peer) = listener.accept() {
                serve(&peer, &input, &output, &connected, &waker);
            }
        });
        Ok(socket)
    }

    /// Connects to `address`.
    pub fn connect(address: &Address, waker: Waker) -> io::Result<Self> {
        let peer = connect(address)?;
        let socket = Self::unconnected();
        let (input, output, connected) = socket.parts();
        connected.store(true, Ordering::Release);
        thread::spawn(move || serve(&peer, &input, &output, &connected, &waker));
        Ok(socket)
    }

    fn unconnected() -> Self {
        Self {
            input: ByteQueue::default(),
            output: ByteQueue::default(),
            connected: Arc::default(),
        }
    }

    fn parts(&self) -> (ByteQueue, ByteQueue, Arc<AtomicBool>) {
        (
            self.input.clone(),
            self.output.clone(),
            self.connected.clone(),
        )
    }
}

/// Carries bytes both ways until the peer is gone.
fn serve(
    peer: &Peer,
    input: &ByteQueue,
    output: &ByteQueue,
    connected: &AtomicBool,
    waker: &Waker,
) {
    let Ok((mut from, mut to)) = peer.split() else {
        return;
    };
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
    peer.shut_down();
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
            self.output.try_push(data)
        } else {
            data.len()
        }
    }

    fn read(&mut self, buf: &mut [u8]) -> usize {
        self.input.try_pop(buf)
    }

    fn connected(&self) -> bool {
        self.connected.load(Ordering::Acquire)
    }
}
