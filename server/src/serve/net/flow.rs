//! One connection, or the datagrams between a guest's port and one peer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use ferrite_net::relayed::{CLOSE, CREDIT, DATA, END, OPENED, WINDOW};

use super::Shared;

/// Bytes that are read at once.
const CHUNK: usize = 16 << 10;
/// Largest datagram.
const DATAGRAM: usize = 65_507;
/// What the page may have in our queue beyond its window: ends, and pieces that are small.
const ORDERS: usize = 1024;
/// How long a connection may take to come about.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a peer of datagrams may be silent.
const UDP_IDLE: Duration = Duration::from_secs(120);

/// What the page wants of a flow.
pub enum Order {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Tell the peer that no more come.
    End,
}

/// A flow at work; dropping it ends it.
pub struct Flow {
    orders: mpsc::Sender<Order>,
    /// Bytes that the page can take.
    window: Arc<Semaphore>,
    task: JoinHandle<()>,
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Flow {
    /// Starts a flow.
    pub(super) fn open(shared: Arc<Shared>, id: u32, udp: bool, host: String, port: u16) -> Self {
        let (orders, queue) = mpsc::channel(ORDERS);
        let window = Arc::new(Semaphore::new(WINDOW));
        let room = Arc::clone(&window);
        let task = tokio::spawn(async move {
            let ended = match reach(&shared, &host, port).await {
                Ok(address) if udp => datagrams(&shared, id, address, queue).await,
                Ok(address) => stream(&shared, id, address, queue, &room).await,
                Err(error) => Err(error),
            };
            let why = ended.err().map_or(String::new(), |e| e.to_string());
            shared.tell(CLOSE, id, why.as_bytes()).await;
        });
        Self {
            orders,
            window,
            task,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Queues an order; false if the page sends more than it may.
    pub(super) fn order(&self, order: Order) -> bool {
        match self.orders.try_send(order) {
            Err(mpsc::error::TrySendError::Full(_)) => false,
            // A flow that has just ended told so.
            _ => true,
        }
    }

    /// The page has passed on so many bytes; false if that is more than were sent.
    pub(super) fn credit(&self, bytes: u32) -> bool {
        let bytes = bytes as usize;
        let fits = self.window.available_permits().saturating_add(bytes) <= WINDOW;
        if fits {
            self.window.add_permits(bytes);
        }
        fits
    }
}

/// The address of a peer that may be reached.
async fn reach(shared: &Shared, host: &str, port: u16) -> io::Result<SocketAddr> {
    let refused = || {
        let text = format!("this server lets no guest reach {host}:{port}");
        io::Error::new(io::ErrorKind::PermissionDenied, text)
    };
    let rules = &shared.limits.rules;
    // Names that no rule concerns are not even looked up.
    let anywhere = [
        IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1)),
        IpAddr::V6(Ipv6Addr::new(0x2600, 0, 0, 0, 0, 0, 0, 1)),
    ];
    let concerned = |rule: &super::Rule| anywhere.iter().any(|at| rule.allows(host, *at, port));
    if !rules.iter().any(concerned) {
        return Err(refused());
    }
    let found = timeout(PATIENCE, lookup_host((host, port))).await??;
    let allowed = |at: &SocketAddr| rules.iter().any(|rule| rule.allows(host, at.ip(), port));
    let mut found: Vec<_> = found.filter(allowed).collect();
    // The guest's network is one of IPv4.
    found.sort_by_key(SocketAddr::is_ipv6);
    found.first().copied().ok_or_else(refused)
}

async fn stream(
    shared: &Shared,
    id: u32,
    address: SocketAddr,
    queue: mpsc::Receiver<Order>,
    room: &Semaphore,
) -> io::Result<()> {
    let socket = timeout(PATIENCE, TcpStream::connect(address)).await??;
    socket.set_nodelay(true)?;
    shared.tell(OPENED, id, &[]).await;
    let (from, to) = socket.into_split();
    let (sent, received) = tokio::join!(
        send_all(shared, id, to, queue),
        receive_all(shared, id, from, room)
    );
    sent.and(received)
}

/// Sends what the page gives until it ends.
async fn send_all(
    shared: &Shared,
    id: u32,
    mut to: OwnedWriteHalf,
    mut queue: mpsc::Receiver<Order>,
) -> io::Result<()> {
    while let Some(Order::Send(bytes)) = queue.recv().await {
        shared.rate.take(bytes.len()).await;
        to.write_all(&bytes).await?;
        // Messages are smaller than 4 GiB.
        shared
            .tell(CREDIT, id, &(bytes.len() as u32).to_le_bytes())
            .await;
    }
    to.shutdown().await
}

/// Gives the page what the peer sends until it ends.
async fn receive_all(
    shared: &Shared,
    id: u32,
    mut from: OwnedReadHalf,
    room: &Semaphore,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        // At least one byte of room, and then as much as there is.
        let Ok(one) = room.acquire().await else {
            return Ok(());
        };
        let most = CHUNK.min(1 + room.available_permits());
        let count = from.read(&mut buffer[..most]).await?;
        if count == 0 {
            shared.tell(END, id, &[]).await;
            return Ok(());
        }
        one.forget();
        room.forget_permits(count - 1);
        shared.rate.take(count).await;
        shared.tell(DATA, id, &buffer[..count]).await;
    }
}

async fn datagrams(
    shared: &Shared,
    id: u32,
    address: SocketAddr,
    mut queue: mpsc::Receiver<Order>,
) -> io::Result<()> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    shared.tell(OPENED, id, &[]).await;
    let mut buffer = vec![0; DATAGRAM];
    loop {
        tokio::select! {
            order = queue.recv() => {
                let Some(Order::Send(bytes)) = order else {
                    return Ok(());
                };
                shared.rate.take(bytes.len()).await;
                // Datagrams may be lost.
                let _ = socket.send(&bytes).await;
            }
            received = timeout(UDP_IDLE, socket.recv(&mut buffer)) => {
                let Ok(received) = received else {
                    return Ok(());
                };
                if let Ok(count) = received {
                    shared.rate.take(count).await;
                    shared.tell(DATA, id, &buffer[..count]).await;
                }
            }
        }
    }
}
