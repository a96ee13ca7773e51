//! The memory balloon (the spec, section 5.5): pages that the guest gives up go back to the host.

pub mod control;
pub mod spec;

#[cfg(test)]
mod tests;

use ferrite_machine::VirtualTime;
use ferrite_machine::clock::HostClock;
use ferrite_ram::GuestPhys;

pub use self::control::{BalloonControl, GuestStats};
use self::spec::{PAGE, PAGE_SHIFT, STAT_BYTES, STATS, config, feature, queue};
use super::device::{VirtioCx, VirtioDevice};
use super::queue::Chain;
use super::spec::device_type;

/// Most buffers handled in one call.
const MAX_CHAINS: usize = 32;
/// Most pages taken of one buffer; to give up the others is the guest's loss.
const MAX_PAGES: usize = 1024;
/// Most bytes given back for one report of free pages; what exceeds them stays as it is.
const MAX_REPORT: u64 = 1 << 30;
/// Most statistics read of one buffer: a driver has no more to tell.
const MAX_STATS: usize = 64;
/// Entries of the queues, and of the one for reports.
const QUEUE: u16 = 128;
const REPORTING_QUEUE: u16 = 32;

/// What a user can choose of a balloon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalloonOptions {
    /// The guest may take pages back when it runs out of memory.
    pub deflate_on_oom: bool,
    /// The guest may report free pages, which then go back to the host.
    pub free_page_reporting: bool,
    /// The guest may tell what it fills free pages with.
    pub page_poison: bool,
}

impl Default for BalloonOptions {
    fn default() -> Self {
        Self {
            deflate_on_oom: false,
            free_page_reporting: false,
            page_poison: true,
        }
    }
}

/// `virtio-balloon`.
pub struct VirtioBalloon {
    // Fixed.
    options: BalloonOptions,
    // Wiring.
    control: BalloonControl,
    /// Tells when statistics came.
    clock: Box<dyn HostClock>,
    // Guest-visible.
    features: u64,
    /// The target that the driver sees.
    target: u32,
    actual: u32,
    poison: u32,
    // Statistics: the buffer that a request for them hands back, and when it is due.
    held: Option<Chain>,
    interval: u32,
    due: VirtualTime,
}

impl VirtioBalloon {
    /// An empty balloon, worked through `control`.
    #[must_use]
    pub fn new(
        options: BalloonOptions,
        control: BalloonControl,
        clock: Box<dyn HostClock>,
    ) -> Self {
        Self {
            options,
            control,
            clock,
            features: 0,
            target: 0,
            actual: 0,
            poison: 0,
            held: None,
            interval: 0,
            due: VirtualTime(0),
        }
    }

    /// Handles the buffers of a queue, a bounded number at a time.
    fn each_chain(
        cx: &mut VirtioCx<'_>,
        queue: usize,
        mut handle: impl FnMut(&mut VirtioCx<'_>, &Chain),
    ) {
        for _ in 0..MAX_CHAINS {
            let Some(chain) = cx.pop(queue) else { return };
            handle(cx, &chain);
            cx.push(queue, chain, 0);
        }
        cx.again();
    }

    /// Pages that a driver reports as free read as before or as zeros, and a poisoned page is
    /// neither once it is gone (the spec, section 5.5.6.5.1).
    fn may_drop_reported(&self) -> bool {
        self.features & feature::PAGE_POISON == 0 || self.poison == 0
    }

    fn take_stats(&mut self, cx: &mut VirtioCx<'_>) {
        let Some(chain) = cx.pop(queue::STATS) else {
            return;
        };
        let Some(told) = cx.read_vec(&chain, 0, MAX_STATS * STAT_BYTES) else {
            return;
        };
        let mut stats = GuestStats {
            last_update: self.clock.wall_ns() / 1_000_000_000,
            ..GuestStats::default()
        };
        for stat in told.chunks_exact(STAT_BYTES) {
            if let [t0, t1, value @ ..] = stat
                && let Ok(value) = value.try_into()
                && let Some(place) = stats
                    .values
                    .get_mut(usize::from(u16::from_le_bytes([*t0, *t1])))
            {
                *place = u64::from_le_bytes(value);
            }
        }
        self.control.lock().stats = stats;
        // The driver has one buffer at a time; an earlier one goes back unasked.
        if let Some(earlier) = self.held.replace(chain) {
            cx.push(queue::STATS, earlier, 0);
        }
        self.due = cx.now.after(u64::from(self.interval) * 1_000_000_000);
    }

    /// Hands the buffer for statistics back when new ones are due.
    fn ask_for_stats(&mut self, cx: &mut VirtioCx<'_>) {
        let interval = self.control.lock().interval;
        if interval != self.interval {
            let started = self.interval == 0;
            let wait = if started { 0 } else { u64::from(interval) };
            self.due = cx.now.after(wait * 1_000_000_000);
            self.interval = interval;
        }
        if interval == 0 || self.held.is_none() {
            return;
        }
        if cx.now < self.due {
            cx.wake_at(self.due);
        } else if let Some(chain) = self.held.take() {
            cx.push(queue::STATS, chain, 0);
        }
    }

    fn work(&mut self, cx: &mut VirtioCx<'_>) {
        Self::each_chain(cx, queue::INFLATE, inflate);
        // What comes back was zeroed when it went.
        Self::each_chain(cx, queue::DEFLATE, |_, _| {});
        self.take_stats(cx);
        if self.options.free_page_reporting {
            let may_drop = self.may_drop_reported();
            Self::each_chain(cx, queue::REPORTING, |cx, chain| {
                if may_drop {
                    drop_reported(cx, chain);
                }
            });
        }
        self.ask_for_stats(cx);
    }
}

/// Gives the pages that a buffer lists back to the host, neighbours together.
fn inflate(cx: &mut VirtioCx<'_>, chain: &Chain) {
    let Some(list) = cx.read_vec(chain, 0, MAX_PAGES * 4) else {
        return;
    };
    let mut frames: Vec<u32> = list
        .as_chunks()
        .0
        .iter()
        .map(|frame| u32::from_le_bytes(*frame))
        .collect();
    frames.sort_unstable();
    frames.dedup();
    for run in frames.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
        let at = GuestPhys(u64::from(run[0]) << PAGE_SHIFT);
        // A frame that is no memory has nothing to give; its neighbours still do.
        if cx.dma.discard(at, run.len() as u64 * PAGE).is_err() {
            for frame in run {
                let _ = cx
                    .dma
                    .discard(GuestPhys(u64::from(*frame) << PAGE_SHIFT), PAGE);
            }
        }
    }
}

