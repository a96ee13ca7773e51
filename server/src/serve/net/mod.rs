//! TCP and UDP for guests in browser tabs, whose pages have no sockets.
//!
//! A page opens `/net` and sends the binary messages of [`ferrite_net::relayed`].

pub mod allow;
mod flow;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use ferrite_net::relayed::{CLOSE, CREDIT, DATA, END, HEADER, OPEN_TCP, OPEN_UDP};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{Semaphore, mpsc};
use tokio_tungstenite::tungstenite::Message;

use self::allow::{Rate, Rule};
use self::flow::{Flow, Order};
use super::connection::Connection;
use super::http::{Request, Response};
use super::relay::upgrade;

/// Pages at one time.
const PAGES: usize = 32;
/// Flows of one page.
const FLOWS: usize = 64;
/// Messages on their way to a page.
const BACKLOG: usize = 64;
/// What may be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetLimits {
    /// Where to; nowhere if there is none.
    pub rules: Vec<Rule>,
    /// Bytes per second of a page, in both directions together.
    pub rate: u64,
}

impl Default for NetLimits {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            rate: 1 << 20,
        }
    }
}

/// The service.
pub struct Net {
    limits: Arc<NetLimits>,
    places: Semaphore,
}

/// What the flows of a page share.
struct Shared {
    limits: Arc<NetLimits>,
    rate: Rate,
    page: mpsc::Sender<Vec<u8>>,
}

impl Shared {
    async fn tell(&self, kind: u8, id: u32, rest: &[u8]) {
        let mut message = Vec::with_capacity(HEADER + rest.len());
        message.push(kind);
        message.extend(id.to_le_bytes());
        message.extend(rest);
        // If the page has left, its flows end with it.
        let _ = self.page.send(message).await;
    }
}

impl Net {
    /// A service within these limits.
    #[must_use]
    pub fn new(limits: NetLimits) -> Self {
        Self {
            limits: Arc::new(limits),
            places: Semaphore::new(PAGES),
        }
    }

    /// Serves a page until it leaves.
    pub async fn serve(&self, request: &Request, mut socket: Connection) -> io::Result<()> {
        let refusal = if self.limits.rules.is_empty() {
            Some("this server connects no guests to the network (-net)")
        } else if self.places.available_permits() == 0 {
            Some("too many pages have connected their guests already")
        } else {
            None
        };
        if let Some(text) = refusal {
            return Response::text(403, text).send(&mut socket, false).await;
        }
        let Ok(_place) = self.places.acquire().await else {
            return Ok(());
        };
        let (mut sink, mut source) = upgrade(request, socket).await?.split();
        let (page, mut outgoing) = mpsc::channel::<Vec<u8>>(BACKLOG);
        let mut switch = Switch {
            shared: Arc::new(Shared {
                limits: Arc::clone(&self.limits),
                rate: Rate::new(self.limits.rate),
                page,
            }),
            flows: HashMap::new(),
        };
        let read = async {
            while let Some(Ok(message)) = source.next().await {
                match message {
                    Message::Binary(bytes) => switch.obey(&bytes).await,
                    Message::Close(_) => return,
                    _ => {}
                }
            }
        };
        let write = async {
            while let Some(message) = outgoing.recv().await {
                if sink.send(Message::binary(message)).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = read => {}
            () = write => {}
        }
        Ok(())
    }
}

/// A page's flows by number. Dropping it ends them.
struct Switch {
    shared: Arc<Shared>,
    flows: HashMap<u32, Flow>,
}

impl Switch {
    /// Does what a message says. Nonsense, and what concerns a flow that is gone, is left alone.
    async fn obey(&mut self, message: &[u8]) {
        let Some((&[kind, a, b, c, d], rest)) = message.split_first_chunk::<HEADER>() else {
            return;
        };
        let id = u32::from_le_bytes([a, b, c, d]);
        match kind {
            OPEN_TCP | OPEN_UDP => self.open(id, kind == OPEN_UDP, rest).await,
            CLOSE => drop(self.flows.remove(&id)),
            _ => {
                let Some(flow) = self.flows.get(&id) else {
                    return;
                };
                let kept = match (kind, rest) {
                    (DATA, bytes) => flow.order(Order::Send(bytes.to_vec())),
                    (END, []) => flow.order(Order::End),
                    (CREDIT, &[a, b, c, d]) => flow.credit(u32::from_le_bytes([a, b, c, d])),
                    _ => true,
                };
                if !kept {
                    // It sends more than it may.
                    self.flows.remove(&id);
                    self.shared.tell(CLOSE, id, b"too much at once").await;
                }
            }
        }
    }

    async fn open(&mut self, id: u32, udp: bool, rest: &[u8]) {
        self.flows.retain(|_, flow| !flow.is_over());
        let target = rest.split_first_chunk().and_then(|(port, host)| {
            let host = std::str::from_utf8(host).ok().filter(|h| h.len() <= 253)?;
            Some((host.to_owned(), u16::from_le_bytes(*port)))
        });
        let Some((host, port)) = target else {
            return self.shared.tell(CLOSE, id, b"not an address").await;
        };
        if self.flows.len() >= FLOWS || self.flows.contains_key(&id) {
            return self.shared.tell(CLOSE, id, b"too many flows").await;
        }
        let flow = Flow::open(Arc::clone(&self.shared), id, udp, host, port);
        self.flows.insert(id, flow);
    }
}
