//! Threads of the machine's CPUs: workers that the page starts on the same memory.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ferrite_machine::clock::HostClock;
use ferrite_vm::Vm;
use ferrite_vm::smp::{Pace, Seat, Split, Threads};

use crate::bell;

/// How long a CPU sleeps that waits for others to do what it asked for.
const PAUSE: Duration = Duration::from_micros(20);

/// Where the workers find their CPUs: an instance's memory has one machine.
static SEATS: OnceLock<Arc<[Seat]>> = OnceLock::new();

/// Time and sleep of a worker that may block.
struct WorkerPace(Box<dyn HostClock>);

impl Pace for WorkerPace {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.monotonic_ns())
    }

    fn yield_now(&self) {
        std::hint::spin_loop();
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// What the machine knows of its threads.
struct Bells(Arc<[Seat]>);

impl Threads for Bells {
    fn wake(&self, cpu: usize) {
        if let Some(seat) = self.0.get(cpu) {
            seat.wake();
        }
    }

    fn call_owner(&self) {
        bell::ring();
    }

    fn pause(&self) {
        std::thread::sleep(PAUSE);
    }
}

/// The CPUs' threads, as the machine's owner has them.
pub struct Crew {
    seats: Arc<[Seat]>,
    pace: WorkerPace,
}

impl Crew {
    /// Places for so many CPUs, whose workers call [`work`]. `None` if this memory has had a machine
    /// already.
    pub fn new(cpus: usize, clock: Box<dyn HostClock>) -> Option<Self> {
        let seats: Arc<[Seat]> = (0..cpus).map(|_| Seat::default()).collect();
        SEATS.set(Arc::clone(&seats)).ok()?;
        let pace = WorkerPace(clock);
        Some(Self { seats, pace })
    }

    /// How many CPUs there are.
    pub fn cpus(&self) -> usize {
        self.seats.len()
    }

    /// For how long the CPUs' workers have been at work so far, all taken together.
    pub fn worked(&self) -> Duration {
        let now = self.pace.now();
        self.seats.iter().map(|seat| seat.worked(now)).sum()
    }

    /// Lets the CPUs of a running machine run. A machine that cannot be split comes back.
    pub fn run(&self, vm: Vm) -> Result<Split, Box<Vm>> {
        let (split, runners) = vm.split(Arc::new(Bells(Arc::clone(&self.seats))))?;
        for (runner, seat) in runners.into_iter().zip(&*self.seats) {
            seat.give(runner);
        }
        Ok(split)
    }

    /// Stops the CPUs; the whole machine, unless a thread broke.
    pub fn stop(&self, split: Split) -> Option<Vm> {
        split.halt();
        let runners = self.seats.iter().map(|seat| seat.take(&self.pace));
        split.join(runners.collect::<Option<_>>()?)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for seat in &*self.seats {
            seat.end();
        }
    }
}

/// The life of a CPU's worker.
pub fn work(cpu: usize, clock: Box<dyn HostClock>) {
    if let Some(seat) = SEATS.get().and_then(|seats| seats.get(cpu)) {
        seat.work(&WorkerPace(clock));
    }
}

/// Says that a CPU's worker broke.
pub fn broke(cpu: usize) {
    if let Some(seat) = SEATS.get().and_then(|seats| seats.get(cpu)) {
        seat.give_up();
        bell::ring();
    }
}
