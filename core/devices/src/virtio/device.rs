//! What a virtio device is to its transport, and the other way round.

use ferrite_machine::trace::Point;
use ferrite_machine::{BusError, Dma, VirtualTime};

use super::queue::{Chain, Queue, QueueError};

/// A virtio device, apart from any transport.
///
/// Little-endian bytes throughout: configuration space and rings of a legacy guest are taken to be
/// little-endian too.
pub trait VirtioDevice: Send {
    /// The device type number, from [`super::spec::device_type`].
    fn device_type(&self) -> u32;

    /// Its name without the transport, as users of QEMU know it: `virtio-blk`.
    fn name(&self) -> &'static str;

    /// Device-specific feature bits on offer. The transport adds those of rings and versions.
    fn features(&self) -> u64;

    /// The size of each queue, in queue order, where the transport does not let drivers choose more;
    /// at most 64 queues of at most [`super::spec::MAX_QUEUE_SIZE`].
    fn queue_sizes(&self) -> Vec<u16>;

    /// The device-specific configuration space.
    fn config(&self) -> Vec<u8>;

    /// The driver writes `data` at `offset` in the configuration space; the default has nothing to
    /// write.
    fn write_config(&mut self, _offset: usize, _data: &[u8]) {}

    /// The driver is set up, having accepted these features.
    fn activate(&mut self, _features: u64) {}

    /// The driver added buffers to queue `queue`.
    fn notify(&mut self, cx: &mut VirtioCx<'_>, queue: usize);

    /// The host side may have news, or [`VirtioCx::again`] was called.
    fn poll(&mut self, _cx: &mut VirtioCx<'_>) {}

    /// Forgets every chain and all that the driver set: the device is reset.
    fn reset(&mut self);

    /// Forgets every chain of `queue`: that queue alone is reset.
    fn reset_queue(&mut self, queue: usize);
}

/// What a call to a device asks of its transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// Queues whose driver wants an interrupt; bit `n` is queue `n`.
    pub used: u64,
    /// The configuration space changed, or the device needs a reset.
    pub config: bool,
    /// There is more to do: poll again, without waiting for the host.
    pub again: bool,
    /// When to poll next at the latest, if the device has said so; it says so in every call.
    pub wake_at: Option<VirtualTime>,
    /// The driver broke a rule: the device needs a reset.
    pub broken: Option<QueueError>,
}

/// What a device is called with: the guest's memory, its queues, and a way to signal.
pub struct VirtioCx<'a> {
    /// Virtual time now.
    pub now: VirtualTime,
    /// Guest-physical memory.
    pub dma: &'a Dma,
    /// Features that the driver accepted.
    pub features: u64,
    /// The device's type.
    pub(super) name: &'static str,
    pub(super) queues: &'a mut [Queue],
    pub(super) signals: &'a mut Signals,
}

impl VirtioCx<'_> {
    /// Whether the driver accepted all features of `mask`.
    #[must_use]
    pub fn has(&self, mask: u64) -> bool {
        self.features & mask == mask
    }

    /// The value, unless the driver broke a rule, which stops the device.
    pub fn check<T, E: Into<QueueError>>(&mut self, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.signals.broken.get_or_insert(error.into());
                None
            }
        }
    }

    /// Stops the device: a request lacks what it must have.
    pub fn bad_request(&mut self, what: &'static str) {
        self.signals
            .broken
            .get_or_insert(QueueError::BadRequest(what));
    }

    /// Takes the next chain of a queue; `None` when there is none, the queue is not in use or the
    /// device is stopped.
    pub fn pop(&mut self, queue: usize) -> Option<Chain> {
        if self.signals.broken.is_some() {
            return None;
        }
        let taken = self.queues.get_mut(queue)?.pop(self.dma);
        let taken = self.check(taken).flatten();
        if let Some(chain) = &taken {
            self.dma.trace().tell(Point::VirtqueuePop, || {
                let (head, out, room) = (chain.head(), chain.readable_len(), chain.writable_len());
                format!(
                    "{} queue {queue} head {head} out {out} in {room}",
                    self.name
                )
            });
        }
        taken
    }

    /// Puts back the chains that were taken last, to be taken again in the same order.
    pub fn unpop(&mut self, queue: usize, chains: Vec<Chain>) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.unpop(chains.len() as u16);
        }
    }

    /// Whether a chain waits in a queue.
    pub fn has_chain(&mut self, queue: usize) -> bool {
        if self.signals.broken.is_some() {
            return false;
        }
        let Some(q) = self.queues.get(queue) else {
            return false;
        };
        let waiting = q.available(self.dma);
        self.check(waiting).is_some_and(|waiting| waiting > 0)
    }

    /// Hands a chain back, its first `written` writable bytes written.
    pub fn push(&mut self, queue: usize, chain: Chain, written: u64) {
        if self.signals.broken.is_some() {
            return;
        }
        let Some(q) = self.queues.get_mut(queue) else {
            return;
        };
        let written = u32::try_from(written).unwrap_or(u32::MAX);
        let head = chain.head();
        self.dma.trace().tell(Point::VirtqueueFill, || {
            format!("{} queue {queue} head {head} len {written}", self.name)
        });
        let pushed = q.push(self.dma, head, written);
        self.check(pushed);
    }

    /// Tells the driver whether notifications of a queue are wanted.
    pub fn set_notifications(&mut self, queue: usize, on: bool) {
        if let Some(q) = self.queues.get_mut(queue) {
            let set = q.set_notifications(self.dma, on);
            self.check(set);
        }
    }

    /// Reads `N` readable bytes of a chain at `offset`; `None` if there are fewer.
    pub fn read_array<const N: usize>(&mut self, chain: &Chain, offset: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        let read = self.check::<_, BusError>(chain.read_at(self.dma, offset, &mut bytes))?;
        (read == N).then_some(bytes)
    }

    /// Reads up to `limit` readable bytes of a chain from `offset` on.
    pub fn read_vec(&mut self, chain: &Chain, offset: u64, limit: usize) -> Option<Vec<u8>> {
        self.check(chain.read_vec(self.dma, offset, limit))
    }

    /// Writes to a chain at `offset` and returns how many bytes fitted.
    pub fn write(&mut self, chain: &Chain, offset: u64, from: &[u8]) -> Option<usize> {
        self.check(chain.write_at(self.dma, offset, from))
    }

    /// Tells the driver that the configuration space changed.
    pub fn config_changed(&mut self) {
        self.signals.config = true;
    }

    /// Asks for [`VirtioDevice::poll`] at `at`, in place of what earlier calls asked for.
    pub fn wake_at(&mut self, at: VirtualTime) {
        self.signals.wake_at = Some(at);
    }

    /// Asks for [`VirtioDevice::poll`] soon, since this call has done its share of work.
    pub fn again(&mut self) {
        self.signals.again = true;
    }
}
