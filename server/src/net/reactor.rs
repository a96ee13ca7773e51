//! The thread that waits for sockets. It only notes which have become ready and wakes the machine:
//! reading and writing is done by the machine's thread.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::event::Source;
use mio::{Events, Interest, Poll, Registry, Token, Waker};

/// The reactor's own waker.
const KICK: Token = Token(0);
/// How often the machine is woken while timers run.
const TICK: Duration = Duration::from_millis(100);
/// Events taken at once.
const BATCH: usize = 256;

/// What the operating system has said of a socket since it last had nothing for us.
#[derive(Default)]
struct Readiness {
    readable: AtomicBool,
    writable: AtomicBool,
}

struct Shared {
    sockets: Mutex<HashMap<Token, Arc<Readiness>>>,
    news: AtomicBool,
    ticking: AtomicBool,
    stopping: AtomicBool,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Shared {
    fn sockets(&self) -> MutexGuard<'_, HashMap<Token, Arc<Readiness>>> {
        self.sockets
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
    }

    fn note(&self, events: &Events) -> bool {
        let sockets = self.sockets();
        let mut any = false;
        for event in events {
            let Some(readiness) = sockets.get(&event.token()) else {
                continue;
            };
            any = true;
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                readiness.readable.store(true, Ordering::Release);
            }
            if event.is_writable() || event.is_write_closed() || event.is_error() {
                readiness.writable.store(true, Ordering::Release);
            }
        }
        any
    }

    fn run(&self, mut poll: Poll) {
        let mut events = Events::with_capacity(BATCH);
        while !self.stopping.load(Ordering::Acquire) {
            let ticking = self.ticking.load(Ordering::Acquire);
            match poll.poll(&mut events, ticking.then_some(TICK)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Only a bad descriptor or argument is left: ours, and not to be mended here.
                Err(_) => return,
            }
            let any = self.note(&events);
            if any {
                self.news.store(true, Ordering::Release);
            }
            if any || ticking {
                (self.wake)();
            }
        }
    }
}

/// The waiting thread and what it has found.
pub struct Reactor {
    shared: Arc<Shared>,
    registry: Registry,
    kick: Waker,
    next_token: AtomicUsize,
    thread: Option<JoinHandle<()>>,
}

impl Reactor {
    /// Starts the thread; `wake` is called whenever it has found something.
    pub fn start(wake: Arc<dyn Fn() + Send + Sync>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let kick = Waker::new(&registry, KICK)?;
        let shared = Arc::new(Shared {
            sockets: Mutex::default(),
            news: AtomicBool::new(false),
            ticking: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            wake,
        });
        let running = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("net".into())
            .spawn(move || running.run(poll))?;
        let (next_token, thread) = (AtomicUsize::new(KICK.0 + 1), Some(thread));
        Ok(Self {
            shared,
            registry,
            kick,
            next_token,
            thread,
        })
    }

    /// Whether any socket has become ready since the last call.
    pub fn take_news(&self) -> bool {
        self.shared.news.swap(false, Ordering::AcqRel)
    }

    /// Whether the machine is to be woken from time to time, whatever the sockets do.
    pub fn set_ticking(&self, ticking: bool) {
        if self.shared.ticking.swap(ticking, Ordering::AcqRel) != ticking && ticking {
            self.kick();
        }
    }

    fn kick(&self) {
        // A failure means a full pipe: the thread is about to wake anyway.
        let _full = self.kick.wake();
    }

    /// Watches a socket until the result is dropped.
    pub fn watch<S: Source>(self: &Arc<Self>, mut socket: S) -> io::Result<Watched<S>> {
        let token = Token(self.next_token.fetch_add(1, Ordering::Relaxed));
        let readiness = Arc::new(Readiness::default());
        self.shared.sockets().insert(token, Arc::clone(&readiness));
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.registry.register(&mut socket, token, interest) {
            self.shared.sockets().remove(&token);
            return Err(error);
        }
        Ok(Watched {
            socket,
            readiness,
            token,
            reactor: Arc::clone(self),
        })
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.kick();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported already.
            let _panicked = thread.join();
        }
    }
}

/// A socket that the reactor watches.
pub struct Watched<S: Source> {
    socket: S,
    readiness: Arc<Readiness>,
    token: Token,
    reactor: Arc<Reactor>,
}

impl<S: Source> Watched<S> {
    /// The socket, for calls that do not wait for anything.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// Whether the socket has become writable at some time.
    pub fn has_been_writable(&self) -> bool {
        self.readiness.writable.load(Ordering::Acquire)
    }

    /// Does something that needs the socket readable.
    pub fn read<R>(&mut self, action: impl FnOnce(&mut S) -> io::Result<R>) -> io::Result<R> {
        attempt(&self.readiness.readable, || action(&mut self.socket))
    }

    /// Does something that needs the socket writable.
    pub fn write<R>(&mut self, action: impl FnOnce(&mut S) -> io::Result<R>) -> io::Result<R> {
        attempt(&self.readiness.writable, || action(&mut self.socket))
    }
}

/// Saves the call where it would block. The flag is taken before the call, so that a change that
/// the reactor notes meanwhile is not lost.
fn attempt<R>(flag: &AtomicBool, action: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
    if !flag.swap(false, Ordering::AcqRel) {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    let result = action();
    if !matches!(&result, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
        flag.store(true, Ordering::Release);
    }
    result
}

impl<S: Source> Drop for Watched<S> {
    fn drop(&mut self) {
        self.reactor.shared.sockets().remove(&self.token);
        // The socket is closed next, which ends the watch in any case.
        let _gone = self.reactor.registry.deregister(&mut self.socket);
    }
}
