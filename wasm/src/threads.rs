//! What each worker of an artefact with threads gives the core: see `web/src/worker/threads.ts`.
//!
//! Workers count their time from different moments, and most functions of a browser take no bytes of
//! shared memory.

use std::sync::atomic::{AtomicU64, Ordering};

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ferriteThreads, js_name = now)]
    fn now() -> f64;
    /// Calls the machine's worker.
    #[wasm_bindgen(js_namespace = ferriteThreads, js_name = ring)]
    pub fn ring();
    /// Random bytes.
    #[wasm_bindgen(js_namespace = ferriteThreads, js_name = random)]
    pub fn random(count: u32) -> Vec<u8>;
}

/// The latest time that any worker was told.
static LATEST: AtomicU64 = AtomicU64::new(0);

/// Nanoseconds, which go backwards nowhere.
pub fn monotonic_ns() -> u64 {
    const NS_PER_MS: f64 = 1e6;
    // Never negative; the cast saturates.
    let now = (now() * NS_PER_MS) as u64;
    LATEST.fetch_max(now, Ordering::Relaxed).max(now)
}
