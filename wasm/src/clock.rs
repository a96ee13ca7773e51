//! The page's clocks.

use ferrite_machine::clock::HostClock;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    fn date_now() -> f64;
}

const NS_PER_MS: f64 = 1e6;

/// `performance.now` and `Date.now` of the worker.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageClock;

impl HostClock for PageClock {
    fn monotonic_ns(&self) -> u64 {
        // Both are non-negative; the cast saturates.
        (performance_now() * NS_PER_MS) as u64
    }

    fn wall_ns(&self) -> u64 {
        (date_now() * NS_PER_MS) as u64
    }
}
