//! The page's clocks.

use std::sync::atomic::{AtomicU64, Ordering};

use ferrite_machine::clock::HostClock;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[cfg(not(target_feature = "atomics"))]
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    fn date_now() -> f64;
}

const NS_PER_MS: f64 = 1e6;

/// Nanoseconds during which the browser had the worker asleep.
static ASLEEP: AtomicU64 = AtomicU64::new(0);

/// Leaves `ns` nanoseconds out of the monotonic time: those of a worker that was asleep.
pub fn skip(ns: u64) {
    let asleep = ASLEEP.load(Ordering::Relaxed).saturating_add(ns);
    ASLEEP.store(asleep, Ordering::Relaxed);
}

/// `performance.now`, without the time asleep, and `Date.now` of the worker.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageClock;

impl HostClock for PageClock {
    fn monotonic_ns(&self) -> u64 {
        #[cfg(not(target_feature = "atomics"))]
        // Never negative; the cast saturates.
        let now = (performance_now() * NS_PER_MS) as u64;
        #[cfg(target_feature = "atomics")]
        let now = crate::threads::monotonic_ns();
        now.saturating_sub(ASLEEP.load(Ordering::Relaxed))
    }

    fn wall_ns(&self) -> u64 {
        (date_now() * NS_PER_MS) as u64
    }
}
