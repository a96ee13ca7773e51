//! Chores of the project: `cargo xtask playground`, `test`, `bench`, `web`, `sandbox`, `guests`,
//! `crash`, `reference`.
//!
//! A chore installs what it needs from Debian's packages where it can, says what to install where
//! it cannot, and shows what it is doing. Everything it makes goes under `target/`.

mod apt;
mod bench;
mod crash;
mod fuzz;
mod guests;
mod initramfs;
mod modules;
mod playground;
mod reference_qemu;
mod shell;
mod suite;
mod target;
mod wasm;
mod web;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  playground   build the page that runs machines in a browser tab, and serve it with its guests;
               with --terminal boot the demo guest in this terminal, with QMP on a WebSocket
  test         install what the tests need and run all of them
  bench        print ratios against QEMU; with programs, of Debian's programs only;
               with wasm, of the browser's core against the program;
               with browser, of the page against v86
  fuzz         run the fuzz targets, or those named, for a number of seconds each: fuzz [SECONDS] [TARGET...]
  artefact     build what the WebAssembly back end's tests run
  web          build the page and go through it in a browser
  sandbox      build the program with --sandbox, and the core that runs in it
  guests       fetch the guests' kernels and firmware only
  qemu         fetch a later QEMU to compare with, into target/qemu-10
  crash        fetch what reads dumps, and symbols for it (260 MB), into target/crash
  reference    write the reference of QMP and the page's types from the schema";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("playground") => match args.get(1).map(String::as_str) {
            None => playground::serve(),
            Some("--terminal") => playground::terminal(),
            Some(other) => bail!("playground takes --terminal or nothing, not {other}"),
        },
        Some("web") => web::test(),
        Some("artefact") => wasm::build_artefact(),
        Some("sandbox") => sandbox(),
        Some("qemu") => reference_qemu::fetch(),
        Some("crash") => crash::fetch_symbols(),
        Some("reference") => reference(),
        Some("test") => suite::run_all(),
        Some("bench") => match args.get(1).map(String::as_str) {
            None => bench::run_all(),
            Some("programs") => bench::run_programs(),
            Some("wasm") => bench::run_wasm(),
            Some("browser") => bench::run_browser(),
            Some(other) => bail!("bench takes programs, wasm, browser or nothing, not {other}"),
        },
        Some("guests") => {
            let fetched = guests::fetch()?;
            for kernel in [fetched.cloud_6_1, fetched.generic_6_1, fetched.cloud_6_12] {
                println!("{}\n{}", kernel.image.display(), kernel.initrd.display());
            }
            println!("{}", fetched.u_boot.display());
            println!("{}", fetched.edk2.display());
            Ok(())
        }
        Some("fuzz") => {
            let seconds = args.get(1).map_or(Ok(30), |s| s.parse())?;
            match args.get(2..).unwrap_or_default() {
                [] => fuzz::smoke(seconds),
                names => fuzz::chosen(names, seconds),
            }
        }
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            Ok(())
        }
        Some(other) => bail!("no such chore: {other}\n{USAGE}"),
        None => bail!("{USAGE}"),
    }
}

/// The files that are made from QMP's schema.
fn reference() -> Result<()> {
    let root = shell::root().display().to_string();
    shell::run(
        "cargo",
        [
            "run",
            "--quiet",
            "--package",
            "ferrite-qmp",
            "--example",
            "documents",
            "--",
            &root,
        ],
    )
}

/// The program with its sandbox, and the core beside it.
fn sandbox() -> Result<()> {
    shell::progress("building Ferrite with its sandbox");
    let args = ["build", "--release", "--package", "ferrite"];
    let sandbox = ["--features", "sandbox"];
    shell::run("cargo", args.into_iter().chain(sandbox))?;
    if !wasm::build_sandbox_core()? {
        bail!("there is no core for the sandbox");
    }
    println!("target/release/ferrite --sandbox=memory=1G,time=3600 -M virt ...");
    Ok(())
}
