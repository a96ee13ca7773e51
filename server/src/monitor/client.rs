//! One connected client: its session, shared by the VM's thread and the transport's tasks.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ferrite_qmp::json::Limits;
use ferrite_qmp::{Attachment, EventSink, Session, VmControl};
use tokio::sync::Notify;

use super::hub::Ready;
use super::socket::{SocketWriter, Written};

/// Bytes that a transport hands to a session at once.
pub(super) const CHUNK: usize = 16 << 10;

/// How a client's lines leave.
pub(super) enum Writer {
    /// Straight into a socket.
    Socket(SocketWriter),
    /// By the transport's own task.
    Task,
}

/// A client.
pub(super) struct Client {
    /// Itself, for the ready queue.
    me: Weak<Self>,
    session: Mutex<Session>,
    writer: Writer,
    ready: Arc<Ready>,
    /// Whether the VM's thread knows that there are requests.
    scheduled: AtomicBool,
    /// Whether tasks wait for [`Self::progress`].
    waiting: AtomicBool,
    /// Whether the writer task holds lines that it has not sent.
    sending: AtomicBool,
    /// A request was executed, or output taken.
    progress: Notify,
    /// There are lines that only the writer task can send, or the connection is to be closed.
    pub(super) flush: Notify,
    closed: AtomicBool,
    /// File descriptors that came along and were not asked for yet, oldest first.
    attached: Mutex<VecDeque<OwnedFd>>,
}

/// Descriptors that wait at most; more are closed.
const ATTACHED: usize = 16;

/// Commands that take a descriptor that came along.
const TAKES_DESCRIPTOR: &[&str] = &["add-fd", "getfd"];

impl Client {
    pub(super) fn new(writer: Writer, ready: Arc<Ready>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            session: Mutex::new(Session::new(Limits::default())),
            writer,
            ready,
            scheduled: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
            sending: AtomicBool::new(false),
            progress: Notify::new(),
            flush: Notify::new(),
            closed: AtomicBool::new(false),
            attached: Mutex::default(),
        })
    }

    pub(super) fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attached(&self) -> MutexGuard<'_, VecDeque<OwnedFd>> {
        self.attached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a descriptor that came along for the command that asks for it.
    pub(super) fn attach(&self, fd: OwnedFd) {
        let mut attached = self.attached();
        if attached.len() < ATTACHED {
            attached.push_back(fd);
        }
    }

    /// Hands bytes to the session, a chunk at a time, waiting while it is busy. False once the
    /// connection is to be closed.
    pub(super) async fn receive(&self, bytes: &[u8]) -> bool {
        for chunk in bytes.chunks(CHUNK) {
            if !self.until(|client| client.session().wants_input()).await {
                return false;
            }
            let (requests, output) = {
                let mut session = self.session();
                session.input(chunk);
                (session.has_request(), session.has_output())
            };
            if requests {
                self.schedule();
            }
            if output {
                self.send();
            }
        }
        true
    }

    /// Answers what came in with an error, in its turn. False once the connection is to be closed.
    pub(super) async fn refuse(&self, why: &str) -> bool {
        if !self.until(|client| client.session().wants_input()).await {
            return false;
        }
        self.session().refuse(why);
        self.send();
        true
    }

    /// Waits for all that came in to be answered; shorter if the connection is to be closed.
    pub(super) async fn settle(&self) {
        self.until(|client| !client.has_unsent() && client.session().is_idle())
            .await;
    }

    /// Waits until the client has been sent all that there is for it.
    pub(super) async fn drained(&self) {
        self.send();
        self.until(|client| !client.has_unsent() && !client.session().has_output())
            .await;
    }

    /// Waits until the client is in some state; false once the connection is to be closed.
    async fn until(&self, state: impl Fn(&Self) -> bool) -> bool {
        loop {
            let progress = self.progress.notified();
            tokio::pin!(progress);
            // Whoever changes the state after this wakes us.
            progress.as_mut().enable();
            self.waiting.store(true, Ordering::SeqCst);
            if self.is_closed() {
                return false;
            }
            if state(self) {
                return true;
            }
            progress.await;
        }
    }

    fn has_unsent(&self) -> bool {
        match &self.writer {
            Writer::Socket(writer) => writer.has_unsent(),
            Writer::Task => self.sending.load(Ordering::SeqCst),
        }
    }

    /// Tells the VM's thread that there are requests.
    fn schedule(&self) {
        if !self.scheduled.swap(true, Ordering::SeqCst)
            && let Some(me) = self.me.upgrade()
        {
            self.ready.push(me);
        }
    }

    /// Executes one request. To be called on the VM's thread, for a client that was scheduled.
    pub(super) fn run(&self, vm: &mut dyn VmControl) {
        self.scheduled.store(false, Ordering::SeqCst);
        if self.is_closed() {
            return;
        }
        let request = self.session().take_request();
        if let Some(request) = request {
            if TAKES_DESCRIPTOR.contains(&request.command())
                && let Some(host) = vm.host()
            {
                let fd = self.attached().pop_front();
                host.attach(fd.map(|fd| -> Attachment { Box::new(fd) }));
            }
            let response = request.execute(vm);
            self.session().complete(response);
        }
        self.send();
        if self.session().has_request() {
            self.schedule();
        }
    }

    /// Sends what is there as far as that goes without waiting; the writer task does the rest.
    pub(super) fn send(&self) {
        match &self.writer {
            Writer::Socket(writer) => match writer.send(self) {
                Written::All => {}
                Written::Part => self.flush.notify_one(),
                Written::Broken => self.close(),
            },
            Writer::Task => self.flush.notify_one(),
        }
        self.progressed();
        if self.session().overrun() {
            self.close();
        }
    }

    /// The next line for a writer. Once the client has read, it may be given more to do.
    pub(super) fn next_line(&self) -> Option<Arc<str>> {
        let (line, requests) = {
            let mut session = self.session();
            let line = session.output();
            if line.is_some() {
                self.sending.store(true, Ordering::SeqCst);
            }
            (line, session.has_request())
        };
        if requests {
            self.schedule();
        }
        line
    }

    /// The writer task has sent the lines that it took.
    pub(super) fn sent(&self) {
        self.sending.store(false, Ordering::SeqCst);
        self.progressed();
    }

    /// Wakes the tasks that wait for the client's state.
    fn progressed(&self) {
        if self.waiting.swap(false, Ordering::SeqCst) {
            self.progress.notify_waiters();
        }
    }

    /// Ends the connection, from any thread.
    pub(super) fn close(&self) {
        if !self.closed.swap(true, Ordering::SeqCst) {
            self.flush.notify_one();
            self.progress.notify_waiters();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}

impl EventSink for Client {
    fn deliver(&self, line: &Arc<str>) {
        let told = {
            let mut session = self.session();
            session.event(line);
            session.has_output() || session.overrun()
        };
        if told {
            self.send();
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.ready.gone.notify_one();
    }
}
