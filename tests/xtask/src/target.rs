//! Compiling for targets other than this machine: with rustup's standard library where that is
//! installed, else with Debian's compiler, which brings the source of it.

use std::path::Path;

use anyhow::Result;

use crate::apt;
use crate::shell::{have, output, progress, run_with};

/// A host of another architecture.
const OTHER_HOST: &str = "aarch64-unknown-linux-gnu";

/// Builds the standard library as well.
const BUILD_STD: &str = "-Zbuild-std=std,panic_abort";

/// Checks that the code generators compile for an aarch64 host, where Cranelift's is the only one
/// for the host itself.
pub fn check_other_host() -> Result<()> {
    let args = ["check", "--quiet", "--package", "ferrite-jit"];
    if !cargo(OTHER_HOST, args.into_iter(), &[])? {
        progress(format!("left out: {}", what_is_missing(OTHER_HOST)));
    }
    Ok(())
}

/// Runs cargo for a target; false if no compiler here can do that.
pub fn cargo<'a>(
    target: &'a str,
    args: impl Iterator<Item = &'a str>,
    environment: &[(&str, &str)],
) -> Result<bool> {
    cargo_in("target/wasm", false, target, args, environment)
}

/// The same with what it makes in another folder; with `own_std`, the standard library is built as
/// well, since the flags ask for another than compilers come with.
pub fn cargo_in<'a>(
    folder: &'a str,
    own_std: bool,
    target: &'a str,
    args: impl Iterator<Item = &'a str>,
    environment: &[(&str, &str)],
) -> Result<bool> {
    let args = args.chain(["--target", target, "--target-dir", folder]);
    if rustup_has(target) && !own_std {
        run_with("cargo", args, environment)?;
        return Ok(true);
    }
    if own_std && rustup_has_source() {
        let environment = [&[("RUSTC_BOOTSTRAP", "1")], environment].concat();
        run_with("cargo", args.chain([BUILD_STD]), &environment)?;
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
    run_with("/usr/bin/cargo", args.chain([BUILD_STD]), &environment)?;
    Ok(true)
}

/// What to do where [`cargo`] has found no compiler.
pub fn what_is_missing(target: &str) -> String {
    format!("install rustup's target {target}, or Debian's rustc-web")
}

fn rustup_has(target: &str) -> bool {
    have("rustup")
        && output("rustup", ["target", "list", "--installed"])
            .is_ok_and(|list| list.lines().any(|t| t == target))
}

/// Whether the standard library can be built by the compiler of rustup.
fn rustup_has_source() -> bool {
    const STD: &str = "lib/rustlib/src/rust/library/std/Cargo.toml";
    have("rustup")
        && output("rustc", ["--print", "sysroot"])
            .is_ok_and(|sysroot| Path::new(sysroot.trim()).join(STD).exists())
}
