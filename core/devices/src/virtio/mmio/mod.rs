//! The memory-mapped transport (the spec, section 4.2), version 2 (modern) and version 1 (legacy).
//!
//! Region 0 is the register block, interrupt pin 0 the transport's interrupt. An empty slot answers
//! with magic, version and vendor, and device type 0.

pub mod spec;

#[cfg(test)]
mod tests;

use ferrite_machine::{BusError, Cx, Device, Dma, ResetKind, VirtualTime};
use ferrite_ram::GuestPhys;

use self::spec::{CONFIG, MAGIC, Register, VENDOR};
use super::device::{Signals, VirtioDevice};
use super::spec::MAX_QUEUE_SIZE;
use super::transport::Transport;

/// Which interface the transport has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MmioVersion {
    /// Version 1; QEMU's default (`force-legacy=true`).
    Legacy,
    /// Version 2.
    Modern,
}

/// The registers that select or shape, but belong to no device.
#[derive(Clone, Debug, Default)]
struct Selectors {
    device_features: u32,
    driver_features: u32,
    queue: u32,
    /// Bytes; 0 until the driver says.
    guest_page_size: u32,
    /// Bytes; the legacy alignment of the used ring.
    queue_align: u32,
}

/// One virtio-mmio slot.
pub struct VirtioMmio {
    version: MmioVersion,
    slot: Option<Transport>,
    selectors: Selectors,
}

impl VirtioMmio {
    /// A slot with `device` behind it, or an empty one.
    #[must_use]
    pub fn new(version: MmioVersion, device: Option<Box<dyn VirtioDevice>>) -> Self {
        Self {
            version,
            slot: device.map(|d| Transport::new(d, version == MmioVersion::Legacy)),
            selectors: Selectors::default(),
        }
    }

    /// The device with its transport state; `None` for an empty slot.
    #[must_use]
    pub fn transport(&self) -> Option<&Transport> {
        self.slot.as_ref()
    }

    /// Passes on what a call to the device asked for.
    fn settle(&mut self, cx: &mut Cx<'_>, signals: Signals) {
        if signals.again {
            cx.set_timer(Some(cx.now));
        } else if signals.wake_at.is_some() {
            cx.set_timer(signals.wake_at);
        }
        self.update_irq(cx);
    }

    fn update_irq(&self, cx: &mut Cx<'_>) {
        let causes = self.slot.as_ref().map_or(0, Transport::interrupt_status);
        cx.set_irq(0, causes != 0);
    }

    fn run(
        &mut self,
        cx: &mut Cx<'_>,
        call: impl FnOnce(&mut Transport, VirtualTime, &Dma) -> Signals,
    ) {
        if let Some(transport) = &mut self.slot {
            let signals = call(transport, cx.now, cx.dma);
            self.settle(cx, signals);
        }
    }

    /// Reads 1, 2 or 4 bytes.
    fn read_narrow(&self, offset: u64, bytes: u64) -> u32 {
        if offset >= CONFIG {
            let config = |t: &Transport| t.read_config(offset - CONFIG, bytes);
            return self.slot.as_ref().map_or(0, config);
        }
        // Registers are 32 bits wide and read so only; anything else reads as zero.
        let register = Register::at(offset).filter(|_| bytes == 4);
        register.map_or(0, |r| self.read_register(r))
    }

    /// Writes 1, 2 or 4 bytes.
    fn write_narrow(&mut self, cx: &mut Cx<'_>, offset: u64, bytes: u64, value: u32) {
        if offset >= CONFIG {
            if let Some(t) = &mut self.slot {
                t.write_config(offset - CONFIG, bytes, value);
                self.run(cx, Transport::poll);
            }
        } else if let Some(register) = Register::at(offset).filter(|_| bytes == 4) {
            self.write_register(cx, register, value);
        }
    }

    fn read_register(&self, register: Register) -> u32 {
        let Some(t) = &self.slot else {
            return match register {
                Register::MagicValue => MAGIC,
                Register::Version => self.version_number(),
                Register::VendorId => VENDOR,
                _ => 0,
            };
        };
        let modern = self.version == MmioVersion::Modern;
        let queue = t.queue(self.selectors.queue as usize);
        match register {
            Register::MagicValue => MAGIC,
            Register::Version => self.version_number(),
            Register::DeviceId => t.device().device_type(),
            Register::VendorId => VENDOR,
            Register::DeviceFeatures => match self.selectors.device_features {
                word @ 0..=1 => (t.offered_features() >> (32 * word)) as u32,
                _ => 0,
            },
            // Queues may be larger than what the device has by default, as in QEMU.
            Register::QueueNumMax => queue.map_or(0, |_| u32::from(MAX_QUEUE_SIZE)),
            Register::QueuePfn if !modern => {
                let base = queue
                    .filter(|q| q.ready())
                    .map_or(GuestPhys(0), |q| q.areas()[0]);
                (base.0 / u64::from(self.selectors.guest_page_size.max(1))) as u32
            }
            Register::QueueReady if modern => queue.map_or(0, |q| u32::from(q.ready())),
            Register::InterruptStatus => u32::from(t.interrupt_status()),
            Register::Status => u32::from(t.status()),
            // There are no shared memory regions.
            Register::ShmLenLow
            | Register::ShmLenHigh
            | Register::ShmBaseLow
            | Register::ShmBaseHigh
                if modern =>
            {
                u32::MAX
            }
            // A reset is over before the driver can look.
            Register::QueueReset => 0,
            Register::ConfigGeneration if modern => t.config_generation(),
            _ => 0,
        }
    }

