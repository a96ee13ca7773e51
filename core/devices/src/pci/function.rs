//! What a PCI device is to the host bridge, and the other way round.

use std::any::Any;

use ferrite_machine::device::MachineRequest;
use ferrite_machine::{Dma, VirtualTime};
use ferrite_ram::GuestPhys;

use super::config::ConfigSpace;
use super::hotplug::HotplugSlot;
use super::spec::command;

/// What a bus is like, for what is plugged into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusKind {
    /// The root bus of a PCI Express host: takes devices of any kind as integrated ones.
    Root,
    /// The link below a port.
    Express,
    /// A conventional bus.
    Conventional,
}

/// The bus below a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secondary {
    /// What it is like.
    pub kind: BusKind,
    /// The first slot that takes devices.
    pub first_slot: u8,
    /// One past the last slot.
    pub slots: u8,
}

/// What a function asked for while it was called.
#[derive(Debug, Default)]
pub struct Outputs {
    pub(super) deadline: Option<VirtualTime>,
    pub(super) request: Option<MachineRequest>,
    pub(super) messages: Vec<(GuestPhys, u32)>,
    /// The guest gave up what is in the slot.
    pub(super) eject: bool,
}

/// What a function is called with.
pub struct PciCx<'a> {
    /// Virtual time now.
    pub now: VirtualTime,
    /// Wall-clock time now, nanoseconds since 1970 UTC.
    pub wall_ns: u64,
    /// Guest-physical memory.
    pub dma: &'a Dma,
    /// The function's configuration space.
    pub config: &'a mut ConfigSpace,
    pub(super) outputs: &'a mut Outputs,
}

impl PciCx<'_> {
    /// Whether the function may access memory.
    #[must_use]
    pub fn is_master(&self) -> bool {
        self.config.commanded(command::MASTER)
    }

    /// Asks for [`PciDevice::timer`] at `at`, replacing what was asked before.
    pub fn set_timer(&mut self, at: Option<VirtualTime>) {
        self.outputs.deadline = at;
    }

    /// Sets the level of the function's interrupt pin.
    pub fn set_intx(&mut self, level: bool) {
        self.config.set_intx(level);
    }

    /// Sends the message of an MSI-X vector, or lets it pend while it is masked. Nothing happens
    /// where MSI-X is off.
    pub fn notify(&mut self, vector: u16) {
        if !self.config.msix_enabled() {
            return;
        }
        let masked = self.functions_masked();
        let Some(msix) = self.config.msix_mut() else {
            return;
        };
        if let Some(message) = msix.raise(vector.into(), masked) {
            self.send(message);
        }
    }

    /// Whether software switched MSI on.
    #[must_use]
    pub fn msi_enabled(&self) -> bool {
        self.config.msi_message().is_some()
    }

    /// Sends the message of MSI. Nothing happens where that is off.
    pub fn notify_msi(&mut self) {
        if let Some(message) = self.config.msi_message() {
            self.send(message);
        }
    }

    /// Sends a message, if the function may.
    fn send(&mut self, message: (GuestPhys, u32)) {
        if self.is_master() {
            self.outputs.messages.push(message);
        }
    }

    fn functions_masked(&self) -> bool {
        let msix = self.config.msix();
        msix.is_some_and(|msix| msix.function_masked(self.config))
    }

    /// Sends what pended and no longer is masked.
    pub(super) fn release_messages(&mut self) {
        if !self.config.msix_enabled() || self.functions_masked() {
            return;
        }
        let released = self.config.msix_mut().map(|msix| msix.release());
        for message in released.unwrap_or_default() {
            self.send(message);
        }
    }

    /// Asks something of the machine as a whole.
    pub fn request(&mut self, request: MachineRequest) {
        self.outputs.request = Some(request);
    }

    /// Says that the guest gave up what is in this port's slot.
    pub(super) fn eject(&mut self) {
        self.outputs.eject = true;
    }
}

/// A PCI function.
pub trait PciDevice: Any + Send {
    /// Its type, as users of QEMU know it: `e1000`, `virtio-blk-pci`.
    fn kind(&self) -> &'static str;

    /// Its configuration space on a bus of this kind; asked once, when it is plugged.
    fn config(&mut self, bus: BusKind) -> ConfigSpace;

    /// Software reads up to 4 bytes of the configuration space.
    fn config_read(&mut self, cx: &mut PciCx<'_>, offset: usize, bytes: usize) -> u32 {
        cx.config.read(offset, bytes)
    }

    /// Software writes up to 4 bytes of the configuration space.
    fn config_write(&mut self, cx: &mut PciCx<'_>, offset: usize, bytes: usize, value: u32) {
        cx.config.write(offset, bytes, value);
    }

    /// Reads 1, 2 or 4 bytes at `offset` of what base address register `bar` maps.
    fn read(&mut self, _cx: &mut PciCx<'_>, _bar: usize, _offset: u64, bytes: u64) -> u32 {
        u32::MAX >> (32 - 8 * bytes.clamp(1, 4))
    }

    /// Writes 1, 2 or 4 bytes.
    fn write(&mut self, _cx: &mut PciCx<'_>, _bar: usize, _offset: u64, _bytes: u64, _value: u32) {}

    /// Returns to the state after power-on; the configuration space has done so already.
    fn reset(&mut self, cx: &mut PciCx<'_>);

    /// The time asked for by [`PciCx::set_timer`] has come (the request is cleared).
    fn timer(&mut self, _cx: &mut PciCx<'_>) {}

    /// The host side may have news.
    fn poll(&mut self, _cx: &mut PciCx<'_>) {}

    /// The bus below it, if it is a bridge.
    fn secondary(&self) -> Option<Secondary> {
        None
    }

    /// Its slot, if devices can come and go below it while the machine runs.
    fn slot(&mut self) -> Option<&mut dyn HotplugSlot> {
        None
    }
}
