//! A device: an access and a context in, a value out.
//!
//! Devices never block, never read host time, and know neither their address nor their interrupt
//! numbers: the board wires them. While a device runs it owns its own state only; what it wants of
//! the machine (interrupt levels, a wake-up, guest memory) goes through the [`Cx`] that it is called
//! with. That is the ownership rule: the board owns every device, one call at a time.

use std::any::Any;

use ferrite_ram::GuestPhys;

use crate::{Dma, VirtualTime};

/// Nothing answers there, or not to that kind of access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusError;

/// A device's number on its board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub usize);

/// Why a device is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetKind {
    /// Power came on.
    Cold,
    /// The guest or an operator asked for a reset.
    Warm,
}

/// A device's outputs: what it last asked of the board.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wiring {
    /// Interrupt levels by pin; bit `n` is pin `n`.
    pub levels: u32,
    /// When the device wants [`Device::timer`] called.
    pub deadline: Option<VirtualTime>,
    /// What the device asks of the machine as a whole.
    pub request: Option<MachineRequest>,
    /// Message-signalled interrupts to deliver, in order.
    pub messages: Vec<Message>,
}

/// A message-signalled interrupt: a write of 32 bits that an interrupt controller takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where to.
    pub address: GuestPhys,
    /// What.
    pub data: u32,
    /// Who sends it: a PCI requester ID (bus in bits 15 to 8, device and function below).
    pub requester: u16,
}

/// Something a device asks of the whole machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineRequest {
    /// Power off.
    Shutdown,
    /// Reset.
    Reset,
    /// The guest says that it panicked.
    Panicked,
    /// The guest says that its crash kernel takes over.
    CrashLoaded,
}

/// What a device is called with.
pub struct Cx<'a> {
    /// Virtual time now.
    pub now: VirtualTime,
    /// Wall-clock time now, nanoseconds since 1970 UTC: for real-time clocks only.
    pub wall_ns: u64,
    /// Guest-physical memory.
    pub dma: &'a Dma,
    /// The device's outputs.
    pub wiring: &'a mut Wiring,
}

impl Cx<'_> {
    /// Sets the level of interrupt pin `pin` (0 to 31).
    pub fn set_irq(&mut self, pin: u32, level: bool) {
        let bit = 1 << pin;
        self.wiring.levels = if level {
            self.wiring.levels | bit
        } else {
            self.wiring.levels & !bit
        };
    }

    /// Asks for [`Device::timer`] at `at`, replacing what was asked before.
    pub fn set_timer(&mut self, at: Option<VirtualTime>) {
        self.wiring.deadline = at;
    }
}

/// A memory-mapped device. A board that knows what it mounted gets at the concrete type through
/// [`Any`].
pub trait Device: Any + Send {
    /// Its type, as users of QEMU know it: `pl011`, `virtio-mmio`.
    fn kind(&self) -> &'static str;

    /// Reads 1, 2, 4 or 8 bytes at `offset` in region `region` of the device.
    fn read(
        &mut self,
        cx: &mut Cx<'_>,
        region: usize,
        offset: u64,
        bytes: u64,
    ) -> Result<u64, BusError>;

    /// Writes the low `bytes` bytes of `value`.
    fn write(
        &mut self,
        cx: &mut Cx<'_>,
        region: usize,
        offset: u64,
        bytes: u64,
        value: u64,
    ) -> Result<(), BusError>;

    /// Returns to the state after power-on or reset.
    fn reset(&mut self, cx: &mut Cx<'_>, kind: ResetKind);

    /// The time asked for by [`Cx::set_timer`] has come (the request is cleared).
    fn timer(&mut self, _cx: &mut Cx<'_>) {}

    /// The host side may have news: input, a completed request, a received frame.
    fn poll(&mut self, _cx: &mut Cx<'_>) {}
}
