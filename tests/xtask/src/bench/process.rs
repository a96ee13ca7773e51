//! A running emulator, and what it costs.

use std::fs;
use std::process::{Child, Command};

use anyhow::{Context, Result};

use super::Emulator;

/// Clock ticks a second in `/proc`, fixed on Linux.
const TICKS: f64 = 100.0;

/// An emulator process, ended when dropped.
pub struct Process {
    /// The process.
    pub child: Child,
}

impl Process {
    /// Starts an emulator.
    pub fn start(emulator: Emulator, configure: impl FnOnce(&mut Command)) -> Result<Self> {
        let mut command = Command::new(emulator.program());
        configure(&mut command);
        let child = command
            .spawn()
            .with_context(|| format!("cannot run {}", emulator.program().display()))?;
        Ok(Self { child })
    }

    /// Host CPU time so far, in seconds.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may hold blanks; user and system time are fields 14 and 15.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<f64> = after_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|f| f.parse().ok())
            .collect();
        Ok(fields.iter().sum::<f64>() / TICKS)
    }

    /// Largest resident memory so far, in megabytes.
    pub fn peak_megabytes(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|l| l.strip_prefix("VmHWM:"))
            .context("no VmHWM")?;
        let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kilobytes / 1024.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
