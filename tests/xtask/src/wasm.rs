//! What is built for wasm32: the core for browsers and for the sandbox, which have all of a machine in
//! them, and what the WebAssembly back end's tests run.

use std::path::Path;

use anyhow::{Result, bail};

use crate::apt;
use crate::shell::{have, output, progress, root, run, run_with};

const TARGET: &str = "wasm32-unknown-unknown";

/// What every browser has that the page is meant for.
const FEATURES: &str = "-Ctarget-feature=+simd128";

/// Builds what the WebAssembly back end's tests run inside wasmtime.
pub fn build_artefact() -> Result<()> {
    let args = [
        "build",
        "--quiet",
        "--profile",
        "wasm",
        "--package",
        "ferrite-jit-artefact",
    ];
    if !cargo(args.into_iter(), &[("RUSTFLAGS", FEATURES)])? {
        progress(format!("left out: {}", what_is_missing()));
    }
    Ok(())
}

/// Builds the browser's artefact and its JavaScript module into `web/src/wasm`.
pub fn build_module() -> Result<()> {
    progress("building the core for the browser");
    let args = [
        "build",
        "--quiet",
        "--profile",
        "wasm",
        "--package",
        "ferrite-wasm",
    ];
    if !cargo(args.into_iter(), &[("RUSTFLAGS", FEATURES)])? {
        bail!("{}", what_is_missing());
    }
    let core = format!("target/wasm/{TARGET}/wasm/ferrite_wasm.wasm");
    let made = root().join("web/src/wasm/ferrite_bg.wasm");
    let time = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    if time(&made) > time(&root().join(&core)) {
        return Ok(());
    }
    let args = [
        "run",
        "--quiet",
        "--profile",
        "tool",
        "--package",
        "ferrite-bindgen",
        "--",
    ];
    run(
        "cargo",
        args.into_iter().chain([core.as_str(), "web/src/wasm"]),
    )
}

/// Builds the core for the sandbox into `target/wasm` and, where the program is built, beside that.
/// False if no compiler here can do that.
pub fn build_sandbox_core() -> Result<bool> {
    progress("building the core for the sandbox");
    let args = [
        "build",
        "--quiet",
        "--profile",
        "wasm",
        "--package",
        "ferrite-sandbox-core",
    ];
    if !cargo(args.into_iter(), &[("RUSTFLAGS", FEATURES)])? {
        progress(format!("left out: {}", what_is_missing()));
        return Ok(false);
    }
    let made = format!("target/wasm/{TARGET}/wasm/ferrite_sandbox_core.wasm");
    for folder in ["target/wasm", "target/release"] {
        let folder = root().join(folder);
        if folder.is_dir() {
            std::fs::copy(root().join(&made), folder.join("ferrite-core.wasm"))?;
        }
    }
    Ok(true)
}

/// Runs cargo for the target; false if no compiler here can do that.
fn cargo<'a>(args: impl Iterator<Item = &'a str>, environment: &[(&str, &str)]) -> Result<bool> {
    let args = args.chain(["--target", TARGET, "--target-dir", "target/wasm"]);
    if rustup_has_target() {
        run_with("cargo", args, environment)?;
        return Ok(true);
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
        return Ok(false);
    }
    let debian = [
        ("RUSTC", "/usr/bin/rustc"),
        ("RUSTC_BOOTSTRAP", "1"),
        ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-19"),
    ];
    let environment: Vec<_> = debian.iter().chain(environment).copied().collect();
    run_with(
        "/usr/bin/cargo",
        args.chain(["-Zbuild-std=std,panic_abort"]),
        &environment,
    )?;
    Ok(true)
}

fn what_is_missing() -> String {
    format!("install rustup's target {TARGET}, or Debian's rustc-web, to build for the browser")
}

fn rustup_has_target() -> bool {
    have("rustup")
        && output("rustup", ["target", "list", "--installed"])
            .is_ok_and(|list| list.lines().any(|t| t == TARGET))
}
