//! The PCI transport (the spec, section 4.1): the modern interface everywhere, and beside it the
//! legacy one where the device does not sit on a link below a PCI Express port, as in QEMU.

mod layout;
mod legacy;
pub mod spec;

#[cfg(test)]
mod tests;

use ferrite_machine::{Dma, VirtualTime};
use ferrite_ram::GuestPhys;

use self::spec::{MODELS, Model, NO_VECTOR, Vectors, bar, common, legacy as old, part};
use super::device::{Signals, VirtioDevice};
use super::transport::Transport;
use crate::pci::{BusKind, ConfigSpace, PciCx, PciDevice};

/// The registers that select or shape, but belong to no device.
#[derive(Clone, Debug)]
struct Selectors {
    device_features: u32,
    driver_features: u32,
    queue: u16,
    config_vector: u16,
    queue_vectors: Vec<u16>,
}

impl Selectors {
    fn new(queues: usize) -> Self {
        Self {
            device_features: 0,
            driver_features: 0,
            queue: 0,
            config_vector: NO_VECTOR,
            queue_vectors: vec![NO_VECTOR; queues],
        }
    }
}

/// A virtio device on PCI.
pub struct VirtioPci {
    // Fixed.
    model: &'static Model,
    vectors: u16,
    /// Whether there is a legacy interface; `None` for where the bus wants it.
    legacy: Option<bool>,
    /// Where the capability for access through configuration space is.
    window: usize,
    // Guest-visible.
    transport: Transport,
    selectors: Selectors,
}

impl VirtioPci {
    /// `device` on PCI; `None` for a type of device that PCI has no IDs for here.
    #[must_use]
    pub fn new(device: Box<dyn VirtioDevice>) -> Option<Self> {
        let model = MODELS
            .iter()
            .find(|model| model.device_type == device.device_type())?;
        let transport = Transport::new(device, false);
        let queues = transport.queue_count();
        let vectors = match model.vectors {
            Vectors::PerQueue(extra) => queues as u16 + extra,
            Vectors::Fixed(count) => count,
        };
        Some(Self {
            model,
            vectors,
            legacy: None,
            window: 0,
            selectors: Selectors::new(queues),
            transport,
        })
    }

    /// Says whether there is a legacy interface, whatever the bus.
    pub fn set_legacy(&mut self, legacy: bool) {
        self.legacy = Some(legacy);
    }

    /// The device with its transport state.
    #[must_use]
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Calls the device, if it may access memory, and sends its interrupts.
    fn run(
        &mut self,
        cx: &mut PciCx<'_>,
        call: impl FnOnce(&mut Transport, VirtualTime, &Dma) -> Signals,
    ) {
        if !cx.is_master() {
            return;
        }
        let signals = call(&mut self.transport, cx.now, cx.dma);
        if signals.again {
            cx.set_timer(Some(cx.now));
        } else if signals.wake_at.is_some() {
            cx.set_timer(signals.wake_at);
        }
        if cx.config.msix_enabled() {
            self.send(cx, signals);
        }
        self.update_intx(cx);
    }

    fn send(&self, cx: &mut PciCx<'_>, signals: Signals) {
        for (queue, vector) in self.selectors.queue_vectors.iter().enumerate() {
            if signals.used >> queue & 1 != 0 && *vector != NO_VECTOR {
                cx.notify(*vector);
            }
        }
        if signals.config && self.selectors.config_vector != NO_VECTOR {
            cx.notify(self.selectors.config_vector);
        }
    }

    fn update_intx(&self, cx: &mut PciCx<'_>) {
        let level = self.transport.interrupt_status() != 0 && !cx.config.msix_enabled();
        cx.set_intx(level);
    }

    /// Reads the interrupt causes, which takes them back.
    fn read_isr(&mut self, cx: &mut PciCx<'_>) -> u32 {
        let causes = self.transport.interrupt_status();
        self.transport.acknowledge(causes);
        self.update_intx(cx);
        causes.into()
    }

    /// A vector that exists, or none.
    fn vector(&self, value: u32) -> u16 {
        match value as u16 {
            vector if vector < self.vectors => vector,
            _ => NO_VECTOR,
        }
    }

    fn queue_vector(&self) -> u16 {
        let vectors = &self.selectors.queue_vectors;
        let vector = vectors.get(usize::from(self.selectors.queue));
        vector.copied().unwrap_or(NO_VECTOR)
    }

