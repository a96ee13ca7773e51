//! QMP: commands a second, and how long one takes.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::process::Process;
use super::{Emulator, median, row};

const ROUND_TRIPS: usize = 3000;
const PIPELINED: usize = 20_000;
const RUNS: usize = 3;
const QUERIES: [(&str, &[u8]); 2] = [
    ("query-status", b"{\"execute\":\"query-status\"}\n"),
    (
        "qom-list",
        b"{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/machine\"}}\n",
    ),
];

/// Asks each emulator in turn and prints the medians.
pub fn compare() -> Result<()> {
    for (name, query) in QUERIES {
        compare_query(name, query)?;
    }
    Ok(())
}

fn compare_query(name: &str, query: &'static [u8]) -> Result<()> {
    println!("\n# QMP over a unix socket, {name} (Ferrite, QEMU)");
    let mut latency: [Vec<f64>; 2] = Default::default();
    let mut rate: [Vec<f64>; 2] = Default::default();
    for _ in 0..RUNS {
        for (n, emulator) in Emulator::BOTH.into_iter().enumerate() {
            let (microseconds, commands) = measure(emulator, query)?;
            latency[n].push(microseconds);
            rate[n].push(commands);
        }
    }
    let [ferrite, qemu] = latency.map(median);
    row("latency of one command, median", "us", ferrite, qemu);
    let [ferrite, qemu] = rate.map(median);
    row("commands a second, pipelined", "1/s", ferrite, qemu);
    Ok(())
}

fn measure(emulator: Emulator, query: &'static [u8]) -> Result<(f64, f64)> {
    let folder = std::env::temp_dir();
    let socket = folder.join(format!("ferrite-bench-{}.sock", std::process::id()));
    let _process = Process::start(emulator, |command| {
        command
            .args([
                "-M",
                "virt",
                "-cpu",
                "cortex-a57",
                "-S",
                "-nodefaults",
                "-display",
                "none",
                "-qmp",
            ])
            .arg(format!("unix:{},server=on,wait=off", socket.display()))
            .stdin(Stdio::null());
    })?;
    let stream = connect(&socket)?;
    let mut replies = BufReader::new(stream.try_clone()?);
    let mut requests = stream;
    let mut line = String::new();
    replies.read_line(&mut line)?;
    requests.write_all(b"{\"execute\":\"qmp_capabilities\"}\n")?;
    replies.read_line(&mut line)?;

    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let start = Instant::now();
        requests.write_all(query)?;
        line.clear();
        replies.read_line(&mut line)?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let start = Instant::now();
    let writer =
        std::thread::spawn(move || (0..PIPELINED).try_for_each(|_| requests.write_all(query)));
    for _ in 0..PIPELINED {
        line.clear();
        replies.read_line(&mut line)?;
    }
    let commands = PIPELINED as f64 / start.elapsed().as_secs_f64();
    writer.join().ok().context("the writer failed")??;
    // A socket left behind would be in the next emulator's way.
    let _ = std::fs::remove_file(&socket);
    Ok((median(times), commands))
}

/// Waits for the emulator to listen.
fn connect(socket: &Path) -> Result<UnixStream> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > deadline => {
                return Err(error).context("the emulator does not listen");
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
