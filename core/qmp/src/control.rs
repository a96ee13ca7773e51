//! What monitors ask of a virtual machine and its host.

use std::io;

use crate::error::Error;
use crate::schema::{
    AcceleratorInfo, BlockInfo, ChardevInfo, CpuInfoFast, MachineInfo, RunState,
    SetActionArguments, ShutdownCause, SysEmuTarget,
};

/// Nothing is mapped at the address, or it cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryFault;

/// A virtual machine as its monitors see it.
///
/// Every method is called on the thread that owns the machine, between slices of guest execution,
/// and returns without waiting. The machine itself sends the events that its changes cause
/// ([`crate::events::Events::emit`]), whoever caused them: `stop` of a running guest sends `STOP`,
/// `cont` of a stopped one `RESUME`, a reset `RESET`, [`Self::powerdown`] `POWERDOWN`, the end
/// `SHUTDOWN`.
pub trait VmControl {
    /// The name that the user gave it.
    fn name(&self) -> Option<String>;
    /// Its UUID, in the byte order of RFC 9562; zero when none was given.
    fn uuid(&self) -> [u8; 16];
    /// The guest's architecture.
    fn target(&self) -> SysEmuTarget;
    /// The machine types that this program offers.
    fn machines(&self) -> Vec<MachineInfo>;
    /// How guest code is run.
    fn accelerators(&self) -> AcceleratorInfo;

    /// What it is doing.
    fn run_state(&self) -> RunState;
    /// Lets the guest run. Nothing happens if it runs; an error where it cannot now.
    fn cont(&mut self) -> Result<(), Error>;
    /// Stops the guest. Nothing happens if it does not run.
    fn stop(&mut self) -> Result<(), Error>;
    /// Resets the machine. It goes on running if it ran.
    fn reset(&mut self, cause: ShutdownCause) -> Result<(), Error>;
    /// Presses the power button.
    fn powerdown(&mut self) -> Result<(), Error>;
    /// Wakes the guest from sleep; an error where it cannot sleep, or does not.
    fn wakeup(&mut self) -> Result<(), Error>;
    /// Ends the program after the monitors' answers are sent.
    fn quit(&mut self, cause: ShutdownCause);
    /// Chooses what is done at events that concern the whole machine; what is absent stays.
    fn set_action(&mut self, _actions: SetActionArguments) -> Result<(), Error> {
        Err(Error::unsupported())
    }
    /// Sends a non-maskable interrupt to this processor.
    fn inject_nmi(&mut self, cpu: usize) -> Result<(), Error>;

    /// The processors, `cpu-index` being the position.
    fn cpus(&self) -> Vec<CpuInfoFast>;
    /// The processor's registers, in lines as `info registers` shows them; empty if there is no
    /// such processor.
    fn register_dump(&mut self, cpu: usize) -> String;
    /// A register by name: `pc`, `sp`, `x0`.
    fn register(&mut self, cpu: usize, name: &str) -> Option<u64>;
    /// The instruction at the start of `code`, which lies at address `pc`: its text and length in
    /// bytes. `None` where there is no disassembler.
    fn disassemble(&self, cpu: usize, pc: u64, code: &[u8]) -> Option<(String, usize)>;

    /// Reads memory through this processor's address translation, without side effects.
    fn read_virtual(&mut self, cpu: usize, at: u64, into: &mut [u8]) -> Result<(), MemoryFault>;
    /// Reads guest-physical memory, without side effects.
    fn read_physical(&mut self, at: u64, into: &mut [u8]) -> Result<(), MemoryFault>;
    /// The memory map in lines, as `info mtree` shows it, or as flat ranges.
    fn memory_map(&self, flat: bool) -> String;

    /// The drives that the guest sees.
    fn block_devices(&self) -> Vec<BlockInfo>;
    /// The character devices' back ends.
    fn chardevs(&self) -> Vec<ChardevInfo>;
    /// The network ports and their back ends in lines, as `info network` shows them.
    fn network(&self) -> String;
    /// Appends to the ring buffer of this id.
    fn ringbuf_write(&mut self, id: &str, data: &[u8]) -> Result<(), Error>;
    /// Takes at most `max` of the oldest bytes from the ring buffer of this id.
    fn ringbuf_read(&mut self, id: &str, max: usize) -> Result<Vec<u8>, Error>;

    /// Sends the events that the machine has gathered, if it does not send them as they happen.
    /// Called after each command, so that its events come before its answer, as with QEMU.
    fn announce(&mut self) {}

    /// Creates or empties a file of the host. Hosts without files refuse.
    fn create_file(&mut self, path: &str) -> io::Result<Box<dyn io::Write>>;
}
