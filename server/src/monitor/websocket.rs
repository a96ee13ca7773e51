//! Monitors on WebSockets (RFC 6455), any number of clients.
//!
//! Binary frames carry pieces of the byte stream in, cut anywhere; a text frame carries whole JSON
//! texts, and one that ends within a text is refused. Out goes a text frame
//! per message; to a client that chose the subprotocol `binary`, and has not sent text, a binary
//! frame with the message's line.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::http::header::{
    HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL,
};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::client::{Client, Writer};
use super::hub::{ACCEPT_PAUSE, Hosting};
use super::origin::WebSocketPolicy;
use crate::tls::Credentials;

/// The largest message, in bytes: as much as the parser takes, and white space around it.
const MESSAGE: usize = (64 << 20) + 4096;

/// How long a client may take for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Clients at one time; more are turned away.
const CLIENTS: usize = 1024;

/// Serves every client that connects.
pub(super) async fn listen(
    hosting: Hosting,
    listener: TcpListener,
    policy: WebSocketPolicy,
    tls: Option<Credentials>,
) {
    let policy = Arc::new(policy);
    let places = Arc::new(Semaphore::new(CLIENTS));
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    continue;
                };
                let (hosting, policy) = (hosting.clone(), Arc::clone(&policy));
                let tls = tls.clone();
                tokio::spawn(async move {
                    // Messages are small and awaited.
                    if socket.set_nodelay(true).is_ok() {
                        secure(&hosting, socket, &policy, tls.as_ref()).await;
                    }
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Serves one client, behind TLS if that is asked for.
async fn secure(
    hosting: &Hosting,
    socket: TcpStream,
    policy: &WebSocketPolicy,
    tls: Option<&Credentials>,
) {
    match tls {
        None => serve(hosting, socket, policy).await,
        Some(tls) => {
            // One that does not speak TLS, or has no certificate, is none.
            if let Ok(stream) = tls.handshake(socket, "").await {
                serve(hosting, stream, policy).await;
            }
        }
    }
}

/// Serves one client until it leaves.
#[expect(
    clippy::result_large_err,
    reason = "the handshake wants its refusals so"
)]
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    hosting: &Hosting,
    socket: S,
    policy: &WebSocketPolicy,
) {
    let mut protocol = None;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE))
        .max_frame_size(Some(MESSAGE));
    let handshake = tokio_tungstenite::accept_hdr_async_with_config(
        socket,
        |request: &Request, mut response: Response| {
            admit(request, policy)?;
            protocol = subprotocol(request.headers());
            if let Some(name) = protocol {
                let name = HeaderValue::from_static(name);
                response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, name);
            }
            Ok(response)
        },
        Some(config),
    );
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, handshake).await else {
        return;
    };
    let client = hosting.connect(Writer::Task);
    let text = AtomicBool::new(protocol != Some("binary"));
    let (mut sink, source) = stream.split();
    tokio::select! {
        () = read(source, &client, &text) => {}
        () = write(&mut sink, &client, &text) => {}
    }
    client.close();
    // The client may be gone already.
    let _ = tokio::time::timeout(HANDSHAKE, sink.close()).await;
}

/// Whether a client may connect.
#[expect(
    clippy::result_large_err,
    reason = "the handshake wants its refusals so"
)]
fn admit(request: &Request, policy: &WebSocketPolicy) -> Result<(), ErrorResponse> {
    let refuse = |status: StatusCode, text: &str| {
        let mut response = ErrorResponse::new(Some(text.to_owned()));
        *response.status_mut() = status;
        Err(response)
    };
    if request.uri().path() != "/" {
        return refuse(StatusCode::NOT_FOUND, "the monitor is at /");
    }
    let header = |name: HeaderName| {
        let mut values = request.headers().get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
            // Two of them: who knows which one a proxy believed.
            _ => Err(()),
        }
    };
    if !header(HOST).is_ok_and(|host| policy.allows_host(host)) {
        return refuse(
            StatusCode::FORBIDDEN,
            "not addressed by a name of this host",
        );
    }
    if !header(ORIGIN).is_ok_and(|origin| policy.allows_origin(origin)) {
        return refuse(
            StatusCode::FORBIDDEN,
            "pages of this origin may not connect",
        );
    }
    Ok(())
}

/// The subprotocol that is chosen from what the client offers.
fn subprotocol(headers: &HeaderMap) -> Option<&'static str> {
    let offered = || {
        headers
            .get_all(SEC_WEBSOCKET_PROTOCOL)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .map(str::trim)
    };
    ["qmp", "binary"]
        .into_iter()
        .find(|known| offered().any(|name| name == *known))
}

/// Reads until the client closes, then until its last request is answered.
async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    mut source: SplitStream<WebSocketStream<S>>,
    client: &Client,
    text: &AtomicBool,
) {
    while let Some(Ok(message)) = source.next().await {
        let going_on = match &message {
            Message::Text(piece) => {
                text.store(true, Ordering::Relaxed);
                if is_whole(piece) {
                    client.receive(piece.as_bytes()).await
                } else {
                    client
                        .refuse("JSON parse error, a text frame holds whole texts")
                        .await
                }
            }
            Message::Binary(piece) => client.receive(piece).await,
            Message::Close(_) => break,
            _ => true,
        };
        if !going_on {
            return;
        }
    }
    client.settle().await;
}

/// Whether no JSON text goes on beyond the end: all brackets and strings are closed.
pub(crate) fn is_whole(text: &str) -> bool {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for byte in text.bytes() {
        match (quote, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'{' | b'[') => depth += 1,
            // Too many are for the parser to refuse.
            (None, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    depth == 0 && quote.is_none()
}

/// Sends the client's lines as they come.
async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    client: &Client,
    text: &AtomicBool,
) {
    loop {
        while let Some(line) = client.next_line() {
            let message = if text.load(Ordering::Relaxed) {
                Message::text(line.trim_end())
            } else {
                Message::binary(line.as_bytes().to_vec())
            };
            if sink.feed(message).await.is_err() {
                return;
            }
        }
        if sink.flush().await.is_err() {
            return;
        }
        client.sent();
        if client.is_closed() {
            return;
        }
        client.flush.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn whole_texts() {
        for whole in ["", "{}", "{} []", "{'a':'}'}", r#"{"a":"\"{"}"#, "]]"] {
            assert!(is_whole(whole), "{whole}");
        }
        for half in ["{", "{'a':[1,2]", "'", r#"{"a":"}"#, r#""\""#] {
            assert!(!is_whole(half), "{half}");
        }
    }
}
