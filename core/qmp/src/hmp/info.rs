//! What `info` shows.

use ferrite_machine::trace::{POINTS, matches};

use super::Human;
use super::arguments::Arguments;
use crate::commands::{uuid_text, version as versions};
use crate::error::Error;
use crate::schema::{DumpStatus, RunState};

type Shown = Result<(), Error>;

pub(super) fn balloon(human: &mut Human<'_>, _: &Arguments) -> Shown {
    let actual = human.vm.balloon()?.actual >> 20;
    human.out += &format!("balloon: actual={actual}\n");
    Ok(())
}

pub(super) fn block(human: &mut Human<'_>, _: &Arguments) -> Shown {
    for (i, drive) in human.vm.block_devices().into_iter().enumerate() {
        let out = &mut human.out;
        if i > 0 {
            out.push('\n');
        }
        *out += &drive.device;
        let Some(medium) = &drive.inserted else {
            *out += ": [not inserted]\n";
            continue;
        };
        if let Some(node) = &medium.node_name {
            *out += &match drive.device.is_empty() {
                true => node.clone(),
                false => format!(" ({node})"),
            };
        }
        let access = if medium.ro { ", read-only" } else { "" };
        *out += &format!(": {} ({}{access})\n", medium.file, medium.drv);
        if let Some(place) = &drive.qdev {
            *out += &format!("    Attached to:      {place}\n");
        }
        if drive.removable {
            let locked = if drive.locked { "" } else { "not " };
            let tray = match drive.tray_open {
                Some(true) => "open",
                _ => "closed",
            };
            *out += &format!("    Removable device: {locked}locked, tray {tray}\n");
        }
        let mode = match (medium.cache.writeback, medium.cache.direct) {
            (true, false) => "writeback",
            (true, true) => "writeback, direct",
            (false, false) => "writethrough",
            (false, true) => "writethrough, direct",
        };
        let ignored = match medium.cache.no_flush {
            true => ", ignore flushes",
            false => "",
        };
        *out += &format!("    Cache mode:       {mode}{ignored}\n");
        if let Some(backing) = &medium.backing_file {
            let depth = medium.backing_file_depth;
            *out += &format!("    Backing file:     {backing} (chain depth: {depth})\n");
        }
    }
    Ok(())
}

pub(super) fn chardev(human: &mut Human<'_>, _: &Arguments) -> Shown {
    for device in human.vm.chardevs() {
        human.out += &format!("{}: filename={}\n", device.label, device.filename);
    }
    Ok(())
}

pub(super) fn cpus(human: &mut Human<'_>, _: &Arguments) -> Shown {
    for (i, cpu) in human.vm.cpus().into_iter().enumerate() {
        let mark = if i == human.monitor.cpu { '*' } else { ' ' };
        human.out += &format!("{mark} CPU #{i}: thread_id={}\n", cpu.thread_id);
    }
    Ok(())
}

pub(super) fn block_stats(human: &mut Human<'_>, _: &Arguments) -> Shown {
    for drive in human.vm.block_stats(false) {
        let stats = &drive.stats;
        let name = drive.device.filter(|name| !name.is_empty());
        let name = name.or(drive.node_name).unwrap_or_default();
        human.out += &format!(
            "{name}: rd_bytes={} wr_bytes={} rd_operations={} wr_operations={} flush_operations={}\n",
            stats.rd_bytes,
            stats.wr_bytes,
            stats.rd_operations,
            stats.wr_operations,
            stats.flush_operations
        );
    }
    Ok(())
}

pub(super) fn dump(human: &mut Human<'_>, _: &Arguments) -> Shown {
    let host = human.vm.host().ok_or_else(Error::unsupported)?;
    let result = host.dump().result();
    human.out += &format!("Status: {}\n", result.status.as_str());
    if result.status == DumpStatus::Active && result.total > 0 {
        let done = 100.0 * result.completed as f64 / result.total as f64;
        human.out += &format!("Finished: {done:.2} %\n");
    }
    Ok(())
}

pub(super) fn device_tree(human: &mut Human<'_>, _: &Arguments) -> Shown {
    lines(human, |human| human.vm.device_tree_lines());
    Ok(())
}

pub(super) fn jit(human: &mut Human<'_>, _: &Arguments) -> Shown {
    lines(human, |human| human.vm.jit());
    Ok(())
}

pub(super) fn roms(human: &mut Human<'_>, _: &Arguments) -> Shown {
    lines(human, |human| human.vm.roms());
    Ok(())
}

pub(super) fn hotpluggable(human: &mut Human<'_>, _: &Arguments) -> Shown {
    let cpus = human.vm.hotpluggable_cpus()?;
    human.out += "Hotpluggable CPUs:\n";
    for cpu in cpus {
        human.out += &format!(
            "  type: \"{}\"\n  vcpus_count: \"{}\"\n",
            cpu.r#type, cpu.vcpus_count
        );
        if let Some(path) = &cpu.qom_path {
            human.out += &format!("  qom_path: \"{path}\"\n");
        }
        human.out += "  CPUInstance Properties:\n";
        for (name, id) in [
            ("socket-id", cpu.props.socket_id),
            ("cluster-id", cpu.props.cluster_id),
            ("core-id", cpu.props.core_id),
            ("thread-id", cpu.props.thread_id),
        ] {
            if let Some(id) = id {
                human.out += &format!("    {name}: \"{id}\"\n");
            }
        }
    }
    Ok(())
}

