//! QMP as clients that were written elsewhere speak it, over a unix socket and a WebSocket.

use std::process::{Command, Stdio};
use std::time::Duration;

use ferrite_e2e::{BOOT, COMMAND, Ferrite, Guest, Kernel, Qmp, Venv, free_port};
use serde_json::json;

/// Runs a client to its end, which has to be a good one.
#[track_caller]
fn succeeds(client: &mut Command, limit: Duration) {
    let exit = Ferrite::spawn(client.stdin(Stdio::null()).stdout(Stdio::piped())).end(limit);
    assert_eq!(exit.code, Some(0), "{}\n{}", exit.stdout, exit.stderr);
    assert_eq!(exit.stdout.trim_end(), "done", "{}", exit.stderr);
}

/// The QEMU project's own client; the guest obeys its power key.
#[test]
fn qemu_qmp_over_a_unix_socket() {
    let Some(venv) = Venv::open(&["qemu.qmp", "websockets"]) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("qmp");
    let args = format!(
        "-m 768 -smp 2 -name e2e -qmp unix:{},server=on,wait=off",
        socket.display()
    );
    let mut guest = Guest::boot(Kernel::Generic61, &args);
    // The key is a line of the GPIO controller, an input device in the guest.
    let devices = guest.run("cat /proc/bus/input/devices");
    assert!(devices.contains("gpio-keys"), "{devices}");
    guest.run("mkdir -p /etc/acpi/PWRF && cd /etc/acpi/PWRF");
    guest.run("printf '#!/bin/sh\\necho power key >/dev/console\\npoweroff -f\\n' > 00000080");
    guest.run("chmod +x 00000080 && cd / && acpid -l /dev/null");
    succeeds(venv.client("unix_socket.py").arg(&socket), COMMAND);
    guest.expect("power key");
    guest.succeeds(COMMAND);
}

#[test]
fn a_websocket_client() {
    let Some(venv) = Venv::open(&["qemu.qmp", "websockets"]) else {
        return;
    };
    let port = free_port();
    let args = format!(
        "-m 512 -S -qmp tcp:127.0.0.1:{port},server=on,wait=off,websocket=on \
         -chardev ringbuf,id=serial,size=1M -serial chardev:serial"
    );
    let guest = Guest::start(Guest::arguments(Kernel::Cloud612, &args));
    std::thread::sleep(Duration::from_secs(1));
    succeeds(venv.client("websocket.py").arg(port.to_string()), 2 * BOOT);
    guest.succeeds(COMMAND);
}

/// A stopped machine stands still: no time passes in the guest, and what is typed waits.
#[test]
fn a_stopped_machine_stands_still() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("qmp");
    let port = free_port();
    let args = format!(
        "-m 512 -smp 2 -qmp unix:{},server=on,wait=off -qmp tcp:127.0.0.1:{port},server=on,wait=off",
        socket.display()
    );
    let mut guest = Guest::boot(Kernel::Cloud61, &args);
    let (mut one, mut two) = (Qmp::unix(&socket), Qmp::tcp(port));
    let uptime =
        |guest: &mut Guest| -> f64 { guest.run("cut -d' ' -f1 /proc/uptime").parse().unwrap() };
    let before = uptime(&mut guest);
    let host = std::time::Instant::now();
    one.run("stop", json!({}));
    two.event("STOP");
    guest.type_line("echo still $((40 + 2)) here");
    let pause = Duration::from_secs(8);
    assert_eq!(guest.wait("still 42 here", pause), None);
    two.run("cont", json!({}));
    one.event("RESUME");
    guest.expect("still 42 here");
    let passed = uptime(&mut guest) - before;
    let ran = (host.elapsed() - pause).as_secs_f64();
    assert!(
        passed > 0.0 && passed <= ran + 0.1,
        "{passed} s in the guest, {ran} s outside the pause"
    );
    two.run("quit", json!({}));
    guest.succeeds(COMMAND);
}
