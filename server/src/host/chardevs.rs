//! Character back ends that monitors make.

use ferrite_cli::chardev::{Address, ChardevKind, SocketSpec};
use ferrite_qmp::error::Error;
use ferrite_qmp::schema::{
    ChardevBackend, ChardevBackendKind, ChardevReturn, ChardevSocket, SocketAddressLegacy,
};

use crate::launch::Characters;

/// The kinds that there are.
pub const KINDS: &[ChardevBackendKind] = &[
    ChardevBackendKind::File,
    ChardevBackendKind::Socket,
    ChardevBackendKind::Pty,
    ChardevBackendKind::Null,
    ChardevBackendKind::Stdio,
    ChardevBackendKind::Ringbuf,
    ChardevBackendKind::Memory,
];

/// Largest ring buffer, in bytes.
const MAX_RING: i64 = 64 << 20;

fn unsupported(what: &str) -> Error {
    Error::generic(format!("{what} is not supported"))
}

/// The back end in the command line's terms.
fn kind(backend: ChardevBackend) -> Result<ChardevKind, Error> {
    let plain = |logfile: &Option<String>| match logfile {
        Some(_) => Err(unsupported("logfile")),
        None => Ok(()),
    };
    Ok(match backend {
        ChardevBackend::File { data } => {
            plain(&data.logfile)?;
            if data.r#in.is_some() {
                return Err(unsupported("in"));
            }
            ChardevKind::File {
                path: data.out.into(),
                append: data.append.unwrap_or(false),
            }
        }
        ChardevBackend::Socket { data } => {
            plain(&data.logfile)?;
            ChardevKind::Socket(socket(data)?)
        }
        ChardevBackend::Pty { data } => {
            plain(&data.logfile)?;
            ChardevKind::Pty
        }
        ChardevBackend::Null { data } => {
            plain(&data.logfile)?;
            ChardevKind::Null
        }
        ChardevBackend::Stdio { data } => {
            plain(&data.logfile)?;
            ChardevKind::Stdio {
                signal: data.signal.unwrap_or(true),
            }
        }
        ChardevBackend::Ringbuf { data } | ChardevBackend::Memory { data } => {
            plain(&data.logfile)?;
            let size = data.size.unwrap_or(65536);
            if !(1..=MAX_RING).contains(&size) || size.count_ones() != 1 {
                return Err(Error::generic(
                    "size of ringbuf chardev must be power of two",
                ));
            }
            ChardevKind::RingBuf {
                // Bounded above.
                size: size as usize,
            }
        }
    })
}

fn socket(data: ChardevSocket) -> Result<SocketSpec, Error> {
    let refused = [
        ("tls-authz", data.tls_authz.is_some()),
        ("telnet", data.telnet == Some(true)),
        ("tn3270", data.tn3270 == Some(true)),
        ("websocket", data.websocket == Some(true)),
        ("reconnect", data.reconnect.is_some_and(|n| n != 0)),
    ];
    if let Some((name, _)) = refused.iter().find(|(_, asked)| *asked) {
        return Err(unsupported(name));
    }
    let address = match data.addr {
        SocketAddressLegacy::Inet { data } => {
            let host = match data.host.contains(':') {
                true => format!("[{}]", data.host),
                false => data.host,
            };
            Address::Tcp(format!("{host}:{}", data.port))
        }
        SocketAddressLegacy::Unix { data } if data.r#abstract != Some(true) => {
            Address::Unix(data.path.into())
        }
        SocketAddressLegacy::Unix { .. } => return Err(unsupported("abstract")),
        SocketAddressLegacy::Vsock { .. } => return Err(unsupported("vsock")),
        SocketAddressLegacy::Fd { .. } => return Err(unsupported("fd")),
    };
    if data.tls_creds.is_some() && !matches!(address, Address::Tcp(_)) {
        return Err(unsupported("tls-creds without a TCP address"));
    }
    let server = data.server.unwrap_or(true);
    if server && data.wait == Some(true) {
        return Err(unsupported("wait"));
    }
    Ok(SocketSpec {
        address,
        server,
        // Nobody waits while a monitor's command runs.
        wait: false,
        websocket: false,
        tls: data.tls_creds,
    })
}

fn made(filename: &str) -> ChardevReturn {
    ChardevReturn {
        pty: filename.strip_prefix("pty:").map(str::to_owned),
    }
}

/// `chardev-add`
pub fn add(
    characters: &mut Characters,
    id: &str,
    backend: ChardevBackend,
) -> Result<ChardevReturn, Error> {
    if characters.exists(id) {
        return Err(Error::generic(format!(
            "Chardev with id '{id}' already exists"
        )));
    }
    let failed = |error: String| Error::generic(format!("Failed to add chardev '{id}': {error}"));
    let kind = kind(backend).map_err(|error| failed(error.message))?;
    let filename = characters.add(id, &kind).map_err(failed)?;
    Ok(made(&filename))
}

/// `chardev-change`
pub fn change(
    characters: &mut Characters,
    id: &str,
    backend: ChardevBackend,
) -> Result<ChardevReturn, Error> {
    if !characters.exists(id) {
        return Err(Error::generic(format!("Chardev '{id}' does not exist")));
    }
    let failed =
        |error: String| Error::generic(format!("Failed to change chardev '{id}': {error}"));
    let kind = kind(backend).map_err(|error| failed(error.message))?;
    let filename = characters.change(id, &kind).map_err(failed)?;
    Ok(made(&filename))
}
