//! A thread for each CPU of the machine.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ferrite_vm::Vm;
use ferrite_vm::smp::{Pace, Seat, Split, Threads};

use crate::wake::Waker;

/// How a thread of this process waits.
struct HostPace {
    start: Instant,
}

impl HostPace {
    fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Pace for HostPace {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn yield_now(&self) {
        thread::yield_now();
    }

    fn sleep(&self, time: Duration) {
        thread::sleep(time);
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
                    let _bomb = Bomb;
                    if let Some(seat) = seats.get(cpu) {
                        seat.work(&HostPace::new());
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
        let pace = HostPace::new();
        let runners = self.bells.seats.iter().map(|seat| seat.take(&pace));
        split.join(runners.collect::<Option<_>>()?)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for seat in &*self.bells.seats {
            seat.end();
        }
        for thread in self.threads.drain(..) {
            // It ends the process itself if it panics.
            let _ = thread.join();
        }
    }
}
