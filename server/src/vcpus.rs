//! A thread for each CPU of the machine.

use std::io;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ferrite_vm::Vm;
use ferrite_vm::smp::{Runner, Split, Step, Threads};

use crate::wake::Waker;

/// Looks at a runner's place before its thread or the owner goes to sleep.
const PATIENCE: u32 = 50;
/// Looks at watched memory before a CPU that waits for it sleeps in between, and for how long.
const WATCHES: u32 = 100;
const WATCH_PAUSE: Duration = Duration::from_micros(50);

/// Where a runner is while its thread sleeps, and where the machine's owner takes it from.
#[derive(Default)]
struct Seat {
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
}

impl Seat {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
    }

    fn wake(&self) {
        self.lock().woken = true;
        self.changed.notify_one();
    }

    /// Puts the runner down, and takes it up again when the thread is woken or `limit` is over.
    /// `None` when the thread is to end.
    fn rest(&self, runner: Runner, limit: Option<Duration>) -> Option<Runner> {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut state = self.lock();
        state.runner = Some(runner);
        self.back.notify_one();
        self.wait(state, deadline)
    }

    /// Hands the runner to the owner, and takes it up again when that has given it back.
    fn hand_over(&self, runner: Runner) -> Option<Runner> {
        let mut state = self.lock();
        state.runner = Some(runner);
        (state.woken, state.overdue) = (false, true);
        self.back.notify_one();
        self.wait(state, None)
    }

    fn wait(&self, mut state: MutexGuard<'_, State>, deadline: Option<Instant>) -> Option<Runner> {
        loop {
            if state.end {
                return None;
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            let over = left.is_some_and(|left| left.is_zero());
            if state.woken || over {
                if let Some(runner) = state.runner.take() {
                    (state.woken, state.overdue) = (false, false);
                    return Some(runner);
                }
                state.overdue = true;
            }
            state = match left.filter(|_| !over) {
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(|poison| poison.into_inner()).0
                }
                None => {
                    let waited = self.changed.wait(state);
                    waited.unwrap_or_else(|poison| poison.into_inner())
                }
            };
        }
    }

    /// Takes the runner away, waiting for it if need be.
    fn take(&self) -> Runner {
        for _ in 0..PATIENCE {
            if let Some(runner) = self.lock().runner.take() {
                return runner;
            }
            thread::yield_now();
        }
        let mut state = self.lock();
        loop {
            if let Some(runner) = state.runner.take() {
                return runner;
            }
            let waited = self.back.wait(state);
            state = waited.unwrap_or_else(|poison| poison.into_inner());
        }
    }

    /// Gives the runner back. Its thread goes on if there is work.
    fn give(&self, runner: Runner) {
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

/// Ends the process if a thread panics: nobody would give its runner back.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

/// A thread's life.
fn work(seat: &Seat) {
    let _bomb = Bomb;
    let mut watches = 0;
    let mut next = seat.wait(seat.lock(), None);
    while let Some(mut runner) = next {
        next = match runner.step() {
            Step::Busy => {
                watches = 0;
                Some(runner)
            }
            Step::Watch => {
                watches += 1;
                match watches {
                    ..WATCHES => thread::yield_now(),
                    _ => thread::sleep(WATCH_PAUSE),
                }
                Some(runner)
            }
            Step::Wait { until } => {
                let now = runner.now();
                let limit = until.map(|at| Duration::from_nanos(at.0.saturating_sub(now.0)));
                seat.rest(runner, limit)
            }
            Step::Halted => seat.hand_over(runner),
        };
    }
}

/// What the machine knows of the threads.
struct Bells {
    seats: Arc<[Seat]>,
    owner: Waker,
}

impl Threads for Bells {
    fn wake(&self, cpu: usize) {
        if let Some(seat) = self.seats.get(cpu) {
            seat.wake();
        }
    }

    fn call_owner(&self) {
        self.owner.wake();
    }

    fn pause(&self) {
        thread::yield_now();
    }
}

/// The threads of all CPUs.
pub struct Crew {
    bells: Arc<Bells>,
    threads: Vec<JoinHandle<()>>,
    /// Their numbers on the host.
    pub ids: Vec<i64>,
}

impl Crew {
    /// Starts a thread for each of `cpus` CPUs. `owner` wakes the machine's owner.
    pub fn start(cpus: usize, owner: &Waker) -> io::Result<Self> {
        let seats: Arc<[Seat]> = (0..cpus).map(|_| Seat::default()).collect();
        let bells = Arc::new(Bells {
            seats: Arc::clone(&seats),
            owner: owner.clone(),
        });
        let mut crew = Self {
            bells,
            threads: Vec::new(),
            ids: Vec::new(),
        };
        for cpu in 0..cpus {
            let seats = Arc::clone(&seats);
            let (tell, told) = channel();
            let thread = thread::Builder::new()
                .name(format!("CPU {cpu}/TCG"))
                .spawn(move || {
                    let id = rustix::thread::gettid().as_raw_nonzero().get();
                    // Who started this waits for it.
                    let _ = tell.send(i64::from(id));
                    if let Some(seat) = seats.get(cpu) {
                        work(seat);
                    }
                })?;
            crew.threads.push(thread);
            crew.ids.push(told.recv().unwrap_or_default());
        }
        Ok(crew)
    }

    /// Lets the CPUs of a running machine run. A machine that cannot be split comes back.
    pub fn run(&self, vm: Vm) -> Result<Split, Box<Vm>> {
        let bells: Arc<dyn Threads> = self.bells.clone();
        let (split, runners) = vm.split(bells)?;
        for (runner, seat) in runners.into_iter().zip(&*self.bells.seats) {
            seat.give(runner);
        }
        Ok(split)
    }

    /// Stops the CPUs; the whole machine.
    pub fn stop(&self, split: Split) -> Option<Vm> {
        split.halt();
        let runners = self.bells.seats.iter().map(Seat::take).collect();
        split.join(runners)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for seat in &*self.bells.seats {
            seat.lock().end = true;
            seat.changed.notify_one();
        }
        for thread in self.threads.drain(..) {
            // It ends the process itself if it panics.
            let _ = thread.join();
        }
    }
}
