//! Tools that read dumps of guests: Debian's `crash` and `makedumpfile`, which read dumps of the
//! architecture that they were built for only, and the symbols of a kernel.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};

use crate::apt::Packages;
use crate::shell::{output, progress, root};

/// The release that the tools and the kernel come from.
const SUITE: &str = "bookworm";
/// Where they go.
const FOLDER: &str = "target/crash";

/// Fetches the tools, once, and makes a script of each that runs it by `qemu-aarch64`.
pub fn fetch_tools() -> Result<()> {
    let folder = root().join(FOLDER);
    let script = |name: &str| folder.join(name);
    if script("makedumpfile").exists() {
        return Ok(());
    }
    let unpacked = folder.join("root");
    fs::create_dir_all(&unpacked)?;
    let unpacked = unpacked.canonicalize()?;
    let packages = Packages::open(&format!("{FOLDER}/apt"), "arm64", &[SUITE])?;
    let tools = ["crash", "makedumpfile"];
    packages.unpack_with_dependencies(&tools, &unpacked)?;
    for name in tools {
        let root = unpacked.display();
        let text = format!("#!/bin/sh\nexec qemu-aarch64 -L {root} {root}/usr/bin/{name} \"$@\"\n");
        fs::write(script(name), text)?;
        fs::set_permissions(script(name), fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Fetches the symbols of Debian 12's kernel for virtual machines, once: 260 MB.
pub fn fetch_symbols() -> Result<()> {
    fetch_tools()?;
    let vmlinux = root().join(FOLDER).join("vmlinux");
    if vmlinux.exists() {
        return Ok(());
    }
    progress("fetching the kernel's symbols");
    let packages = Packages::of_guests()?;
    let kernel = packages.dependency("linux-image-cloud-arm64", SUITE, "linux-image-")?;
    let release = kernel
        .strip_prefix("linux-image-")
        .context("a kernel's package is named after its release")?;
    let package = packages.download(&format!("{kernel}-dbg"), Some(SUITE))?;
    let file = format!("./usr/lib/debug/boot/vmlinux-{release}");
    let partial = vmlinux.with_extension("partial");
    let unpack = format!(
        "dpkg-deb --fsys-tarfile '{}' | tar -xO '{file}' > '{}'",
        package.display(),
        partial.display()
    );
    output("sh", ["-c", &unpack])?;
    fs::remove_file(package)?;
    fs::rename(partial, vmlinux)?;
    Ok(())
}
