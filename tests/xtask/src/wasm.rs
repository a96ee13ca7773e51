//! Whether the core builds for wasm32, as its rules promise.

use anyhow::Result;

use crate::apt;
use crate::shell::{have, output, progress, run, run_with};

const TARGET: &str = "wasm32-unknown-unknown";

/// The packages under `core/` that are part of a machine.
const PACKAGES: [&str; 11] = [
    "ferrite-ram",
    "ferrite-simd",
    "ferrite-ir",
    "ferrite-aarch64",
    "ferrite-machine",
    "ferrite-devices",
    "ferrite-block",
    "ferrite-net",
    "ferrite-vm",
    "ferrite-cli",
    "ferrite-qmp",
];

/// Checks every package with the installed target of rustup where there is one, else with Debian's
/// compiler, which brings the standard library's source.
pub fn check_core() -> Result<()> {
    let packages = PACKAGES.iter().flat_map(|package| ["--package", package]);
    let args = [
        "check",
        "--quiet",
        "--target",
        TARGET,
        "--target-dir",
        "target/wasm",
    ];
    let args = args.into_iter().chain(packages);
    if rustup_has_target() {
        return run("cargo", args);
    }
    apt::install(&[
        ("/usr/bin/cargo", "cargo-web"),
        ("/usr/bin/rustc", "rustc-web"),
        ("wasm-ld-19", "lld-19"),
        (
            "/usr/lib/rustlib/src/rust/library/std/Cargo.toml",
            "rust-web-src",
        ),
    ])?;
    if !have("/usr/bin/cargo") || !have("/usr/bin/rustc") {
        progress(format!(
            "left out: install rustup's target {TARGET}, or Debian's rustc-web"
        ));
        return Ok(());
    }
    let environment = [("RUSTC", "/usr/bin/rustc"), ("RUSTC_BOOTSTRAP", "1")];
    run_with(
        "/usr/bin/cargo",
        args.chain(["-Zbuild-std=std,panic_abort"]),
        &environment,
    )
}

fn rustup_has_target() -> bool {
    have("rustup")
        && output("rustup", ["target", "list", "--installed"])
            .is_ok_and(|list| list.lines().any(|t| t == TARGET))
}
