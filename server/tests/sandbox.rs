//! `ferrite --sandbox` with real guests. The core is what `cargo xtask sandbox` built; the guests come
//! from `cargo xtask guests`. Without either there is nothing to test.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest time that anything may take, on a busy host, before a test fails.
const PATIENCE: Duration = Duration::from_secs(400);

fn target(path: &str) -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")).join(path);
    if !path.exists() {
        eprintln!("left out: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// `ferrite --sandbox` with the core, these limits and these arguments.
fn sandbox(limits: &str, args: &[&str]) -> Option<Command> {
    let core = target("wasm/ferrite-core.wasm")?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferrite"));
    command.arg(format!("--sandbox=core={}{limits}", core.display()));
    command.args(["-M", "virt", "-nographic"]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    Some(command)
}

/// A process whose output is collected, killed when dropped.
struct Guest {
    child: Child,
    said: Receiver<Vec<u8>>,
    heard: String,
}

impl Guest {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let (say, said) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if say.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            said,
            heard: String::new(),
        }
    }

    fn expect(&mut self, text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.heard.contains(text) {
            let left = end.saturating_duration_since(Instant::now());
            match self.said.recv_timeout(left) {
                Ok(bytes) => self.heard += &String::from_utf8_lossy(&bytes),
                Err(_) => panic!("no {text:?} but:\n{}", self.heard),
            }
        }
    }

    fn type_line(&mut self, line: &str) {
        let mut input = self.child.stdin.as_ref().unwrap();
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a command and waits for its answer.
fn ask(stream: &mut BufReader<UnixStream>, command: &str) -> Value {
    let text = format!("{{\"execute\":\"{command}\",\"id\":\"{command}\"}}\n");
    stream.get_mut().write_all(text.as_bytes()).unwrap();
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "it hung up");
        let message: Value = serde_json::from_str(&line).unwrap();
        if message["id"] == command {
            return message;
        }
    }
}

#[test]
fn a_debian_kernel_boots_and_a_qmp_client_drives_it() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("qmp.sock");
    let disk = folder.path().join("disk.img");
    std::fs::write(&disk, vec![b'x'; 1 << 20]).unwrap();
    let (Some(kernel), Some(initrd)) = (
        target("guests/cloud-6.1.Image"),
        target("guests/cloud-6.1.cpio"),
    ) else {
        return;
    };
    let qmp = format!("unix:{},server=on,wait=off", socket.display());
    let drive = format!("file={},format=raw,if=none,id=d", disk.display());
    let args = [
        "-cpu",
        "cortex-a57",
        "-m",
        "256",
        "-kernel",
        kernel.to_str().unwrap(),
        "-initrd",
        initrd.to_str().unwrap(),
        "-append",
        "console=ttyAMA0 quiet",
        "-drive",
        &drive,
        "-device",
        "virtio-blk-device,drive=d",
        "-qmp",
        &qmp,
    ];
    let Some(command) = sandbox("", &args) else {
        return;
    };
    let mut guest = Guest::start(command);
    guest.expect("guest ready");
    guest.type_line("head -c 3 /dev/vda; echo -$((6 * 7))-$(uname -m)");
    guest.expect("xxx-42-aarch64");
    guest.type_line("echo written | dd of=/dev/vda conv=notrunc 2>/dev/null; sync; echo syn''ced");
    guest.expect("synced");
    assert!(std::fs::read(&disk).unwrap().starts_with(b"written\n"));

    // One client after the other.
    for _ in 0..2 {
        let stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stream = BufReader::new(stream);
        let mut greeting = String::new();
        stream.read_line(&mut greeting).unwrap();
        assert!(greeting.contains("\"QMP\""), "{greeting}");
        ask(&mut stream, "qmp_capabilities");
        assert_eq!(
            ask(&mut stream, "query-status")["return"]["status"],
            "running"
        );
        ask(&mut stream, "stop");
        assert_eq!(
            ask(&mut stream, "query-status")["return"]["status"],
            "paused"
        );
        ask(&mut stream, "cont");
    }
    guest.type_line("poweroff -f");
    let status = guest.child.wait().unwrap();
    assert!(status.success());
}

fn ends_with(limits: &str, args: &[&str], text: &str) {
    let Some(mut command) = sandbox(limits, args) else {
        return;
    };
    let Output { status, stderr, .. } = command.stderr(Stdio::piped()).output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(!status.success() && stderr.contains(text), "{stderr}");
}

#[test]
fn memory_and_time_are_bounded() {
    let memory = "needs more memory than the sandbox gives";
    ends_with(",memory=64", &["-m", "256"], memory);
    // A guest without code takes exceptions for ever.
    ends_with(
        ",time=1",
        &["-m", "64"],
        "used up its computing time of 1 seconds",
    );
}

#[test]
fn what_a_sandbox_does_not_give_is_refused() {
    ends_with("", &["-device", "rtl8139"], "rtl8139");
    ends_with("", &["-kernel", "/nowhere"], "/nowhere");
    ends_with(
        "",
        &["-qmp", "tcp:127.0.0.1:0,server=on,wait=off,websocket=on"],
        "WebSocket",
    );
    ends_with(",nonsense=1", &[], "nonsense");
}
