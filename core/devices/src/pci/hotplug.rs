//! Native hot-plug of PCI Express slots (PCI Express Base 2.0, sections 6.7 and 7.8.9 to 7.8.11).
//!
//! The slot has an attention button, indicators for attention and power, and a power controller. A
//! device that comes makes the slot occupied and the button pressed; one that is to go presses the
//! button, and is gone once the guest has switched slot power and power indicator off.

use super::config::ConfigSpace;
use super::function::PciCx;

/// Offsets in the PCI Express capability.
mod offset {
    pub const LINK_STATUS: usize = 0x12;
    pub const SLOT_CONTROL: usize = 0x18;
    pub const SLOT_STATUS: usize = 0x1a;
}

/// Link status: the data link layer is active.
const LINK_ACTIVE: u16 = 1 << 13;

/// Slot control: the events that interrupt, at the positions that they have in the status.
const EVENTS: u16 = event::BUTTON | event::PRESENCE | event::COMMAND;
/// Slot control: interrupts of hot-plug events are on.
const INTERRUPT_ENABLE: u16 = 1 << 5;
/// Slot control: the attention indicator.
const ATTENTION: u16 = 3 << 6;
/// Slot control: the power indicator.
const POWER: u16 = 3 << 8;
const POWER_ON: u16 = 1 << 8;
const POWER_BLINK: u16 = 2 << 8;
const POWER_OFF: u16 = 3 << 8;
/// Slot control: slot power is off.
const NO_POWER: u16 = 1 << 10;
/// Slot control: what software can write.
const CONTROL_WRITABLE: u16 = 0x17ff;

/// Slot status: events, cleared by writing ones.
mod event {
    /// The attention button was pressed.
    pub const BUTTON: u16 = 1 << 0;
    /// Something came or went.
    pub const PRESENCE: u16 = 1 << 3;
    /// A command was carried out.
    pub const COMMAND: u16 = 1 << 4;
}
/// Slot status: something is in the slot.
const PRESENT: u16 = 1 << 6;

/// What a slot answers when a device is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unplug {
    /// The slot has no power: take it.
    Now,
    /// The guest was asked.
    Asked,
    /// The guest is at work on the slot: try later.
    Busy,
}

/// A slot whose device can come and go.
pub trait HotplugSlot {
    /// A device was put in.
    fn plugged(&mut self, cx: &mut PciCx<'_>);
    /// The device in it is to go.
    fn ask_to_unplug(&mut self, cx: &mut PciCx<'_>) -> Unplug;
    /// The device was taken out.
    fn emptied(&mut self, cx: &mut PciCx<'_>);
    /// The machine was reset, with or without something in the slot.
    fn reset(&mut self, cx: &mut PciCx<'_>, populated: bool);
}

/// The hot-plug registers of a port.
#[derive(Clone, Copy, Debug)]
pub struct SlotRegisters {
    /// Where the PCI Express capability is.
    capability: usize,
    /// The vector of hot-plug events.
    vector: u16,
    /// Whether the interrupt is asserted.
    asserted: bool,
}

impl SlotRegisters {
    /// The registers in the PCI Express capability at `capability`, interrupting with MSI-X vector
    /// `vector`.
    #[must_use]
    pub fn new(capability: usize, vector: u16) -> Self {
        Self {
            capability,
            vector,
            asserted: false,
        }
    }

    /// Says what software may write.
    pub fn lay_out(&self, config: &mut ConfigSpace) {
        let control = CONTROL_WRITABLE.to_le_bytes();
        config.allow(self.capability + offset::SLOT_CONTROL, &control);
        let events = EVENTS.to_le_bytes();
        config.clear_on_write(self.capability + offset::SLOT_STATUS, &events);
    }

    fn control(&self, config: &ConfigSpace) -> u16 {
        config.u16(self.capability + offset::SLOT_CONTROL)
    }

    fn status(&self, config: &ConfigSpace) -> u16 {
        config.u16(self.capability + offset::SLOT_STATUS)
    }

    fn set_occupied(&self, config: &mut ConfigSpace, occupied: bool) {
        for (at, bit) in [
            (offset::SLOT_STATUS, PRESENT),
            (offset::LINK_STATUS, LINK_ACTIVE),
        ] {
            let at = self.capability + at;
            let cleared = config.u16(at) & !bit;
            config.change_u16(at, if occupied { cleared | bit } else { cleared });
        }
    }

    /// Notes events and interrupts for those that software wants.
    fn raise(&mut self, cx: &mut PciCx<'_>, events: u16) {
        let at = self.capability + offset::SLOT_STATUS;
        let status = self.status(cx.config) | events;
        cx.config.change_u16(at, status);
        self.update(cx);
    }

    /// Drives the interrupt.
    fn update(&mut self, cx: &mut PciCx<'_>) {
        let control = self.control(cx.config);
        let wanted = self.status(cx.config) & control & EVENTS != 0;
        let level = wanted && control & INTERRUPT_ENABLE != 0;
        let was = std::mem::replace(&mut self.asserted, level);
        let rose = level && !was;
        if cx.config.msix_enabled() {
            cx.set_intx(false);
            if rose {
                cx.notify(self.vector);
            }
        } else {
            cx.set_intx(level);
        }
    }

    /// Software wrote to the configuration space, whose slot control was `before`.
    pub fn written(&mut self, cx: &mut PciCx<'_>, before: u16, wrote_control: bool) {
        if !wrote_control {
            return self.update(cx);
        }
        let control = self.control(cx.config);
        let off = |control: u16| control & NO_POWER != 0 && control & POWER == POWER_OFF;
        if self.status(cx.config) & PRESENT != 0 && off(control) && !off(before) {
            cx.eject();
        }
        self.raise(cx, event::COMMAND);
    }

    /// The slot control register, to be compared after a write.
    #[must_use]
    pub fn before(&self, config: &ConfigSpace) -> u16 {
        self.control(config)
    }

    /// Whether a write of `bytes` bytes at `at` reaches slot control.
    #[must_use]
    pub fn is_control(&self, at: usize, bytes: usize) -> bool {
        let control = self.capability + offset::SLOT_CONTROL;
        at < control + 2 && at + bytes > control
    }
}

impl HotplugSlot for SlotRegisters {
    fn plugged(&mut self, cx: &mut PciCx<'_>) {
        self.set_occupied(cx.config, true);
        self.raise(cx, event::PRESENCE | event::BUTTON);
    }

    fn ask_to_unplug(&mut self, cx: &mut PciCx<'_>) -> Unplug {
        let control = self.control(cx.config);
        match (control & POWER, control & NO_POWER != 0) {
            (POWER_BLINK, _) => Unplug::Busy,
            (POWER_OFF, true) => Unplug::Now,
            _ => {
                self.raise(cx, event::BUTTON);
                Unplug::Asked
            }
        }
    }

    fn emptied(&mut self, cx: &mut PciCx<'_>) {
        self.set_occupied(cx.config, false);
        self.raise(cx, event::PRESENCE);
    }

    fn reset(&mut self, cx: &mut PciCx<'_>, populated: bool) {
        let power = if populated {
            POWER_ON
        } else {
            POWER_OFF | NO_POWER
        };
        let at = self.capability + offset::SLOT_CONTROL;
        cx.config.change_u16(at, ATTENTION | power);
        self.set_occupied(cx.config, populated);
        self.asserted = false;
    }
}
