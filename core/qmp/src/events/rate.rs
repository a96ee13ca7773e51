//! At most one event of a kind a second, the latest kept.

use std::collections::HashMap;

use serde_json::Value;

use crate::schema::{Event, Rate};

/// How long a limited event keeps its like back, in nanoseconds.
const PERIOD_NS: u64 = 1_000_000_000;

/// How many keys are told apart at most; beyond that, events pass as they come.
const KEYS: usize = 1024;

/// Holds back what comes too often.
#[derive(Default)]
pub(super) struct Limiter {
    /// By event name and the value that tells its sources apart.
    quiet: HashMap<(&'static str, String), Quiet>,
}

/// A second in which events of a kind are held back.
struct Quiet {
    /// Its end.
    until: u64,
    /// The latest event in it.
    held: Option<Value>,
}

impl Limiter {
    /// Hands the message back if it may be sent now.
    pub(super) fn admit(&mut self, event: &Event, message: Value, now: u64) -> Option<Value> {
        let definition = event.definition();
        let Rate::PerSecond { key } = definition.rate else {
            return Some(message);
        };
        let key = key
            .and_then(|key| message.get("data")?.get(key)?.as_str().map(str::to_owned))
            .unwrap_or_default();
        if self.quiet.len() >= KEYS {
            self.quiet.retain(|_, q| q.held.is_some() || q.until > now);
        }
        let place = (definition.name, key);
        match self.quiet.get_mut(&place) {
            Some(quiet) if quiet.until > now || quiet.held.is_some() => {
                quiet.held = Some(message);
                None
            }
            _ => {
                if self.quiet.len() < KEYS || self.quiet.contains_key(&place) {
                    let until = now.saturating_add(PERIOD_NS);
                    self.quiet.insert(place, Quiet { until, held: None });
                }
                Some(message)
            }
        }
    }

    /// Takes the messages whose second is over; another second begins for each.
    pub(super) fn due(&mut self, now: u64) -> Vec<Value> {
        let mut out = Vec::new();
        self.quiet.retain(|_, quiet| {
            if quiet.until > now {
                return true;
            }
            let Some(message) = quiet.held.take() else {
                return false;
            };
            out.push(message);
            quiet.until = now.saturating_add(PERIOD_NS);
            true
        });
        out
    }

    /// When the next held message may be sent.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.quiet
            .values()
            .filter(|quiet| quiet.held.is_some())
            .map(|quiet| quiet.until)
            .min()
    }
}
