//! What every transport does alike: the status handshake, features, queues and interrupt causes.

use ferrite_machine::trace::Point;
use ferrite_machine::{Dma, VirtualTime};

use super::device::{Signals, VirtioCx, VirtioDevice};
use super::queue::{Queue, QueueError};
use super::spec::{feature, interrupt, status};

/// A device with the state that its transport keeps for it.
pub struct Transport {
    // Fixed.
    device: Box<dyn VirtioDevice>,
    // Fixed while the device is in use.
    legacy: bool,
    // Guest-visible.
    queues: Vec<Queue>,
    status: u8,
    driver_features: u64,
    interrupt_status: u8,
    config_generation: u32,
    // Why the device needs a reset.
    broken: Option<QueueError>,
}

impl Transport {
    /// Carries `device` over the legacy or the modern interface.
    #[must_use]
    pub fn new(device: Box<dyn VirtioDevice>, legacy: bool) -> Self {
        let queues: Vec<_> = device.queue_sizes().into_iter().map(Queue::new).collect();
        debug_assert!(queues.len() <= 64, "interrupt causes are bits of a u64");
        Self {
            device,
            legacy,
            queues,
            status: 0,
            driver_features: 0,
            interrupt_status: 0,
            config_generation: 0,
            broken: None,
        }
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &dyn VirtioDevice {
        self.device.as_ref()
    }

    /// All features on offer.
    #[must_use]
    pub fn offered_features(&self) -> u64 {
        let common = feature::INDIRECT_DESC | feature::EVENT_IDX;
        let version = if self.legacy {
            feature::ANY_LAYOUT
        } else {
            feature::VERSION_1 | feature::RING_RESET
        };
        let all = self.device.features() | common | version;
        if self.legacy {
            // The legacy interface has 32 feature bits.
            all & u64::from(u32::MAX)
        } else {
            all
        }
    }

    /// The features on offer over the legacy interface.
    #[must_use]
    pub fn legacy_features(&self) -> u32 {
        let common = feature::INDIRECT_DESC | feature::EVENT_IDX | feature::ANY_LAYOUT;
        (self.device.features() | common) as u32
    }

    /// Changes the interface, for a transport that has both; only while the device is reset.
    pub fn set_legacy(&mut self, legacy: bool) {
        if self.status == 0 {
            self.legacy = legacy;
        }
    }

    /// The features that the driver accepted so far.
    #[must_use]
    pub fn driver_features(&self) -> u64 {
        self.driver_features
    }

    /// Sets 32 of the features that the driver accepts. Words beyond the second have no feature, and
    /// once the driver said that it is done the choice stands.
    pub fn set_driver_features(&mut self, word: u32, value: u32) {
        if self.status & (status::FEATURES_OK | status::DRIVER_OK) != 0 || word > 1 {
            return;
        }
        let shift = 32 * word;
        let kept = self.driver_features & !(u64::from(u32::MAX) << shift);
        self.driver_features = kept | u64::from(value) << shift;
        if self.legacy {
            // There is no handshake that could refuse what was not on offer.
            self.driver_features &= self.offered_features();
            self.apply_ring_features();
        }
    }

    fn apply_ring_features(&mut self) {
        let has = |bit| self.driver_features & bit != 0;
        let (event_idx, indirect) = (has(feature::EVENT_IDX), has(feature::INDIRECT_DESC));
        for queue in &mut self.queues {
            queue.set_features(event_idx, indirect);
        }
    }

    /// The device status.
    #[must_use]
    pub fn status(&self) -> u8 {
        self.status
    }

    /// The driver writes the device status: zero resets, `FEATURES_OK` stays clear if the device
    /// cannot work with what the driver chose.
    pub fn set_status(&mut self, dma: &Dma, value: u8) {
        dma.trace().tell(Point::VirtioSetStatus, || {
            format!("{} val {value}", self.device.name())
        });
        if value == 0 {
            self.reset();
            return;
        }
        let mut value = value & !status::NEEDS_RESET | self.status & status::NEEDS_RESET;
        let asked = value & !self.status;
        if !self.legacy && asked & status::FEATURES_OK != 0 {
            let unknown = self.driver_features & !self.offered_features() != 0;
            if unknown || self.driver_features & feature::VERSION_1 == 0 {
                value &= !status::FEATURES_OK;
            } else {
                self.apply_ring_features();
            }
        }
        self.status = value;
        if asked & status::DRIVER_OK != 0 && self.running() {
            self.device.activate(self.driver_features);
        }
    }

    /// Whether the device may use its queues. A legacy driver may start before it says so.
    fn running(&self) -> bool {
        let needed = if self.legacy {
            status::DRIVER
        } else {
            status::FEATURES_OK | status::DRIVER_OK
        };
        self.broken.is_none() && self.status & needed == needed
    }

    /// How many queues there are.
    #[must_use]
    pub fn queue_count(&self) -> usize {
        self.queues.len()
    }

    /// A queue, if there is one of that number.
    #[must_use]
    pub fn queue(&self, index: usize) -> Option<&Queue> {
        self.queues.get(index)
    }

    /// A queue, to be set up.
    pub fn queue_mut(&mut self, index: usize) -> Option<&mut Queue> {
        self.queues.get_mut(index)
    }

    /// Resets one queue: the device forgets its chains.
    pub fn reset_queue(&mut self, index: usize) {
        if let Some(queue) = self.queues.get_mut(index) {
            queue.reset();
            self.device.reset_queue(index);
            self.apply_ring_features();
        }
    }

    /// Disables one queue, as legacy drivers do: the device forgets its chains.
    pub fn disable_queue(&mut self, index: usize) {
        if let Some(queue) = self.queues.get_mut(index) {
            queue.set_ready(false);
            self.device.reset_queue(index);
        }
    }

    /// Calls the device and settles what it signalled.
    fn call(
        &mut self,
        now: VirtualTime,
        dma: &Dma,
        body: impl FnOnce(&mut dyn VirtioDevice, &mut VirtioCx<'_>),
    ) -> Signals {
        let mut signals = Signals::default();
        if !self.running() {
            return signals;
        }
        let mut cx = VirtioCx {
            now,
            dma,
            features: self.driver_features,
            name: self.device.name(),
            queues: &mut self.queues,
            signals: &mut signals,
        };
        body(self.device.as_mut(), &mut cx);
        for (n, queue) in self.queues.iter_mut().enumerate() {
            match queue.take_interrupt(dma) {
                Ok(true) => signals.used |= 1 << n,
                Ok(false) => {}
                Err(error) => {
                    signals.broken.get_or_insert(error);
                }
            }
        }
        if signals.config {
            self.config_generation = self.config_generation.wrapping_add(1);
        }
        if let Some(error) = signals.broken {
            self.broken = Some(error);
            signals.again = false;
            signals.wake_at = None;
            if !self.legacy {
                self.status |= status::NEEDS_RESET;
                signals.config = true;
            }
        }
        if signals.used != 0 || signals.config {
            dma.trace().tell(Point::VirtioNotify, || {
                let (name, config) = (self.device.name(), u8::from(signals.config));
                format!("{name} queues {:#x} config {config}", signals.used)
            });
        }
        if signals.used != 0 {
            self.interrupt_status |= interrupt::USED;
        }
        if signals.config && self.status & status::DRIVER_OK != 0 {
            self.interrupt_status |= interrupt::CONFIG;
        }
        signals
    }

    /// The driver added buffers to a queue.
    pub fn notify(&mut self, now: VirtualTime, dma: &Dma, queue: usize) -> Signals {
        if queue >= self.queues.len() {
            return Signals::default();
        }
        dma.trace().tell(Point::VirtioQueueNotify, || {
            format!("{} queue {queue}", self.device.name())
        });
        self.call(now, dma, |device, cx| device.notify(cx, queue))
    }

    /// The host side may have news.
    pub fn poll(&mut self, now: VirtualTime, dma: &Dma) -> Signals {
        self.call(now, dma, |device, cx| device.poll(cx))
    }

    /// Why the device needs a reset, if it does.
    #[must_use]
    pub fn broken(&self) -> Option<QueueError> {
        self.broken
    }

    /// Interrupt causes that were not acknowledged, from [`interrupt`].
    #[must_use]
    pub fn interrupt_status(&self) -> u8 {
        self.interrupt_status
    }

    /// The driver acknowledges interrupt causes.
    pub fn acknowledge(&mut self, causes: u8) {
        self.interrupt_status &= !causes;
    }

    /// Changes whenever the configuration space does, other than by the driver.
    #[must_use]
    pub fn config_generation(&self) -> u32 {
        self.config_generation
    }

    /// Reads `bytes` (1, 2 or 4) little-endian bytes of the configuration space. What reaches beyond
    /// its end reads as all ones, as in QEMU.
    #[must_use]
    pub fn read_config(&self, offset: u64, bytes: u64) -> u32 {
        let config = self.device.config();
        let there = usize::try_from(offset).ok().and_then(|start| {
            let end = start.checked_add(usize::try_from(bytes).ok()?)?;
            config.get(start..end)
        });
        match there {
            Some(bytes) => bytes
                .iter()
                .rev()
                .fold(0, |value, byte| value << 8 | u32::from(*byte)),
            None => u32::MAX >> (32 - 8 * bytes.clamp(1, 4)),
        }
    }

    /// Writes `bytes` (1, 2 or 4) little-endian bytes of the configuration space.
    pub fn write_config(&mut self, offset: u64, bytes: u64, value: u32) {
        let data = value.to_le_bytes();
        if let (Ok(offset), Some(data)) = (usize::try_from(offset), data.get(..bytes as usize)) {
            self.device.write_config(offset, data);
        }
    }

    /// Returns the device and its queues to the state after power-on.
    pub fn reset(&mut self) {
        let Self {
            device,
            legacy: _,
            queues,
            status,
            driver_features,
            interrupt_status,
            config_generation: _,
            broken,
        } = self;
        device.reset();
        queues.iter_mut().for_each(Queue::reset);
        *status = 0;
        *driver_features = 0;
        *interrupt_status = 0;
        *broken = None;
    }
}
