//! What Debian's own programs take in the guest, by the guest's clock.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::workload::{self, Task};
use crate::apt::Packages;
use crate::guests::Kernel;
use crate::shell::{progress, root, run};

/// What the image holds, each with everything that it depends on.
const PACKAGES: [&str; 20] = [
    "7zip",
    "coreutils",
    "cpp-12",
    "dash",
    "gzip",
    "libc6-dev",
    "libgcc-12-dev",
    "lua5.4",
    "luajit",
    "mawk",
    "nodejs",
    "openjdk-17-jre-headless",
    "openssl",
    "perl-base",
    "python3.11",
    "sed",
    "sqlite3",
    "tar",
    "xz-utils",
    "zstd",
];

/// How the guest's shell starts them: in their own files, with temporary ones in memory.
const COMMAND: &str = "mount -t ext4 -o ro /dev/vda /mnt && mount -t tmpfs tmpfs /mnt/tmp && \
    mount -t proc proc /mnt/proc && mount -t devtmpfs dev /mnt/dev && \
    chroot /mnt /bin/sh /bench/items.sh";

/// Runs the programs in each emulator in turn and prints the medians, and their means by kind.
pub fn compare(kernel: &Kernel) -> Result<()> {
    let disk = image()?;
    let task = Task {
        cpus: "1",
        command: COMMAND,
        disk: Some(&disk),
    };
    workload::compare_items("Debian's programs", kernel, &kernel.initrd, &task)
}

/// An ext4 image of the packages and of the programs' input, made once.
fn image() -> Result<PathBuf> {
    let folder = root().join("target/bench");
    let files = folder.join("programs");
    if !files.exists() {
        let partial = folder.join("programs.partial");
        fs::create_dir_all(&partial)?;
        Packages::open("target/bench/apt", "arm64", &["bookworm"])?
            .unpack_with_dependencies(&PACKAGES, &partial)?;
        for place in ["bench", "tmp", "proc", "dev"] {
            fs::create_dir_all(partial.join(place))?;
        }
        fs::rename(partial, &files)?;
    }
    copy_input(&files.join("bench"))?;
    progress("making the disk of programs");
    let image = folder.join("programs.img");
    let arguments = ["-q", "-F", "-t", "ext4", "-b", "4096", "-d"];
    let mut arguments: Vec<_> = arguments.iter().map(|a| a.as_ref()).collect();
    arguments.extend([files.as_os_str(), image.as_os_str(), "1200M".as_ref()]);
    run("mke2fs", arguments)?;
    Ok(image)
}

/// Puts what the programs work on beside them.
fn copy_input(to: &Path) -> Result<()> {
    let sources = root().join("tests/bench");
    for entry in fs::read_dir(sources.join("programs"))? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    fs::copy(sources.join("workload.c"), to.join("workload.c"))?;
    Ok(())
}
