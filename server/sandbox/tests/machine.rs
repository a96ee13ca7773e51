//! Real guests in the sandbox, without the process around it. The core is what `cargo xtask sandbox`
//! built, the guests come from `cargo xtask guests`; without them there is nothing to test.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ferrite_sandbox::{Limits, Machine, Next, SandboxError, Work};

/// Longest time that a boot may take, on a busy host.
const PATIENCE: Duration = Duration::from_secs(500);
const SLICE: Duration = Duration::from_millis(50);
const DISK: usize = 1 << 20;

fn target(path: &str) -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target")).join(path);
    if !path.exists() {
        eprintln!("left out: {} is not there", path.display());
        return None;
    }
    Some(path)
}

fn machine(limits: Limits) -> Option<Machine> {
    let core = std::fs::read(target("wasm/ferrite-core.wasm")?).unwrap();
    Some(Machine::new(&core, limits).unwrap())
}

/// A machine with what it says, and its one disk.
struct Guest {
    machine: Machine,
    said: String,
    disk: Vec<u8>,
}

impl Guest {
    fn turn(&mut self) -> Next {
        let next = self.machine.run(SLICE).unwrap();
        let output = self.machine.serial_output().unwrap();
        self.said += &String::from_utf8_lossy(&output);
        while let Some(request) = self.machine.disk_request().unwrap() {
            let at = request.offset as usize;
            let bytes = match request.work {
                Work::Read(len) => self.disk[at..at + len].to_vec(),
                Work::Write(data) => {
                    self.disk[at..at + data.len()].copy_from_slice(&data);
                    Vec::new()
                }
                _ => Vec::new(),
            };
            self.machine
                .disk_done(request.disk, request.tag, Ok(&bytes))
                .unwrap();
        }
        next
    }

    fn until(&mut self, text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.said.contains(text) {
            assert!(Instant::now() < end, "no {text:?} but:\n{}", self.said);
            if let Next::Sleep(time) = self.turn() {
                std::thread::sleep(time.min(SLICE));
            }
        }
    }

    fn type_line(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.machine.serial_input(line.as_bytes()).unwrap();
    }

    /// Sends a command to a monitor; its answer.
    fn ask(&mut self, monitor: u32, command: &str) -> String {
        // A text may come in pieces.
        let text = format!("{{\"execute\":\"{command}\",\"id\":\"{command}\"}}");
        let (head, tail) = text.as_bytes().split_at(9);
        self.machine.qmp_send(monitor, head).unwrap();
        self.machine.qmp_send(monitor, tail).unwrap();
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            while let Some(line) = self.machine.qmp_receive(monitor).unwrap() {
                let line = String::from_utf8(line).unwrap();
                if line.contains(&format!("\"id\": \"{command}\"")) {
                    return line;
                }
            }
            self.turn();
        }
        panic!("{command} is not answered");
    }
}

