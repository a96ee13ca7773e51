//! What a client is connected by: TCP, or TLS over it.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::tls::Credentials;

/// Bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A client's connection, whichever it is.
pub type Connection = Box<dyn Stream>;

/// Makes a connection of a socket: with credentials, after the handshake, which has to come in time.
/// `host` is for those who connect: whom they mean.
pub async fn secure(
    socket: TcpStream,
    credentials: Option<&Credentials>,
    host: &str,
) -> io::Result<Connection> {
    // Messages are small and awaited.
    socket.set_nodelay(true)?;
    Ok(match credentials {
        None => Box::new(socket),
        Some(credentials) => Box::new(credentials.handshake(socket, host).await?),
    })
}
