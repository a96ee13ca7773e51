//! `ferrite attach`: a machine's monitor behind a WebSocket, such as one in a browser tab, on a socket
//! of this host, for the many clients that speak QMP over nothing else.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::monitor::is_whole;
use crate::serve::connection::{Stream, secure};
use crate::tls::Credentials;

const HELP: &str = "\
usage: ferrite attach ADDRESS unix:PATH | tcp:HOST:PORT [AUTHORITY]

ADDRESS is that of a WebSocket with a QMP monitor behind it: what the page shows for a machine in a
tab, or ws://HOST:PORT/ of -qmp ...,websocket=on. Clients of the socket each get a conversation.
A wss address needs AUTHORITY: a file (PEM) with the certificate of whoever vouches for the server, or
with the server's own.
";

/// Largest piece of a client's commands.
const MESSAGE: usize = 4 << 20;

/// Where clients come.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Unix(PathBuf),
    Tcp(String),
}

/// Why nobody can attach.
#[derive(Debug, thiserror::Error)]
enum AttachError {
    #[error("{0} (try -help)")]
    Usage(&'static str),
    #[error("the server refuses: {0}")]
    Refused(String),
    #[error("{0}")]
    Address(String),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Runs `ferrite attach` with these arguments until it is interrupted or the machine is gone.
pub fn run(args: impl IntoIterator<Item = String>) -> ExitCode {
    let args: Vec<String> = args.into_iter().collect();
    if args.iter().any(|arg| arg.trim_start_matches('-') == "help") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let result = parse(&args).and_then(|(target, place)| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        runtime.block_on(serve(&target, place))
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ferrite attach: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is attached to.
struct Target {
    address: String,
    /// Who vouches for the server.
    authority: Option<PathBuf>,
}

fn parse(args: &[String]) -> Result<(Target, Place), AttachError> {
    let (address, place, authority) = match args {
        [address, place] => (address, place, None),
        [address, place, authority] => (address, place, Some(authority.into())),
        _ => return Err(AttachError::Usage("it takes an address and a socket")),
    };
    let place = match place.split_once(':') {
        Some(("unix", path)) => Place::Unix(path.into()),
        Some(("tcp", at)) => Place::Tcp(at.to_owned()),
        _ => {
            return Err(AttachError::Usage(
                "the socket is unix:PATH or tcp:HOST:PORT",
            ));
        }
    };
    let address = address.clone();
    Ok((Target { address, authority }, place))
}

/// Connects to the monitor; what the server says if it does not want that.
async fn connect(target: &Target) -> Result<WebSocketStream<Box<dyn Stream>>, AttachError> {
    let Target { address, authority } = target;
    let wrong = |error: tungstenite::Error| match error {
        tungstenite::Error::Http(response) => {
            let body = response.body().as_deref().unwrap_or_default();
            let text = String::from_utf8_lossy(body).trim().to_owned();
            // Of the server's words, only those that came with the status line are there.
            AttachError::Refused(
                format!("{} {text}", response.status())
                    .trim_end()
                    .to_owned(),
            )
        }
        other => AttachError::Address(format!("{address}: {other}")),
    };
    let request = address.into_client_request().map_err(wrong)?;
    let uri = request.uri();
    let (usual_port, credentials) = match (uri.scheme_str(), authority) {
        (Some("ws"), None) => (80, None),
        (Some("wss"), Some(authority)) => (443, Some(Credentials::client_trusting(authority)?)),
        (Some("wss"), None) => {
            let why = "a wss address needs a file with the server's authority";
            return Err(AttachError::Usage(why));
        }
        _ => {
            return Err(AttachError::Address(format!(
                "{address}: not a ws address, or a wss address with an authority"
            )));
        }
    };
    let host = uri.host().unwrap_or_default();
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let port = uri.port_u16().unwrap_or(usual_port);
    let socket = TcpStream::connect((host.as_str(), port)).await?;
    let socket = secure(socket, credentials.as_ref(), &host).await?;
    let connected = tokio_tungstenite::client_async(request, socket).await;
    Ok(connected.map_err(wrong)?.0)
}

async fn serve(target: &Target, place: Place) -> Result<(), AttachError> {
    // Somebody who is not let in hears of it before there is a socket.
    let mut first = Some(connect(target).await?);
    let listener = Listener::bind(&place).await?;
    println!("attached");
    loop {
        let client = listener.accept().await?;
        let machine = match first.take() {
            Some(machine) => machine,
            None => connect(target).await?,
        };
        tokio::spawn(async move {
            // Either side may leave; the next client has a conversation of its own.
            let _ = pump(client, machine).await;
        });
    }
}

enum Listener {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener),
}

impl Listener {
    async fn bind(place: &Place) -> io::Result<Self> {
        Ok(match place {
            Place::Unix(path) => Self::Unix(UnixListener::bind(path)?, path.clone()),
            Place::Tcp(at) => Self::Tcp(TcpListener::bind(at).await?),
        })
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Unix(listener, _) => Box::new(listener.accept().await?.0),
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // Somebody may have tidied up already.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Carries whole texts one way and lines the other, until either side leaves.
async fn pump(
    client: Box<dyn Stream>,
    machine: WebSocketStream<Box<dyn Stream>>,
) -> io::Result<()> {
    let (mut from, mut to) = tokio::io::split(client);
    let (mut sink, mut source) = machine.split();
    let send = async {
        let mut text = Vec::new();
        while from.read_buf(&mut text).await? > 0 {
            if text.len() > MESSAGE {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let Ok(whole) = std::str::from_utf8(&text) else {
                continue;
            };
            if whole.trim().is_empty() || !is_whole(whole) {
                continue;
            }
            let message = Message::text(whole);
            sink.send(message).await.map_err(io::Error::other)?;
            text.clear();
        }
        Ok(())
    };
    let receive = async {
        while let Some(Ok(message)) = source.next().await {
            if let Message::Text(line) = message {
                to.write_all(line.as_bytes()).await?;
                to.write_all(b"\n").await?;
            }
        }
        Ok(())
    };
    tokio::select! {
        result = send => result,
        result = receive => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        let read = |text: &str| {
            let args: Vec<String> = text.split(' ').map(str::to_owned).collect();
            parse(&args).map(|(_, place)| place).ok()
        };
        assert_eq!(read("ws://a unix:b:c"), Some(Place::Unix("b:c".into())));
        assert_eq!(
            read("ws://a tcp:[::1]:4"),
            Some(Place::Tcp("[::1]:4".into()))
        );
        for bad in ["ws://a", "ws://a x", "ws://a file:x", "a unix:b c d"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
