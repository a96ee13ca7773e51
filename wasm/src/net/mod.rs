//! The network of a page. It has no sockets; it can `fetch`.
//!
//! - [`names`]: names that the guest asks for get addresses of our own choice;
//! - [`http`]: a connection to port 80 of such an address becomes a `fetch`;
//! - [`relay`]: connections and datagrams by way of the page's server, if there is one that does that;
//! - [`timed`]: when its timers run out;
//! - [`cable`]: an Ethernet segment with machines of other tabs.
//!
//! Anything else is refused. What the page may fetch is the browser's to say (CORS).

pub mod cable;
pub mod http;
pub mod names;
pub mod relay;
pub mod timed;

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferrite_machine::backend::RandomSource;
use ferrite_machine::clock::HostClock;
use ferrite_net::host::{HostListener, HostNet, HostPing, HostTcp, HostUdp};

use self::http::HttpConnection;
use self::names::Names;
use self::relay::{Relay, RelayUdp};
use crate::bell;

const NS_PER_MS: u64 = 1_000_000;
/// Where name servers listen.
const DNS_PORT: u16 = 53;
/// Where web servers listen.
const HTTP_PORT: u16 = 80;
/// The address that stands for the page's name server.
const RESOLVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 18, 0, 1), DNS_PORT);
/// Names that mean the server of the page, whose web pages are fetched in any case.
const PAGE_NAMES: [&str; 3] = ["page", "page.local", "127.0.0.1"];
/// Fetches that wait at most.
const MAX_FETCHES: usize = 64;

/// A request that the worker is to `fetch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// What the answer names it by.
    pub id: u64,
    /// `GET` and the like.
    pub method: String,
    /// The server's name, or its address as text.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// Headers that a page may send.
    pub headers: Vec<(String, String)>,
    /// What is sent along.
    pub body: Vec<u8>,
}

#[derive(Default)]
struct Queue {
    asked: VecDeque<Fetch>,
    answered: Vec<(u64, Vec<u8>)>,
    last: u64,
}

/// Fetches between the guest's connections and the worker. Clones are the same.
#[derive(Clone, Default)]
pub struct Fetches(Arc<Mutex<Queue>>);

impl Fetches {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next request.
    #[must_use]
    pub fn take(&self) -> Option<Fetch> {
        self.queue().asked.pop_front()
    }

    /// Answers a request with a whole HTTP response.
    pub fn answer(&self, id: u64, response: Vec<u8>) {
        let mut queue = self.queue();
        // Of connections that ended meanwhile, only the latest answers are kept.
        if queue.answered.len() >= MAX_FETCHES {
            queue.answered.remove(0);
        }
        queue.answered.push((id, response));
    }

    /// Asks; `None` when too many wait.
    fn ask(&self, mut fetch: Fetch) -> Option<u64> {
        let mut queue = self.queue();
        if queue.asked.len() >= MAX_FETCHES {
            return None;
        }
        queue.last += 1;
        fetch.id = queue.last;
        queue.asked.push_back(fetch);
        bell::ring();
        Some(queue.last)
    }

    fn take_answer(&self, id: u64) -> Option<Vec<u8>> {
        let mut queue = self.queue();
        let at = queue.answered.iter().position(|(of, _)| *of == id)?;
        Some(queue.answered.swap_remove(at).1)
    }
}

/// The host's side of a page's network.
pub struct PageNet {
    clock: Box<dyn HostClock>,
    random: Box<dyn RandomSource>,
    names: Names,
    fetches: Fetches,
    relay: Relay,
}

impl PageNet {
    /// A network that keeps time by `clock`, has its requests fetched through `fetches`, and sends
    /// the rest by `relay` while that is on.
    #[must_use]
    pub fn new(
        clock: Box<dyn HostClock>,
        random: Box<dyn RandomSource>,
        fetches: Fetches,
        relay: Relay,
    ) -> Self {
        Self {
            clock,
            random,
            names: Names::default(),
            fetches,
            relay,
        }
    }
}

fn refused<T>() -> io::Result<T> {
    Err(io::ErrorKind::ConnectionRefused.into())
}

impl HostNet for PageNet {
    fn now_ms(&self) -> i64 {
        (self.clock.monotonic_ns() / NS_PER_MS) as i64
    }

    fn random_seed(&mut self) -> io::Result<u64> {
        let mut seed = [0; 8];
        self.random.fill(&mut seed)?;
        Ok(u64::from_le_bytes(seed))
    }

    fn tcp_connect(&mut self, to: SocketAddrV4) -> io::Result<Box<dyn HostTcp>> {
        let name = self.names.name_of(*to.ip());
        let host = name.unwrap_or_else(|| to.ip().to_string());
        let fetched = to.port() == HTTP_PORT && PAGE_NAMES.contains(&host.as_str());
        if self.relay.is_on() && !fetched {
            return Ok(Box::new(self.relay.connect(&host, to.port())?));
        }
        if to.port() != HTTP_PORT {
            return refused();
        }
        Ok(Box::new(HttpConnection::new(host, self.fetches.clone())))
    }

    fn tcp_listen(&mut self, _at: SocketAddrV4) -> io::Result<Box<dyn HostListener>> {
        refused()
    }

    fn udp_bind(&mut self, _at: SocketAddrV4) -> io::Result<Box<dyn HostUdp>> {
        let (relay, names) = (self.relay.clone(), self.names.clone());
        Ok(Box::new(RelayUdp::new(relay, names)))
    }

    fn ping(&mut self, _to: Ipv4Addr) -> io::Result<Box<dyn HostPing>> {
        refused()
    }

    fn resolver(&mut self) -> Option<SocketAddrV4> {
        Some(RESOLVER)
    }
}
