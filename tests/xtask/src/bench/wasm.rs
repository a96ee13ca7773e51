//! The browser's core in Node beside the program: what WebAssembly costs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdout, Stdio};

use anyhow::{Context, Result, bail};

use super::process::Process;
use super::{Emulator, workload};
use crate::guests::Kernel;
use crate::shell::{output, progress};

const SCRIPT: &str = "tests/bench/wasm.mjs";
/// What the guest prints when its shell is about to start, and when an item is done.
const READY: &str = "guest ready";
const DONE: &str = "items done";
const BOOT: &str = "boot";

/// Items of the workload that are measured.
const ITEMS: [&str; 9] = [
    "crc",
    "sieve",
    "calls",
    "sort",
    "strings",
    "matrix-double",
    "neon-integer",
    "system-call",
    "fork",
];

/// Seconds of CPU time by item: of the machine's thread.
type Seconds = BTreeMap<String, f64>;

/// Boots each in turn, runs the items and prints what that took.
pub fn compare(kernel: &Kernel) -> Result<()> {
    let initrd = workload::build(kernel)?;
    let interpreted = in_node("interp", kernel, &initrd)?;
    let compiled = in_node("wasm", kernel, &initrd)?;
    let native = by_program(kernel, &initrd)?;
    println!("# CPU seconds: WebAssembly interpreted, compiled; the program; ratios");
    for item in [BOOT].into_iter().chain(ITEMS) {
        let of = |all: &Seconds| all.get(item).copied().unwrap_or(f64::NAN);
        let [a, b, c] = [&interpreted, &compiled, &native].map(of);
        println!(
            "{item:<16} {a:>8.2} {b:>8.2} {c:>8.2}   interpreted/compiled {:.2}   compiled/program {:.2}",
            a / b,
            b / c
        );
    }
    Ok(())
}

fn in_node(backend: &str, kernel: &Kernel, initrd: &Path) -> Result<Seconds> {
    progress(format!("running programs in Node, backend={backend}"));
    let files = [kernel.image.as_path(), initrd].map(|path| path.display().to_string());
    let args = [SCRIPT, backend, &files[0], &files[1]];
    let text = output("node", args.into_iter().chain(ITEMS))?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("item "));
    let items = lines.filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
    });
    Ok(items.collect())
}

fn by_program(kernel: &Kernel, initrd: &Path) -> Result<Seconds> {
    progress("running programs in the program");
    let mut process = Process::start(Emulator::Ferrite, |command| {
        command
            .args(["-M", "virt,gic-version=3", "-cpu", "cortex-a57", "-m", "1G"])
            .args(["-nographic", "-nodefaults", "-serial", "stdio"])
            .args(["-append", "console=ttyAMA0 quiet", "-kernel"])
            .arg(&kernel.image)
            .arg("-initrd")
            .arg(initrd)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
    })?;
    let mut input = process.child.stdin.take().context("no console")?;
    let mut console = BufReader::new(process.child.stdout.take().context("no console")?);
    let mut all = Seconds::new();
    until(&mut console, READY)?;
    let mut before = process.cpu_seconds()?;
    all.insert(BOOT.to_owned(), before);
    for item in ITEMS {
        // The terminal echoes: what is typed must not look like what is waited for.
        input.write_all(format!("/workload {item}; echo items do''ne\n").as_bytes())?;
        until(&mut console, DONE)?;
        let now = process.cpu_seconds()?;
        all.insert(item.to_owned(), now - before);
        before = now;
    }
    Ok(all)
}

/// Reads lines until one has the words.
fn until(console: &mut BufReader<ChildStdout>, words: &str) -> Result<()> {
    let mut line = Vec::new();
    while console.read_until(b'\n', &mut line)? > 0 {
        if String::from_utf8_lossy(&line).contains(words) {
            return Ok(());
        }
        line.clear();
    }
    bail!("the guest ended before \"{words}\"")
}