    fn version_number(&self) -> u32 {
        match self.version {
            MmioVersion::Legacy => 1,
            MmioVersion::Modern => 2,
        }
    }

    fn write_register(&mut self, cx: &mut Cx<'_>, register: Register, value: u32) {
        let Some(t) = &mut self.slot else {
            return;
        };
        match register {
            Register::DeviceFeaturesSel => self.selectors.device_features = value,
            Register::DriverFeaturesSel => self.selectors.driver_features = value,
            Register::DriverFeatures => {
                t.set_driver_features(self.selectors.driver_features, value);
            }
            Register::QueueSel => self.selectors.queue = value,
            Register::QueueNum => {
                if let Some(queue) = t.queue_mut(self.selectors.queue as usize) {
                    queue.set_size(value);
                }
            }
            Register::QueueNotify => {
                self.run(cx, |t, now, dma| t.notify(now, dma, value as usize));
            }
            Register::InterruptAck => {
                t.acknowledge(value as u8);
                self.update_irq(cx);
            }
            Register::Status => self.write_status(cx, value as u8),
            _ => match self.version {
                MmioVersion::Legacy => self.write_legacy(register, value),
                MmioVersion::Modern => self.write_modern(register, value),
            },
        }
    }

    fn write_status(&mut self, cx: &mut Cx<'_>, value: u8) {
        let Some(t) = &mut self.slot else {
            return;
        };
        t.set_status(cx.dma, value);
        if value == 0 {
            // The selectors stay: Linux sets the legacy page size before it resets the device.
            cx.set_timer(None);
            self.update_irq(cx);
        } else {
            // What the host had to tell before the driver was there.
            self.run(cx, Transport::poll);
        }
    }

    fn write_legacy(&mut self, register: Register, value: u32) {
        let Some(t) = &mut self.slot else {
            return;
        };
        let index = self.selectors.queue as usize;
        match register {
            Register::GuestPageSize if value.is_power_of_two() => {
                self.selectors.guest_page_size = value;
            }
            Register::QueueAlign if value.is_power_of_two() => {
                self.selectors.queue_align = value;
            }
            Register::QueuePfn => {
                t.disable_queue(index);
                let page_size = u64::from(self.selectors.guest_page_size);
                if value != 0
                    && let Some(queue) = t.queue_mut(index)
                {
                    let base = GuestPhys(u64::from(value) * page_size);
                    queue.set_legacy_base(base, self.selectors.queue_align);
                    queue.set_ready(true);
                }
            }
            _ => {}
        }
    }

    fn write_modern(&mut self, register: Register, value: u32) {
        let index = self.selectors.queue as usize;
        let Some(t) = &mut self.slot else {
            return;
        };
        let (area, high) = match register {
            Register::QueueReady if value & 1 == 0 => return t.disable_queue(index),
            Register::QueueReset if value & 1 != 0 => return t.reset_queue(index),
            Register::QueueReady => {
                if let Some(queue) = t.queue_mut(index) {
                    queue.set_ready(true);
                }
                return;
            }
            Register::QueueDescLow => (0, false),
            Register::QueueDescHigh => (0, true),
            Register::QueueDriverLow => (1, false),
            Register::QueueDriverHigh => (1, true),
            Register::QueueDeviceLow => (2, false),
            Register::QueueDeviceHigh => (2, true),
            _ => return,
        };
        if let Some(queue) = t.queue_mut(index) {
            let mut areas = queue.areas();
            let shift = if high { 32 } else { 0 };
            let kept = areas[area].0 & !(u64::from(u32::MAX) << shift);
            areas[area] = GuestPhys(kept | u64::from(value) << shift);
            queue.set_areas(areas);
        }
    }
}

impl Device for VirtioMmio {
    fn kind(&self) -> &'static str {
        "virtio-mmio"
    }

    fn read(
        &mut self,
        _cx: &mut Cx<'_>,
        _region: usize,
        offset: u64,
        bytes: u64,
    ) -> Result<u64, BusError> {
        // Nothing here is wider than 32 bits: eight bytes take two accesses.
        Ok(if bytes == 8 {
            let high = self.read_narrow(offset + 4, 4);
            u64::from(self.read_narrow(offset, 4)) | u64::from(high) << 32
        } else {
            u64::from(self.read_narrow(offset, bytes))
        })
    }

    fn write(
        &mut self,
        cx: &mut Cx<'_>,
        _region: usize,
        offset: u64,
        bytes: u64,
        value: u64,
    ) -> Result<(), BusError> {
        self.write_narrow(cx, offset, bytes.min(4), value as u32);
        if bytes == 8 {
            self.write_narrow(cx, offset + 4, 4, (value >> 32) as u32);
        }
        Ok(())
    }

    fn reset(&mut self, cx: &mut Cx<'_>, _kind: ResetKind) {
        if let Some(t) = &mut self.slot {
            t.reset();
        }
        self.selectors = Selectors::default();
        cx.set_timer(None);
        self.update_irq(cx);
    }

    fn timer(&mut self, cx: &mut Cx<'_>) {
        self.run(cx, Transport::poll);
    }

    fn poll(&mut self, cx: &mut Cx<'_>) {
        self.run(cx, Transport::poll);
    }
}
