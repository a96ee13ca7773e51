//! A later QEMU than this machine's Debian has, to compare with: its program and its libraries in a
//! folder, and a script that runs it there.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::Result;

use crate::apt::Packages;
use crate::shell::{have, progress, root};

/// The release that has QEMU 10.
const SUITE: &str = "trixie";
/// Where it goes.
const FOLDER: &str = "target/qemu-10";

/// Fetches it, once, into `target/qemu-10`. Tests that want it are left out where it cannot be had.
pub fn fetch() -> Result<()> {
    let script = root().join(FOLDER).join("qemu-system-aarch64");
    if script.exists() {
        return Ok(());
    }
    if !have("apt-get") || !have("dpkg-deb") || !cfg!(target_arch = "x86_64") {
        progress("left out: comparing with QEMU 10 needs Debian's packages for amd64");
        return Ok(());
    }
    let unpacked = root().join(FOLDER).join("root");
    fs::create_dir_all(&unpacked)?;
    let unpacked = unpacked.canonicalize()?;
    let packages = Packages::open(&format!("{FOLDER}/apt"), "amd64", &[SUITE])?;
    packages.unpack_with_dependencies(&["qemu-system-arm"], &unpacked)?;
    let usr = unpacked.join("usr");
    let usr = usr.display();
    // Its own loader and libraries: this machine's may be older.
    let text = format!(
        "#!/bin/sh\nexec {usr}/lib64/ld-linux-x86-64.so.2 \
         --library-path {usr}/lib/x86_64-linux-gnu {usr}/bin/qemu-system-aarch64 \
         -L {usr}/share/qemu \"$@\"\n"
    );
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
