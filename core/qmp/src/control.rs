//! What monitors ask of a virtual machine and its host.

use std::any::Any;
use std::io;

use ferrite_machine::trace::Trace;
use serde_json::Value;

use crate::dump::{CpuState, DumpState, Mapping};

use crate::devices::DeviceControl;
use crate::error::Error;
use crate::jobs::Jobs;
use crate::qom::Property;
use crate::schema::{
    AcceleratorInfo, AddfdInfo, BalloonInfo, BlockDeviceInfo, BlockInfo, BlockStats,
    ChardevBackend, ChardevBackendKind, ChardevInfo, ChardevReturn, CommandLineOptionInfo,
    CpuDefinitionInfo, CpuInfoFast, CpuModelExpansionInfo, CpuModelInfo, Event, FdsetInfo,
    HotpluggableCPU, IOThreadInfo, MachineInfo, Memdev, ObjectOptions, ObjectType, RunState,
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
    /// The guest-physical address that a guest-virtual one leads to on a processor now.
    fn translate(&mut self, _cpu: usize, _at: u64) -> Option<u64> {
        None
    }
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

    /// The host's side, where there is one.
    fn host(&mut self) -> Option<&mut dyn HostControl> {
        None
    }
    /// The machine's devices, where they can be looked at.
    fn devices(&mut self) -> Option<&mut dyn DeviceControl> {
        None
    }
    /// The machine's trace points, where it has some.
    fn trace(&self) -> Option<&Trace> {
        None
    }
    /// Sends an event that a command causes.
    fn emit(&mut self, _event: &Event) {}
    /// Whether the machine is not made yet: only commands that are marked so may run.
    fn preconfig(&self) -> bool {
        false
    }
    /// Makes the machine, after [`Self::preconfig`].
    fn exit_preconfig(&mut self) -> Result<(), Error> {
        Err(Error::generic(
            "The command is permitted only before machine initialization",
        ))
    }
    /// The processors that are there or could be, the last first; an error where none can be added.
    fn hotpluggable_cpus(&self) -> Result<Vec<HotpluggableCPU>, Error> {
        Err(Error::generic("machine does not support hot-plugging CPUs"))
    }
    /// The models of processors.
    fn cpu_definitions(&self) -> Vec<CpuDefinitionInfo> {
        Vec::new()
    }
    /// A model with all of its properties, after those given are set.
    fn expand_cpu_model(&self, model: CpuModelInfo) -> Result<CpuModelExpansionInfo, Error> {
        Err(Error::generic(format!(
            "The CPU type '{}' is not a recognized ARM CPU type",
            model.name
        )))
    }
    /// How much memory the balloon leaves to the guest.
    fn balloon(&self) -> Result<BalloonInfo, Error> {
        Err(Error::no_balloon())
    }
    /// Asks the guest to keep so many bytes of memory.
    fn set_balloon(&mut self, _bytes: i64) -> Result<(), Error> {
        Err(Error::no_balloon())
    }
    /// Whether the processor waits for an interrupt or has no power.
    fn halted(&mut self, _cpu: usize) -> bool {
        false
    }
    /// The registers of a processor that a dump has.
    fn cpu_state(&mut self, _cpu: usize) -> Option<CpuState> {
        None
    }
    /// What the guest's translation tables map now, on any of its processors; nothing while none of them
    /// translates. Fails where there is more than can be listed.
    fn mappings(&mut self) -> Result<Vec<Mapping>, Error> {
        Ok(Vec::new())
    }
    /// What the guest's kernel wants readers of a dump to know: a whole ELF note, where it left one.
    fn vmcoreinfo(&mut self) -> Option<Vec<u8>> {
        None
    }
    /// Bytes of a page of the guest's operating system; a power of two from 4 KiB to 64 KiB.
    fn page_size(&mut self) -> u64 {
        4096
    }
    /// Guest memory: first address and number of bytes of each range, ascending.
    fn ram_ranges(&self) -> Vec<(u64, u64)> {
        Vec::new()
    }
    /// Bytes of guest memory from the start.
    fn base_memory(&self) -> u64 {
        self.ram_ranges().iter().map(|(_, len)| len).sum()
    }
    /// The pieces of guest memory.
    fn memdevs(&mut self) -> Vec<Memdev> {
        Vec::new()
    }
    /// The machine's device tree, where it has one.
    fn device_tree(&self) -> Option<Vec<u8>> {
        None
    }
    /// What is at fixed places of memory at reset, as `info roms` shows it.
    fn roms(&self) -> String {
        String::new()
    }
    /// How guest code is translated, as `info jit` shows it.
    fn jit(&self) -> String {
        String::new()
    }
    /// The devices in lines, as `info qtree` shows them.
    fn device_tree_lines(&self) -> String {
        String::new()
    }
    /// Counters of drives, or of nodes.
    fn block_stats(&self, _nodes: bool) -> Vec<BlockStats> {
        Vec::new()
    }
    /// The nodes that have a name.
    fn block_nodes(&self) -> Vec<BlockDeviceInfo> {
        Vec::new()
    }

    /// Creates or empties a file of the host. Hosts without files refuse.
    fn create_file(&mut self, path: &str) -> io::Result<Box<dyn io::Write>>;
}

