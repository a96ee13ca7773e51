//! The legacy interface of a transitional device (the spec, section 4.1.4.8).

use ferrite_ram::GuestPhys;

use super::VirtioPci;
use super::spec::legacy as old;
use crate::pci::PciCx;

impl VirtioPci {
    /// Where the device's own configuration starts: two registers later with MSI-X.
    fn legacy_config(cx: &PciCx<'_>) -> u64 {
        match cx.config.msix_enabled() {
            true => old::LEN_MSIX,
            false => old::LEN,
        }
    }

    /// Reads 1, 2 or 4 bytes.
    pub(super) fn read_legacy(&mut self, cx: &mut PciCx<'_>, offset: u64, bytes: u64) -> u32 {
        if let Some(at) = offset.checked_sub(Self::legacy_config(cx)) {
            return self.transport.read_config(at, bytes);
        }
        let queue = self.transport.queue(usize::from(self.selectors.queue));
        match offset {
            old::DEVICE_FEATURES => self.transport.legacy_features(),
            old::DRIVER_FEATURES => self.transport.driver_features() as u32,
            old::QUEUE_PFN => {
                let base = queue.filter(|q| q.ready()).map(|q| q.areas()[0].0);
                (base.unwrap_or(0) / u64::from(old::PAGE)) as u32
            }
            old::QUEUE_SIZE => queue.map_or(0, |q| q.default_size().into()),
            old::QUEUE_SELECT => self.selectors.queue.into(),
            old::STATUS => self.transport.status().into(),
            old::ISR => self.read_isr(cx),
            old::CONFIG_VECTOR => self.selectors.config_vector.into(),
            old::QUEUE_VECTOR => self.queue_vector().into(),
            _ => 0,
        }
    }

    /// Writes 1, 2 or 4 bytes.
    pub(super) fn write_legacy(&mut self, cx: &mut PciCx<'_>, offset: u64, bytes: u64, value: u32) {
        if let Some(at) = offset.checked_sub(Self::legacy_config(cx)) {
            self.write_device_config(cx, at, bytes, value);
            return;
        }
        match offset {
            old::DRIVER_FEATURES => self.transport.set_driver_features(0, value),
            old::QUEUE_PFN => self.set_page(value),
            old::QUEUE_SELECT => self.selectors.queue = value as u16,
            old::QUEUE_NOTIFY => self.notify(cx, usize::from(value as u16)),
            old::STATUS => {
                if self.transport.status() == 0 {
                    // A driver that starts here has chosen its interface.
                    self.transport.set_legacy(true);
                }
                self.set_status(cx, value as u8);
            }
            old::CONFIG_VECTOR => self.selectors.config_vector = self.vector(value),
            old::QUEUE_VECTOR => self.set_queue_vector(value),
            _ => {}
        }
    }

    fn set_page(&mut self, page: u32) {
        let index = usize::from(self.selectors.queue);
        self.transport.disable_queue(index);
        if page != 0
            && let Some(queue) = self.transport.queue_mut(index)
        {
            let base = GuestPhys(u64::from(page) * u64::from(old::PAGE));
            queue.set_legacy_base(base, old::PAGE);
            queue.set_ready(true);
        }
    }
}
