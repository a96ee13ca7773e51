//! Where a CPU's thread and the machine's owner meet.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Runner, Step};

/// Looks at a runner's place before its thread or the owner goes to sleep.
const PATIENCE: u32 = 50;
/// Looks at watched memory before a CPU that waits for it sleeps in between, and for how long.
const WATCHES: u32 = 100;
const WATCH_PAUSE: Duration = Duration::from_micros(50);

/// What the host does for a thread that waits.
pub trait Pace {
    /// Time that never goes backwards, from any beginning.
    fn now(&self) -> Duration;

    /// Lets other threads run.
    fn yield_now(&self);

    /// Sleeps for so long.
    fn sleep(&self, time: Duration);
}

/// Where a runner is while its thread sleeps, and where the machine's owner takes it from.
#[derive(Default)]
pub struct Seat {
    state: Mutex<State>,
    /// For the thread.
    changed: Condvar,
    /// For the owner.
    back: Condvar,
}

#[derive(Default)]
struct State {
    runner: Option<Runner>,
    /// Somebody woke the thread since it last took the runner.
    woken: bool,
    /// The thread would have taken the runner by now, but the owner has it.
    overdue: bool,
    /// The thread is to end.
    end: bool,
    /// The thread broke, and the runner with it.
    broken: bool,
    /// When the thread began.
    began: Option<Duration>,
    /// When it went to sleep, if it sleeps, and for how long it slept before.
    asleep: Option<Duration>,
    slept: Duration,
}

impl State {
    /// The thread goes to sleep.
    fn doze(&mut self, now: Duration) {
        self.began.get_or_insert(now);
        self.asleep = Some(now);
    }

    /// It goes to work.
    fn rise(&mut self, now: Duration) {
        if let Some(since) = self.asleep.take() {
            self.slept += now.saturating_sub(since);
        }
    }
}

impl Seat {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread's life: runs the CPU until [`Self::end`].
    pub fn work(&self, pace: &dyn Pace) {
        let mut watches = 0;
        let mut next = self.wait(self.lock(), None, pace);
        while let Some(mut runner) = next {
            next = match runner.step() {
                Step::Busy => {
                    watches = 0;
                    Some(runner)
                }
                Step::Watch => {
                    watches += 1;
                    match watches {
                        ..WATCHES => pace.yield_now(),
                        _ => self.pause(pace),
                    }
                    Some(runner)
                }
                Step::Wait { until } => {
                    let now = runner.now();
                    let limit = until.map(|at| Duration::from_nanos(at.0.saturating_sub(now.0)));
                    self.rest(runner, limit, pace)
                }
                Step::Halted => self.hand_over(runner, pace),
            };
        }
    }

    /// For how long the thread has been at work so far, at the time `now` of its [`Pace`].
    #[must_use]
    pub fn worked(&self, now: Duration) -> Duration {
        let state = self.lock();
        let Some(began) = state.began else {
            return Duration::ZERO;
        };
        let asleep = state.asleep.map(|since| now.saturating_sub(since));
        let slept = state.slept + asleep.unwrap_or_default();
        now.saturating_sub(began).saturating_sub(slept)
    }

    /// Ends the thread's sleep, or the one that it is about to begin.
    pub fn wake(&self) {
        self.lock().woken = true;
        self.changed.notify_one();
    }

    /// Has the thread end once it would sleep.
    pub fn end(&self) {
        self.lock().end = true;
        self.changed.notify_one();
    }

    /// Says that the thread is no more and will not give its runner back.
    pub fn give_up(&self) {
        self.lock().broken = true;
        self.back.notify_one();
    }

    /// Sleeps before the next look at watched memory.
    fn pause(&self, pace: &dyn Pace) {
        self.lock().doze(pace.now());
        pace.sleep(WATCH_PAUSE);
        self.lock().rise(pace.now());
    }

    /// Puts the runner down, and takes it up again when the thread is woken or `limit` is over.
    /// `None` when the thread is to end.
    fn rest(&self, runner: Runner, limit: Option<Duration>, pace: &dyn Pace) -> Option<Runner> {
        let deadline = limit.and_then(|limit| pace.now().checked_add(limit));
        let mut state = self.lock();
        state.runner = Some(runner);
        self.back.notify_one();
        self.wait(state, deadline, pace)
    }

    /// Hands the runner to the owner, and takes it up again when that has given it back.
    fn hand_over(&self, runner: Runner, pace: &dyn Pace) -> Option<Runner> {
        let mut state = self.lock();
        state.runner = Some(runner);
        (state.woken, state.overdue) = (false, true);
        self.back.notify_one();
        self.wait(state, None, pace)
    }

    fn wait(
        &self,
        mut state: MutexGuard<'_, State>,
        deadline: Option<Duration>,
        pace: &dyn Pace,
    ) -> Option<Runner> {
        state.doze(pace.now());
        loop {
            if state.end {
                return None;
            }
            let left = deadline.map(|at| at.saturating_sub(pace.now()));
            let over = left.is_some_and(|left| left.is_zero());
            if state.woken || over {
                if let Some(runner) = state.runner.take() {
                    (state.woken, state.overdue) = (false, false);
                    state.rise(pace.now());
                    return Some(runner);
                }
                state.overdue = true;
            }
            state = match left.filter(|_| !over) {
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let waited = self.changed.wait(state);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    /// Takes the runner away, waiting for it if need be. `None` if its thread broke.
    pub fn take(&self, pace: &dyn Pace) -> Option<Runner> {
        for _ in 0..PATIENCE {
            if let Some(runner) = self.lock().runner.take() {
                return Some(runner);
            }
            pace.yield_now();
        }
        let mut state = self.lock();
        loop {
            if let Some(runner) = state.runner.take() {
                return Some(runner);
            }
            if state.broken {
                return None;
            }
            let waited = self.back.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives the runner back. Its thread goes on if there is work.
    pub fn give(&self, runner: Runner) {
        let mut state = self.lock();
        state.woken |= runner.is_busy();
        let notify = state.woken || state.overdue;
        state.woken |= state.overdue;
        state.runner = Some(runner);
        drop(state);
        if notify {
            self.changed.notify_one();
        }
    }
}
