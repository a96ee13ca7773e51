//! Split virtqueues (the spec, section 2.7).
//!
//! A queue's three areas lie where the driver put them in guest memory. Nothing read from them is
//! trusted: every index is bounded, every walk is counted, every buffer is checked to be memory.

mod chain;

#[cfg(test)]
mod tests;

use std::sync::atomic::{Ordering, fence};

use ferrite_machine::{BusError, Dma};
use ferrite_ram::GuestPhys;

pub use chain::Chain;

use super::spec::MAX_QUEUE_SIZE;

/// Bytes in a descriptor.
const DESCRIPTOR_BYTES: u64 = 16;
/// Available-ring flag: the driver wants no interrupts.
const AVAIL_NO_INTERRUPT: u16 = 1;
/// Used-ring flag: the device wants no notifications.
const USED_NO_NOTIFY: u16 = 1;

/// How a driver broke the rules of a queue; the device must then be reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// A ring or descriptor table lies outside memory.
    #[error("a virtqueue area is not memory")]
    RingOutsideMemory,
    /// The available index ran further ahead than the queue has entries.
    #[error("the available index moved by more than the queue size")]
    AvailableIndexJump,
    /// A head or `next` field names a descriptor beyond its table.
    #[error("a descriptor index is beyond its table")]
    IndexOutOfRange,
    /// A chain has more descriptors than its table, or than any chain may have.
    #[error("a descriptor chain is too long or loops")]
    ChainTooLong,
    /// A device-readable buffer follows a device-writable one.
    #[error("a readable buffer follows a writable one")]
    ReadableAfterWritable,
    /// An indirect descriptor that was not negotiated, is nested, has a successor, or whose length
    /// is no positive multiple of 16.
    #[error("an indirect descriptor is malformed")]
    BadIndirect,
    /// A buffer of no bytes.
    #[error("a descriptor has a length of zero")]
    EmptyBuffer,
    /// A buffer outside memory.
    #[error("a buffer is not memory")]
    BufferOutsideMemory,
    /// A request lacks parts that its device needs.
    #[error("a request is malformed: {0}")]
    BadRequest(&'static str),
}

impl From<BusError> for QueueError {
    fn from(_: BusError) -> Self {
        Self::RingOutsideMemory
    }
}

/// One split virtqueue.
#[derive(Clone, Debug)]
pub struct Queue {
    /// The size after reset.
    default_size: u16,
    /// Entries, as the driver chose.
    size: u16,
    /// Whether the driver enabled the queue.
    ready: bool,
    desc: GuestPhys,
    avail: GuestPhys,
    used: GuestPhys,
    event_idx: bool,
    indirect: bool,
    /// The next available-ring entry to take, counting freely.
    next_avail: u16,
    /// The next used-ring entry to fill, counting freely.
    next_used: u16,
    /// `next_used` when the driver was last interrupted; `None` before the first time.
    signalled: Option<u16>,
    /// Whether a buffer was used since the question of an interrupt was last settled.
    unsettled: bool,
    /// Whether the device wants to hear of new buffers.
    notifications: bool,
}

impl Queue {
    /// A queue that has `default_size` entries (at most [`MAX_QUEUE_SIZE`]) until the driver says
    /// otherwise.
    #[must_use]
    pub fn new(default_size: u16) -> Self {
        Self {
            default_size,
            size: default_size,
            ready: false,
            desc: GuestPhys(0),
            avail: GuestPhys(0),
            used: GuestPhys(0),
            event_idx: false,
            indirect: false,
            next_avail: 0,
            next_used: 0,
            signalled: None,
            unsettled: false,
            notifications: true,
        }
    }

    /// Back to the state after power-on.
    pub fn reset(&mut self) {
        *self = Self::new(self.default_size);
    }

    /// Sets the number of entries; what is not a power of two up to [`MAX_QUEUE_SIZE`] is ignored.
    pub fn set_size(&mut self, size: u32) {
        if let Ok(size) = u16::try_from(size)
            && size.is_power_of_two()
            && size <= MAX_QUEUE_SIZE
            && !self.ready
        {
            self.size = size;
        }
    }

    /// Entries.
    #[must_use]
    pub fn size(&self) -> u16 {
        self.size
    }

    /// The number of entries before the driver chose: what a transport with small queues offers.
    #[must_use]
    pub fn default_size(&self) -> u16 {
        self.default_size
    }

