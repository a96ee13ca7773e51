//! `cargo xtask bench`: ratios against QEMU, measured in turn in one run; with an argument `programs`,
//! Debian's programs only; `wasm`, the browser's core beside the program; `browser`, the page beside
//! v86.

mod boot;
mod browser;
mod process;
mod programs;
mod qmp;
mod wasm;
mod workload;

use anyhow::Result;

use crate::apt;
use crate::guests;
use crate::shell::{have, output, progress, root, run};

/// The emulators that are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Emulator {
    /// This project's.
    Ferrite,
    /// The one to compare with.
    Qemu,
}

impl Emulator {
    /// Both, in the order in which they take turns.
    pub const BOTH: [Self; 2] = [Self::Ferrite, Self::Qemu];

    /// The program to run.
    pub fn program(self) -> std::path::PathBuf {
        match self {
            Self::Ferrite => root().join("target/release/ferrite"),
            Self::Qemu => "qemu-system-aarch64".into(),
        }
    }
}

/// Measures the browser's core in Node.
pub fn run_wasm() -> Result<()> {
    apt::install(&[
        ("node", "nodejs"),
        (
            workload::COMPILER,
            "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
        ),
    ])?;
    crate::wasm::build_module()?;
    build()?;
    wasm::compare(&guests::fetch_demo()?)
}

/// Measures the page in a browser.
pub fn run_browser() -> Result<()> {
    crate::web::prepare_browser()?;
    browser::compare()
}

fn build() -> Result<()> {
    progress("building");
    run(
        "cargo",
        ["build", "--release", "--quiet", "--package", "ferrite"],
    )
}

/// Measures Debian's programs in the guest.
pub fn run_programs() -> Result<()> {
    apt::install(&[
        ("qemu-system-aarch64", "qemu-system-arm"),
        ("mke2fs", "e2fsprogs"),
    ])?;
    build()?;
    programs::compare(&guests::fetch_demo()?)
}

/// Measures and prints everything.
pub fn run_all() -> Result<()> {
    apt::install(&[
        ("qemu-system-aarch64", "qemu-system-arm"),
        ("mke2fs", "e2fsprogs"),
        (
            workload::COMPILER,
            "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
        ),
    ])?;
    build()?;
    println!("# interpreter");
    run(
        "cargo",
        [
            "bench",
            "--quiet",
            "--package",
            "ferrite-ir",
            "--bench",
            "interp",
        ],
    )?;
    if !have("qemu-system-aarch64") {
        progress("no qemu-system-aarch64: comparisons are left out");
        return Ok(());
    }
    let version = output("qemu-system-aarch64", ["--version"])?;
    println!(
        "\ncompared with {}",
        version.lines().next().unwrap_or_default()
    );
    let kernel = guests::fetch_demo()?;
    boot::compare(&kernel)?;
    workload::compare(&kernel)?;
    programs::compare(&kernel)?;
    qmp::compare()
}

/// The middle value.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints a row: both medians and their ratio, Ferrite's over QEMU's.
pub fn row(what: &str, unit: &str, ferrite: f64, qemu: f64) {
    println!(
        "{what:<40} {ferrite:>10.2} {qemu:>10.2} {unit:<10} ratio {:.2}",
        ferrite / qemu
    );
}
