//! A guest tells of its panic, and what is done then.

use ferrite_e2e::{COMMAND, Guest, Kernel, Qmp};
use serde_json::json;

/// Boots a guest with the device and gets at its register, which no driver of these kernels has.
fn boot(options: &str, socket: &std::path::Path) -> (Guest, Qmp, String) {
    let args = format!(
        "-M virt -m 256 -device pvpanic-pci,id=p0 -qmp unix:{},server=on,wait=off {options}",
        socket.display()
    );
    let mut guest = Guest::boot(Kernel::Cloud61, &args);
    let device = "$(dirname $(grep -l 0x0011 /sys/bus/pci/devices/*/device))";
    guest.run(&format!("echo 1 > {device}/enable"));
    let at = guest.run(&format!("head -n 1 {device}/resource | cut -d ' ' -f 1"));
    assert_eq!(guest.run(&format!("devmem {at} 8")), "0x03");
    (guest, Qmp::unix(socket), at)
}

#[test]
fn the_machine_stops_or_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("qmp");
    let (mut guest, mut qmp, at) = boot("-action panic=none", &socket);
    guest.run(&format!("devmem {at} 8 2"));
    assert_eq!(qmp.event("GUEST_CRASHLOADED"), json!({"action": "run"}));
    guest.run(&format!("devmem {at} 8 1"));
    assert_eq!(qmp.event("GUEST_PANICKED"), json!({"action": "run"}));
    assert_eq!(qmp.status(), "running");

    qmp.run("set-action", json!({"panic": "pause"}));
    guest.type_line(&format!("devmem {at} 8 1; echo still there"));
    assert_eq!(qmp.event("GUEST_PANICKED"), json!({"action": "pause"}));
    qmp.event("STOP");
    assert_eq!(qmp.status(), "guest-panicked");
    qmp.run("cont", json!({}));
    guest.expect("\nstill there");
    guest.power_off();
}

#[test]
fn the_process_ends() {
    for (action, code) in [("shutdown", 0), ("exit-failure", 1)] {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("qmp");
        let options = format!("-action panic={action}");
        let (mut guest, mut qmp, at) = boot(&options, &socket);
        guest.type_line(&format!("devmem {at} 8 1"));
        assert_eq!(qmp.event("GUEST_PANICKED"), json!({"action": "poweroff"}));
        let reason = json!({"guest": true, "reason": "guest-panic"});
        assert_eq!(qmp.event("SHUTDOWN"), reason);
        assert_eq!(guest.end(COMMAND).code, Some(code));
    }
}
