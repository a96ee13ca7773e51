//! `cargo xtask playground`: the demo guest in this terminal, with QMP on a WebSocket beside it.

use std::net::TcpListener;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::guests;
use crate::shell::{progress, root, run};

/// The port that is tried first for QMP.
const PORT: u16 = 4444;

/// Fetches the guest, builds, and starts it. Returns when the guest has powered off.
pub fn start() -> Result<()> {
    let kernel = guests::fetch_demo()?;
    progress("building Ferrite");
    run(
        "cargo",
        ["build", "--release", "--quiet", "--package", "ferrite"],
    )?;
    let port = free_port()?;
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
fn free_port() -> Result<u16> {
    let listener =
        TcpListener::bind(("127.0.0.1", PORT)).or_else(|_| TcpListener::bind(("127.0.0.1", 0)))?;
    Ok(listener.local_addr()?.port())
}
