//! All monitors of one machine.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use ferrite_qmp::{EventSink, Events, VmControl};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use super::client::{Client, Writer};
use super::origin::WebSocketPolicy;
use super::socket::Socket;
use super::stream::{self, StreamListener};
use super::{stdio, websocket};
use crate::chardev::connection::Connection;
use crate::tls::Credentials;

/// Called from any thread when [`MonitorHub::poll`] has something to do: it ends the machine's
/// sleep or its slice of guest execution. It must not wait, and not call the hub.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// How long accepting rests after a failure.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Commands that one [`MonitorHub::poll`] executes at most, so that the guest is not starved.
const BATCH: usize = 64;

/// Clients with requests, in the order in which they are served.
pub(super) struct Ready {
    queue: Mutex<VecDeque<Arc<Client>>>,
    arrived: Condvar,
    waker: Waker,
    /// A client is no more.
    pub(super) gone: Notify,
}

impl Ready {
    fn queue(&self) -> MutexGuard<'_, VecDeque<Arc<Client>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, client: Arc<Client>) {
        self.queue().push_back(client);
        self.arrived.notify_one();
        (self.waker)();
    }
}

/// What a transport needs to have clients.
#[derive(Clone)]
pub(super) struct Hosting {
    events: Events,
    ready: Arc<Ready>,
    clients: Arc<Mutex<Vec<Weak<Client>>>>,
}

impl Hosting {
    /// A client that has just connected; its greeting is on the way.
    pub(super) fn connect(&self, writer: Writer) -> Arc<Client> {
        let client = Client::new(writer, Arc::clone(&self.ready));
        let sink: Arc<dyn EventSink> = client.clone();
        self.events.subscribe(Arc::downgrade(&sink));
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|client| client.strong_count() > 0);
        clients.push(Arc::downgrade(&client));
        drop(clients);
        client.send();
        client
    }

    fn live(&self) -> Vec<Arc<Client>> {
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.iter().filter_map(Weak::upgrade).collect()
    }

    /// Closes every client once it has read what there is for it, and waits until all are gone.
    async fn clear(&self) {
        for client in self.live() {
            client.drained().await;
            client.close();
        }
        while !self.live().is_empty() {
            self.ready.gone.notified().await;
        }
    }
}

/// The monitors of a machine, and the thread that serves their sockets.
///
/// The machine's loop owns it: it calls [`Self::poll`] whenever the [`Waker`] was called and at
/// the time that the last call returned.
pub struct MonitorHub {
    hosting: Hosting,
    /// Socket files to remove at the end.
    paths: Mutex<Vec<PathBuf>>,
    /// Disconnected when a pipe's output is written.
    pipes: Mutex<Vec<Receiver<()>>>,
    runtime: Option<Runtime>,
}

