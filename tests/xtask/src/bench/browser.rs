//! From the click to the shell in a browser: the page beside v86, which boots a kernel for PCs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::apt::Packages;
use crate::initramfs;
use crate::shell::{progress, root, run, run_in};

/// The emulator that is compared with, from npm.
const V86: &str = "v86";
const V86_VERSION: &str = "0.5.462";
const SUITE: &str = "bookworm";
const FOLDER: &str = "target/v86";

/// Measures and prints; the page and the program are built.
pub fn compare() -> Result<()> {
    let site = prepare()?.display().to_string();
    progress("booting in the browser");
    run("node", ["tests/bench/browser.mjs", &site])?;
    progress("idling in the browser");
    run("node", ["tests/bench/idle.mjs"])
}

/// Puts v86, its firmware and its guest into a folder.
fn prepare() -> Result<PathBuf> {
    let folder = root().join(FOLDER);
    let site = folder.join("site");
    fs::create_dir_all(&site)?;
    let apt = Packages::open(&format!("{FOLDER}/apt"), "i386", &[SUITE])?;
    let name = apt.dependency("linux-image-686", SUITE, "linux-image-")?;
    let kernel = apt.unpack(&name, Some(SUITE))?.join("boot");
    let bios = apt
        .unpack("seabios", Some(SUITE))?
        .join("usr/share/seabios");
    let busybox = apt.unpack("busybox-static", Some(SUITE))?;
    let initrd = initramfs::without_modules(&busybox.join("bin/busybox"))?;
    fs::write(site.join("initrd"), initrd)?;
    let build = emulator(&folder)?.join("build");
    for (from, name) in [
        (build.join("libv86.mjs"), "libv86.mjs"),
        (build.join("v86.wasm"), "v86.wasm"),
        (bios.join("bios.bin"), "bios"),
        (bios.join("vgabios-stdvga.bin"), "vgabios"),
        (image(&kernel)?, "kernel"),
    ] {
        fs::copy(&from, site.join(name))
            .with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(site)
}

/// The kernel in a package's `boot`.
fn image(boot: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(boot)?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_kernel = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("vmlinuz"))
    };
    { entries }
        .find(is_kernel)
        .context("no kernel in its package")
}

/// v86's package, unpacked.
fn emulator(folder: &Path) -> Result<PathBuf> {
    let package = folder.join("package");
    if !package.exists() {
        progress("fetching v86");
        let wanted = format!("{V86}@{V86_VERSION}");
        run_in(FOLDER, "npm", ["pack", "--silent", &wanted])?;
        let archive = format!("{V86}-{V86_VERSION}.tgz");
        run_in(FOLDER, "tar", ["xzf", &archive])?;
    }
    Ok(package)
}
