//! How a CPU's thread calls the worker that owns the machine.
//!
//! Where one thread does everything there is nobody to call: the worker looks at what the machine has
//! for it after each turn.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static CALL: OnceLock<fn()> = OnceLock::new();
/// Somebody rang since the worker last looked.
static RUNG: AtomicBool = AtomicBool::new(false);

/// Has the worker called in this way, from whichever thread; once.
pub fn hang(call: fn()) {
    let _ = CALL.set(call);
}

/// There is something for the worker to look at.
pub fn ring() {
    if let Some(call) = CALL.get()
        && !RUNG.swap(true, Ordering::SeqCst)
    {
        call();
    }
}

/// The worker is about to look.
pub fn answer() {
    RUNG.store(false, Ordering::SeqCst);
}