/// Gives reported pages back to the host.
fn drop_reported(cx: &mut VirtioCx<'_>, chain: &Chain) {
    let mut left = MAX_REPORT;
    for (at, len) in chain.writable_spans() {
        let len = u64::from(len).min(left);
        left -= len;
        // Just checked to be memory, when the chain was taken.
        let _ = cx.dma.discard(at, len);
    }
}

impl VirtioDevice for VirtioBalloon {
    fn device_type(&self) -> u32 {
        device_type::BALLOON
    }

    fn name(&self) -> &'static str {
        "virtio-balloon"
    }

    fn features(&self) -> u64 {
        let BalloonOptions {
            deflate_on_oom,
            free_page_reporting,
            page_poison,
        } = self.options;
        let when = |on: bool, bit| if on { bit } else { 0 };
        feature::STATS_VQ
            | when(deflate_on_oom, feature::DEFLATE_ON_OOM)
            | when(free_page_reporting, feature::REPORTING)
            | when(page_poison, feature::PAGE_POISON)
    }

    fn queue_sizes(&self) -> Vec<u16> {
        let mut sizes = vec![QUEUE; queue::REPORTING];
        if self.options.free_page_reporting {
            sizes.push(REPORTING_QUEUE);
        }
        sizes
    }

    fn config(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(config::LEN);
        for word in [self.target, self.actual, 0, self.poison] {
            bytes.extend(word.to_le_bytes());
        }
        if !self.options.page_poison {
            bytes.truncate(8);
        }
        bytes
    }

    fn write_config(&mut self, offset: usize, data: &[u8]) {
        let mut bytes = self.config();
        let Some(target) = bytes.get_mut(offset..offset.saturating_add(data.len())) else {
            return;
        };
        target.copy_from_slice(data);
        let word = |at: usize| {
            let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
            word.map_or(0, u32::from_le_bytes)
        };
        self.poison = word(config::POISON);
        let actual = word(config::ACTUAL);
        if actual != self.actual {
            self.actual = actual;
            let mut shared = self.control.lock();
            shared.actual = actual;
            shared.changed = true;
        }
    }

    fn activate(&mut self, features: u64) {
        self.features = features;
    }

    fn notify(&mut self, cx: &mut VirtioCx<'_>, _queue: usize) {
        self.work(cx);
    }

    fn poll(&mut self, cx: &mut VirtioCx<'_>) {
        let target = self.control.lock().target;
        if target != self.target {
            self.target = target;
            cx.config_changed();
        }
        self.work(cx);
    }

    fn reset(&mut self) {
        self.features = 0;
        self.poison = 0;
        self.held = None;
        // The driver that comes next reads the target afresh.
        self.target = self.control.lock().target;
    }

    fn reset_queue(&mut self, queue: usize) {
        if queue == queue::STATS {
            self.held = None;
        }
    }
}

const _: () = assert!(STATS.len() <= MAX_STATS);
