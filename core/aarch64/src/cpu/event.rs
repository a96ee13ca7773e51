//! Waiting for an event: WFE, the event register and what sets it (Arm ARM D1.6.1).
//!
//! The register is set by SEV and SEVL, by an exception return, by the event stream of the virtual
//! counter, and by another observer's store that clears the exclusive monitor: what a CPU waits for
//! that read a lock with LDXR. Nothing tells of that store, so the reserved place is looked at
//! whenever the CPU could run.

use ferrite_ir::{VcpuBlock, slot};
use ferrite_ram::{GuestRam, RamOffset};

use super::CpuCore;
use crate::platform::Platform;
use crate::state;
use crate::timer::kernel_control::{EVNTDIR, EVNTEN, EVNTI};

/// A second divided by the longest wait for a change of memory. A store of the value that is there
/// already clears the monitor too, but shows nowhere.
const WATCHES_PER_SECOND: u64 = 1000;

/// A reserved place while its CPU waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    /// Of the 16 bytes around it.
    at: RamOffset,
    /// What they held.
    held: [Option<u64>; 2],
    /// Counter value at which the wait is over.
    until: u64,
}

impl Watch {
    fn bytes(ram: &GuestRam, at: RamOffset) -> [Option<u64>; 2] {
        [0, 8].map(|n| ram.load(at.offset(n)))
    }

    /// A watch of what the monitor has reserved. `None` if that changed already.
    fn reserved(block: &VcpuBlock, platform: &dyn Platform) -> Option<Self> {
        let place = block.get(slot::EXCLUSIVE_AT);
        let at = RamOffset(place & !15);
        let held = Self::bytes(platform.ram(), at);
        let low = block.get(slot::EXCLUSIVE_LOW);
        // How wide the load was is not known: any width at which nothing changed will do, since
        // the wait has an end anyway.
        let word: u64 = held[(place >> 3 & 1) as usize]? >> (8 * (place & 7));
        let unchanged = [8, 16, 32, 64].into_iter().any(|bits| {
            let mask = u64::MAX >> (64 - bits);
            low & !mask == 0 && word & mask == low
        });
        unchanged.then(|| Self {
            at,
            held,
            until: platform
                .counter()
                .saturating_add(platform.counter_frequency() / WATCHES_PER_SECOND),
        })
    }
}

/// Ticks of the event stream (CNTKCTL_EL1): transitions of one of the counter's low 16 bits.
#[derive(Clone, Copy)]
struct Stream {
    /// Counter values from a tick to the next.
    period: u64,
    /// What to add to the counter so that ticks are at multiples of the period.
    phase: u64,
}

impl Stream {
    fn of(block: &VcpuBlock) -> Option<Self> {
        let control = block.get(state::CNTKCTL_EL1.0);
        let bit = control >> EVNTI & 15;
        let falling = control & EVNTDIR != 0;
        (control & EVNTEN != 0).then_some(Self {
            period: 2 << bit,
            phase: if falling { 0 } else { 1 << bit },
        })
    }

    /// Ticks up to a counter value.
    fn ticks(self, counter: u64) -> u64 {
        counter.wrapping_add(self.phase) / self.period
    }

    /// The counter value of the next tick.
    fn next(self, counter: u64) -> u64 {
        (self.ticks(counter).wrapping_add(1))
            .wrapping_mul(self.period)
            .wrapping_sub(self.phase)
    }
}

impl CpuCore {
    /// Sets the event register if something happened that nobody tells of.
    pub(super) fn look_for_events(&mut self, block: &VcpuBlock, platform: &dyn Platform) {
        let counter = platform.counter();
        if let Some(stream) = Stream::of(block) {
            let ticks = stream.ticks(counter);
            self.event |= ticks != self.stream_ticks;
            self.stream_ticks = ticks;
        }
        if let Some(watch) = &self.watch {
            self.event |=
                counter >= watch.until || Watch::bytes(platform.ram(), watch.at) != watch.held;
        }
    }

    /// Starts to watch what WFE waits for; tells whether that is over already.
    pub(super) fn watch_monitor(&mut self, block: &VcpuBlock, platform: &dyn Platform) -> bool {
        if block.get(slot::EXCLUSIVE_AT) == slot::NO_EXCLUSIVE {
            return false;
        }
        self.watch = Watch::reserved(block, platform);
        self.watch.is_none()
    }

    /// The counter value at which a wait for an event ends by itself.
    pub(crate) fn event_deadline(&self, block: &VcpuBlock, counter: u64) -> Option<u64> {
        let stream = Stream::of(block).map(|stream| stream.next(counter));
        let watch = self.watch.map(|watch| watch.until);
        [stream, watch].into_iter().flatten().min()
    }
}
