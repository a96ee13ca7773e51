//! What programs in the guest take, by the guest's clock.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};

use super::process::Process;
use super::{Emulator, median, row};
use crate::guests::Kernel;
use crate::initramfs;
use crate::shell::{have, progress, root, run};

/// Builds the program; Debian's package of it is `gcc-aarch64-linux-gnu`.
pub const COMPILER: &str = "aarch64-linux-gnu-gcc";
/// What the guest prints when its shell is about to start.
const READY: &str = "guest ready";
/// The program's last line.
const DONE: &str = "items done";
const RUNS: usize = 3;

/// Kind and name of an item.
type Item = (String, String);

/// What a guest is to do.
pub struct Task<'a> {
    /// How many CPUs it has.
    pub cpus: &'a str,
    /// What its shell is told; prints `item KIND NAME SECONDS` for each, and `items done` at last.
    pub command: &'a str,
    /// The image of its disk, which it does not write.
    pub disk: Option<&'a Path>,
}

/// A machine with one CPU runs all items.
const ALL: Task<'_> = Task {
    cpus: "1",
    command: "/workload",
    disk: None,
};
/// One with two runs a loop once, and then two at the same time.
const PAIR: Task<'_> = Task {
    cpus: "2",
    command: "/workload pair",
    disk: None,
};

/// Runs the program in each emulator in turn and prints the medians, and their means by kind.
pub fn compare(kernel: &Kernel) -> Result<()> {
    if !have(COMPILER) {
        progress(format!("no {COMPILER}: programs in the guest are left out"));
        return Ok(());
    }
    let initrd = build(kernel)?;
    compare_items("loops of ours", kernel, &initrd, &ALL)?;
    compare_pairs(kernel, &initrd)
}

/// Runs a task in each emulator in turn and prints the medians of its items, and their means by
/// kind.
pub fn compare_items(what: &str, kernel: &Kernel, initrd: &Path, task: &Task<'_>) -> Result<()> {
    let mut runs: [BTreeMap<Item, Vec<f64>>; 2] = Default::default();
    for _ in 0..RUNS {
        for (runs, emulator) in runs.iter_mut().zip(Emulator::BOTH) {
            for (item, seconds) in measure(emulator, kernel, initrd, task)? {
                runs.entry(item).or_default().push(seconds);
            }
        }
    }
    println!("\n# {what} in the guest, by its clock (Ferrite, QEMU)");
    let [ferrite, qemu] = runs;
    let mut ratios: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for ((kind, name), seconds) in ferrite {
        let Some(other) = qemu.get(&(kind.clone(), name.clone())) else {
            continue;
        };
        let (ferrite, qemu) = (median(seconds), median(other.clone()));
        row(&format!("{kind} {name}"), "s", ferrite, qemu);
        ratios.entry(kind).or_default().push(qemu / ferrite);
    }
    for (kind, ratios) in ratios {
        let mean = ratios.iter().map(|r| r.ln()).sum::<f64>() / ratios.len() as f64;
        println!(
            "{kind}: {:.2} times QEMU's speed (geometric mean)",
            mean.exp()
        );
    }
    Ok(())
}

/// Prints how many times the work of one CPU two do at the same time.
fn compare_pairs(kernel: &Kernel, initrd: &Path) -> Result<()> {
    println!("\n# two loops at once with -smp 2, in times the speed of one (Ferrite, QEMU)");
    let mut runs: [Vec<f64>; 2] = Default::default();
    for _ in 0..RUNS {
        for (runs, emulator) in runs.iter_mut().zip(Emulator::BOTH) {
            let items = measure(emulator, kernel, initrd, &PAIR)?;
            if let [(_, one), (_, two)] = items[..] {
                runs.push(2.0 * one / two);
            }
        }
    }
    let [ferrite, qemu] = runs.map(median);
    row("smp two loops", "times one", ferrite, qemu);
    Ok(())
}

/// The guest's initramfs with the program in it.
pub fn build(kernel: &Kernel) -> Result<PathBuf> {
    progress("compiling the programs for the guest");
    let folder = root().join("target/bench");
    fs::create_dir_all(&folder)?;
    let program = folder.join("workload");
    let source = root().join("tests/bench/workload.c");
    run(
        COMPILER,
        [
            "-O2".as_ref(),
            "-static".as_ref(),
            "-o".as_ref(),
            program.as_os_str(),
            source.as_os_str(),
        ],
    )?;
    let mut archive = fs::read(&kernel.initrd)?;
    // Linux unpacks one archive after the other, each at a multiple of 4 bytes.
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend(initramfs::of_program("workload", &fs::read(&program)?)?);
    let initrd = folder.join("workload.cpio");
    fs::write(&initrd, archive)?;
    Ok(initrd)
}

fn measure(
    emulator: Emulator,
    kernel: &Kernel,
    initrd: &Path,
    task: &Task<'_>,
) -> Result<Vec<(Item, f64)>> {
    progress("running programs in the guest");
    let mut process = Process::start(emulator, |command| {
        command
            .args(["-M", "virt,gic-version=3", "-cpu", "cortex-a57", "-m", "1G"])
            .args(["-smp", task.cpus])
            .args(["-nographic", "-nodefaults", "-serial", "stdio"])
            .args(["-append", "console=ttyAMA0 quiet"])
            .arg("-kernel")
            .arg(&kernel.image)
            .arg("-initrd")
            .arg(initrd)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(disk) = task.disk {
            let drive = format!("file={},format=raw,if=virtio,readonly=on", disk.display());
            command.args(["-drive", &drive]);
        }
    })?;
    let mut input = process.child.stdin.take().context("no console")?;
    let output = process.child.stdout.take().context("no console")?;
    let mut items = Vec::new();
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        if line.contains(READY) {
            input.write_all(format!("{}\n", task.command).as_bytes())?;
        } else if line.contains(DONE) {
            break;
        } else if line.starts_with("failed ") {
            progress(line.trim());
        } else if let Some(item) = line.trim().strip_prefix("item ")
            && let [kind, name, seconds] = item.split(' ').collect::<Vec<_>>()[..]
        {
            items.push(((kind.to_owned(), name.to_owned()), seconds.parse()?));
        }
    }
    Ok(items)
}
