//! How a machine restarts and ends: reboot, power-off, the power button, and what -no-reboot and
//! -no-shutdown make of them.

use std::path::Path;

use ferrite_e2e::{COMMAND, Guest, Kernel, Qmp};
use serde_json::json;

fn boot(kernel: Kernel, dir: &Path, args: &str) -> (Guest, Qmp) {
    let socket = dir.join("qmp");
    let args = format!(
        "-m 512 -qmp unix:{},server=on,wait=off {args}",
        socket.display()
    );
    let guest = Guest::boot(kernel, &args);
    (guest, Qmp::unix(&socket))
}

#[test]
fn a_reboot_starts_the_guest_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut guest, mut qmp) = boot(Kernel::Cloud61, dir.path(), "-smp 2");
    let before = guest.run("cat /proc/sys/kernel/random/boot_id && touch /tmp/trace");
    guest.type_line("reboot -f");
    let reset = qmp.event("RESET");
    assert_eq!(reset, json!({"guest": true, "reason": "guest-reset"}));
    guest.ready();
    let after = guest.run("cat /proc/sys/kernel/random/boot_id");
    assert_ne!(before, after);
    assert_eq!(guest.run("nproc"), "2");
    assert_ne!(guest.status("ls /tmp/trace").0, 0);

    // The same from outside.
    qmp.run("system_reset", json!({}));
    let reset = qmp.event("RESET");
    assert_eq!(
        reset,
        json!({"guest": false, "reason": "host-qmp-system-reset"})
    );
    guest.ready();
    guest.type_line("poweroff -f");
    let shutdown = qmp.event("SHUTDOWN");
    assert_eq!(shutdown, json!({"guest": true, "reason": "guest-shutdown"}));
    guest.succeeds(COMMAND);
}

#[test]
fn without_reboot_a_reboot_is_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (mut guest, mut qmp) = boot(Kernel::Cloud612, dir.path(), "-no-reboot");
    guest.type_line("reboot -f");
    let shutdown = qmp.event("SHUTDOWN");
    assert_eq!(shutdown, json!({"guest": true, "reason": "guest-reset"}));
    guest.succeeds(COMMAND);
}

#[test]
fn without_shutdown_the_machine_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (mut guest, mut qmp) = boot(Kernel::Cloud61, dir.path(), "-no-shutdown");
    guest.type_line("poweroff -f");
    let shutdown = qmp.event("SHUTDOWN");
    assert_eq!(shutdown, json!({"guest": true, "reason": "guest-shutdown"}));
    qmp.event("STOP");
    assert_eq!(qmp.status(), "shutdown");
    let refused = qmp.answer("cont", json!({}));
    assert_eq!(refused["error"]["class"], "GenericError", "{refused}");
    assert!(guest.ferrite.runs());
    qmp.run("system_reset", json!({}));
    qmp.event("RESET");
    qmp.run("quit", json!({}));
    let shutdown = qmp.event("SHUTDOWN");
    assert_eq!(shutdown, json!({"guest": false, "reason": "host-qmp-quit"}));
    guest.succeeds(COMMAND);
}

/// A signal to the process ends it in order, as does Ctrl-A x on the terminal.
#[test]
fn signals_and_keys_end_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("qmp");
    let start = || {
        let args = format!("-m 256 -qmp unix:{},server=on,wait=off", socket.display());
        let guest = Guest::start(Guest::arguments(Kernel::Cloud61, &args));
        let mut qmp = Qmp::unix(&socket);
        assert_eq!(qmp.status(), "running");
        (guest, qmp)
    };
    let (guest, mut qmp) = start();
    let pid = guest.ferrite.id().to_string();
    ferrite_e2e::tool("kill", ["-TERM", &pid]);
    let shutdown = qmp.event("SHUTDOWN");
    assert_eq!(shutdown, json!({"guest": false, "reason": "host-signal"}));
    guest.succeeds(COMMAND);
    assert!(!socket.exists(), "the monitor's socket is left behind");

    let (mut guest, mut qmp) = start();
    guest.type_keys("\x01c");
    guest.expect("(ferrite) ");
    guest.type_line("info status");
    guest.expect("VM status: running");
    guest.type_line("stop");
    qmp.event("STOP");
    assert_eq!(qmp.status(), "paused");
    guest.type_keys("\x01x");
    guest.succeeds(COMMAND);
}
