//! Debian's libvirt itself: it probes the emulator and tells what it found, with its driver in the
//! client's own process and as the session's daemon.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Command, Output};

use ferrite_e2e::binary;

/// The user `nobody`: libvirt wants a user of its own for guests when it runs as root.
const NOBODY: u32 = 65534;

/// Packages that the test needs, for who has to install them.
const PACKAGES: &str = "libvirt-clients libvirt-daemon libvirt-daemon-driver-qemu";

/// A user's session with the emulator in it.
struct Session {
    folder: tempfile::TempDir,
}

impl Session {
    /// Nothing where libvirt is not installed, or nobody else can be become.
    fn open() -> Option<Self> {
        if Command::new("virsh").arg("--version").output().is_err() {
            eprintln!("SKIPPED: no virsh: install {PACKAGES}");
            return None;
        }
        let session = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(session.place("run")).unwrap();
        fs::create_dir(session.place("bin")).unwrap();
        // Where that user can reach it, under the name that is looked for.
        let emulator = session.emulator();
        fs::copy(binary(), &emulator).unwrap();
        fs::set_permissions(&emulator, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(session.place("run"), fs::Permissions::from_mode(0o700)).unwrap();
        for path in [session.folder.path().to_owned(), session.place("run")] {
            if chown(&path, Some(NOBODY), Some(NOBODY)).is_err() {
                eprintln!("SKIPPED: cannot become another user");
                return None;
            }
        }
        Some(session)
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn emulator(&self) -> PathBuf {
        self.place("bin").join("qemu-system-aarch64")
    }

    /// What `virsh` says as that user.
    fn virsh(&self, connection: &str, arguments: &[&str]) -> String {
        let output: Output = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .args(["timeout", "60", "virsh", "-c", connection])
            .args(arguments)
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin:/usr/sbin", self.place("bin").display()),
            )
            .env("HOME", self.folder.path())
            .env("XDG_RUNTIME_DIR", self.place("run"))
            .env("XDG_CACHE_HOME", self.place("cache"))
            .env("XDG_CONFIG_HOME", self.place("config"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The emulator is one for AArch64, and can be used.
    fn accepts(&self, connection: &str) {
        let emulator = self.emulator().display().to_string();
        let all = self.virsh(connection, &["capabilities"]);
        let guest = all
            .split("<guest>")
            .find(|guest| guest.contains("<arch name='aarch64'>"))
            .unwrap_or_else(|| panic!("no such guest: {all}"));
        for found in [
            "<os_type>hvm</os_type>".to_owned(),
            format!("<emulator>{emulator}</emulator>"),
            "<machine maxCpus='123'>virt</machine>".to_owned(),
            "<domain type='qemu'/>".to_owned(),
        ] {
            assert!(guest.contains(&found), "{found}: {guest}");
        }
        let asked = ["--virttype", "qemu", "--arch", "aarch64", "--emulatorbin"];
        let mut command = vec!["domcapabilities"];
        command.extend(asked);
        command.push(&emulator);
        let domain = self.virsh(connection, &command);
        for found in [
            "<machine>virt</machine>",
            "<domain>qemu</domain>",
            "<arch>aarch64</arch>",
            ">cortex-a57</model>",
            "<value>2</value>",
            "<value>3</value>",
        ] {
            assert!(domain.contains(found), "{found}: {domain}");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The daemon, if there was one, would wait for two minutes for other clients.
        let Ok(number) = fs::read_to_string(self.place("run/libvirt/libvirtd.pid")) else {
            return;
        };
        let _ = Command::new("kill").arg(number.trim()).status();
    }
}

#[test]
fn libvirts_driver_accepts_the_emulator() {
    let Some(session) = Session::open() else {
        return;
    };
    let root = session.place("root");
    session.accepts(&format!("qemu:///embed?root={}", root.display()));
}

#[test]
fn libvirts_session_accepts_the_emulator() {
    let Some(session) = Session::open() else {
        return;
    };
    session.accepts("qemu:///session");
}