    fn set_queue_vector(&mut self, value: u32) {
        let vector = self.vector(value);
        let vectors = &mut self.selectors.queue_vectors;
        if let Some(place) = vectors.get_mut(usize::from(self.selectors.queue)) {
            *place = vector;
        }
    }

    fn set_status(&mut self, cx: &mut PciCx<'_>, value: u8) {
        if value == 0 {
            self.reset_device(cx);
            return;
        }
        self.transport.set_status(cx.dma, value);
        // What the host had to tell before the driver was there.
        self.run(cx, Transport::poll);
    }

    fn reset_device(&mut self, cx: &mut PciCx<'_>) {
        self.transport.reset();
        self.transport.set_legacy(false);
        self.selectors = Selectors::new(self.transport.queue_count());
        cx.set_timer(None);
        self.update_intx(cx);
    }

    /// Notifies the queue of this number.
    fn notify(&mut self, cx: &mut PciCx<'_>, queue: usize) {
        self.run(cx, |transport, now, dma| transport.notify(now, dma, queue));
    }

    fn write_device_config(&mut self, cx: &mut PciCx<'_>, offset: u64, bytes: u64, value: u32) {
        self.transport.write_config(offset, bytes, value);
        self.run(cx, Transport::poll);
    }

    fn read_common(&self, offset: u64) -> u32 {
        let t = &self.transport;
        let queue = t.queue(usize::from(self.selectors.queue));
        match offset {
            common::DEVICE_FEATURE_SELECT => self.selectors.device_features,
            common::DEVICE_FEATURE => match self.selectors.device_features {
                word @ 0..=1 => (t.offered_features() >> (32 * word)) as u32,
                _ => 0,
            },
            common::DRIVER_FEATURE_SELECT => self.selectors.driver_features,
            common::DRIVER_FEATURE => match self.selectors.driver_features {
                word @ 0..=1 => (t.driver_features() >> (32 * word)) as u32,
                _ => 0,
            },
            common::CONFIG_VECTOR => self.selectors.config_vector.into(),
            common::NUM_QUEUES => t.queue_count() as u32,
            common::STATUS => t.status().into(),
            common::CONFIG_GENERATION => t.config_generation() & 0xff,
            common::QUEUE_SELECT => self.selectors.queue.into(),
            common::QUEUE_SIZE => queue.map_or(0, |q| q.size().into()),
            common::QUEUE_VECTOR => self.queue_vector().into(),
            common::QUEUE_ENABLE => queue.map_or(0, |q| q.ready().into()),
            common::QUEUE_NOTIFY_OFF => self.selectors.queue.into(),
            common::QUEUE_AREAS..common::QUEUE_AREAS_END => {
                let (area, shift) = area(offset);
                queue.map_or(0, |q| (q.areas()[area].0 >> shift) as u32)
            }
            // A queue's reset is over before the driver can look.
            _ => 0,
        }
    }

    fn write_common(&mut self, cx: &mut PciCx<'_>, offset: u64, value: u32) {
        let index = usize::from(self.selectors.queue);
        match offset {
            common::DEVICE_FEATURE_SELECT => self.selectors.device_features = value,
            common::DRIVER_FEATURE_SELECT => self.selectors.driver_features = value,
            common::DRIVER_FEATURE => {
                let word = self.selectors.driver_features;
                self.transport.set_driver_features(word, value);
            }
            common::CONFIG_VECTOR => self.selectors.config_vector = self.vector(value),
            common::STATUS => self.set_status(cx, value as u8),
            common::QUEUE_SELECT => self.selectors.queue = value as u16,
            common::QUEUE_VECTOR => self.set_queue_vector(value),
            common::QUEUE_RESET if value & 1 != 0 => self.transport.reset_queue(index),
            _ => {
                let Some(queue) = self.transport.queue_mut(index) else {
                    return;
                };
                match offset {
                    // No larger than what is on offer.
                    common::QUEUE_SIZE if value <= queue.default_size().into() => {
                        queue.set_size(value);
                    }
                    common::QUEUE_ENABLE if value & 1 != 0 => queue.set_ready(true),
                    common::QUEUE_AREAS..common::QUEUE_AREAS_END => {
                        let (area, shift) = area(offset);
                        let mut areas = queue.areas();
                        let kept = areas[area].0 & !(u64::from(u32::MAX) << shift);
                        areas[area] = GuestPhys(kept | u64::from(value) << shift);
                        queue.set_areas(areas);
                    }
                    _ => {}
                }
            }
        }
    }