#[test]
fn a_debian_kernel_boots_and_qmp_drives_it() {
    let (Some(kernel), Some(initrd)) = (
        target("guests/cloud-6.1.Image"),
        target("guests/cloud-6.1.cpio"),
    ) else {
        return;
    };
    let limits = Limits {
        time: Some(PATIENCE),
        ..Limits::for_guest(256 << 20)
    };
    let Some(mut machine) = machine(limits) else {
        return;
    };
    let line = "-M virt -cpu cortex-a57 -m 256 -nographic -kernel K -initrd 'an initrd' \
        -append 'console=ttyAMA0 quiet' -drive file=d,format=raw,if=none,id=d \
        -device virtio-blk-device,drive=d";
    let needs = machine.setup(line).unwrap();
    let named: Vec<_> = needs
        .iter()
        .map(|n| (n.option.as_str(), n.path.to_str().unwrap(), n.disk))
        .collect();
    assert_eq!(
        named,
        [
            ("kernel", "K", false),
            ("initrd", "an initrd", false),
            ("drive", "d", true)
        ]
    );
    machine.file("K", &std::fs::read(kernel).unwrap()).unwrap();
    machine
        .file("an initrd", &std::fs::read(initrd).unwrap())
        .unwrap();
    assert_eq!(machine.disk("d", DISK as u64, false).unwrap(), 0);
    machine.build().unwrap();
    let mut guest = Guest {
        machine,
        said: String::new(),
        disk: vec![b'x'; DISK],
    };
    guest.until("guest ready");
    guest.type_line("head -c 3 /dev/vda; echo -$((6 * 7))-$(uname -m)");
    guest.until("xxx-42-aarch64");
    guest.type_line("echo written | dd of=/dev/vda conv=notrunc 2>/dev/null; sync; echo syn''ced");
    guest.until("synced");
    assert!(guest.disk.starts_with(b"written\n"));

    // The same as anywhere, integers and numbers: these are what coreutils and Python say.
    guest.type_line("seq 1 20000 | sha256sum");
    guest.until("f6351f5ead9a700e34275480b3856ea738122a7c57bdeb744a631251c069587a");
    guest.type_line(
        "awk 'BEGIN { for (i = 1; i <= 30000; i++) s = s * 1.0000001 + i / 7 - s / i; \
         printf \"%.17g\\n\", s }'",
    );
    guest.until("42891449.319456935");

    let monitor = guest.machine.qmp_open().unwrap();
    let greeting = guest.machine.qmp_receive(monitor).unwrap().unwrap();
    assert!(greeting.starts_with(b"{\"QMP\""));
    guest.ask(monitor, "qmp_capabilities");
    assert!(guest.ask(monitor, "query-status").contains("\"running\""));
    // That was compiled.
    let code = guest.ask(monitor, "x-query-jit");
    assert!(code.contains("backend             wasm"), "{code}");
    assert!(!code.contains("compiled regions    0\\n"), "{code}");
    guest.ask(monitor, "stop");
    let before = guest.machine.instructions().unwrap();
    assert!(guest.ask(monitor, "query-status").contains("\"paused\""));
    assert_eq!(guest.machine.instructions().unwrap(), before);
    guest.ask(monitor, "cont");
    guest.type_line("poweroff -f");
    let end = Instant::now() + PATIENCE;
    while guest.turn() != Next::Ended {
        assert!(Instant::now() < end, "{}", guest.said);
    }
    eprintln!("it computed for {:?}", guest.machine.used());
}

#[test]
fn memory_is_bounded() {
    let limits = Limits {
        memory: 64 << 20,
        time: None,
    };
    let Some(mut machine) = machine(limits) else {
        return;
    };
    machine.setup("-M virt -m 256 -nographic").unwrap();
    let error = machine.build().unwrap_err();
    assert!(
        matches!(error, SandboxError::Memory { limit, .. } if limit == 64 << 20),
        "{error}"
    );
}

#[test]
fn time_is_bounded_within_a_call_and_over_all_of_them() {
    let limit = Duration::from_secs(2);
    let limits = Limits {
        time: Some(limit),
        ..Limits::for_guest(64 << 20)
    };
    let Some(mut machine) = machine(limits) else {
        return;
    };
    machine
        .setup("-M virt -m 64 -nographic -bios loop")
        .unwrap();
    // b .
    machine
        .file("loop", &0x1400_0000_u32.to_le_bytes())
        .unwrap();
    machine.build().unwrap();
    let start = Instant::now();
    let error = machine.run(Duration::from_secs(3600)).unwrap_err();
    assert_eq!(error, SandboxError::Time(limit));
    assert!(start.elapsed() < 10 * limit);
    let again = machine.run(SLICE).unwrap_err();
    assert_eq!(again, SandboxError::Time(limit));
}

#[test]
fn what_comes_out_of_turn_or_is_wrong_is_refused() {
    let Some(mut machine) = machine(Limits::for_guest(64 << 20)) else {
        return;
    };
    let refused = |result: Result<(), SandboxError>, what: &str| {
        let text = result.unwrap_err().to_string();
        assert!(text.contains(what), "{text}");
    };
    refused(machine.build(), "");
    refused(machine.serial_input(b"x"), "turn");
    refused(machine.setup("-device rtl8139").map(drop), "rtl8139");
    refused(machine.setup("-drive file=x,if=pflash").map(drop), "pflash");
    machine.setup("-kernel nowhere").unwrap();
    refused(machine.build(), "nowhere");
    assert!(machine.disk_request().unwrap().is_none());
}
