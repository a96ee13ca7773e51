//! `-chardev`, and the short forms that `-serial`, `-monitor` and `-qmp` take.

use std::path::PathBuf;

use super::CliError;
use super::keyval::{ArgError, KeyVal};

/// Smallest and largest ring buffer.
const RING_SIZES: std::ops::RangeInclusive<u64> = 1..=64 << 20;

/// A character back end, before it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChardevSpec {
    /// Its name.
    pub id: String,
    /// What it is.
    pub kind: ChardevKind,
    /// Whether several front ends share it.
    pub mux: bool,
}

/// Kinds of character back ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChardevKind {
    /// Nothing.
    Null,
    /// The terminal.
    Stdio {
        /// Ctrl-C interrupts Ferrite instead of going to the guest.
        signal: bool,
    },
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// Append instead of truncating.
        append: bool,
    },
    /// A new pseudo-terminal.
    Pty,
    /// A memory ring.
    RingBuf {
        /// Bytes.
        size: usize,
    },
    /// What ends the process with a status that the guest gives.
    TestDevice,
    /// A socket.
    Socket(SocketSpec),
}

/// Where a socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `host:port`.
    Tcp(String),
    /// A path.
    Unix(PathBuf),
    /// A socket that the process was started with, by its descriptor.
    Descriptor(i32),
}

/// A socket, before it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketSpec {
    /// Where.
    pub address: Address,
    /// Listen instead of connecting.
    pub server: bool,
    /// Do not go on before the first peer is there.
    pub wait: bool,
    /// Speak WebSocket.
    pub websocket: bool,
    /// Speak TLS, with the credentials of this id.
    pub tls: Option<String>,
}

impl ChardevSpec {
    /// `-chardev`.
    pub fn parse(text: &str) -> Result<Self, CliError> {
        let mut kv = KeyVal::parse("chardev", text, "backend")?;
        let backend = kv.require("backend")?;
        let id = kv.require("id")?;
        let mux = kv.take_bool("mux")?.unwrap_or(false);
        let kind = match backend.as_str() {
            "null" => ChardevKind::Null,
            "stdio" => ChardevKind::Stdio {
                signal: kv.take_bool("signal")?.unwrap_or(true),
            },
            "file" => ChardevKind::File {
                path: kv.require("path")?.into(),
                append: kv.take_bool("append")?.unwrap_or(false),
            },
            "pty" => ChardevKind::Pty,
            "testdev" => ChardevKind::TestDevice,
            "ringbuf" | "memory" => ring(&mut kv)?,
            "socket" => ChardevKind::Socket(socket(&mut kv)?),
            other => return Err(kv.unsupported(format!("chardev backend '{other}'")).into()),
        };
        kv.finish()?;
        Ok(Self { id, kind, mux })
    }
}

fn ring(kv: &mut KeyVal) -> Result<ChardevKind, ArgError> {
    let size = kv.take_size("size", 'b')?.unwrap_or(65536);
    if !RING_SIZES.contains(&size) || !size.is_power_of_two() {
        return Err(kv.invalid("size", "a power of two up to 64M"));
    }
    Ok(ChardevKind::RingBuf {
        size: size as usize,
    })
}

/// The keys of a socket, from a `-chardev` or the tail of a short form.
fn socket(kv: &mut KeyVal) -> Result<SocketSpec, ArgError> {
    let address = match (kv.take("path"), kv.take("port"), kv.take("fd")) {
        (Some(path), None, None) => Address::Unix(path.into()),
        (None, Some(port), None) => tcp(&kv.take("host").unwrap_or_default(), &port),
        (None, None, Some(fd)) => match fd.parse() {
            Ok(number @ 0..) => Address::Descriptor(number),
            _ => return Err(kv.invalid("fd", "the number of a descriptor")),
        },
        _ => return Err(kv.invalid("path", "a path, a host and a port, or a descriptor")),
    };
    for refused in ["tls-authz", "reconnect", "reconnect-ms", "telnet", "tn3270"] {
        if let Some(value) = kv.take(refused)
            && value != "off"
            && value != "0"
        {
            return Err(kv.unsupported(format!("{refused}={value}")));
        }
    }
    for (key, accepted) in [
        ("ipv4", ["on", "off"]),
        ("ipv6", ["on", "off"]),
        ("nodelay", ["on", "off"]),
        ("delay", ["on", "off"]),
    ] {
        kv.accept(key, &accepted)?;
    }
    let tls = kv.take("tls-creds");
    if tls.is_some() && !matches!(address, Address::Tcp(_)) {
        return Err(kv.invalid("tls-creds", "a TCP address with it"));
    }
    let server = kv.take_bool("server")?.unwrap_or(false);
    let wait = kv.take_bool("wait")?.unwrap_or(true);
    Ok(SocketSpec {
        address,
        server,
        wait: server && wait,
        websocket: kv.take_bool("websocket")?.unwrap_or(false),
        tls,
    })
}

