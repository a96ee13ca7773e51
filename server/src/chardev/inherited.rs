//! Sockets and files that this process was started with.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::net::AddressFamily;
use rustix::net::sockopt::socket_domain;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// A duplicate of the descriptor of this number.
pub fn descriptor(number: i32) -> io::Result<OwnedFd> {
    // The number alone proves nothing; the kernel is asked for what is behind it, as for another
    // process's.
    let process = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(process, number, PidfdGetfdFlags::empty())?)
}

/// The same of a socket, with its address family.
fn duplicate(number: i32) -> io::Result<(OwnedFd, AddressFamily)> {
    let fd = descriptor(number)?;
    let family = socket_domain(&fd)?;
    Ok((fd, family))
}

/// A socket that listens.
pub enum Listener {
    /// For TCP.
    Tcp(TcpListener),
    /// At a path.
    Unix(UnixListener),
}

/// A socket with a peer.
pub enum Stream {
    /// By TCP.
    Tcp(TcpStream),
    /// On this host.
    Unix(UnixStream),
}

/// The listening socket of this number.
pub fn listener(number: i32) -> io::Result<Listener> {
    let (fd, family) = duplicate(number)?;
    Ok(match family {
        AddressFamily::UNIX => Listener::Unix(fd.into()),
        _ => Listener::Tcp(fd.into()),
    })
}

/// The connected socket of this number.
pub fn stream(number: i32) -> io::Result<Stream> {
    let (fd, family) = duplicate(number)?;
    Ok(match family {
        AddressFamily::UNIX => Stream::Unix(fd.into()),
        _ => Stream::Tcp(fd.into()),
    })
}

/// The address of a listening socket as `query-chardev` writes it.
#[must_use]
pub fn local(listener: &Listener) -> String {
    match listener {
        Listener::Tcp(tcp) => match tcp.local_addr() {
            Ok(address) => format!("tcp:{address}"),
            Err(_) => "tcp:".to_owned(),
        },
        Listener::Unix(unix) => {
            let address = unix.local_addr().ok();
            let path = address.and_then(|address| address.as_pathname().map(ToOwned::to_owned));
            format!("unix:{}", path.unwrap_or_default().display())
        }
    }
}
