//! A machine around one CPU: RAM, an interrupt controller, a page of registers that remembers.

use std::sync::Arc;

use ferrite_aarch64::platform::{
    AfterCall, BusError, Conduit, FirmwareResult, InterruptLines, Maintenance, PhysPage, Platform,
};
use ferrite_devices::gic::Gic;
use ferrite_devices::gicv3::GicV3;
use ferrite_ram::{GuestPhys, GuestRam, RamOffset};

/// Where RAM starts. The page of registers is at 0.
pub const RAM_BASE: u64 = 0x4000_0000;
/// How much RAM there is.
pub const RAM_LEN: u64 = 1 << 20;
const PAGE: u64 = 4096;

/// The machine.
pub struct Board {
    ram: Arc<GuestRam>,
    gic: Gic,
    register: u64,
    counter: u64,
    silent: bool,
}

impl Board {
    /// A machine with this RAM, of [`RAM_LEN`] bytes.
    #[must_use]
    pub fn new(ram: Arc<GuestRam>) -> Self {
        Self {
            ram,
            gic: Gic::V3(GicV3::new(&[0])),
            register: 0,
            counter: 0,
            silent: false,
        }
    }

    /// No interrupt reaches the CPU from now on.
    pub fn silence(&mut self) {
        self.silent = true;
    }

    /// Lets time pass.
    pub fn advance(&mut self, ticks: u64) {
        self.counter = self.counter.wrapping_add(ticks);
    }
}

impl Platform for Board {
    fn ram(&self) -> &Arc<GuestRam> {
        &self.ram
    }

    fn page(&self, at: GuestPhys) -> PhysPage {
        match at.0.checked_sub(RAM_BASE) {
            Some(offset) if offset < RAM_LEN => PhysPage::Ram {
                at: RamOffset(offset).page(),
                // The last quarter is a ROM.
                writable: offset < RAM_LEN / 4 * 3,
            },
            _ => PhysPage::Device,
        }
    }

    fn map_generation(&self) -> u64 {
        1
    }

    fn read(&mut self, _: usize, at: GuestPhys, bytes: u64) -> Result<u64, BusError> {
        if at.0 >= PAGE {
            return Err(BusError);
        }
        Ok(self.register & (u64::MAX >> (64 - 8 * bytes)))
    }

    fn write(&mut self, _: usize, at: GuestPhys, _: u64, value: u64) -> Result<(), BusError> {
        if at.0 >= PAGE {
            return Err(BusError);
        }
        self.register = value;
        self.gic.set_spi(0, value & 1 != 0);
        Ok(())
    }

    fn counter(&self) -> u64 {
        self.counter
    }

    fn counter_frequency(&self) -> u64 {
        62_500_000
    }

    fn gic_read(&mut self, cpu: usize, register: u32) -> Option<u64> {
        self.gic.sysreg_read(cpu, register)
    }

    fn gic_write(&mut self, cpu: usize, register: u32, value: u64) -> Option<()> {
        self.gic.sysreg_write(cpu, register, value)
    }

    fn has_gic_registers(&self) -> bool {
        true
    }

    fn firmware_call(
        &mut self,
        _: usize,
        conduit: Conduit,
        arguments: [u64; 4],
    ) -> Option<FirmwareResult> {
        (conduit == Conduit::Hvc).then_some(FirmwareResult {
            x0: arguments[1],
            then: AfterCall::Continue,
        })
    }

    fn interrupts(&self, cpu: usize) -> Option<InterruptLines> {
        let outputs = self.gic.outputs(cpu);
        Some(InterruptLines {
            irq: outputs.irq && !self.silent,
            fiq: outputs.fiq && !self.silent,
        })
    }

    fn send_event(&mut self, _: usize) {}

    fn broadcast(&mut self, _: usize, _: Maintenance) {}
}
