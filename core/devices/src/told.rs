//! What trace points tell, for tests.

use std::sync::{Arc, Mutex};

use ferrite_machine::trace::{POINTS, Trace};

/// What trace points tell from now on, all of them on.
pub fn told(trace: &Trace) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let copy = Arc::clone(&lines);
    trace.set_sink(Box::new(move |name, text| {
        copy.lock().unwrap().push(format!("{name} {text}"));
    }));
    (0..POINTS.len()).for_each(|point| trace.set(point, true));
    lines
}
