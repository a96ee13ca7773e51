//! The guests: Debian's kernels with an initramfs of busybox and the modules that it needs, and
//! firmware.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::apt::Arm64;
use crate::initramfs;
use crate::shell::root;

/// A kernel and its initramfs.
#[derive(Debug)]
pub struct Kernel {
    /// The arm64 Image, as packaged.
    pub image: PathBuf,
    /// The initramfs made for it.
    pub initrd: PathBuf,
}

/// Everything fetched.
#[derive(Debug)]
pub struct Guests {
    /// Debian 12's 6.1 kernel for virtual machines.
    pub cloud_6_1: Kernel,
    /// Debian 12's 6.1 kernel for any machine.
    pub generic_6_1: Kernel,
    /// Debian 13's 6.12 kernel for virtual machines.
    pub cloud_6_12: Kernel,
    /// U-Boot for `virt`.
    pub u_boot: PathBuf,
}

/// Fetches what is not there yet.
pub fn fetch() -> Result<Guests> {
    let apt = Arm64::open()?;
    let busybox = apt.unpack("busybox-static", Some("bookworm"))?;
    let busybox = [busybox.join("bin/busybox"), busybox.join("usr/bin/busybox")];
    let busybox = busybox
        .iter()
        .find(|p| p.exists())
        .context("busybox-static holds no busybox")?;
    let kernel = |name: &str, meta: &str, suite: &str| -> Result<Kernel> {
        let package = apt.dependency(meta, suite, "linux-image-")?;
        make_kernel(name, &apt.unpack(&package, Some(suite))?, busybox)
    };
    Ok(Guests {
        cloud_6_1: kernel("cloud-6.1", "linux-image-cloud-arm64", "bookworm")?,
        generic_6_1: kernel("generic-6.1", "linux-image-arm64", "bookworm")?,
        cloud_6_12: kernel("cloud-6.12", "linux-image-cloud-arm64", "trixie")?,
        u_boot: apt
            .unpack("u-boot-qemu", Some("bookworm"))?
            .join("usr/lib/u-boot/qemu_arm64/u-boot.bin"),
    })
}

/// Links the kernel to `target/guests/NAME.Image` and makes `NAME.cpio` beside it.
fn make_kernel(name: &str, package: &Path, busybox: &Path) -> Result<Kernel> {
    let dir = root().join("target/guests");
    let image = dir.join(format!("{name}.Image"));
    let initrd = dir.join(format!("{name}.cpio"));
    if !image.exists() {
        let boot = fs::read_dir(package.join("boot"))?
            .filter_map(Result::ok)
            .map(|e| e.path());
        let vmlinuz = boot.into_iter().find(|p| {
            p.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with("vmlinuz"))
        });
        fs::copy(vmlinuz.context("the package holds no vmlinuz")?, &image)?;
    }
    let stale = fs::metadata(&initrd).and_then(|m| m.modified()).ok()
        < fs::metadata(std::env::current_exe()?)?.modified().ok();
    if stale {
        fs::write(&initrd, initramfs::build(busybox, package)?)?;
    }
    Ok(Kernel { image, initrd })
}
