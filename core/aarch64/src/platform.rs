//! What a CPU needs of the machine around it.

use ferrite_ram::{GuestPhys, GuestRam, RamOffset};
use std::sync::Arc;

/// The bus has nothing that answers at an address, or not to this kind of access: a synchronous
/// external abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusError;

/// What a physical page leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhysPage {
    /// Memory in the arena at this offset.
    Ram {
        /// The page's place.
        at: RamOffset,
        /// Whether stores reach it; those to a ROM go to [`Platform::write`].
        writable: bool,
    },
    /// A device, or nothing: accesses go through [`Platform::read`] and [`Platform::write`].
    Device,
}

/// The machine, as one CPU sees it. All methods are quick; none but
/// [`Self::synchronise`] waits for another CPU.
pub trait Platform {
    /// The arena.
    fn ram(&self) -> &Arc<GuestRam>;

    /// What the page of `at` leads to. The answer stays valid until the machine bumps
    /// [`Self::map_generation`].
    fn page(&self, at: GuestPhys) -> PhysPage;

    /// Changes whenever the physical memory map does.
    fn map_generation(&self) -> u64;

    /// Reads 1, 2, 4 or 8 bytes from a device.
    fn read(&mut self, cpu: usize, at: GuestPhys, bytes: u64) -> Result<u64, BusError>;

    /// Writes 1, 2, 4 or 8 bytes to a device.
    fn write(&mut self, cpu: usize, at: GuestPhys, bytes: u64, value: u64) -> Result<(), BusError>;

    /// The system counter now, in ticks of [`Self::counter_frequency`].
    fn counter(&self) -> u64;

    /// Ticks a second of the system counter (CNTFRQ_EL0 as firmware sets it).
    fn counter_frequency(&self) -> u64;

    /// Reads a register of the GIC's CPU interface (ICC_*), by its packed op0:op1:CRn:CRm:op2.
    /// `None`: this machine's GIC has no such system register (GICv2, or reserved).
    fn gic_read(&mut self, cpu: usize, register: u32) -> Option<u64>;

    /// Writes one. `None` as for reads.
    fn gic_write(&mut self, cpu: usize, register: u32, value: u64) -> Option<()>;

    /// Whether the GIC has the system register interface (ID_AA64PFR0_EL1.GIC).
    fn has_gic_registers(&self) -> bool;

    /// A call to firmware by HVC or SMC with immediate 0, where the board provides PSCI by that
    /// conduit. `None`: there is no firmware, the instruction takes its architectural course.
    fn firmware_call(
        &mut self,
        cpu: usize,
        conduit: Conduit,
        arguments: [u64; 4],
    ) -> Option<FirmwareResult>;

    /// The level of this CPU's interrupt inputs after a device or the GIC was accessed: what
    /// changed because of the access is seen at once instead of at the end of the run. `None`: as
    /// they were last set.
    fn interrupts(&self, cpu: usize) -> Option<InterruptLines> {
        let _ = cpu;
        None
    }

    /// Sends an event (SEV) to the other CPUs.
    fn send_event(&mut self, cpu: usize);

    /// Asks every other CPU to do TLB maintenance, at the latest by the time that this one's next
    /// [`Self::synchronise`] returns.
    fn broadcast(&mut self, cpu: usize, maintenance: Maintenance);

    /// DSB: what this CPU asked of others has been done when this returns, or will be before they
    /// run guest code again. Returns what others ask of this CPU, which has to do it at once.
    fn synchronise(&mut self, cpu: usize) -> Vec<Maintenance> {
        let _ = cpu;
        Vec::new()
    }
}

/// A CPU's interrupt inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterruptLines {
    /// IRQ.
    pub irq: bool,
    /// FIQ.
    pub fiq: bool,
}

/// How firmware is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduit {
    /// HVC.
    Hvc,
    /// SMC.
    Smc,
}

/// What firmware did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirmwareResult {
    /// X0 on return.
    pub x0: u64,
    /// How the CPU goes on.
    pub then: AfterCall,
}

/// What a CPU does after a call to firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterCall {
    /// It runs on.
    Continue,
    /// It waits for an interrupt first: a standby state.
    Wait,
    /// It stops: it was turned off, or the machine goes down.
    Stop,
}

/// Maintenance that reaches other CPUs (the Inner Shareable forms).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintenance {
    /// Drop every translation.
    TlbAll,
    /// Drop translations of one ASID.
    TlbAsid {
        /// The address space.
        asid: u16,
    },
    /// Drop translations of one page (or block) address.
    TlbPage {
        /// An address in the page.
        va: u64,
        /// The address space; `None` for every one.
        asid: Option<u16>,
    },
}
