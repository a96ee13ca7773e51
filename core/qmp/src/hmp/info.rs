//! What `info` shows.

use super::Human;
use super::arguments::Arguments;
use crate::commands::{uuid_text, version as versions};
use crate::error::Error;
use crate::schema::RunState;

type Shown = Result<(), Error>;

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