    fn read_modern(&mut self, cx: &mut PciCx<'_>, offset: u64, bytes: u64) -> u32 {
        match offset {
            part::COMMON..part::ISR => self.read_common(offset - part::COMMON),
            part::ISR => self.read_isr(cx),
            part::DEVICE..part::NOTIFY => self.transport.read_config(offset - part::DEVICE, bytes),
            _ => 0,
        }
    }

    fn write_modern(&mut self, cx: &mut PciCx<'_>, offset: u64, bytes: u64, value: u32) {
        match offset {
            part::COMMON..part::ISR => self.write_common(cx, offset - part::COMMON, value),
            part::DEVICE..part::NOTIFY => {
                self.write_device_config(cx, offset - part::DEVICE, bytes, value);
            }
            part::NOTIFY..part::END => {
                let queue = (offset - part::NOTIFY) / part::NOTIFY_MULTIPLIER;
                self.notify(cx, queue as usize);
            }
            _ => {}
        }
    }

    /// The access that the window in configuration space asks for: BAR, offset, bytes.
    fn window_access(&self, cx: &PciCx<'_>, register: usize) -> Option<(usize, u64, u64)> {
        if self.window == 0 || register != self.window + layout::WINDOW_DATA {
            return None;
        }
        let bar = usize::from(cx.config.u8(self.window + layout::WINDOW_BAR));
        let offset = u64::from(cx.config.u32(self.window + layout::WINDOW_OFFSET));
        let bytes = u64::from(cx.config.u32(self.window + layout::WINDOW_LENGTH));
        let fits = matches!(bytes, 1 | 2 | 4) && offset.is_multiple_of(bytes);
        (fits && offset < part::END && bar == bar::MODERN).then_some((bar, offset, bytes))
    }
}

/// The area and the half of it that a register of common configuration is.
fn area(offset: u64) -> (usize, u32) {
    let word = (offset - common::QUEUE_AREAS) / 4;
    ((word / 2) as usize, (word % 2 * 32) as u32)
}

impl PciDevice for VirtioPci {
    fn kind(&self) -> &'static str {
        self.model.kind
    }

    fn config(&mut self, bus: BusKind) -> ConfigSpace {
        let config_len = self.transport.device().config().len() as u64;
        let layout = layout::Layout {
            model: self.model,
            legacy: self.legacy.unwrap_or(bus != BusKind::Express),
            express: bus == BusKind::Express,
            vectors: self.vectors,
            legacy_len: (old::LEN_MSIX + config_len).next_power_of_two(),
        };
        let (config, window) = layout.build();
        self.window = window;
        config
    }

    fn config_read(&mut self, cx: &mut PciCx<'_>, offset: usize, bytes: usize) -> u32 {
        match self.window_access(cx, offset) {
            Some((_, at, width)) => self.read_modern(cx, at, width),
            None => cx.config.read(offset, bytes),
        }
    }

    fn config_write(&mut self, cx: &mut PciCx<'_>, offset: usize, bytes: usize, value: u32) {
        cx.config.write(offset, bytes, value);
        if let Some((_, at, width)) = self.window_access(cx, offset) {
            self.write_modern(cx, at, width, value);
        }
        // MSI-X may have been switched.
        self.update_intx(cx);
    }

    fn read(&mut self, cx: &mut PciCx<'_>, bar: usize, offset: u64, bytes: u64) -> u32 {
        match bar {
            bar::LEGACY => self.read_legacy(cx, offset, bytes),
            bar::MODERN => self.read_modern(cx, offset, bytes),
            _ => 0,
        }
    }

    fn write(&mut self, cx: &mut PciCx<'_>, bar: usize, offset: u64, bytes: u64, value: u32) {
        match bar {
            bar::LEGACY => self.write_legacy(cx, offset, bytes, value),
            bar::MODERN => self.write_modern(cx, offset, bytes, value),
            _ => {}
        }
    }

    fn reset(&mut self, cx: &mut PciCx<'_>) {
        self.reset_device(cx);
    }

    fn timer(&mut self, cx: &mut PciCx<'_>) {
        self.run(cx, Transport::poll);
    }

    fn poll(&mut self, cx: &mut PciCx<'_>) {
        self.run(cx, Transport::poll);
    }
}
