//! What trace points tell, on its way to the page.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferrite_machine::trace::Trace;

/// Lines that wait at most; the oldest go first.
const KEPT: usize = 4096;

/// Lines of trace points that are on. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Traces(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    waiting: VecDeque<String>,
    lost: u64,
}

impl Traces {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears what these trace points tell.
    pub(crate) fn listen(&self, trace: &Trace) {
        let lines = self.clone();
        trace.set_sink(Box::new(move |name, text| {
            let mut lines = lines.lines();
            if lines.waiting.len() == KEPT {
                lines.waiting.pop_front();
                lines.lost += 1;
            }
            lines.waiting.push_back(format!("{name} {text}"));
        }));
    }

    /// Takes the lines that wait, and how many before them were lost.
    #[must_use]
    pub fn take(&self) -> (Vec<String>, u64) {
        let mut lines = self.lines();
        let lost = std::mem::take(&mut lines.lost);
        (lines.waiting.drain(..).collect(), lost)
    }
}

#[cfg(test)]
mod tests {
    use ferrite_machine::trace::Point;

    use super::*;

    #[test]
    fn the_latest_lines_are_kept() {
        let (trace, traces) = (Trace::default(), Traces::default());
        traces.listen(&trace);
        trace.tell(Point::MonitorEvent, || "off".into());
        trace.set(Point::MonitorEvent as usize, true);
        for n in 0..KEPT + 2 {
            trace.tell(Point::MonitorEvent, || n.to_string());
        }
        let (lines, lost) = traces.take();
        assert_eq!((lines.len(), lost), (KEPT, 2));
        assert!(lines[0].ends_with(" 2"), "{}", lines[0]);
        assert_eq!(traces.take(), (Vec::new(), 0));
    }
}
