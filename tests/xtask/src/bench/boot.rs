//! From power-on to the shell of the demo guest.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::process::Process;
use super::{Emulator, median, row};
use crate::guests::Kernel;
use crate::shell::progress;

/// What the guest prints when its shell is about to start.
const READY: &str = "guest ready";
const RUNS: usize = 3;

struct Boot {
    wall: f64,
    cpu: f64,
    memory: f64,
    first_output: f64,
}

/// Boots each emulator in turn and prints the medians.
pub fn compare(kernel: &Kernel) -> Result<()> {
    println!("\n# boot to the shell (Ferrite, QEMU)");
    let mut runs: [Vec<Boot>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        for (runs, emulator) in runs.iter_mut().zip(Emulator::BOTH) {
            runs.push(boot(emulator, kernel)?);
        }
    }
    let print = |what: &str, unit: &str, value: fn(&Boot) -> f64| {
        let [ferrite, qemu] = [0, 1].map(|n: usize| median(runs[n].iter().map(value).collect()));
        row(what, unit, ferrite, qemu);
    };
    print("host CPU", "s", |boot| boot.cpu);
    print("wall clock", "s", |boot| boot.wall);
    print("first output", "s", |boot| boot.first_output);
    print("resident memory at its peak", "MB", |boot| boot.memory);
    Ok(())
}

fn boot(emulator: Emulator, kernel: &Kernel) -> Result<Boot> {
    progress("booting");
    let start = Instant::now();
    let mut process = Process::start(emulator, |command| {
        command
            .args([
                "-M",
                "virt,gic-version=3",
                "-cpu",
                "cortex-a57",
                "-m",
                "512",
                "-nographic",
                "-nodefaults",
            ])
            .args(["-serial", "stdio", "-append", "console=ttyAMA0 earlycon"])
            .arg("-kernel")
            .arg(&kernel.image)
            .arg("-initrd")
            .arg(&kernel.initrd)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
    })?;
    let console = process.child.stdout.take().context("no console")?;
    let mut first_output = None;
    for line in BufReader::new(console).split(b'\n') {
        let line = line?;
        first_output.get_or_insert_with(|| start.elapsed().as_secs_f64());
        if String::from_utf8_lossy(&line).contains(READY) {
            return Ok(Boot {
                wall: start.elapsed().as_secs_f64(),
                cpu: process.cpu_seconds()?,
                memory: process.peak_megabytes()?,
                first_output: first_output.unwrap_or(f64::NAN),
            });
        }
    }
    bail!("the guest ended before its shell")
}
