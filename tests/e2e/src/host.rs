//! The host's side: disk images, checksums, ports, a place for Python clients.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::process::root;

/// Runs a program of the host that has to succeed, and returns what it printed.
#[track_caller]
pub fn tool<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> String {
    let mut command = Command::new(program);
    // Not every user's path has the places of mke2fs and e2fsck.
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .args(args);
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Makes an ext4 image of so many MiB, filled from `content` if that is given.
#[track_caller]
pub fn ext4_image(path: &Path, mib: u32, content: Option<&Path>) {
    let mut args: Vec<&OsStr> = ["-q", "-F", "-t", "ext4", "-b", "4096"]
        .map(OsStr::new)
        .into();
    if let Some(content) = content {
        args.extend([OsStr::new("-d"), content.as_os_str()]);
    }
    let size = format!("{mib}M");
    args.extend([path.as_os_str(), OsStr::new(&size)]);
    tool("mke2fs", args);
}

/// Makes an image of `mib` MiB with a FAT file system that holds copies of files, by their names
/// there.
#[track_caller]
pub fn fat_image(path: &Path, mib: u32, files: &[(&Path, &str)]) {
    let sectors = (mib * 2048).to_string();
    let image = path.as_os_str();
    let format = ["-C", "-T", &sectors, "-i"].map(OsStr::new);
    tool(
        "mformat",
        format.into_iter().chain([image, OsStr::new("::")]),
    );
    let mut folders: Vec<&str> = files
        .iter()
        .filter_map(|(_, name)| Some(name.rsplit_once('/')?.0))
        .collect();
    folders.dedup();
    for folder in folders {
        let folder = format!("::{folder}");
        tool("mmd", [OsStr::new("-i"), image, OsStr::new(&folder)]);
    }
    for (file, name) in files {
        let target = format!("::{name}");
        let copy = [
            OsStr::new("-i"),
            image,
            file.as_os_str(),
            OsStr::new(&target),
        ];
        tool("mcopy", copy);
    }
}

/// Checks an image that a guest left; any inconsistency is a failure.
#[track_caller]
pub fn fsck(path: &Path) {
    tool(
        "e2fsck",
        [OsStr::new("-f"), OsStr::new("-n"), path.as_os_str()],
    );
}

/// A file's SHA-256 in hexadecimal.
#[track_caller]
pub fn sha256(path: &Path) -> String {
    let line = tool("sha256sum", [path]);
    line.split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Bytes without pattern, the same for the same seed (xorshift64*).
#[must_use]
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// A TCP port of this host that was free a moment ago.
#[track_caller]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// A Python environment with the clients that the tests use.
pub struct Venv {
    python: PathBuf,
}

/// Only one test at a time makes the environment.
static MAKING: Mutex<()> = Mutex::new(());

impl Venv {
    /// Makes the environment, or takes the one that is there; `None`, with the reason on the error
    /// output, if the packages cannot be had.
    #[must_use]
    pub fn open(packages: &[&str]) -> Option<Self> {
        let _one = MAKING.lock().unwrap_or_else(|poison| poison.into_inner());
        let dir = root().join("target/e2e-venv");
        let python = dir.join("bin/python");
        if !python.exists() {
            tool(
                "python3",
                [OsStr::new("-m"), OsStr::new("venv"), dir.as_os_str()],
            );
        }
        let pip = Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(["--retries", "1", "--timeout", "20"])
            .args(packages)
            .output();
        match pip {
            Ok(output) if output.status.success() => Some(Self { python }),
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr);
                eprintln!("SKIPPED: pip cannot install {packages:?}: {why}");
                None
            }
            Err(error) => {
                eprintln!("SKIPPED: pip cannot run: {error}");
                None
            }
        }
    }

    /// A program that one of the packages brings.
    #[must_use]
    pub fn program(&self, name: &str) -> Command {
        Command::new(self.python.with_file_name(name))
    }

    /// A command that runs a client of `clients/`.
    #[must_use]
    pub fn client(&self, script: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("clients")
                .join(script),
        );
        command
    }
}