pub(super) fn iothreads(human: &mut Human<'_>, _: &Arguments) -> Shown {
    let threads = human.vm.host().map(|host| host.iothreads());
    for thread in threads.unwrap_or_default() {
        human.out += &format!(
            "{}:\n  thread_id={}\n  poll-max-ns={}\n  poll-grow={}\n  poll-shrink={}\n  aio-max-batch={}\n",
            thread.id,
            thread.thread_id,
            thread.poll_max_ns,
            thread.poll_grow,
            thread.poll_shrink,
            thread.aio_max_batch
        );
    }
    Ok(())
}

pub(super) fn memdev(human: &mut Human<'_>, _: &Arguments) -> Shown {
    let word = |flag: bool| if flag { "true" } else { "false" };
    for memory in human.vm.memdevs() {
        human.out += &format!(
            "memory backend: {}\n  size:  {}\n  merge: {}\n  dump: {}\n  prealloc: {}\n  share: {}\n  policy: {}\n  host nodes: \n",
            memory.id.as_deref().unwrap_or_default(),
            memory.size,
            word(memory.merge),
            word(memory.dump),
            word(memory.prealloc),
            word(memory.share),
            memory.policy.as_str()
        );
    }
    human.out.push('\n');
    Ok(())
}

pub(super) fn memory_size(human: &mut Human<'_>, _: &Arguments) -> Shown {
    human.out += &format!("base memory: {}\n", human.vm.base_memory());
    human.out += "plugged memory: 0\n";
    Ok(())
}

pub(super) fn trace_events(human: &mut Human<'_>, arguments: &Arguments) -> Shown {
    let trace = human.vm.trace().ok_or_else(Error::unsupported)?;
    let pattern = arguments.text().unwrap_or("*");
    for (number, row) in POINTS.iter().enumerate() {
        if matches(pattern, row.name) {
            let state = u8::from(trace.is_on(number));
            human.out += &format!("{} : state {state}\n", row.name);
        }
    }
    Ok(())
}

pub(super) fn kvm(human: &mut Human<'_>, _: &Arguments) -> Shown {
    human.out += "kvm support: not compiled\n";
    Ok(())
}

pub(super) fn memory_map(human: &mut Human<'_>, arguments: &Arguments) -> Shown {
    lines(human, |human| human.vm.memory_map(arguments.flag));
    Ok(())
}

pub(super) fn name(human: &mut Human<'_>, _: &Arguments) -> Shown {
    if let Some(name) = human.vm.name() {
        human.out += &format!("{name}\n");
    }
    Ok(())
}

pub(super) fn network(human: &mut Human<'_>, _: &Arguments) -> Shown {
    lines(human, |human| human.vm.network());
    Ok(())
}

pub(super) fn registers(human: &mut Human<'_>, arguments: &Arguments) -> Shown {
    let count = human.vm.cpus().len();
    let shown = match arguments.optional_number() {
        _ if arguments.flag => 0..count,
        None => human.monitor.cpu..human.monitor.cpu + 1,
        Some(number) => match usize::try_from(number) {
            Ok(cpu) if cpu < count => cpu..cpu + 1,
            _ => {
                human.out += &format!("CPU#{number} not available\n");
                return Ok(());
            }
        },
    };
    for cpu in shown {
        human.out += &format!("\nCPU#{cpu}\n");
        lines(human, |human| human.vm.register_dump(cpu));
    }
    Ok(())
}

pub(super) fn status(human: &mut Human<'_>, _: &Arguments) -> Shown {
    let state = human.vm.run_state();
    human.out += &match state {
        RunState::Running => "VM status: running\n".into(),
        RunState::Paused => "VM status: paused\n".into(),
        _ => format!("VM status: paused ({})\n", state.as_str()),
    };
    Ok(())
}

pub(super) fn uuid(human: &mut Human<'_>, _: &Arguments) -> Shown {
    human.out += &uuid_text(human.vm.uuid());
    human.out.push('\n');
    Ok(())
}

pub(super) fn version(human: &mut Human<'_>, _: &Arguments) -> Shown {
    let info = versions();
    let qemu = &info.qemu;
    human.out += &format!(
        "{}.{}.{} {}\n",
        qemu.major, qemu.minor, qemu.micro, info.package
    );
    Ok(())
}

/// Prints text with a line end, whether it has one or not.
fn lines(human: &mut Human<'_>, text: impl FnOnce(&mut Human<'_>) -> String) {
    let text = text(human);
    human.out += &text;
    if !text.is_empty() && !text.ends_with('\n') {
        human.out.push('\n');
    }
}