    /// Whether the driver enabled the queue.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.ready
    }

    /// Where descriptor table, available ring and used ring lie.
    #[must_use]
    pub fn areas(&self) -> [GuestPhys; 3] {
        [self.desc, self.avail, self.used]
    }

    /// Places descriptor table, available ring and used ring; ignored once the queue is enabled.
    pub fn set_areas(&mut self, [desc, avail, used]: [GuestPhys; 3]) {
        if !self.ready {
            (self.desc, self.avail, self.used) = (desc, avail, used);
        }
    }

    /// Places all three areas from `base` as the legacy interface lays them out (the spec, section
    /// 2.7.2): the used ring at the next multiple of `align`, a power of two.
    pub fn set_legacy_base(&mut self, base: GuestPhys, align: u32) {
        let avail = base.offset(DESCRIPTOR_BYTES * u64::from(self.size));
        let avail_end = avail.offset(6 + 2 * u64::from(self.size)).0;
        let mask = u64::from(align.max(1)) - 1;
        let used = GuestPhys(avail_end.wrapping_add(mask) & !mask);
        self.set_areas([base, avail, used]);
    }

    /// Enables the queue, or disables it with its indices back at zero.
    pub fn set_ready(&mut self, ready: bool) {
        if self.ready && !ready {
            self.next_avail = 0;
            self.next_used = 0;
            self.signalled = None;
            self.unsettled = false;
            self.notifications = true;
        }
        self.ready = ready;
    }

    /// Says which ring features were negotiated.
    pub(super) fn set_features(&mut self, event_idx: bool, indirect: bool) {
        self.event_idx = event_idx;
        self.indirect = indirect;
    }

    /// How many chains wait to be taken.
    pub fn available(&self, dma: &Dma) -> Result<u16, QueueError> {
        if !self.ready {
            return Ok(0);
        }
        let index: u16 = dma.load(self.avail.offset(2))?;
        let waiting = index.wrapping_sub(self.next_avail);
        if waiting > self.size {
            return Err(QueueError::AvailableIndexJump);
        }
        // The entries were written before the index.
        fence(Ordering::Acquire);
        Ok(waiting)
    }

    /// Takes the next chain.
    pub fn pop(&mut self, dma: &Dma) -> Result<Option<Chain>, QueueError> {
        if self.available(dma)? == 0 {
            return Ok(None);
        }
        let slot = u64::from(self.next_avail % self.size);
        let head: u16 = dma.load(self.avail.offset(4 + 2 * slot))?;
        let chain = Chain::walk(dma, self.desc, self.size, head, self.indirect)?;
        self.next_avail = self.next_avail.wrapping_add(1);
        if self.event_idx && self.notifications {
            self.store_avail_event(dma)?;
        }
        Ok(Some(chain))
    }

    /// Puts back the `count` chains that were taken last.
    pub fn unpop(&mut self, count: u16) {
        self.next_avail = self.next_avail.wrapping_sub(count);
    }

    /// Makes the next buffer that the driver adds a reason to notify.
    fn store_avail_event(&self, dma: &Dma) -> Result<(), QueueError> {
        let at = self.used.offset(4 + 8 * u64::from(self.size));
        dma.store(at, self.next_avail)?;
        // The driver must see this before the device looks at the available index again.
        fence(Ordering::SeqCst);
        Ok(())
    }

    /// Tells the driver whether its notifications are wanted. After turning them on, look at the
    /// queue again: a buffer may have come in between.
    pub fn set_notifications(&mut self, dma: &Dma, on: bool) -> Result<(), QueueError> {
        if !self.ready || self.notifications == on {
            return Ok(());
        }
        self.notifications = on;
        if self.event_idx {
            // Without a store the driver's index passes the old event soon: that is the suppression.
            return if on {
                self.store_avail_event(dma)
            } else {
                Ok(())
            };
        }
        dma.store(self.used, if on { 0 } else { USED_NO_NOTIFY })?;
        fence(Ordering::SeqCst);
        Ok(())
    }

    /// Hands a chain back, `written` bytes of it written.
    pub fn push(&mut self, dma: &Dma, head: u16, written: u32) -> Result<(), QueueError> {
        if !self.ready {
            return Ok(());
        }
        let slot = u64::from(self.next_used % self.size);
        let entry = self.used.offset(4 + 8 * slot);
        dma.store(entry, u32::from(head))?;
        dma.store(entry.offset(4), written)?;
        self.next_used = self.next_used.wrapping_add(1);
        // The entry is there before the index says so.
        fence(Ordering::Release);
        dma.store(self.used.offset(2), self.next_used)?;
        self.unsettled = true;
        Ok(())
    }

    /// Whether the driver wants an interrupt for what was pushed since this was last asked.
    pub fn take_interrupt(&mut self, dma: &Dma) -> Result<bool, QueueError> {
        if !std::mem::take(&mut self.unsettled) || !self.ready {
            return Ok(false);
        }
        // The driver must see the used index before the device looks at its wishes.
        fence(Ordering::SeqCst);
        if !self.event_idx {
            let flags: u16 = dma.load(self.avail)?;
            return Ok(flags & AVAIL_NO_INTERRUPT == 0);
        }
        let event: u16 = dma.load(self.avail.offset(4 + 2 * u64::from(self.size)))?;
        let new = self.next_used;
        // Passed when the event lies in [old, new): the spec, section 2.7.10.
        let passed = self
            .signalled
            .is_none_or(|old| new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old));
        self.signalled = Some(new);
        Ok(passed)
    }
}
