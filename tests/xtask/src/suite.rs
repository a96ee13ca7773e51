//! `cargo xtask test`: everything that decides whether a change is good.

use anyhow::Result;

use crate::apt;
use crate::crash;
use crate::fuzz;
use crate::guests;
use crate::shell::{progress, run, run_with};
use crate::{reference_qemu, target, wasm, web};

/// Programs that tests need, and the Debian packages that have them.
const TOOLS: [(&str, &str); 10] = [
    ("qemu-aarch64", "qemu-user"),
    ("qemu-system-aarch64", "qemu-system-arm"),
    ("mke2fs", "e2fsprogs"),
    ("mcopy", "mtools"),
    ("g++", "g++"),
    ("readelf", "binutils"),
    ("gdb-multiarch", "gdb-multiarch"),
    ("virsh", "libvirt-clients"),
    ("virt-qemu-run", "libvirt-daemon-driver-qemu"),
    ("libvirtd", "libvirt-daemon"),
];

/// Seconds that each fuzz target runs: long enough to see that it still works, and for what a change
/// broke grossly.
const FUZZ_SECONDS: u64 = 5;

/// Installs what the tests need and runs all of them, the quick ones first.
pub fn run_all() -> Result<()> {
    apt::install(&TOOLS)?;
    progress("checking the format");
    run("cargo", ["fmt", "--all", "--check"])?;
    progress("linting");
    run(
        "cargo",
        [
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
    )?;
    progress("building the documentation");
    run_with(
        "cargo",
        ["doc", "--quiet", "--workspace", "--no-deps"],
        &[("RUSTDOCFLAGS", "-D warnings")],
    )?;
    progress("building the tests of generated WebAssembly");
    wasm::build_artefact()?;
    guests::fetch()?;
    if let Err(error) = reference_qemu::fetch() {
        progress(format!("left out: comparing with QEMU 10: {error:#}"));
    }
    if let Err(error) = crash::fetch_tools() {
        progress(format!(
            "left out: reading dumps as Debian's tools do: {error:#}"
        ));
    }
    wasm::build_sandbox_core()?;
    progress("testing every crate");
    run(
        "cargo",
        ["test", "--quiet", "--workspace", "--exclude", "ferrite-e2e"],
    )?;
    // They compile where the host can.
    progress("testing the CPU once more, interpreted");
    run_with(
        "cargo",
        ["test", "--quiet", "--package", "ferrite-aarch64", "--lib"],
        &[("FERRITE_BACKEND", "interp")],
    )?;
    progress("checking that the code generators compile for aarch64 hosts");
    target::check_other_host()?;
    fuzz::smoke(FUZZ_SECONDS)?;
    progress("booting real guests");
    run(
        "cargo",
        ["build", "--quiet", "--release", "--package", "ferrite"],
    )?;
    run(
        "cargo",
        [
            "test",
            "--release",
            "--package",
            "ferrite-e2e",
            "--no-fail-fast",
        ],
    )?;
    web::test()?;
    progress("all tests passed");
    Ok(())
}
