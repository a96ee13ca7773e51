//! What is built for wasm32: the core for browsers and for the sandbox, which have all of a machine in
//! them, and what the WebAssembly back end's tests run.

use std::path::Path;

use anyhow::{Result, bail};

use crate::shell::{progress, root, run};
use crate::target;

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
    if !target::cargo(TARGET, args.into_iter(), &[("RUSTFLAGS", FEATURES)])? {
        progress(format!("left out: {}", target::what_is_missing(TARGET)));
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
    if !target::cargo(TARGET, args.into_iter(), &[("RUSTFLAGS", FEATURES)])? {
        bail!("{}", target::what_is_missing(TARGET));
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
    if !target::cargo(TARGET, args.into_iter(), &[("RUSTFLAGS", FEATURES)])? {
        progress(format!("left out: {}", target::what_is_missing(TARGET)));
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
