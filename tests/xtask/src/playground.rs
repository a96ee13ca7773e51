//! `cargo xtask playground`: the page that runs machines in a browser tab; with `--terminal`, the
//! demo guest in this terminal, with QMP on a WebSocket beside it.

use std::net::TcpListener;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::guests;
use crate::shell::{progress, root, run};
use crate::web;

/// The port that is tried first for QMP.
const PORT: u16 = 4444;

/// The port that is tried first for the page.
const PAGE_PORT: u16 = 8642;

/// Builds the page, fetches its guests, and serves it until interrupted.
pub fn serve() -> Result<()> {
    web::build()?;
    let guests = web::guests()?;
    build_ferrite()?;
    let port = free_port(PAGE_PORT)?;
    println!("\nOpen this page in a browser; Ctrl-C ends the server.\n");
    let status = Command::new(root().join("target/release/ferrite"))
        .args(["serve", "-listen", &format!("127.0.0.1:{port}"), "-page"])
        .arg(root().join("web/dist"))
        .arg("-guests")
        .arg(guests)
        .status()
        .context("cannot run target/release/ferrite")?;
    if !status.success() {
        bail!("ferrite serve ended with {status}");
    }
    Ok(())
}

fn build_ferrite() -> Result<()> {
    progress("building Ferrite");
    run(
        "cargo",
        ["build", "--release", "--quiet", "--package", "ferrite"],
    )
}

/// Fetches the guest, builds, and starts it. Returns when the guest has powered off.
pub fn terminal() -> Result<()> {
    let kernel = guests::fetch_demo()?;
    build_ferrite()?;
    let port = free_port(PORT)?;
    println!(
        "\nThe guest starts in this terminal. Ctrl-A x leaves, Ctrl-A c switches to the monitor."
    );
    println!(
        "QMP answers at ws://127.0.0.1:{port}/ (any WebSocket client; one JSON text per frame).\n"
    );
    let status = Command::new(root().join("target/release/ferrite"))
        .args([
            "-M",
            "virt,gic-version=3",
            "-cpu",
            "cortex-a57",
            "-m",
            "512",
        ])
        .arg("-kernel")
        .arg(kernel.image)
        .arg("-initrd")
        .arg(kernel.initrd)
        .args(["-append", "console=ttyAMA0 quiet", "-nographic"])
        .args([
            "-netdev",
            "user,id=net0",
            "-device",
            "virtio-net-device,netdev=net0",
        ])
        .arg("-qmp")
        .arg(format!(
            "tcp:127.0.0.1:{port},server=on,wait=off,websocket=on"
        ))
        .status()
        .context("cannot run target/release/ferrite")?;
    if !status.success() {
        bail!("ferrite ended with {status}");
    }
    Ok(())
}

/// The usual port, or any other that is free.
fn free_port(usual: u16) -> Result<u16> {
    let listener =
        TcpListener::bind(("127.0.0.1", usual)).or_else(|_| TcpListener::bind(("127.0.0.1", 0)))?;
    Ok(listener.local_addr()?.port())
}
