//! The initramfs of the Linux guests: busybox, the modules that they need, and an init script.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use anyhow::Result;
use cpio::newc::{Builder, trailer};

use crate::modules::Modules;

/// Modules for the board's devices and for the file systems that the tests mount.
const MODULES: [&str; 25] = [
    "virtio_mmio",
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_console",
    "virtio_rng",
    "virtio_balloon",
    "virtio_scsi",
    "sd_mod",
    "sr_mod",
    "isofs",
    "e1000",
    "e1000e",
    "8021q",
    "9pnet_virtio",
    "9p",
    "crc32c_generic",
    "ext4",
    "vfat",
    "nls_ascii",
    "nls_cp437",
    "af_packet",
    "gpio_keys",
    "evdev",
    "qemu_fw_cfg",
];

/// Runs as process 1: sets the system up, says so, and leaves a shell on the console.
const INIT: &str = include_str!("init.sh");

/// What `udhcpc` runs with the lease that it got.
const LEASE: &str = include_str!("lease.sh");

/// The archive, in cpio's `newc` format.
pub fn build(busybox: &Path, kernel_package: &Path) -> Result<Vec<u8>> {
    let modules = Modules::find(kernel_package)?.load_order(&MODULES)?;
    archive(busybox, &modules)
}

/// The same for a kernel that needs no modules, of any architecture.
pub fn without_modules(busybox: &Path) -> Result<Vec<u8>> {
    archive(busybox, &[])
}

fn archive(busybox: &Path, modules: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for dir in [
        "bin",
        "dev",
        "etc",
        "etc/udhcpc",
        "lib",
        "lib/modules",
        "mnt",
        "proc",
        "root",
        "sys",
        "tmp",
    ] {
        archive.add(dir, Kind::Directory, 0o755, &[])?;
    }
    archive.add("bin/busybox", Kind::Regular, 0o755, &fs::read(busybox)?)?;
    archive.add("bin/sh", Kind::Symlink, 0o777, b"busybox")?;
    archive.add("init", Kind::Regular, 0o755, INIT.as_bytes())?;
    archive.add(
        "etc/udhcpc/default.script",
        Kind::Regular,
        0o755,
        LEASE.as_bytes(),
    )?;
    let mut order = String::new();
    for (name, module) in modules {
        order.push_str(name);
        order.push('\n');
        archive.add(
            &format!("lib/modules/{name}.ko"),
            Kind::Regular,
            0o644,
            module,
        )?;
    }
    archive.add("lib/modules/order", Kind::Regular, 0o644, order.as_bytes())?;
    archive.finish()
}

/// An archive that adds a program to the root folder.
pub fn of_program(name: &str, program: &[u8]) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    archive.add(name, Kind::Regular, 0o755, program)?;
    archive.finish()
}

/// File types, as the bits of a Unix mode.
#[derive(Clone, Copy)]
enum Kind {
    Directory = 0o040_000,
    Regular = 0o100_000,
    Symlink = 0o120_000,
}

#[derive(Default)]
struct Archive {
    out: Cursor<Vec<u8>>,
    inode: u32,
}

impl Archive {
    fn add(&mut self, name: &str, kind: Kind, mode: u32, data: &[u8]) -> Result<()> {
        self.inode += 1;
        let entry = Builder::new(name).ino(self.inode).mode(kind as u32 | mode);
        let mut writer = entry.nlink(1).write(&mut self.out, data.len() as u32);
        std::io::Write::write_all(&mut writer, data)?;
        writer.finish()?;
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<u8>> {
        trailer(&mut self.out)?;
        Ok(self.out.into_inner())
    }
}