fn tcp(host: &str, port: &str) -> Address {
    let host = if host.is_empty() { "0.0.0.0" } else { host };
    if host.contains(':') && !host.starts_with('[') {
        Address::Tcp(format!("[{host}]:{port}"))
    } else {
        Address::Tcp(format!("{host}:{port}"))
    }
}

/// Where `-serial`, `-monitor` or `-qmp` leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CharTarget {
    /// `none`: no such port or monitor.
    None,
    /// `mon:stdio`: the terminal, shared with the human monitor.
    MonStdio,
    /// A chardev made on the spot.
    New(ChardevKind),
    /// `chardev:ID`.
    Existing(String),
}

impl CharTarget {
    /// Parses the argument of `-option`.
    pub fn parse(option: &'static str, text: &str) -> Result<Self, CliError> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        Ok(match scheme {
            "none" => Self::None,
            "null" => Self::New(ChardevKind::Null),
            "stdio" => Self::New(ChardevKind::Stdio { signal: true }),
            "vc" => Self::New(ChardevKind::Null),
            "pty" => Self::New(ChardevKind::Pty),
            "mon" if rest == "stdio" => Self::MonStdio,
            "file" => Self::New(ChardevKind::File {
                path: rest.into(),
                append: false,
            }),
            "chardev" => Self::Existing(rest.to_owned()),
            "unix" | "tcp" => Self::New(ChardevKind::Socket(short_socket(option, scheme, rest)?)),
            _ => {
                let kv = KeyVal::parse(option, text, "device")?;
                return Err(kv
                    .unsupported(format!("'{text}' as a character device"))
                    .into());
            }
        })
    }
}

/// `unix:PATH,…` or `tcp:HOST:PORT,…`.
fn short_socket(option: &'static str, scheme: &str, rest: &str) -> Result<SocketSpec, CliError> {
    let implied = if scheme == "unix" { "path" } else { "address" };
    let mut kv = KeyVal::parse(option, rest, implied)?;
    if scheme == "unix" {
        let spec = socket(&mut kv)?;
        kv.finish()?;
        return Ok(spec);
    }
    let address = kv.require("address")?;
    let (host, port) = address
        .rsplit_once(':')
        .ok_or_else(|| kv.invalid("address", "HOST:PORT"))?;
    let host = host.trim_matches(['[', ']']);
    let tail = rest.split_once(',').map_or("", |(_, tail)| tail);
    let text = format!("port={port},host={host},{tail}");
    let mut kv = KeyVal::parse(option, &text, "")?;
    let spec = socket(&mut kv)?;
    kv.finish()?;
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms() {
        let target =
            CharTarget::parse("qmp", "tcp:127.0.0.1:4444,server=on,wait=off,websocket=on").unwrap();
        let expected = SocketSpec {
            address: Address::Tcp("127.0.0.1:4444".into()),
            server: true,
            wait: false,
            websocket: true,
            tls: None,
        };
        assert_eq!(target, CharTarget::New(ChardevKind::Socket(expected)));
        let old = CharTarget::parse("qmp", "unix:/tmp/q.sock,server,nowait").unwrap();
        let CharTarget::New(ChardevKind::Socket(spec)) = old else {
            panic!()
        };
        assert!(spec.server && !spec.wait && spec.address == Address::Unix("/tmp/q.sock".into()));
        assert!(CharTarget::parse("serial", "udp:1:2").is_err());
        assert!(CharTarget::parse("qmp", "tcp:localhost").is_err());
    }

    #[test]
    fn long_forms() {
        let spec =
            ChardevSpec::parse("socket,id=c0,host=::1,port=4444,server=on,wait=off").unwrap();
        let ChardevKind::Socket(socket) = spec.kind else {
            panic!()
        };
        assert_eq!(socket.address, Address::Tcp("[::1]:4444".into()));
        let spec = ChardevSpec::parse("socket,id=c,fd=25,server=on,wait=off").unwrap();
        let ChardevKind::Socket(socket) = spec.kind else {
            panic!()
        };
        assert_eq!(socket.address, Address::Descriptor(25));
        let spec = ChardevSpec::parse("socket,id=c,port=1,tls-creds=t0").unwrap();
        let ChardevKind::Socket(socket) = spec.kind else {
            panic!()
        };
        assert_eq!(socket.tls.as_deref(), Some("t0"));
        assert!(ChardevSpec::parse("socket,id=c,path=p,tls-creds=t0").is_err());
        assert!(ChardevSpec::parse("socket,id=c,fd=-1").is_err());
        assert!(ChardevSpec::parse("socket,id=c,fd=1,path=p").is_err());
        assert!(ChardevSpec::parse("ringbuf,id=r,size=1000").is_err());
        assert!(ChardevSpec::parse("stdio").is_err());
        assert!(ChardevSpec::parse("file,id=f,path=x,nonsense=1").is_err());
    }
}