/// Something of the host's that came along with a command: a file descriptor.
pub type Attachment = Box<dyn Any + Send>;

/// What monitors ask of the host rather than of the machine. What a host does not have, it refuses.
pub trait HostControl {
    /// What came along with the command that is executed next.
    fn attach(&mut self, _attachment: Option<Attachment>) {}
    /// Gives the attachment a name; an earlier bearer of it is closed.
    fn getfd(&mut self, _name: &str) -> Result<(), Error> {
        Err(Error::unsupported())
    }
    /// Closes the descriptor of this name.
    fn closefd(&mut self, _name: &str) -> Result<(), Error> {
        Err(Error::unsupported())
    }
    /// Adds the attachment to a set.
    fn add_fd(&mut self, _set: Option<i64>, _opaque: Option<String>) -> Result<AddfdInfo, Error> {
        Err(Error::unsupported())
    }
    /// Removes one descriptor, or all, from a set.
    fn remove_fd(&mut self, _set: i64, _fd: Option<i64>) -> Result<(), Error> {
        Err(Error::unsupported())
    }
    /// The sets of file descriptors.
    fn fdsets(&self) -> Vec<FdsetInfo> {
        Vec::new()
    }
    /// Takes the descriptor of this name for writing.
    fn take_fd(&mut self, name: &str) -> Result<Box<dyn io::Write>, Error> {
        Err(Error::generic(format!(
            "File descriptor named '{name}' has not been found"
        )))
    }

    /// The kinds of character back ends that can be made.
    fn chardev_backends(&self) -> Vec<ChardevBackendKind> {
        Vec::new()
    }
    /// Makes a character back end.
    fn chardev_add(&mut self, _id: &str, _: ChardevBackend) -> Result<ChardevReturn, Error> {
        Err(Error::unsupported())
    }
    /// Replaces a character back end.
    fn chardev_change(&mut self, _id: &str, _: ChardevBackend) -> Result<ChardevReturn, Error> {
        Err(Error::unsupported())
    }
    /// Deletes a character back end that nothing uses.
    fn chardev_remove(&mut self, _id: &str) -> Result<(), Error> {
        Err(Error::unsupported())
    }
    /// Sends a break over a serial line.
    fn chardev_send_break(&mut self, _id: &str) -> Result<(), Error> {
        Err(Error::unsupported())
    }

    /// The character back ends whose connections can be cut.
    fn yankable(&self) -> Vec<String> {
        Vec::new()
    }
    /// Cuts the connection of one of them.
    fn yank(&mut self, _id: &str) {}

    /// Makes an object.
    fn object_add(&mut self, _options: ObjectOptions) -> Result<(), Error> {
        Err(Error::unsupported())
    }
    /// Deletes an object.
    fn object_del(&mut self, _id: &str) -> Result<(), Error> {
        Err(Error::unsupported())
    }
    /// The objects that were made: id and type.
    fn objects(&self) -> Vec<(String, ObjectType)> {
        Vec::new()
    }
    /// The properties of an object that was made.
    fn object_properties(&self, _id: &str) -> Vec<Property> {
        Vec::new()
    }
    /// Sets a property, which it has and whose value is of the right type, of an object that was
    /// made.
    fn object_set(&mut self, _id: &str, _property: &str, _value: Value) -> Result<(), Error> {
        Err(Error::unsupported())
    }
    /// The threads for devices' work.
    fn iothreads(&self) -> Vec<IOThreadInfo> {
        Vec::new()
    }
    /// The command-line options that take parameters.
    fn command_line_options(&self) -> Vec<CommandLineOptionInfo> {
        Vec::new()
    }
    /// The jobs.
    fn jobs(&mut self) -> &mut Jobs;
    /// The current or last dump.
    fn dump(&mut self) -> &mut DumpState;
}
