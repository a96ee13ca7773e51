//! How host threads get the machine's thread out of its sleep.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Wakes the machine's thread; clones wake the same one.
#[derive(Clone, Default)]
pub struct Waker {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    news: Mutex<bool>,
    changed: Condvar,
    /// Follows `news`, for a look without the lock.
    hint: AtomicBool,
}

impl Waker {
    /// There is news for the machine.
    pub fn wake(&self) {
        let mut news = self.lock();
        *news = true;
        self.shared.hint.store(true, Ordering::Release);
        self.shared.changed.notify_one();
    }

    /// There will be news after a while: a thread of its own waits for that.
    pub fn wake_in(&self, delay: Duration) {
        let waker = self.clone();
        std::thread::spawn(move || {
            std::thread::sleep(delay);
            waker.wake();
        });
    }

    /// Whether there was news since the last call: cheap enough for every slice.
    #[must_use]
    pub fn take(&self) -> bool {
        if !self.shared.hint.load(Ordering::Relaxed) {
            return false;
        }
        let mut news = self.lock();
        self.shared.hint.store(false, Ordering::Release);
        std::mem::take(&mut *news)
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.shared
            .news
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
    }

    /// Sleeps until there is news, at most for `limit`.
    pub fn wait(&self, limit: Option<Duration>) {
        let deadline = limit.map(|limit| Instant::now() + limit);
        let mut news = self.lock();
        while !*news {
            let Some(deadline) = deadline else {
                news = self
                    .shared
                    .changed
                    .wait(news)
                    .unwrap_or_else(|poison| poison.into_inner());
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.shared.changed.wait_timeout(news, left);
            news = waited.unwrap_or_else(|poison| poison.into_inner()).0;
        }
    }

    /// The waker as a plain function, for back ends that know no type of ours.
    #[must_use]
    pub fn function(&self) -> Arc<dyn Fn() + Send + Sync> {
        let waker = self.clone();
        Arc::new(move || waker.wake())
    }
}
