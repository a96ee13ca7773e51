//! Events on their way from the machine to its monitors.

mod rate;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, Weak};

use ferrite_machine::clock::HostClock;
use serde_json::{Map, Value, json};

use crate::json::write_line;
use crate::schema::{Event, EventDefinition};
use rate::Limiter;

/// Takes events for a monitor.
pub trait EventSink: Send + Sync {
    /// Takes one message, whole with its line end. Called by whoever emits; must not wait.
    fn deliver(&self, line: &Arc<str>);
}

/// Nanoseconds since any origin and since 1970, from any thread.
pub type Clock = dyn HostClock + Sync;

/// The event bus: the machine emits, sessions subscribe. Clones are the same bus.
#[derive(Clone)]
pub struct Events {
    clock: Arc<Clock>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    sinks: Vec<Weak<dyn EventSink>>,
    limiter: Limiter,
}

impl Events {
    /// A bus with this clock.
    #[must_use]
    pub fn new(clock: Arc<Clock>) -> Self {
        Self {
            clock,
            inner: Arc::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Delivers to `sink` from now on, as long as it lives.
    pub fn subscribe(&self, sink: Weak<dyn EventSink>) {
        let mut inner = self.inner();
        inner.sinks.retain(|sink| sink.strong_count() > 0);
        inner.sinks.push(sink);
    }

    /// Tells every monitor, unless the event's rate is limited and one was told within a second;
    /// then the latest follows at the end of that second ([`Self::poll`]).
    pub fn emit(&self, event: &Event) {
        let message = message(event, self.clock.wall_ns());
        let now = self.clock.monotonic_ns();
        let sinks = {
            let mut inner = self.inner();
            let Some(message) = inner.limiter.admit(event, message, now) else {
                return;
            };
            (inner.live(), message)
        };
        send(&sinks.0, &sinks.1);
    }

    /// Sends what was held back and is due.
    pub fn poll(&self) {
        let now = self.clock.monotonic_ns();
        let (sinks, due) = {
            let mut inner = self.inner();
            let due = inner.limiter.due(now);
            if due.is_empty() {
                return;
            }
            (inner.live(), due)
        };
        for message in due {
            send(&sinks, &message);
        }
    }

    /// In how many nanoseconds [`Self::poll`] has something to send.
    #[must_use]
    pub fn next_due_ns(&self) -> Option<u64> {
        let deadline = self.inner().limiter.deadline()?;
        Some(deadline.saturating_sub(self.clock.monotonic_ns()))
    }
}

impl Inner {
    fn live(&self) -> Vec<Arc<dyn EventSink>> {
        self.sinks.iter().filter_map(Weak::upgrade).collect()
    }
}

fn send(sinks: &[Arc<dyn EventSink>], message: &Value) {
    let line: Arc<str> = write_line(message).into();
    for sink in sinks {
        sink.deliver(&line);
    }
}

/// The message for an event at this time, in nanoseconds since 1970.
fn message(event: &Event, wall_ns: u64) -> Value {
    let EventDefinition { name, .. } = event.definition();
    let mut message = Map::new();
    message.insert("event".into(), (*name).into());
    if let Some(data) = event.data() {
        message.insert("data".into(), data.into());
    }
    message.insert(
        "timestamp".into(),
        json!({
            "seconds": wall_ns / 1_000_000_000,
            "microseconds": wall_ns % 1_000_000_000 / 1_000,
        }),
    );
    message.into()
}
