//! QMP conversations: the page's console, scripts, and native clients that a relay lets in.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ferrite_qmp::json::Limits;
use ferrite_qmp::{EventSink, Events, Session, VmControl};

/// Bytes that a session is handed at once.
const CHUNK: usize = 16 << 10;
/// Commands of one client that run in a row, so that the guest is not starved.
const BATCH: usize = 64;

struct Client {
    id: u32,
    session: Arc<Mutex<Session>>,
    /// Input that the session does not want yet.
    waiting: VecDeque<u8>,
}

impl Client {
    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over what the session wants. False if there was nothing to do.
    fn feed(&mut self) -> bool {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if self.waiting.is_empty() || !session.wants_input() {
            return false;
        }
        let count = self.waiting.len().min(CHUNK);
        let chunk: Vec<u8> = self.waiting.drain(..count).collect();
        session.input(&chunk);
        true
    }

    fn serve(&mut self, control: &mut dyn VmControl) {
        for _ in 0..BATCH {
            let fed = self.feed();
            let request = self.session().take_request();
            match request {
                Some(request) => {
                    let response = request.execute(control);
                    self.session().complete(response);
                }
                None if fed => {}
                None => return,
            }
        }
    }
}

/// All conversations of a machine.
#[derive(Default)]
pub struct Monitors {
    clients: Vec<Client>,
    last: u32,
}

impl Monitors {
    /// A new client, which hears of events; returns its number. Its greeting waits.
    pub fn open(&mut self, events: &Events) -> u32 {
        let session = Arc::new(Mutex::new(Session::new(Limits::default())));
        let sink: Arc<dyn EventSink> = session.clone();
        let sink: Weak<dyn EventSink> = Arc::downgrade(&sink);
        events.subscribe(sink);
        self.last = self.last.wrapping_add(1);
        self.clients.push(Client {
            id: self.last,
            session,
            waiting: VecDeque::new(),
        });
        self.last
    }

    /// Ends a conversation.
    pub fn close(&mut self, id: u32) {
        self.clients.retain(|client| client.id != id);
    }

    /// Takes a client's text; it is obeyed at the next [`Self::serve`].
    pub fn send(&mut self, id: u32, text: &str) {
        self.send_bytes(id, text.as_bytes());
        self.send_bytes(id, b"\n");
    }

    /// Takes a piece of a client's byte stream, cut anywhere.
    pub fn send_bytes(&mut self, id: u32, bytes: &[u8]) {
        if let Some(client) = self.clients.iter_mut().find(|client| client.id == id) {
            client.waiting.extend(bytes);
        }
    }

    /// The next line for a client.
    pub fn receive(&mut self, id: u32) -> Option<Arc<str>> {
        let client = self.clients.iter().find(|client| client.id == id)?;
        client.session().output()
    }

    /// Whether something waits to be obeyed.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.clients.iter().any(|client| {
            let session = client.session();
            session.has_request() || (!client.waiting.is_empty() && session.wants_input())
        })
    }

    /// Obeys the clients.
    pub fn serve(&mut self, control: &mut dyn VmControl) {
        for client in &mut self.clients {
            client.serve(control);
        }
    }
}
