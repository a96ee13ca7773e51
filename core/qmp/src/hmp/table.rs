//! The commands.

use ferrite_machine::trace::{POINTS, PointRow, matches};

use super::arguments::{Arguments, Kind};
use super::{Human, devices, info, memory};
use crate::commands::{MemorySpace, save_memory};
use crate::control::HostControl;
use crate::dump;
use crate::error::Error;
use crate::jobs;
use crate::schema::{DumpGuestMemoryFormat, ShutdownCause};

/// A command.
pub(super) struct Row {
    /// Its name and other names for it, between bars.
    pub(super) name: &'static str,
    /// Its arguments, in order.
    pub(super) arguments: &'static [Kind],
    /// How they are written.
    pub(super) usage: &'static str,
    /// What it does.
    pub(super) help: &'static str,
    /// The code.
    pub(super) run: fn(&mut Human<'_>, &Arguments) -> Result<(), Error>,
}

macro_rules! rows {
    ($($name:literal [$($kind:expr),*] $usage:literal $help:literal => $run:expr;)*) => {
        &[$(Row { name: $name, arguments: &[$($kind),*], usage: $usage, help: $help, run: $run },)*]
    };
}

use Kind::{Expression, Flag, Format, OptionalExpression, OptionalRest, Text};

/// The commands, by name.
pub(super) const COMMANDS: &[Row] = rows! {
    "balloon" [Expression] "value" "ask the guest to keep so many MiB of memory" => |h, a| {
        h.vm.set_balloon(a.number(0).saturating_mul(1 << 20))
    };
    "chardev-remove" [Text] "id" "delete a character back end" => |h, a| {
        let id = a.word(0).to_owned();
        host(h)?.chardev_remove(&id)
    };
    "closefd" [Text] "name" "close a named file descriptor" => |h, a| host(h)?.closefd(a.word(0));
    "cont|c" [] "" "let the guest run" => |h, _| h.vm.cont();
    "cpu" [Expression] "index" "set the processor that later commands speak of" => set_cpu;
    "device_add" [Text] "driver[,prop=value][,...]" "add a device" => devices::device_add;
    "device_del" [Text] "device" "ask the guest to give a device up" => devices::device_del;
    "dump-guest-memory" [Flag('p'), Text] "[-p] file"
        "write the guest's memory to an ELF core file (-p: with its mappings)" => dump;
    "exit_preconfig" [] "" "make the machine" => |h, _| h.vm.exit_preconfig();
    "gpa2hva" [Expression] "addr" "tell where the host has a guest-physical address (it has none)"
        => |_, _| Err(Error::generic("guest memory has no address that another process could use"));
    "gva2gpa" [Expression] "addr" "tell where a guest-virtual address leads to" => memory::translate;
    "help|?" [OptionalRest] "[cmd]" "list the commands, or describe one" => |h, a| {
        h.help(a.text());
        Ok(())
    };
    "info" [] "[subcommand]" "show something about the machine" => |_, _| Ok(());
    "memsave" [Expression, Expression, Text] "addr size file"
        "write 'size' bytes of virtual memory at 'addr' to a file" => |h, a| {
        save(h, a, MemorySpace::Virtual(h.monitor.cpu))
    };
    "nmi" [] "" "send a non-maskable interrupt" => |h, _| h.vm.inject_nmi(h.monitor.cpu);
    "object_del" [Text] "id" "delete an object" => |h, a| host(h)?.object_del(a.word(0));
    "pmemsave" [Expression, Expression, Text] "addr size file"
        "write 'size' bytes of physical memory at 'addr' to a file" => |h, a| {
        save(h, a, MemorySpace::Physical)
    };
    "print|p" [Format, Expression] "/fmt expr" "print the value of an expression (no size, x by default)"
        => memory::print;
    "quit|q" [] "" "end the emulator" => |h, _| {
        h.vm.quit(ShutdownCause::HostQmpQuit);
        Ok(())
    };
    "ringbuf_read" [Text, Expression] "device size" "take bytes from a ring buffer" => ringbuf_read;
    "ringbuf_write" [Text, Text] "device data" "append to a ring buffer" => |h, a| {
        h.vm.ringbuf_write(a.word(0), a.word(1).as_bytes())
    };
    "set_link" [Text, Text] "name on|off" "put a network cable in or out" => devices::set_link;
    "stop|s" [] "" "stop the guest" => |h, _| h.vm.stop();
    "system_powerdown" [] "" "press the power button" => |h, _| h.vm.powerdown();
    "system_reset" [] "" "reset the machine" => |h, _| h.vm.reset(ShutdownCause::HostQmpSystemReset);
    "system_wakeup" [] "" "wake the guest from sleep" => |h, _| h.vm.wakeup();
    "trace-event" [Text, Text] "name on|off" "turn trace points on or off" => trace_event;
    "x" [Format, Expression] "/fmt addr" "show virtual memory from 'addr' on" => |h, a| {
        memory::dump(h, a, MemorySpace::Virtual(h.monitor.cpu))
    };
    "xp" [Format, Expression] "/fmt addr" "show physical memory from 'addr' on" => |h, a| {
        memory::dump(h, a, MemorySpace::Physical)
    };
};

/// What `info` shows, by name.
pub(super) const INFO: &[Row] = rows! {
    "balloon" [] "" "show how much memory the balloon leaves to the guest" => info::balloon;
    "block" [] "" "show the drives" => info::block;
    "blockstats" [] "" "show counters of the drives" => info::block_stats;
    "chardev" [] "" "show the character devices" => info::chardev;
    "cpus" [] "" "show the processors" => info::cpus;
    "dump" [] "" "show how far a dump is" => info::dump;
    "hotpluggable-cpus" [] "" "show the processors that are there or could be" => info::hotpluggable;
    "iothreads" [] "" "show the threads for devices' work" => info::iothreads;
    "jit" [] "" "show how guest code is translated" => info::jit;
    "kvm" [] "" "show whether KVM is used" => info::kvm;
    "memdev" [] "" "show the pieces of guest memory" => info::memdev;
    // There are none to plug.
    "memory-devices" [] "" "show the memory devices" => |_, _| Ok(());
    "memory_size_summary" [] "" "show how much memory there is" => info::memory_size;
    "mice" [] "" "show the pointing devices" => |h, _| {
        h.out += "No mouse devices connected\n";
        Ok(())
    };
    "mtree" [Flag('f')] "[-f]" "show the memory map (-f: as flat ranges)" => info::memory_map;
    "name" [] "" "show the machine's name" => info::name;
    "network" [] "" "show the network ports" => info::network;
    "numa" [] "" "show the NUMA nodes" => |h, _| {
        h.out += "0 nodes\n";
        Ok(())
    };
    "pci" [] "" "show the PCI buses" => devices::pci;
    "qom-tree" [] "" "show the tree of objects" => devices::tree;
    "qtree" [] "" "show the devices" => info::device_tree;
    "registers" [Flag('a'), OptionalExpression] "[-a|vcpu]"
        "show a processor's registers (-a: of all processors)" => info::registers;
    "replay" [] "" "show whether execution is recorded or replayed" => |h, _| {
        h.out += "Record/replay is not active\n";
        Ok(())
    };
    "roms" [] "" "show what is at fixed places of memory at reset" => info::roms;
    "status" [] "" "show whether the guest runs" => info::status;
    "trace-events" [OptionalRest] "[name]" "show trace points" => info::trace_events;
    "uuid" [] "" "show the machine's UUID" => info::uuid;
    "version" [] "" "show the version" => info::version;
};

fn host<'h>(human: &'h mut Human<'_>) -> Result<&'h mut dyn HostControl, Error> {
    human.vm.host().ok_or_else(Error::unsupported)
}

fn dump(human: &mut Human<'_>, arguments: &Arguments) -> Result<(), Error> {
    let path = arguments.word(0).to_owned();
    if host(human)?.dump().is_active() {
        return Err(Error::generic("There is a dump in process, please wait."));
    }
    let ranges = dump::ranges(human.vm, None)?;
    let file = human.vm.create_file(&path);
    let file = file.map_err(|error| Error::generic(format!("Could not open '{path}': {error}")))?;
    let wanted = dump::Wanted {
        ranges,
        format: DumpGuestMemoryFormat::Elf,
        paging: arguments.flag,
    };
    let job = dump::start(human.vm, file, wanted)?;
    jobs::finish(human.vm, job)
}

fn trace_event(human: &mut Human<'_>, arguments: &Arguments) -> Result<(), Error> {
    let on = match arguments.word(1) {
        "on" => true,
        "off" => false,
        _ => return Err(Error::generic("expected 'on' or 'off'")),
    };
    let trace = human.vm.trace().ok_or_else(Error::unsupported)?;
    let meant = |row: &&(usize, &PointRow)| matches(arguments.word(0), row.1.name);
    let points: Vec<_> = POINTS
        .iter()
        .enumerate()
        .filter(|row| meant(&row))
        .collect();
    if points.is_empty() {
        return Err(Error::generic(format!(
            "unknown event \"{}\"",
            arguments.word(0)
        )));
    }
    for (number, _) in points {
        trace.set(number, on);
    }
    Ok(())
}

fn set_cpu(human: &mut Human<'_>, arguments: &Arguments) -> Result<(), Error> {
    match usize::try_from(arguments.number(0)) {
        Ok(cpu) if cpu < human.vm.cpus().len() => human.monitor.cpu = cpu,
        _ => human.out += "invalid CPU index\n",
    }
    Ok(())
}

fn save(human: &mut Human<'_>, arguments: &Arguments, space: MemorySpace) -> Result<(), Error> {
    let (start, size) = (arguments.number(0), arguments.number(1));
    save_memory(human.vm, space, start, size, arguments.word(0))
}

fn ringbuf_read(human: &mut Human<'_>, arguments: &Arguments) -> Result<(), Error> {
    let max = usize::try_from(arguments.number(0))
        .ok()
        .filter(|&size| size > 0)
        .ok_or_else(|| Error::generic("size must be greater than zero"))?;
    let data = human.vm.ringbuf_read(arguments.word(0), max)?;
    human.out += &String::from_utf8_lossy(&data);
    human.out.push('\n');
    Ok(())
}
