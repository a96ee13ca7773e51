//! Native QMP clients, attached to a machine in a browser tab.
//!
//! A page whose person allows it opens `/relay/offer?offer=T` with a token that it made up. A
//! client that knows the token opens `/relay/attach?offer=T` and talks QMP, a JSON text per frame.
//! The page gets and sends texts `{"client":N,"open":true}`, `{"client":N,"text":"…"}` and
//! `{"client":N,"open":false}`, one conversation per number. When the page leaves, or takes its
//! offer back, its clients are cut off.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::connection::Connection;
use super::http::{Request, Response};

/// Largest message in either direction.
const MESSAGE: usize = 4 << 20;
/// Messages on their way to a peer that does not read.
const BACKLOG: usize = 64;
/// Pages that offer a machine at one time.
const OFFERS: usize = 64;
/// Clients of one page.
const CLIENTS: usize = 16;
/// Fewest characters of a token: 128 bits in hexadecimal.
const MIN_TOKEN: usize = 32;

/// A page that lets clients in.
struct Offer {
    page: mpsc::Sender<String>,
    clients: HashMap<u64, mpsc::Sender<String>>,
    last: u64,
}

/// Everybody who is connected.
#[derive(Default)]
pub struct Relay {
    offers: Mutex<HashMap<String, Offer>>,
}

impl Relay {
    fn offers(&self) -> MutexGuard<'_, HashMap<String, Offer>> {
        self.offers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a page that offers its machine, until it leaves.
    pub async fn offer(&self, request: &Request, mut socket: Connection) -> io::Result<()> {
        let token = request.parameter("offer").unwrap_or_default().to_owned();
        let (page, outgoing) = mpsc::channel(BACKLOG);
        let offer = Offer {
            page,
            clients: HashMap::new(),
            last: 0,
        };
        let refusal = {
            let mut offers = self.offers();
            if token.len() < MIN_TOKEN {
                Some("the offer's token is too short")
            } else if offers.contains_key(&token) || offers.len() >= OFFERS {
                Some("there are too many offers, or one with this token")
            } else {
                offers.insert(token.clone(), offer);
                None
            }
        };
        if let Some(text) = refusal {
            return Response::text(403, text).send(&mut socket, false).await;
        }
        let result = match upgrade(request, socket).await {
            Ok(stream) => {
                pump(stream, outgoing, |text| self.hear_page(&token, text)).await;
                Ok(())
            }
            Err(error) => Err(error),
        };
        // Dropping the clients' senders ends their conversations.
        self.offers().remove(&token);
        result
    }

    /// Passes on what the page says to one of its clients.
    async fn hear_page(&self, token: &str, text: String) {
        let Ok(message) = serde_json::from_str::<Value>(&text) else {
            return;
        };
        let Some(id) = message.get("client").and_then(Value::as_u64) else {
            return;
        };
        let client = {
            let mut offers = self.offers();
            let Some(offer) = offers.get_mut(token) else {
                return;
            };
            if message.get("open") == Some(&Value::Bool(false)) {
                offer.clients.remove(&id);
                return;
            }
            offer.clients.get(&id).cloned()
        };
        if let (Some(client), Some(text)) = (client, message.get("text").and_then(Value::as_str)) {
            // A client that has left is told of by its own task.
            let _ = client.send(text.to_owned()).await;
        }
    }

    /// Serves a native client that knows a page's token, until either leaves.
    pub async fn attach(&self, request: &Request, mut socket: Connection) -> io::Result<()> {
        let token = request.parameter("offer").unwrap_or_default().to_owned();
        let (client, outgoing) = mpsc::channel(BACKLOG);
        let place = {
            let mut offers = self.offers();
            offers
                .get_mut(&token)
                .filter(|offer| offer.clients.len() < CLIENTS)
                .map(|offer| {
                    offer.last += 1;
                    offer.clients.insert(offer.last, client);
                    (offer.last, offer.page.clone())
                })
        };
        let Some((id, page)) = place else {
            let text = "no machine is offered under this token";
            return Response::text(403, text).send(&mut socket, false).await;
        };
        let result = match upgrade(request, socket).await {
            Ok(stream) => {
                let _ = page
                    .send(json!({"client": id, "open": true}).to_string())
                    .await;
                let page = &page;
                pump(stream, outgoing, |text| async move {
                    let _ = page
                        .send(json!({"client": id, "text": text}).to_string())
                        .await;
                })
                .await;
                Ok(())
            }
            Err(error) => Err(error),
        };
        if let Some(offer) = self.offers().get_mut(&token) {
            offer.clients.remove(&id);
        }
        let _ = page
            .send(json!({"client": id, "open": false}).to_string())
            .await;
        result
    }
}

/// Answers a WebSocket's handshake (RFC 6455, section 4.2.2).
pub(super) async fn upgrade(
    request: &Request,
    mut socket: Connection,
) -> io::Result<WebSocketStream<Connection>> {
    let version = request.header("sec-websocket-version");
    let Some(key) = request
        .header("sec-websocket-key")
        .filter(|_| version == Some("13"))
    else {
        Response::text(400, "this address is a WebSocket's")
            .send(&mut socket, false)
            .await?;
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let accept = derive_accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await?;
    socket.flush().await?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE))
        .max_frame_size(Some(MESSAGE));
    Ok(WebSocketStream::from_raw_socket(socket, Role::Server, Some(config)).await)
}

/// Moves texts in both directions until either side ends.
async fn pump<F: Future<Output = ()>>(
    stream: WebSocketStream<Connection>,
    mut outgoing: mpsc::Receiver<String>,
    mut incoming: impl FnMut(String) -> F,
) {
    let (mut sink, mut source) = stream.split();
    let read = async {
        while let Some(Ok(message)) = source.next().await {
            match message {
                Message::Text(text) => incoming(text.as_str().to_owned()).await,
                Message::Close(_) => return,
                _ => {}
            }
        }
    };
    let write = async {
        while let Some(text) = outgoing.recv().await {
            if sink.send(Message::text(text)).await.is_err() {
                return;
            }
        }
        // The peer may be gone already.
        let _ = sink.close().await;
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
}
