//! Monitors on byte streams: QEMU's socket character devices.

use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::client::{CHUNK, Client, Writer};
use super::hub::Hosting;
use super::socket::{Socket, SocketWriter};
use crate::chardev::connection::Connection;
use crate::tls::Credentials;

/// A listening socket for byte streams.
pub(super) enum StreamListener {
    Unix(UnixListener),
    Tcp(TcpListener, Option<Credentials>),
}

impl StreamListener {
    async fn accept(&self) -> std::io::Result<Socket> {
        match self {
            Self::Unix(listener) => Ok(Socket::Unix(listener.accept().await?.0)),
            Self::Tcp(listener, tls) => {
                let (socket, peer) = listener.accept().await?;
                // Messages are small and awaited.
                socket.set_nodelay(true)?;
                match tls {
                    None => Ok(Socket::Tcp(socket)),
                    Some(tls) => relayed(tls, socket, "", peer.to_string()).await,
                }
            }
        }
    }

    /// Serves one client at a time, as QEMU does: the next one is accepted when the last has left.
    pub(super) async fn serve(
        self,
        hosting: Hosting,
        first: Option<Socket>,
        connection: Connection,
    ) {
        if let Some(socket) = first {
            serve(&hosting, socket, &connection).await;
        }
        loop {
            match self.accept().await {
                Ok(socket) => serve(&hosting, socket, &connection).await,
                // A client that left before it was accepted, or the process is out of files.
                Err(_) => tokio::time::sleep(super::hub::ACCEPT_PAUSE).await,
            }
        }
    }
}

/// The plain end of a connection to `peer`, after its handshake; a task carries the bytes.
pub(super) async fn relayed(
    tls: &Credentials,
    socket: TcpStream,
    host: &str,
    peer: String,
) -> std::io::Result<Socket> {
    let mut stream = tls.handshake(socket, host).await?;
    let (ours, mut theirs) = UnixStream::pair()?;
    tokio::spawn(async move {
        // However it ends, both ends are closed then.
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut theirs).await;
    });
    Ok(Socket::Relayed(ours, peer))
}

/// Serves one client until it leaves.
pub(super) async fn serve(hosting: &Hosting, socket: Socket, connection: &Connection) {
    let socket = Arc::new(socket);
    let writer = SocketWriter::new(Arc::clone(&socket));
    let client = hosting.connect(Writer::Socket(writer));
    let cut = Arc::clone(&client);
    connection.open(socket.peer(), move || cut.close());
    tokio::select! {
        () = read(&socket, &client) => {}
        () = write(&socket, &client) => {}
    }
    client.close();
    connection.close();
}

/// Reads until the client closes its side, then until its last request is answered.
async fn read(socket: &Socket, client: &Client) {
    let mut buffer = vec![0; CHUNK];
    loop {
        if socket.readable().await.is_err() {
            return;
        }
        match socket.try_read(&mut buffer, |fd| client.attach(fd)) {
            Ok(0) => break,
            Ok(len) => {
                if !client.receive(&buffer[..len]).await {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
    client.settle().await;
}

/// Sends what could not be sent at once, whenever the socket takes more.
async fn write(socket: &Socket, client: &Client) {
    loop {
        client.flush.notified().await;
        if client.is_closed() || socket.writable().await.is_err() {
            return;
        }
        client.send();
    }
}