impl MonitorHub {
    /// No monitors yet. `events` is the bus on which the machine tells what happens.
    pub fn new(events: Events, waker: Waker) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("monitor")
            .enable_all()
            .build()?;
        Ok(Self {
            hosting: Hosting {
                events,
                ready: Arc::new(Ready {
                    queue: Mutex::default(),
                    arrived: Condvar::new(),
                    waker,
                    gone: Notify::new(),
                }),
                clients: Arc::default(),
            },
            paths: Mutex::default(),
            pipes: Mutex::default(),
            runtime: Some(runtime),
        })
    }

    /// Executes requests that have arrived and sends events that were held back. Returns in how
    /// long it is to be called again if nothing wakes the machine before.
    pub fn poll(&mut self, vm: &mut dyn VmControl) -> Option<Duration> {
        self.execute(vm, BATCH)
    }

    /// [`Self::poll`] for one command at most, where a command may change what `vm` is.
    pub fn poll_one(&mut self, vm: &mut dyn VmControl) -> Option<Duration> {
        self.execute(vm, 1)
    }

    fn execute(&mut self, vm: &mut dyn VmControl, most: usize) -> Option<Duration> {
        for _ in 0..most {
            let Some(client) = self.hosting.ready.queue().pop_front() else {
                break;
            };
            client.run(vm);
        }
        self.hosting.events.poll();
        if self.has_requests() {
            return Some(Duration::ZERO);
        }
        self.hosting.events.next_due_ns().map(Duration::from_nanos)
    }

    /// Whether [`Self::poll`] has requests to execute. Cheap enough for every slice.
    #[must_use]
    pub fn has_requests(&self) -> bool {
        !self.hosting.ready.queue().is_empty()
    }

    /// Sleeps until a request arrives, at most this long: for a loop with nothing else to wait for.
    pub fn wait(&self, timeout: Duration) {
        let ready = &self.hosting.ready;
        let queue = ready.queue();
        let _ = ready
            .arrived
            .wait_timeout_while(queue, timeout, |queue| queue.is_empty());
    }

    /// Serves a unix socket at `path`, one client at a time; a socket file that is there is
    /// replaced. With `wait`, returns when the first client has connected. What is returned tells who
    /// is connected.
    pub fn serve_unix(&self, path: &Path, wait: bool) -> io::Result<Connection> {
        if std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
            std::fs::remove_file(path)?;
        }
        let listener = std::os::unix::net::UnixListener::bind(path)?;
        self.paths
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(path.to_owned());
        self.serve_unix_listener(listener, wait)
    }

    /// Serves a unix socket that listens already, one client at a time.
    pub fn serve_unix_listener(
        &self,
        listener: std::os::unix::net::UnixListener,
        wait: bool,
    ) -> io::Result<Connection> {
        let first = if wait {
            listener.set_nonblocking(false)?;
            Some(listener.accept()?.0)
        } else {
            None
        };
        listener.set_nonblocking(true)?;
        self.spawn(|| {
            let first = first.map(unix).transpose()?;
            Ok((
                StreamListener::Unix(UnixListener::from_std(listener)?),
                first,
            ))
        })
    }

    /// Serves TCP at `address`, perhaps behind TLS, one client at a time. Returns the address with the
    /// port chosen.
    pub fn serve_tcp(
        &self,
        address: SocketAddr,
        wait: bool,
        tls: Option<Credentials>,
    ) -> io::Result<(SocketAddr, Connection)> {
        let listener = std::net::TcpListener::bind(address)?;
        let bound = listener.local_addr()?;
        Ok((bound, self.serve_tcp_listener(listener, wait, tls)?))
    }

    /// Serves a TCP socket that listens already, one client at a time.
    pub fn serve_tcp_listener(
        &self,
        listener: std::net::TcpListener,
        wait: bool,
        tls: Option<Credentials>,
    ) -> io::Result<Connection> {
        let first = if wait {
            listener.set_nonblocking(false)?;
            Some(listener.accept()?.0)
        } else {
            None
        };
        listener.set_nonblocking(true)?;
        let first = first.map(|socket| self.first(socket, tls.as_ref()));
        let first = first.transpose()?;
        self.spawn(|| {
            let listener = TcpListener::from_std(listener)?;
            Ok((StreamListener::Tcp(listener, tls), first))
        })
    }

    /// The client that was waited for.
    fn first(&self, socket: std::net::TcpStream, tls: Option<&Credentials>) -> io::Result<Socket> {
        let runtime = self.runtime()?;
        let _guard = runtime.enter();
        self.secured(socket, tls, "")
    }

    /// A connected TCP socket, perhaps behind TLS; to be called where sockets can be registered.
    fn secured(
        &self,
        socket: std::net::TcpStream,
        tls: Option<&Credentials>,
        host: &str,
    ) -> io::Result<Socket> {
        let Some(tls) = tls else {
            return tcp(socket);
        };
        let peer = socket.peer_addr()?.to_string();
        socket.set_nonblocking(true)?;
        let socket = TcpStream::from_std(socket)?;
        self.runtime()?
            .block_on(stream::relayed(tls, socket, host, peer))
    }

    /// Serves WebSockets at `address`, perhaps behind TLS, to any number of clients, each a monitor of
    /// its own.
    pub fn serve_websocket(
        &self,
        address: SocketAddr,
        policy: WebSocketPolicy,
        tls: Option<Credentials>,
    ) -> io::Result<SocketAddr> {
        let listener = std::net::TcpListener::bind(address)?;
        let bound = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = self.runtime()?;
        let _guard = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        runtime.spawn(websocket::listen(
            self.hosting.clone(),
            listener,
            policy,
            tls,
        ));
        Ok(bound)
    }

    /// Serves the client at the other end of a connected unix socket.
    pub fn attach(&self, socket: std::os::unix::net::UnixStream) -> io::Result<Connection> {
        let runtime = self.runtime()?;
        let _guard = runtime.enter();
        let (socket, hosting) = (unix(socket)?, self.hosting.clone());
        let connection = Connection::default();
        let state = connection.clone();
        runtime.spawn(async move { stream::serve(&hosting, socket, &state).await });
        Ok(connection)
    }

    /// Serves the client at the other end of a connected TCP socket; with TLS, `host` is whom it is
    /// meant to be.
    pub fn attach_tcp(
        &self,
        socket: std::net::TcpStream,
        tls: Option<&Credentials>,
        host: &str,
    ) -> io::Result<Connection> {
        let runtime = self.runtime()?;
        let _guard = runtime.enter();
        let socket = self.secured(socket, tls, host)?;
        let hosting = self.hosting.clone();
        let connection = Connection::default();
        let state = connection.clone();
        runtime.spawn(async move { stream::serve(&hosting, socket, &state).await });
        Ok(connection)
    }

    /// Serves standard input and output.
    pub fn serve_stdio(&self) -> io::Result<()> {
        self.serve_pipes(io::stdin(), io::stdout())
    }

    /// Serves a client behind streams that block, with two threads of their own.
    pub fn serve_pipes(
        &self,
        input: impl io::Read + Send + 'static,
        output: impl io::Write + Send + 'static,
    ) -> io::Result<()> {
        let (socket, written) = stdio::bridge(input, output)?;
        self.pipes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(written);
        self.attach(socket).map(drop)
    }

    /// Ends all monitors once their answers and events are sent, in at most about this long.
    pub fn finish(mut self, timeout: Duration) {
        let end = Instant::now() + timeout;
        // What was not executed until now is not.
        self.hosting.ready.queue().clear();
        if let Some(runtime) = self.runtime.take() {
            // A client that does not read keeps nobody.
            let _ = runtime
                .block_on(async { tokio::time::timeout(timeout, self.hosting.clear()).await });
            runtime.shutdown_timeout(end.saturating_duration_since(Instant::now()));
        }
        let pipes = self.pipes.get_mut().unwrap_or_else(PoisonError::into_inner);
        for written in pipes.drain(..) {
            // It never sends; it is disconnected when all is written.
            let _ = written.recv_timeout(end.saturating_duration_since(Instant::now()));
        }
    }

    fn runtime(&self) -> io::Result<&Runtime> {
        self.runtime
            .as_ref()
            .ok_or_else(|| io::Error::other("the monitors have ended"))
    }

    /// Starts serving streams; `listener` is made where sockets can be registered.
    fn spawn(
        &self,
        listener: impl FnOnce() -> io::Result<(StreamListener, Option<Socket>)>,
    ) -> io::Result<Connection> {
        let runtime = self.runtime()?;
        let _guard = runtime.enter();
        let (listener, first) = listener()?;
        let connection = Connection::default();
        runtime.spawn(listener.serve(self.hosting.clone(), first, connection.clone()));
        Ok(connection)
    }
}

impl Drop for MonitorHub {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        for path in self.paths.get_mut().unwrap_or_else(PoisonError::into_inner) {
            // It may be gone already.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn unix(socket: std::os::unix::net::UnixStream) -> io::Result<Socket> {
    socket.set_nonblocking(true)?;
    Ok(Socket::Unix(UnixStream::from_std(socket)?))
}

fn tcp(socket: std::net::TcpStream) -> io::Result<Socket> {
    socket.set_nonblocking(true)?;
    socket.set_nodelay(true)?;
    Ok(Socket::Tcp(TcpStream::from_std(socket)?))
}
