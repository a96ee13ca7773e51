//! The 82574's interrupts: by pin, by one message, or by MSI-X with a vector for each queue and one
//! for the rest (datasheet, sections 7.4 and 10.2.4).

use super::E1000;
use super::spec::{cause, express, reg};
use crate::pci::PciCx;

/// Where IVAR names a cause's vector: the cause, and the field's lowest bit.
const FIELDS: [(u32, u32); 5] = [
    (cause::RX_QUEUE_0, 0),
    (cause::RX_QUEUE_1, 4),
    (cause::TX_QUEUE_0, 8),
    (cause::TX_QUEUE_1, 12),
    (cause::OTHER, 16),
];

/// The causes that come with others on this generation: those of queues and the sum of the rest.
pub fn with_queues(causes: u32) -> u32 {
    let mut all = causes;
    for (some, also) in [
        (cause::RX | cause::RX_LOW, cause::RX_QUEUE_0),
        (cause::TX_DONE, cause::TX_QUEUE_0),
        (cause::OTHERS, cause::OTHER),
    ] {
        if causes & some != 0 {
            all |= also;
        }
    }
    all
}

impl E1000 {
    /// Brings interrupts in line with causes and mask, on a card of this generation.
    pub(super) fn update_vectors(&mut self, cx: &mut PciCx<'_>) {
        let wanted = self.causes & self.mask;
        // What is told by message is told once, until it is acknowledged or masked.
        self.told &= wanted;
        if cx.config.msix_enabled() {
            cx.set_intx(false);
            for (cause, field) in FIELDS {
                if wanted & !self.told & cause != 0 {
                    self.fire(cx, cause, field);
                }
            }
        } else if cx.msi_enabled() {
            cx.set_intx(false);
            if wanted & !self.told != 0 {
                self.told = wanted;
                cx.notify_msi();
            }
        } else {
            cx.set_intx(wanted != 0);
        }
    }

    /// Sends the message of a cause and does what is automatic at that.
    fn fire(&mut self, cx: &mut PciCx<'_>, cause: u32, field: u32) {
        let vector = self.get(express::IVAR) >> field;
        if vector & express::IVAR_VALID == 0 {
            return;
        }
        self.told |= cause;
        cx.notify((vector & 7) as u16);
        if self.get(reg::CTRL_EXT) & express::AUTO_MASK_MESSAGE != 0 {
            self.mask &= !(self.get(express::IAM) & cause);
        }
        self.causes &= !(self.get(express::EIAC) & cause);
        self.told &= self.causes & self.mask;
    }

    /// The causes as software reads them.
    pub(super) fn shown_causes(&self) -> u32 {
        match self.causes & self.mask {
            0 => self.causes,
            _ => self.causes | cause::ASSERTED,
        }
    }

    /// Software reads the causes: they are cleared if none is enabled, or if one is asserted
    /// (datasheet, section 10.2.4.1).
    pub(super) fn read_causes(&mut self, cx: &mut PciCx<'_>) -> u32 {
        let asserted = self.causes & self.mask != 0;
        let value = self.shown_causes();
        if asserted || self.mask == 0 {
            self.causes = 0;
        }
        if asserted {
            self.auto_mask();
        }
        self.update_interrupt(cx);
        value
    }

    /// An acknowledgement masks what software wants masked with it.
    pub(super) fn auto_mask(&mut self) {
        if self.get(reg::CTRL_EXT) & express::AUTO_MASK_READ != 0 {
            self.mask &= !self.get(express::IAM);
        }
    }
}
