//! What is built for wasm32: the core for browsers and for the sandbox, which have all of a machine in
//! them, and what the WebAssembly back end's tests run.

use std::path::Path;

use anyhow::{Result, bail};

use crate::shell::{progress, root, run};
use crate::target;

const TARGET: &str = "wasm32-unknown-unknown";

/// What every browser has that the page is meant for.
const FEATURES: &str = "-Ctarget-feature=+simd128";

/// With threads beside: memory that workers share, given to the module from outside. wasm-bindgen wants
/// to find where thread-local data is.
const THREADS: &str = "-Ctarget-feature=+simd128,+atomics,+bulk-memory,+mutable-globals \
    -Clink-arg=--shared-memory -Clink-arg=--import-memory -Clink-arg=--max-memory=4294967296 \
    -Clink-arg=--export=__wasm_init_tls -Clink-arg=--export=__tls_size \
    -Clink-arg=--export=__tls_align -Clink-arg=--export=__tls_base";

/// A way to build the core for the browser.
struct Flavour {
    flags: &'static str,
    target_dir: &'static str,
    /// Where its JavaScript module goes.
    module: &'static str,
    /// Whether the standard library that compilers come with does not fit.
    own_std: bool,
}

const SINGLE: Flavour = Flavour {
    flags: FEATURES,
    target_dir: "target/wasm",
    module: "web/src/wasm",
    own_std: false,
};

const THREADED: Flavour = Flavour {
    flags: THREADS,
    target_dir: "target/wasm-threads",
    module: "web/src/wasm/threads",
    own_std: true,
};

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

/// Builds the browser's artefacts and their JavaScript modules: with one thread, and with threads.
/// Where no compiler here can do the latter, the former stands in for it.
pub fn build_module() -> Result<()> {
    progress("building the core for the browser");
    if !build_flavour(&SINGLE)? {
        bail!("{}", target::what_is_missing(TARGET));
    }
    progress("building it with threads");
    if build_flavour(&THREADED)? {
        return Ok(());
    }
    progress("left out: threads take rustup's component rust-src, or Debian's rustc-web");
    let (from, into) = (root().join(SINGLE.module), root().join(THREADED.module));
    std::fs::create_dir_all(&into)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), into.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// False if no compiler here can build it.
fn build_flavour(flavour: &Flavour) -> Result<bool> {
    let args = [
        "build",
        "--quiet",
        "--profile",
        "wasm",
        "--package",
        "ferrite-wasm",
    ];
    let (target_dir, into) = (flavour.target_dir, flavour.module);
    let flags = [("RUSTFLAGS", flavour.flags)];
    if !target::cargo_in(
        target_dir,
        flavour.own_std,
        TARGET,
        args.into_iter(),
        &flags,
    )? {
        return Ok(false);
    }
    let core = format!("{target_dir}/{TARGET}/wasm/ferrite_wasm.wasm");
    let made = root().join(into).join("ferrite_bg.wasm");
    let time = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    if time(&made) > time(&root().join(&core)) {
        return Ok(true);
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
    run("cargo", args.into_iter().chain([core.as_str(), into]))?;
    Ok(true)
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
