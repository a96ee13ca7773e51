//! Lines on their way to a client, bounded.

use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes of unread output beyond which no more requests are taken.
const FULL: usize = 256 << 10;

/// Bytes of unread events beyond which events are lost.
const OVERRUN: usize = 16 << 20;

#[derive(Debug)]
struct Line {
    text: Arc<str>,
    event: bool,
}

/// What the client has not read yet. Answers are bounded by [`Output::full`], at which no request
/// is taken; events by a limit after which they are lost.
#[derive(Debug, Default)]
pub(super) struct Output {
    lines: VecDeque<Line>,
    bytes: usize,
    event_bytes: usize,
    overrun: bool,
}

impl Output {
    pub(super) fn answer(&mut self, text: String) {
        self.push(text.into(), false);
    }

    pub(super) fn event(&mut self, text: &Arc<str>) {
        if self.overrun || self.event_bytes + text.len() > OVERRUN {
            self.overrun = true;
            return;
        }
        self.event_bytes += text.len();
        self.push(Arc::clone(text), true);
    }

    fn push(&mut self, text: Arc<str>, event: bool) {
        self.bytes += text.len();
        self.lines.push_back(Line { text, event });
    }

    pub(super) fn take(&mut self) -> Option<Arc<str>> {
        let Line { text, event } = self.lines.pop_front()?;
        self.bytes -= text.len();
        if event {
            self.event_bytes -= text.len();
        }
        Some(text)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether the client has to read before more is done for it.
    pub(super) fn full(&self) -> bool {
        self.bytes > FULL
    }

    /// Whether events were lost.
    pub(super) fn overrun(&self) -> bool {
        self.overrun
    }
}
