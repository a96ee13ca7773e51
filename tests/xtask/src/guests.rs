//! The guests: Debian's kernels with an initramfs of busybox and the modules that it needs, and
//! firmware.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::apt::Packages;
use crate::initramfs;
use crate::shell::root;

/// U-Boot for `virt`, in its package.
const U_BOOT: &str = "usr/lib/u-boot/qemu_arm64/u-boot.bin";

/// Debian's installer as text, in its package.
const INSTALLER: &str = "usr/lib/debian-installer/images/12/arm64/text/debian-installer/arm64";

/// A kernel and its initramfs.
pub struct Kernel {
    /// The arm64 Image, as packaged.
    pub image: PathBuf,
    /// The initramfs made for it.
    pub initrd: PathBuf,
}

/// Everything fetched.
pub struct Guests {
    /// Debian 12's 6.1 kernel for virtual machines.
    pub cloud_6_1: Kernel,
    /// Debian 12's 6.1 kernel for any machine.
    pub generic_6_1: Kernel,
    /// Debian 13's 6.12 kernel for virtual machines.
    pub cloud_6_12: Kernel,
    /// U-Boot for `virt`.
    pub u_boot: PathBuf,
    /// EDK2 for `virt`, as the image for `-bios`.
    pub edk2: PathBuf,
}

/// Fetches what is not there yet.
pub fn fetch() -> Result<Guests> {
    let source = Source::open()?;
    let edk2 = source.apt.unpack("qemu-efi-aarch64", Some("bookworm"))?;
    let u_boot = source.apt.unpack("u-boot-qemu", Some("bookworm"))?;
    Ok(Guests {
        cloud_6_1: source.cloud_6_1()?,
        generic_6_1: source.generic_6_1()?,
        cloud_6_12: source.kernel("cloud-6.12", "linux-image-cloud-arm64", "trixie")?,
        edk2: edk2.join("usr/share/qemu-efi-aarch64/QEMU_EFI.fd"),
        u_boot: u_boot.join(U_BOOT),
    })
}

/// Fetches the guests of the page's gallery: two kernels, the installer, and U-Boot.
pub fn fetch_gallery() -> Result<([Kernel; 3], PathBuf)> {
    let source = Source::open()?;
    let u_boot = source.apt.unpack("u-boot-qemu", Some("bookworm"))?;
    Ok((
        [
            source.cloud_6_1()?,
            source.generic_6_1()?,
            source.installer()?,
        ],
        u_boot.join(U_BOOT),
    ))
}

/// Fetches only the guest that demonstrations and benchmarks use.
pub fn fetch_demo() -> Result<Kernel> {
    Source::open()?.cloud_6_1()
}

/// Where kernels come from, and the busybox that goes into each initramfs.
struct Source {
    apt: Packages,
    busybox: PathBuf,
}

impl Source {
    fn open() -> Result<Self> {
        let apt = Packages::of_guests()?;
        let package = apt.unpack("busybox-static", Some("bookworm"))?;
        let places = [package.join("bin/busybox"), package.join("usr/bin/busybox")];
        let busybox = places
            .into_iter()
            .find(|p| p.exists())
            .context("busybox-static holds no busybox")?;
        Ok(Self { apt, busybox })
    }

    fn cloud_6_1(&self) -> Result<Kernel> {
        self.kernel("cloud-6.1", "linux-image-cloud-arm64", "bookworm")
    }

    fn generic_6_1(&self) -> Result<Kernel> {
        self.kernel("generic-6.1", "linux-image-arm64", "bookworm")
    }

    /// Debian 12's installer: its kernel, and the initramfs that it is.
    fn installer(&self) -> Result<Kernel> {
        let package = self
            .apt
            .unpack("debian-installer-12-netboot-arm64", Some("bookworm"))?;
        let dir = root().join("target/guests");
        let kernel = Kernel {
            image: dir.join("installer.Image"),
            initrd: dir.join("installer.cpio.gz"),
        };
        let from = package.join(INSTALLER);
        for (name, to) in [("linux", &kernel.image), ("initrd.gz", &kernel.initrd)] {
            if !to.exists() {
                fs::copy(from.join(name), to)?;
            }
        }
        Ok(kernel)
    }

    /// The kernel that the dependency package `meta` of `suite` leads to.
    fn kernel(&self, name: &str, meta: &str, suite: &str) -> Result<Kernel> {
        let package = self.apt.dependency(meta, suite, "linux-image-")?;
        make_kernel(
            name,
            &self.apt.unpack(&package, Some(suite))?,
            &self.busybox,
        )
    }
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
