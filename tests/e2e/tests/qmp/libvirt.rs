//! Debian's libvirt itself, where it is installed (packages libvirt-clients and
//! libvirt-daemon-driver-qemu): its embedded driver probes the emulator and tells what it found.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use ferrite_e2e::binary;

/// The user `nobody`: libvirt wants a user of its own for guests when it runs as root.
const NOBODY: u32 = 65534;

#[test]
fn libvirt_accepts_the_emulator() {
    if Command::new("virsh").arg("--version").output().is_err() {
        eprintln!("SKIPPED: no virsh");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    // Where that user can reach it, under a name that tells the architecture.
    let emulator = place("ferrite-aarch64");
    fs::copy(binary(), &emulator).unwrap();
    fs::set_permissions(&emulator, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(place("run")).unwrap();
    fs::set_permissions(place("run"), fs::Permissions::from_mode(0o700)).unwrap();
    for path in [folder.path().to_owned(), place("run")] {
        if chown(&path, Some(NOBODY), Some(NOBODY)).is_err() {
            eprintln!("SKIPPED: cannot become another user");
            return;
        }
    }
    let output = Command::new("setpriv")
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "timeout",
            "60",
            "virsh",
        ])
        .arg("-c")
        .arg(format!("qemu:///embed?root={}", place("root").display()))
        .args(["domcapabilities", "--virttype", "qemu", "--arch", "aarch64"])
        .arg("--emulatorbin")
        .arg(&emulator)
        .env("HOME", folder.path())
        .env("XDG_RUNTIME_DIR", place("run"))
        .env("XDG_CACHE_HOME", place("cache"))
        .env("XDG_CONFIG_HOME", place("config"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    for found in [
        "<machine>virt</machine>",
        "<domain>qemu</domain>",
        "<arch>aarch64</arch>",
        ">cortex-a57</model>",
    ] {
        assert!(text.contains(found), "{found}: {text}");
    }
}
