//! The process: background, pid file, terminal, ring buffer.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ferrite_e2e::{BOOT, COMMAND, Console, Ferrite, Guest, Kernel, PROMPT, Qmp, binary};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;

/// How long the start of a background process may take on a busy machine.
const START: Duration = Duration::from_secs(60);

#[test]
fn in_the_background() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let args = format!(
        "-daemonize -display none -m 512 -pidfile {} -qmp unix:{},server=on,wait=off -S \
         -chardev ringbuf,id=ring,size=64k -serial chardev:ring",
        at("pid").display(),
        at("qmp").display()
    );
    let mut args = Guest::arguments(Kernel::Cloud61, &args);
    args.retain(|arg| arg != "-nographic");
    let exit = Ferrite::start(args).end(START);
    assert_eq!(
        (exit.code, exit.stderr.as_str()),
        (Some(0), ""),
        "{}",
        exit.stdout
    );

    // Once the command is back, everything is there.
    let pid: u32 = fs::read_to_string(at("pid"))
        .unwrap()
        .trim_end()
        .parse()
        .unwrap();
    assert!(alive(pid));
    let mut qmp = Qmp::unix(&at("qmp"));
    assert_eq!(qmp.status(), "prelaunch");
    assert_eq!(read_ring(&mut qmp), "");
    qmp.run("cont", json!({}));
    qmp.event("RESUME");
    let mut heard = String::new();
    let end = Instant::now() + BOOT;
    while !heard.contains("Run /init") && !heard.contains(PROMPT) {
        assert!(Instant::now() < end, "{heard}");
        thread::sleep(Duration::from_millis(200));
        heard += &read_ring(&mut qmp);
    }
    qmp.run("quit", json!({}));
    qmp.event("SHUTDOWN");
    let end = Instant::now() + COMMAND;
    while alive(pid) {
        assert!(
            Instant::now() < end,
            "the background process is still there"
        );
        thread::sleep(Duration::from_millis(50));
    }
    assert!(!at("pid").exists(), "the pid file is left behind");
}

fn read_ring(qmp: &mut Qmp) -> String {
    let text = qmp.run("ringbuf-read", json!({"device": "ring", "size": 65536}));
    text.as_str().unwrap().to_owned()
}

fn alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// A background process that cannot start says so before the command returns.
#[test]
fn a_background_start_that_fails() {
    let args = "-M virt -daemonize -display none -qmp unix:/nonsense/qmp,server=on,wait=off";
    let exit = Ferrite::start(args.split_whitespace()).end(START);
    assert_eq!(exit.code, Some(1), "{exit:?}");
    assert!(exit.stderr.contains("/nonsense/qmp"), "{exit:?}");
}

/// On a terminal: keys reach the guest one by one (Ctrl-C included), Ctrl-A c shows the monitor,
/// Ctrl-A x leaves, and the terminal is as it was before.
#[test]
fn on_a_terminal() {
    let (mut console, terminal) = terminal();
    let settings = || {
        let output = Command::new("stty")
            .arg("-a")
            .stdin(Stdio::from(terminal.try_clone().unwrap()))
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let before = settings();
    let stdio = || Stdio::from(terminal.try_clone().unwrap());
    let mut command = Command::new(binary());
    command.args(Guest::arguments(Kernel::Cloud61, "-m 512"));
    let ferrite = Ferrite::spawn(command.stdin(stdio()).stdout(stdio()));
    console.expect_within("guest ready", BOOT);
    console.expect(PROMPT);
    assert_ne!(settings(), before);

    // A command of the guest is interrupted, Ferrite is not.
    console.type_line("sleep 1000; echo interrupted: $?");
    thread::sleep(Duration::from_secs(2));
    console.type_keys("\x03");
    console.expect(PROMPT);
    assert_eq!(console.run("echo $((6 * 7))"), "42");

    console.type_keys("\x01c");
    console.expect("(ferrite) ");
    console.type_line("info status");
    console.expect("VM status: running");
    console.expect("(ferrite) ");
    console.type_keys("\x01c");
    assert_eq!(console.run("echo back"), "back");

    console.type_keys("\x01x");
    let exit = ferrite.end(COMMAND);
    assert_eq!((exit.code, exit.stderr.as_str()), (Some(0), ""));
    assert_eq!(settings(), before);
}

/// A new pseudo-terminal: a conversation over its master side, and its slave side.
fn terminal() -> (Console, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    let master = File::from(master);
    (
        Console::new(master.try_clone().unwrap(), master),
        slave.into(),
    )
}
